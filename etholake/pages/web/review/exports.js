// Saves what is seen: a canvas as PNG or SVG, the numbers that it draws and every table as csv.
import * as Curves from "./curves.js";
import * as Labels from "./labels.js";
import * as Lanes from "./lanes.js";

const { $, el } = Ui;

/** What is drawn on a canvas, written down as elements of an SVG picture. It knows the calls of lanes and curves. */
class SvgPen {
  constructor(canvas) {
    this.measured = canvas.getContext("2d");
    this.parts = [];
    this.kept = [];
    this.clips = 0;
    Object.assign(this, { fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, font: "12px sans-serif", textAlign: "left", textBaseline: "alphabetic", dash: [], within: "", path: "" });
  }
  setTransform() {}
  clearRect() {}
  setLineDash(lengths) { this.dash = lengths; }
  measureText(text) { this.measured.font = this.font; return this.measured.measureText(text); }
  save() { const { fillStyle, strokeStyle, lineWidth, globalAlpha, within } = this; this.kept.push({ fillStyle, strokeStyle, lineWidth, globalAlpha, within }); }
  restore() { Object.assign(this, this.kept.pop()); }
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${round(x)} ${round(y)}`; }
  lineTo(x, y) { this.path += `L${round(x)} ${round(y)}`; }
  rect(x, y, width, height) { this.path += `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`; }
  clip() {
    this.within = `clip${(this.clips += 1)}`;
    this.parts.push(`<clipPath id="${this.within}"><path d="${this.path}"/></clipPath>`);
  }
  stroke() { if (this.path) this.put(`path d="${this.path}"`, this.lines()); }
  fillRect(x, y, width, height) { this.put(box(x, y, width, height), `fill="${plain(this.fillStyle)}"`); }
  strokeRect(x, y, width, height) { this.put(box(x, y, width, height), this.lines()); }
  fillText(text, x, y) {
    const size = parseFloat(this.font), anchor = { right: "end", center: "middle" }[this.textAlign] ?? "start";
    const down = this.textBaseline === "middle" ? 0.35 * size : 0;
    this.parts.push(`<text x="${round(x)}" y="${round(y + down)}" font-size="${size}" text-anchor="${anchor}" fill="${plain(this.fillStyle)}" xml:space="preserve">${plain(text)}</text>`);
  }
  lines() { return `fill="none" stroke="${plain(this.strokeStyle)}" stroke-width="${this.lineWidth}"${this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : ""}`; }
  put(shape, look) { this.parts.push(`<${shape} ${look}${this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : ""}${this.within ? ` clip-path="url(#${this.within})"` : ""}/>`); }
  picture(width, height, title) {
    const page = getComputedStyle(document.body), ground = getComputedStyle(document.documentElement).getPropertyValue("--card").trim() || page.backgroundColor;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${plain(page.fontFamily)}"><title>${plain(title)}</title><rect width="100%" height="100%" fill="${plain(ground)}"/>${this.parts.join("")}</svg>`;
  }
}

const round = (value) => Math.round(value * 100) / 100;
const plain = (text) => String(text).replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
const box = (x, y, width, height) => `rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;

/** Return rows as csv (RFC 4180); an empty cell where nothing is known. */
const csv = (rows) => rows.map((row) => row.map((cell) => { const text = String(cell ?? ""); return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text; }).join(",") + "\r\n").join("");

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** The beginning of the file names of the shown video; letters that file systems may refuse become a dash. */
const ofVideo = () => { const { lab, video } = Labels.where(); return `${lab}-${video}`.replace(/[^\p{L}\p{N}._-]+/gu, "-"); };

const DRAWN = { lanes: ["ethogram", Lanes], curves: ["curve", Curves], arena: ["picture", null] };

function saveDrawn(id, kind) {
  const canvas = $(id), [what, module] = DRAWN[id], name = `${ofVideo()}-${what}.${kind}`;
  if (kind === "png") canvas.toBlob((blob) => save(name, blob), "image/png");
  else if (kind === "csv") save(name, new Blob([csv(module.drawn())], { type: "text/csv;charset=utf-8" }));
  else {
    const pen = new SvgPen(canvas);
    module.draw(Number($("lanes").dataset.frame), pen);
    save(name, new Blob([pen.picture(canvas.clientWidth, canvas.clientHeight, `${what} of ${$("title").textContent}`)], { type: "image/svg+xml" }));
  }
}

/** Every table as it is shown, without columns of pictures. */
function saveTable(table) {
  const pictured = (i) => [...table.tBodies[0].rows].some((row) => row.cells[i] && row.cells[i].querySelector("img, canvas, svg"));
  const kept = [...table.tHead.rows[0].cells].flatMap((cell, i) => (cell.textContent.trim() && !pictured(i) ? [i] : []));
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].filter((row) => row.cells.length > 1 || kept.length < 2);
  const name = table.id === "bouts" ? `${ofVideo()}-bouts` : table.id;
  save(`${name}.csv`, new Blob([csv(rows.map((row) => kept.map((i) => row.cells[i].textContent.trim())))], { type: "text/csv;charset=utf-8" }));
}

export function listen() {
  for (const button of document.querySelectorAll("[data-save]")) {
    const [id, kind] = button.dataset.save.split(".");
    button.addEventListener("click", () => saveDrawn(id, kind));
  }
  for (const region of document.querySelectorAll("main .scroll")) {
    const table = region.querySelector("table"), what = region.getAttribute("aria-label");
    const button = el("button", { type: "button", "aria-label": `Save as csv: ${what}`, onclick: () => { if (table.tHead.rows.length) saveTable(table); } }, "csv");
    region.after(button);
  }
}
