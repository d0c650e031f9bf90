// The bouts of the open video: what the server says they are, which one is chosen, and the operations on them.
// Nothing is changed here before the server has it: what is shown is what is saved.
import { ConflictError, tell } from "./api.js";

const { $, el } = Ui;
let video = null, state = null, chosen = null, started = null, ordered = {}, heard = () => {}, failed = () => {};

export const KEPT = "kept", OPEN = "open";
const visible = (b) => b.source !== "looked_for" && b.status !== "deleted";

export function open(content, hear, fail) {
  [video, heard, failed] = [content, hear, fail];
  [state, chosen, started] = [null, null, null];
  take(content.state);
}

const since = () => ({ ...where(), since: state.changes });
export const where = () => ({ split: video.split, lab: video.lab, video: video.video });
export const current = () => state;
export const selected = () => (chosen ? state.bouts.find((b) => b.id === chosen && visible(b)) ?? null : null);
export const running = () => started;
/** What can be judged or changed, by start. */
export function listed() {
  if (ordered.state !== state) ordered = { state, bouts: state.bouts.filter(visible).sort((a, b) => a.start - b.start || a.stop - b.stop || (a.id < b.id ? -1 : 1)) };
  return ordered.bouts;
}

/** The bouts that nobody has touched: what the runs predicted and the lab annotated. */
function untouched(received) {
  const bout = (source, status, run) => ([id, agent, target, action, start, stop, confidence = null]) => [id, { id, source, agent, target, action, start, stop, status, confidence, run, by: [] }];
  return new Map([...Object.entries(video.runs).flatMap(([run, rows]) => rows.map(bout("prediction", OPEN, run))), ...received.map(bout("annotation", KEPT, null))]);
}

/** Take what the server says: all bouts that somebody has touched, or what has changed since the state that is shown. */
export function take(next) {
  if (!next.bouts || (state && next.changes < state.changes)) return; // an answer that was overtaken says nothing new
  const bouts = next.gone ? new Map(state.bouts.map((b) => [b.id, b])) : untouched(next.received);
  for (const id of next.gone ?? []) bouts.delete(id);
  for (const b of next.bouts) bouts.set(b.id, b);
  state = { ...state, ...next, bouts: [...bouts.values()] };
  $("saved").textContent = next.made ? `${next.made} ${next.made === 1 ? "change" : "changes"} saved${next.last ? `; last: ${next.last}` : ""}` : "no change yet";
  heard();
}

export function choose(id) {
  chosen = id;
  $("conflict").hidden = true;
  heard();
}

export function neighbour(by, frame) {
  const all = listed(), at = all.findIndex((b) => b.id === chosen);
  if (at >= 0) return all[at + by] ?? null;
  return by > 0 ? all.find((b) => b.start >= frame) ?? null : all.filter((b) => b.start < frame).pop() ?? null;
}

let turn = Promise.resolve(); // one request after another: a fast typist's keys keep their order
const inTurn = (run) => { turn = turn.then(run, run); return turn; };

/** Send one operation. A conflict is shown, with the choice to keep theirs or to apply ours. */
export const change = (operation, values = {}) => inTurn(async () => {
  try {
    take(await tell("change", { ...since(), operation, ...values }));
    $("conflict").hidden = true;
    return true;
  } catch (error) {
    if (error instanceof ConflictError) conflict(error, operation, values);
    else failed(error);
    return false;
  }
});

export const back = (name) => inTurn(async () => {
  try { take(await tell(name, since())); } catch (error) { failed(error); }
});

export const acceptAbove = (run, confidence) => inTurn(async () => {
  try { take(await tell("accept-above", { ...since(), run, confidence })); } catch (error) { failed(error); }
});

function conflict(error, operation, values) {
  const box = $("conflict");
  box.replaceChildren(el("strong", {}, "Conflict. "), error.message, " ",
    el("button", { type: "button", onclick: () => { box.hidden = true; } }, "Keep theirs"), " ",
    el("button", { type: "button", onclick: () => change(operation, { ...values, acknowledged: error.change }) }, "Apply mine"));
  box.hidden = false;
  box.querySelector("button").focus();
}

// --- a new label ---------------------------------------------------------------------------------------------
export const animals = () => ({ agent_id: Number($("agent").value), target_id: Number($("target").value), action: $("action").value.trim() });

/** The first press starts the state, the second one makes the label. */
export async function startOrStop(frame, action = null) {
  const triplet = action ? { ...animals(), action } : animals();
  if (!triplet.action) { failed(new Error("Choose an action first.")); $("action").focus(); return; }
  if (!started) {
    started = { ...triplet, start_frame: frame };
    heard();
    return;
  }
  const [from, to] = [Math.min(started.start_frame, frame), Math.max(started.start_frame, frame) + 1];
  const label = { ...started, start_frame: from, stop_frame: to };
  const other = action && action !== started.action ? action : null;
  started = null;
  const before = new Set(state.bouts.map((b) => b.id));
  if (await change("create", label)) choose(state.bouts.find((b) => !before.has(b.id))?.id ?? chosen);
  if (other) startOrStop(frame, other);
}

export function fillPickers(actions) {
  const mice = video.mice.length ? video.mice : [1, 2, 3, 4].map((id) => ({ id, name: `mouse${id}` }));
  for (const id of ["agent", "target"]) $(id).replaceChildren(...mice.map((mouse) => el("option", { value: mouse.id }, mouse.name)));
  if (mice.length > 1) $("target").selectedIndex = 1;
  $("actions").replaceChildren(...actions.map((name) => el("option", { value: name })));
  if (!$("action").value) $("action").value = actions[0] ?? "";
  $("bulk-run").replaceChildren(...Object.keys(video.runs).map((run) => el("option", {}, run)));
  $("bulk-run").closest(".fields").hidden = !Object.keys(video.runs).length;
}
