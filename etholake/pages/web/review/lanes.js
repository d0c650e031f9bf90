// The ethogram: for every behaviour what was annotated, what each run predicts, and the labels as they are now.
// Ends of a label are dragged; a click chooses a bout, or moves the cursor.
import * as Labels from "./labels.js";

const { $ } = Ui;
const LEFT = 132, ROW = 15, GAP = 7, TOP = 20, EDGE = 5;
let video, canvas, context, view = { from: 0, to: 1 }, rows = [], hits = [], frame = 0, drag = null, tell = {};

export function open(content, hear) {
  [video, tell] = [content, hear];
  canvas = $("lanes");
  context = canvas.getContext("2d");
  view = { from: 0, to: video.frames };
}

export const range = () => ({ ...view });
export function zoom(factor, middle = frame) {
  const length = Math.max(20, Math.min(video.frames, (view.to - view.from) * factor));
  place(middle - length * ((middle - view.from) / (view.to - view.from)), length);
}
export function all() { place(0, video.frames); }
export function reveal(bout, tight = false) {
  const length = bout.stop - bout.start;
  if (tight || bout.start < view.from || bout.stop > view.to) place(bout.start - length * 1.5 - 10, tight ? length * 4 + 20 : Math.max(length * 4 + 20, Math.min(view.to - view.from, 60 * video.fps)));
}
export function follow(at) {
  frame = at;
  const length = view.to - view.from;
  if (at < view.from || at >= view.to) place(at - length * 0.1, length);
}
function place(from, length) {
  const first = Math.max(0, Math.min(video.frames - length, from));
  view = { from: first, to: Math.min(video.frames, first + length) };
  tell.moved();
}

const wide = () => canvas.clientWidth - LEFT;
const x = (at) => LEFT + ((at - view.from) / (view.to - view.from)) * wide();
export const frameAt = (px) => Math.max(0, Math.min(video.frames - 1, Math.floor(view.from + ((px - LEFT) / wide()) * (view.to - view.from))));

/** The name of a run that fits beside its lane: the whole of a given one, the beginning of a digest. */
const runName = (run) => (/^[0-9a-f]{16}$/.test(run) ? `run ${run.slice(0, 8)}` : run);

/** One group a behaviour; in it annotated, every run, labels. */
function layout() {
  const groups = new Map();
  const group = (agent, target, action) => {
    const key = `${agent}|${target}|${action}`;
    if (!groups.has(key)) groups.set(key, { agent, target, action, received: [], runs: new Map(Object.keys(video.runs).map((r) => [r, []])), labels: [] });
    return groups.get(key);
  };
  const state = Labels.current();
  for (const [id, agent, target, action, start, stop] of state.received) group(agent, target, action).received.push({ id, start, stop });
  for (const [run, bouts] of Object.entries(video.runs)) for (const [id, agent, target, action, start, stop, confidence] of bouts) group(agent, target, action).runs.get(run).push({ id, start, stop, confidence });
  for (const b of Labels.listed()) if (b.status === Labels.KEPT) group(b.agent, b.target, b.action).labels.push(b);
  const named = [...groups.values()].sort((a, b) => a.action.localeCompare(b.action) || a.agent - b.agent || a.target - b.target);
  rows = [];
  for (const g of named) {
    const title = `${g.action} ${g.agent}${g.target === g.agent ? "" : `→${g.target}`}`;
    if (g.received.length) rows.push({ title, kind: "annotation", name: "annotated", of: g, bouts: g.received });
    for (const [run, bouts] of g.runs) if (bouts.length) rows.push({ title, kind: "prediction", name: runName(run), of: g, run, bouts });
    rows.push({ title, kind: "label", name: "label", of: g, bouts: g.labels, last: true });
  }
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Draw everything, with the cursor at a frame; `pen` may be another one than the canvas's own. */
export function draw(at, pen = context) {
  frame = at;
  layout();
  const ratio = devicePixelRatio || 1, width = canvas.parentNode.clientWidth;
  const height = Math.max(60, TOP + rows.length * ROW + rows.filter((r) => r.last).length * GAP + 6);
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const c = pen, color = { annotation: style("--annotation"), prediction: style("--prediction"), label: style("--label"), fg: style("--fg"), muted: style("--muted"), grid: style("--grid") };
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  c.textBaseline = "middle";
  axis(c, color, height);
  hits = [];
  const selected = Labels.selected(), status = new Map(Labels.current().bouts.map((b) => [b.id, b]));
  let y = TOP, title = null;
  for (const row of rows) {
    row.y = y + ROW / 2;
    c.fillStyle = row.title === title ? color.muted : color.fg;
    c.fillText(clip(c, row.title === title ? `  ${row.name}` : row.title, LEFT - 10), 4, y + ROW / 2);
    title = row.title;
    for (const b of row.bouts) {
      if (b.stop < view.from || b.start > view.to) continue;
      const left = Math.max(LEFT, x(b.start)), right = Math.min(width, Math.max(x(b.stop), x(b.start) + 2)), now = status.get(b.id);
      if (right <= LEFT) continue;
      const rejected = row.kind === "prediction" && now && now.status !== "open" && now.status !== "kept";
      c.globalAlpha = rejected ? 0.25 : row.kind === "prediction" ? 0.35 + 0.65 * (b.confidence ?? 1) : 1;
      c.fillStyle = color[row.kind];
      c.fillRect(left, y + 2, right - left, ROW - 4);
      c.globalAlpha = 1;
      if (row.kind === "label" && b.by.length > 1) { c.fillStyle = color.fg; c.fillRect(left, y, right - left, 2); } // two reviewers have touched it
      if (selected && selected.id === b.id) { c.strokeStyle = color.fg; c.lineWidth = 2; c.strokeRect(left - 1, y + 1, right - left + 2, ROW - 2); }
      hits.push({ id: b.id, kind: row.kind, left, right, top: y, bout: b });
    }
    y += ROW + (row.last ? GAP : 0);
  }
  const running = Labels.running();
  if (running) { c.fillStyle = color.label; c.globalAlpha = 0.3; c.fillRect(x(Math.min(running.start_frame, at)), TOP, Math.abs(x(at) - x(running.start_frame)) + 2, height - TOP); c.globalAlpha = 1; }
  if (drag) { c.strokeStyle = color.fg; c.setLineDash([4, 3]); c.strokeRect(x(drag.start), drag.top + 1, x(drag.stop) - x(drag.start), ROW - 2); c.setLineDash([]); }
  const cursor = x(at + 0.5);
  if (cursor >= LEFT) { c.fillStyle = color.fg; c.fillRect(cursor, 0, 1.5, height); }
  canvas.dataset.frame = at;
  canvas.dataset.rows = rows.length;
}

function clip(c, text, room) {
  while (text.length > 3 && c.measureText(text).width > room) text = `${text.slice(0, -2)}…`;
  return text;
}

function axis(c, color, height) {
  const seconds = (view.to - view.from) / video.fps, raw = seconds / Math.max(2, wide() / 90);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= raw) ?? 7200;
  c.strokeStyle = color.grid;
  c.lineWidth = 1;
  c.fillStyle = color.muted;
  for (let s = Math.ceil(view.from / video.fps / step) * step; s * video.fps <= view.to; s += step) {
    const at = Math.round(x(s * video.fps)) + 0.5;
    c.beginPath(); c.moveTo(at, 14); c.lineTo(at, height); c.stroke();
    if (at < canvas.clientWidth - 30) c.fillText(Clock.text(s, step < 1 ? 1 : 0), at + 3, 8);
  }
}

