// A curve under the ethogram: speed, distance of two animals, stored probabilities, any column of the tracks.
import { ask } from "./api.js";
import * as Labels from "./labels.js";
import { range } from "./lanes.js";

const { $, el } = Ui;
const LEFT = 132, HEIGHT = 110;
let video = null, stored = new Map(), redraw = () => {};

export function open(content, again) {
  [video, stored, redraw] = [content, new Map(), again];
  const named = (name) => el("option", { value: name }, name.replace(/^column:/, ""));
  $("curve-columns").replaceChildren(...video.columns.map(([name]) => named(`column:${name}`)));
  $("curve-part").replaceChildren(...[...new Set(video.tracks.map(([, part]) => part))].map(named));
  if (!$("curve").value) $("curve").value = "speed";
}

function lines() {
  const kind = $("curve").value;
  $("curve-run-field").hidden = kind !== "probability" || !$("curve-run").options.length;
  $("curve-part-field").hidden = !kind.startsWith("column:");
  const colors = [1, 2, 3, 4].map((m) => style(`--mouse${m}`));
  if (["speed", "distance"].includes(kind) && video.waiting) return { unit: "", lines: [], why: video.waiting };
  if (kind === "speed") return { unit: "cm/s", lines: video.mice.map((mouse, m) => ({ color: colors[m % 4], name: mouse.name, points: mouse.seconds.speed.map((v, s) => [(s + 0.5) * video.fps, v === null ? null : v / 100]) })) };
  const [agent, target] = ["agent", "target"].map((id) => video.mice.find((mouse) => mouse.id === Number($(id).value)));
  if (kind === "distance") {
    if (!agent || !target || agent === target) return { unit: "", lines: [], why: "choose two animals as agent and target" };
    const points = agent.seconds.x.map((x, s) => [(s + 0.5) * video.fps, x === null || target.seconds.x[s] === null ? null : Math.hypot(x - target.seconds.x[s], agent.seconds.y[s] - target.seconds.y[s]) / 100]);
    return { unit: video.unit, lines: [{ color: colors[0], name: `${agent.name} to ${target.name}`, points }] };
  }
  if (kind.startsWith("column:")) return column(kind.slice("column:".length), $("curve-part").value, colors);
  const run = $("curve-run").value;
  if (!stored.has(run)) read(run);
  const curves = stored.get(run);
  if (!Array.isArray(curves)) return { unit: "", lines: [], why: curves };
  // the chosen bout says whose curve is drawn, without one the fields do
  const bout = Labels.selected(), [who, action] = bout ? [bout.agent, bout.action] : [Number($("agent").value), Labels.animals().action];
  const wanted = curves.filter(([a, , name]) => name === action && a === who);
  return { unit: "", top: 1, why: `the training has no probabilities of mouse${who} ${action}`, lines: wanted.map(([a, t, name, points], i) => ({ color: colors[i % 4], name: `mouse${a} ${name}${a === t ? "" : ` mouse${t}`}`, points })) };
}

/** A column of the tracks, one line an animal; a step in which it is not known breaks the line. */
function column(name, part, colors) {
  const key = `${name} of ${part}`;
  if (!part) return { unit: "", lines: [], why: "the video has no tracks" };
  if (!stored.has(key)) {
    stored.set(key, "is being read");
    ask("column", { ...Labels.where(), column: name, part }).then((answer) => stored.set(key, answer), (error) => stored.set(key, `could not be read: ${error.message}`)).finally(redraw);
  }
  const { unit, step, curves } = stored.get(key);
  if (!curves) return { unit: "", lines: [], why: stored.get(key) };
  const broken = (points) => points.flatMap(([at, v], i) => (i && at > points[i - 1][0] + step ? [[at, null], [at, v]] : [[at, v]]));
  return { unit, why: `${name} of the ${part} is not known`, lines: curves.map(([id, points]) => { const m = video.mice.findIndex((mouse) => mouse.id === id); return { color: colors[m % 4], name: `${video.mice[m].name} ${part}`, points: broken(points) }; }) };
}

/** Ask for the probabilities of a training, "" for the last one; until they are here a text says so. */
function read(run) {
  stored.set(run, "are being read");
  ask("curve", { ...Labels.where(), run }).then((answer) => {
    if (!answer.runs.length) { stored.set(run, "no probabilities of this video are stored: `etholake train --folds` stores them"); return; }
    stored.set(answer.run, answer.curves);
    if (run === answer.run) return;
    $("curve-run").replaceChildren(...answer.runs.map((name) => el("option", {}, name)));
    $("curve-run").value = answer.run;
  }, (error) => stored.set(run, `could not be read: ${error.message}`)).finally(redraw);
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** The points in the shown time as rows of a table, the first one its header. */
export function drawn() {
  const { from, to } = range(), shown = lines();
  const points = shown.lines.flatMap((line) => line.points.filter(([at, value]) => value !== null && at >= from && at <= to).map(([at, value]) => [line.name, at, at / video.fps, value]));
  return [["curve", "frame", "s", shown.unit || "value"], ...points];
}

/** Draw the curve, with the cursor at a frame; `pen` may be another one than the canvas's own. */
export function draw(frame, pen) {
  const canvas = $("curves"), ratio = devicePixelRatio || 1, width = canvas.parentNode.clientWidth, { from, to } = range();
  canvas.style.height = `${HEIGHT}px`;
  if (canvas.width !== Math.round(width * ratio)) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
  const c = pen ?? canvas.getContext("2d"), shown = lines(), wide = width - LEFT;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, HEIGHT);
  const within = ([at]) => at >= from - video.fps && at <= to + video.fps;
  const top = shown.top ?? Math.max(1, ...shown.lines.map((l) => l.points.reduce((most, p) => (within(p) && p[1] > most ? p[1] : most), 0)));
  const bottom = Math.min(0, ...shown.lines.map((l) => l.points.reduce((least, p) => (within(p) && p[1] !== null && p[1] < least ? p[1] : least), 0)));
  const x = (at) => LEFT + ((at - from) / (to - from)) * wide, y = (v) => HEIGHT - 8 - ((v - bottom) / (top - bottom)) * (HEIGHT - 20);
  c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  c.fillStyle = style("--muted");
  c.strokeStyle = style("--grid");
  for (const v of [bottom, (bottom + top) / 2, top]) { c.beginPath(); c.moveTo(LEFT, y(v)); c.lineTo(width, y(v)); c.stroke(); c.textAlign = "right"; c.fillText(`${Math.abs(v) < 10 ? v.toFixed(1) : v.toFixed(0)} ${shown.unit}`, LEFT - 8, y(v) + 4); }
  c.textAlign = "left";
  c.save();
  c.beginPath(); c.rect(LEFT, 0, wide, HEIGHT); c.clip();
  for (const line of shown.lines) {
    c.strokeStyle = line.color;
    c.lineWidth = 1.5;
    c.beginPath();
    let pen = false;
    for (const point of line.points) {
      if (!within(point) || point[1] === null) { pen = false; continue; }
      if (pen) c.lineTo(x(point[0]), y(point[1])); else c.moveTo(x(point[0]), y(point[1]));
      pen = true;
    }
    c.stroke();
  }
  c.restore();
  c.fillStyle = style("--fg");
  if (x(frame + 0.5) >= LEFT) c.fillRect(x(frame + 0.5), 0, 1.5, HEIGHT);
  $("curve-what").textContent = shown.lines.length ? shown.lines.map((l) => l.name).join(", ") : shown.why ?? "";
}
