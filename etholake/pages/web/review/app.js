// The review: which view is shown, the commands, and what hangs on the cursor.
import { address, ask } from "./api.js";
import * as Curves from "./curves.js";
import * as Exports from "./exports.js";
import * as Keys from "./keys.js";
import * as Labels from "./labels.js";
import * as Lanes from "./lanes.js";
import * as Learn from "./learn.js";
import * as Library from "./library.js";
import { clear, fail } from "./message.js";
import * as Player from "./player.js";
import { fill, share } from "./table.js";

const { $, el } = Ui;
const VIEWS = ["library", "queue", "agreement", "learn", "video"];
const POLL_MS = 3000; // how often others' changes are looked for
let start = null, video = null, waiting = [], soon = 0;

function view(name) {
  clear();
  Player.pause();
  for (const other of VIEWS) {
    $(`view-${other}`).hidden = other !== name;
    if (other !== "video") $(`to-${other}`).setAttribute("aria-current", other === name ? "page" : "false");
  }
  document.body.dataset.view = name;
  if (name === "library") { document.title = "Etholake: review"; Library.show(go).catch(fail); }
  if (name === "learn") Learn.show().catch(fail);
}

/** A video is a page of its own: nothing of the one before is left, and the address can be kept. */
function go(split, lab, number, bout = "") {
  location.search = new URLSearchParams({ split, lab, video: number, ...(bout && { bout }) });
}

async function openVideo(given) {
  video = await ask("video", { split: given.get("split"), lab: given.get("lab"), video: given.get("video") });
  const where = { split: video.split, lab: video.lab, video: video.video };
  video.slice = (number) => address("poses", { ...where, slice: number });
  if (video.film) video.filmAddress = address("film", where);
  for (const [camera, film] of Object.entries(video.cameras)) film.address = address("film", { ...where, camera });
  video.picture = video.picture ?? (video.arena && video.arena.what === "picture" ? video.arena : null);
  view("video");
  $("title").textContent = `Video ${video.video}`;
  document.title = `Etholake: review of video ${video.video}`;
  $("about").textContent = [`Lab ${video.lab}`, video.split, `${Number(video.fps.toFixed(2))} frames/s${video.fpsAssumed ? " assumed" : ""}`, `${Clock.text(video.frames / video.fps)} long`, video.film ? (video.film.note && `film: ${video.film.note}`) : "no film: skeleton alone"].filter(Boolean).join(" · ");
  $("video-title").textContent = `Video ${video.video}`;
  $("mice").replaceChildren(...video.mice.map((mouse, m) => el("li", { title: mouse.about }, el("i", { class: `mouse${(m % 4) + 1}` }), el("b", {}, mouse.name), mouse.about)));
  $("sources").replaceChildren(...[["annotation", "annotated"], ["prediction", "predicted"], ["label", "label now"]].map(([kind, text]) => el("li", {}, el("i", { class: kind }), text)));
  Arena.open(video);
  Arena.useTheme();
  Slices.open(video, later);
  Player.open(video, (frame) => { Lanes.follow(frame); paint(); });
  Lanes.open(video, { moved: later, seek: Player.seek, chosen: (jump) => { const b = Labels.selected(); if (jump && b) Player.seek(b.start); } });
  Lanes.listen();
  Curves.open(video, later);
  Labels.open(video, changed, fail);
  Labels.fillPickers(start.actions);
  if (given.get("bout")) choose(given.get("bout"), true);
  Player.seek(Labels.selected()?.start ?? 0);
  video.waiting = "is being read";
  ask("seconds", where).then((answer) => { // whole tracks: after the page is there
    for (const mouse of video.mice) Object.assign(mouse.seconds, answer.seconds[mouse.id]); // the arena has them, too
    video.waiting = "";
    Arena.measure();
  }).catch((error) => { video.waiting = `could not be read: ${error.message}`; fail(error); }).finally(() => {
    later();
    document.body.dataset.seconds = "1";
  });
  setInterval(() => ask("state", { ...where, since: Labels.current().changes }).then(Labels.take, () => {}), POLL_MS);
}