/** The bouts in the shown time as rows of a table, the first one its header. */
export const drawn = () => [
  ["action", "agent_id", "target_id", "source", "run", "start_frame", "stop_frame", "start_s", "stop_s", "confidence"],
  ...rows.flatMap(({ of, kind, run, bouts }) => bouts.filter((b) => b.stop >= view.from && b.start <= view.to).map((b) => [of.action, of.agent, of.target, kind, run, b.start, b.stop, b.start / video.fps, b.stop / video.fps, b.confidence])),
];

/** The middle of a row in CSS px of the canvas, for whoever points at it. */
export const rowOf = (title, kind) => rows.find((row) => row.title === title && row.kind === kind)?.y ?? null;

// --- pointer ---------------------------------------------------------------------------------------------------
const spot = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
const under = (px, py) => hits.filter((h) => py >= h.top && py < h.top + ROW && px >= h.left - EDGE && px <= h.right + EDGE).pop();
function edge(hit, px) {
  if (!hit || hit.kind !== "label") return null;
  if (Math.abs(px - hit.right) <= EDGE) return "stop";
  return Math.abs(px - hit.left) <= EDGE ? "start" : null;
}

export function listen() {
  canvas.addEventListener("pointerdown", (event) => {
    const [px, py] = spot(event), hit = under(px, py), side = edge(hit, px);
    if (hit) { Labels.choose(hit.id); tell.chosen(side === null); }
    else if (px >= LEFT) tell.seek(frameAt(px));
    drag = side ? { id: hit.id, side, start: hit.bout.start, stop: hit.bout.stop, top: hit.top } : hit || px < LEFT ? null : { seek: true };
    if (drag) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = spot(event);
    if (!drag) { canvas.style.cursor = edge(under(px, py), px) ? "ew-resize" : "crosshair"; return; }
    const at = frameAt(px);
    if (drag.seek) { tell.seek(at); return; }
    if (drag.side === "start") drag.start = Math.min(at, drag.stop - 1);
    else drag.stop = Math.max(at + 1, drag.start + 1);
    draw(frame);
  });
  canvas.addEventListener("pointerup", () => {
    const done = drag;
    drag = null;
    if (done && done.side) Labels.change("move", { bouts: [done.id], start_frame: done.start, stop_frame: done.stop });
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp((event.deltaY || event.deltaX) / 300), frameAt(spot(event)[0]));
  }, { passive: false });
}