// --- what is drawn -------------------------------------------------------------------------------------------
function later() { if (!soon) soon = requestAnimationFrame(() => { soon = 0; paint(); }); }
function paint() {
  if (!video || !Labels.current() || document.body.dataset.view !== "video") return; // a hidden canvas has no size
  const frame = Player.at(), ready = Slices.want(frame, frame), why = Slices.whyFailed(frame);
  $("wait").hidden = (ready && !why && video.slices > 0);
  $("wait").textContent = why ? `These poses could not be read: ${why}` : video.slices ? "Loading poses …" : "No poses: the lake has no tracks of this video.";
  if (Player.isPlaying()) Slices.want(frame, frame + 8 * video.fps);
  const { from, to } = Lanes.range();
  const exact = to - from <= 20 * video.sliceFrames && Slices.want(from, to - 1);
  Arena.draw(frame, { path: $("path").value, near: $("near").checked, from, to, exact, film: Player.pictureOrNull() });
  Lanes.draw(frame);
  Curves.draw(frame);
  $("clock").textContent = `${Clock.text(frame / video.fps, 2)} · frame ${frame}`;
  if (document.activeElement !== $("frame")) $("frame").value = frame;
  $("window").textContent = `${Clock.text(from / video.fps)} to ${Clock.text(to / video.fps)}`;
}

const STATUS = { kept: "a label", open: "predicted, not judged yet", rejected: "rejected" };
const words = (b) => `mouse${b.agent} ${b.action}${b.agent === b.target ? "" : ` mouse${b.target}`}`;
function changed() {
  clear();
  const b = Labels.selected(), running = Labels.running(), state = Labels.current();
  $("bout").replaceChildren(running
    ? el("p", { class: "running" }, `${running.action} of mouse${running.agent_id} runs since frame ${running.start_frame}: press the key again to stop it.`)
    : el("p", {}, b ? `${words(b)}, frames ${b.start} to ${b.stop} (${((b.stop - b.start) / video.fps).toFixed(2)} s), ${STATUS[b.status]}${b.run ? `, run ${b.run}, confidence ${share(b.confidence)}` : ""}${b.by.length ? `; touched by ${b.by.join(", ")}` : ""}` : "No bout is chosen."));
  const can = { accept: b && b.status !== "kept", reject: b && b.source === "prediction" && b.status !== "rejected", undo: state.canUndo, redo: state.canRedo };
  for (const name of ["remove", "split", "join", "startHere", "stopHere", "relabel"]) can[name] = Boolean(b);
  for (const [name, may] of Object.entries(can)) for (const button of document.querySelectorAll(`[data-command="${name}"]`)) button.disabled = !may;
  const sign = { kept: "label", open: "predicted", rejected: "rejected" };
  const listed = Labels.listed();
  fill($("bouts"), [
    ["bout", (x) => words(x)], ["start", (x) => Clock.text(x.start / video.fps, 1), "num"], ["length", (x) => `${((x.stop - x.start) / video.fps).toFixed(1)} s`, "num"],
    ["is", (x) => sign[x.status] + (x.by.length > 1 ? ", two reviewers" : "")], ["confidence", (x) => share(x.confidence), "num"], ["by", (x) => x.by.join(", ") || x.run || "annotation"],
  ], listed.slice(0, 500), (x) => { choose(x.id); }, "no label and no prediction yet: E starts a label at the cursor, and stops it");
  [...$("bouts").tBodies[0].rows].forEach((row, i) => row.classList.toggle("current", Boolean(b) && listed[i]?.id === b.id));
  document.body.dataset.changes = state.changes;
  later();
}

function choose(id, tight = false) {
  Labels.choose(id);
  const b = Labels.selected();
  if (!b) return;
  Lanes.reveal(b, tight);
  Player.seek(b.start);
  $("spoken").textContent = `${words(b)}, ${STATUS[b.status]}, frames ${b.start} to ${b.stop}`;
}

// --- commands ------------------------------------------------------------------------------------------------
const on = (run) => { const b = Labels.selected(); if (b) return run(b); fail(new Error("Choose a bout first: ↑ and ↓, or a click.")); };
/** Judge the bout, then go on to the next one that waits: ten bouts are ten keys. */
async function judge(operation) {
  await on(async (b) => {
    const next = Labels.listed().find((x) => x.status === Labels.OPEN && x.id !== b.id && (x.start > b.start || (x.start === b.start && x.id > b.id)));
    if (await Labels.change(operation, { bouts: [b.id] }) && next) choose(next.id);
  });
}
const next = (id, by) => { const picker = $(id); picker.selectedIndex = (picker.selectedIndex + by) % picker.options.length; later(); };
const move = (edge) => on((b) => {
  const at = Player.at();
  return Labels.change("move", { bouts: [b.id], start_frame: edge === "start" ? at : b.start, stop_frame: edge === "stop" ? at + 1 : b.stop });
});
const RUN = {
  play: Player.toggle, frameBack: (e) => Player.step(e?.shiftKey ? -Math.round(video.fps) : -1), frameOn: (e) => Player.step(e?.shiftKey ? Math.round(video.fps) : 1),
  boutBack: () => { const b = Labels.neighbour(-1, Player.at()); if (b) choose(b.id); }, boutOn: () => { const b = Labels.neighbour(1, Player.at()); if (b) choose(b.id); },
  slower: () => Player.faster(-1), faster: () => Player.faster(1), accept: () => judge("accept"), reject: () => judge("reject"),
  remove: () => on((b) => Labels.change("delete", { bouts: [b.id] })), startHere: () => move("start"), stopHere: () => move("stop"),
  split: () => on((b) => Labels.change("split", { bouts: [b.id], frame: Player.at() })),
  join: () => on((b) => {
    const other = Labels.listed().find((x) => x.id !== b.id && x.status === Labels.KEPT && x.start >= b.start && x.action === b.action && x.agent === b.agent && x.target === b.target);
    return other ? Labels.change("join", { bouts: [b.id, other.id] }) : fail(new Error("No later label has the same animals and action."));
  }),
  state: () => Labels.startOrStop(Player.at()), point: () => Labels.change("point", { ...Labels.animals(), frame: Player.at() }),
  relabel: () => on((b) => Labels.change("relabel", { bouts: [b.id], ...Labels.animals() })), lookedFor: () => Labels.change("looked_for", Labels.animals()),
  agent: () => next("agent", 1), target: () => next("target", 1), undo: () => Labels.back("undo"), redo: () => Labels.back("redo"),
  acceptAbove: () => Labels.acceptAbove($("bulk-run").value, Number($("bulk").value)),
  zoomIn: () => Lanes.zoom(0.5), zoomOut: () => Lanes.zoom(2), zoomBout: () => on((b) => Lanes.reveal(b, true)), zoomAll: Lanes.all,
  near: () => { $("near").click(); }, next: nextOfQueue,
};

function keep(bouts) {
  waiting = bouts;
  try { sessionStorage.setItem("etholake-queue", JSON.stringify(waiting)); } catch { /* then the queue is asked for anew */ }
}
async function nextOfQueue() {
  if (!waiting.length) await Learn.queue(go, keep);
  const b = waiting[0];
  keep(waiting.slice(1));
  if (b) go(b.split, b.lab_id, b.video_id, b.id);
  else fail(new Error("No prediction waits to be judged."));
}

document.addEventListener("keydown", (event) => {
  if ($("keys").open) return;
  const control = event.target.closest("input, select, button, summary, a, dialog");
  if (control && (control.matches("select") || (control.matches("input") && control.type !== "checkbox"))) { if (event.key === "Escape") control.blur(); return; }
  const command = Keys.commandOf(event);
  if (!command || (control && (event.key === " " || event.key === "Enter"))) return; // the control's own keys
  if (command === "help") Keys.open(start.actions);
  else if (command === "library") location.search = "";
  else if (document.body.dataset.view !== "video") { if (command === "next") nextOfQueue().catch(fail); else return; }
  else if (command.digit) { const action = start.actions[command.digit - 1]; if (action) { $("action").value = action; Labels.startOrStop(Player.at(), action); } }
  else RUN[command](event);
  event.preventDefault();
});

function listen() {
  for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", (event) => RUN[button.dataset.command](event));
  for (const button of $("views").children) button.addEventListener("click", () => (button.dataset.view === "library" && video ? (location.search = "") : view(button.dataset.view)));
  for (const id of ["path", "near", "curve", "agent", "target", "action", "bulk-run", "curve-run", "curve-part"]) $(id).addEventListener("change", later);
  $("help").addEventListener("click", () => Keys.open(start.actions));
  Exports.listen();
  Library.listen(() => Library.show(go).catch(fail));
  Learn.listen(start, go, keep, fail);
  Player.listen();
  addEventListener("resize", later);
  Ui.theme(() => { if (video) { Arena.useTheme(); later(); } });
}

try {
  start = await ask("start");
  try { waiting = JSON.parse(sessionStorage.getItem("etholake-queue")) || []; } catch { waiting = []; }
  $("user").textContent = `reviewer ${start.user}`;
  $("facts").textContent = start.facts;
  listen();
  const given = new URLSearchParams(location.search);
  if (given.has("video")) await openVideo(given);
  else if (start.video) go(...start.video);
  else { if (start.lab) { $("lab").append(el("option", { value: start.lab }, start.lab)); $("lab").value = start.lab; } view("library"); }
} catch (error) { fail(error); }
window.reviewPage = { labels: Labels, player: Player, lanes: Lanes };
document.body.dataset.ready = "1";
