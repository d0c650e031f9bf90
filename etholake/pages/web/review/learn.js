// What next, agreement, and learning again: tables that the server makes.
import { ask, tell } from "./api.js";
import { fill, share } from "./table.js";

const { $, el } = Ui;
const guard = (run, fail) => (event) => { event?.preventDefault(); run().catch(fail); };
const QUEUE = "etholake-queue-form"; // the fields of the queue: a video is a page of its own, which would forget them
const FIELDS = ["minutes", "queue-lab", "queue-run"];

/** `keep` takes the bouts that wait after the one that is opened. */
export function listen(start, open, keep, fail) {
  sides(start.user, start.runs);
  $("second").value = start.run || start.runs[0] || "";
  $("config").value = start.config;
  options("queue-lab", start.labs, start.lab);
  options("queue-run", start.runs, start.run);
  recall();
  $("queue-form").addEventListener("submit", guard(() => queue(open, keep), fail));
  $("agreement-form").addEventListener("submit", guard(agreement, fail));
  $("compare-form").addEventListener("submit", guard(compare, fail));
  for (const [id, other] of [["run-first", "run-second"], ["run-second", "run-first"]]) $(id).addEventListener("change", () => unlike(id, other));
  $("merge").addEventListener("click", guard(() => busy($("merge"), "Merging …", () => tell("merge")), fail));
  $("train").addEventListener("click", guard(async () => { follow(await tell("train", { config: $("config").value }), fail); }, fail));
  $("register").addEventListener("click", guard(() => promote($("register"), {}), fail));
  versions = (found) => fill($("versions"), [
    ["version", (v) => String(v.number), "num"], ["status", (v) => v.status], ["score", (v) => share(v.score), "num"], ["model", (v) => v.model_name],
    ["", (v) => (v.status === "Approved" ? "" : approval(v, fail))],
  ], found, null, "no version is registered: train, then register the newest model");
}

let versions = () => {};
function approval(version, fail) {
  const button = el("button", { type: "button", "aria-label": `Approve version ${version.number}` }, "Approve");
  button.addEventListener("click", guard(() => promote(button, { version: version.number }), fail));
  return button;
}

async function promote(button, values) {
  await busy(button, "version" in values ? "Approving …" : "Registering …", () => tell("promote", values));
  await show();
}

/** Do something that takes a while: the button waits, and what came of it is said. */
async function busy(button, text, run) {
  button.disabled = true;
  $("learn-state").textContent = text;
  try { $("learn-state").textContent = (await run()).summary; } catch (error) { $("learn-state").textContent = ""; throw error; } finally { button.disabled = false; }
}

const sides = (user, runs) => $("sides").replaceChildren(...["annotation", user, ...runs].map((name) => el("option", { value: name })));
function options(id, names, chosen) {
  $(id).append(...names.map((name) => el("option", { value: name }, name)));
  $(id).value = names.includes(chosen) ? chosen : "";
}

function recall() {
  let kept = {};
  try { kept = JSON.parse(sessionStorage.getItem(QUEUE)) || {}; } catch { /* then the fields are as the command said */ }
  for (const id of FIELDS) if (kept[id] && ($(id).tagName !== "SELECT" || [...$(id).options].some((o) => o.value === kept[id]))) $(id).value = kept[id];
}

export async function queue(open, keep) {
  const [minutes, lab, run] = FIELDS.map((id) => $(id).value);
  try { sessionStorage.setItem(QUEUE, JSON.stringify({ minutes, "queue-lab": lab, "queue-run": run })); } catch { /* as above */ }
  const answer = await ask("queue", { minutes, lab, run });
  $("queue-count").textContent = `${answer.bouts.length} bouts for ${answer.minutes} minutes, of ${answer.waiting} that wait`;
  fill($("queue"), [
    ["video", (b) => String(b.video_id), "num"], ["lab", (b) => b.lab_id], ["bout", (b) => `mouse${b.agent_id} ${b.action} ${b.agent_id === b.target_id ? "" : `mouse${b.target_id}`}`],
    ["frames", (b) => `${b.start_frame} to ${b.stop_frame}`, "num"], ["run", (b) => b.run_id], ["confidence", (b) => share(b.confidence), "num"], ["worth", (b) => share(b.worth), "num"],
    ["unsure", (b) => share(b.uncertainty), "num"], ["disagreement", (b) => share(b.disagreement), "num"], ["rare", (b) => share(b.rarity), "num"], ["new", (b) => share(b.novelty), "num"],
  ], answer.bouts, (b) => { keep(answer.bouts.slice(answer.bouts.indexOf(b) + 1)); open(b.split, b.lab_id, b.video_id, b.id); }, lab || run ? "no prediction of this lab and run waits" : "no prediction waits: `etholake predict` makes some");
  keep(answer.bouts);
}

export async function agreement() {
  const answer = await ask("agreement", { first: $("first").value, second: $("second").value });
  $("agreement-count").textContent = `${answer.first} against ${answer.second} on ${answer.videos === 1 ? "1 video" : `${answer.videos} videos`}`;
  fill($("agreement"), [
    ["action", (r) => r.action], ["frame F", (r) => share(r.f_score), "num"], ["Cohen's kappa", (r) => share(r.kappa), "num"], ["bout F", (r) => share(r.bout_f_score), "num"],
    ["start error, s", (r) => share(r.start_error_s), "num"], ["stop error, s", (r) => share(r.stop_error_s), "num"],
    ["bouts of first, second, both", (r) => `${r.bouts_first}, ${r.bouts_second}, ${r.bouts_matched}`, "num"],
  ], answer.rows, null, "no action that either has labelled in a video that both have looked at");
}

/** Show the runs that there are by now, and the versions of the registry. */
export async function show() {
  const answer = await ask("learn");
  const chosen = ["run-first", "run-second"].map((id) => $(id).value);
  for (const id of ["run-first", "run-second"]) $(id).replaceChildren(...answer.runs.map((run) => el("option", {}, run)));
  $("run-first").value = answer.runs.includes(chosen[0]) ? chosen[0] : answer.runs.at(-2) ?? answer.runs[0] ?? "";
  $("run-second").value = answer.runs.includes(chosen[1]) ? chosen[1] : answer.runs.at(-1) ?? "";
  unlike("run-first", "run-second");
  const few = answer.runs.length < 2;
  for (const control of $("compare-form").elements) control.disabled = few;
  $("compare-why").textContent = few ? `${answer.runs.length ? "only one run" : "no run"} has predicted: \`etholake predict\` with another model makes another` : "";
  versions(answer.versions);
}

/** Two runs are compared, never one with itself: the other list makes way. */
function unlike(id, other) {
  if ($(id).value === $(other).value) $(other).selectedIndex = [...$(other).options].findIndex((o) => o.value !== $(id).value);
}

async function compare() {
  const [first, second] = [$("run-first").value, $("run-second").value];
  const answer = await ask("compare", { first, second });
  fill($("compare"), [
    ["lab", (r) => r[0]], ["action", (r) => r[1]], [`first: ${first}`, (r) => share(r[2]), "num"], [`second: ${second}`, (r) => share(r[3]), "num"],
    ["difference", (r) => (r[2] == null || r[3] == null ? "–" : (r[3] - r[2]).toFixed(2)), "num"],
  ], answer.scores, null, `no scores of these runs are stored: \`etholake evaluate --held-out --submission FILE --run-id ${second}\`, with the file that \`etholake predict\` wrote, stores those of a run`);
}

async function follow(job, fail) {
  $("train-state").textContent = job.summary;
  $("train").disabled = job.status === "running";
  if (job.status === "failed") fail(new Error(job.summary));
  if (job.status === "running") setTimeout(() => ask("job").then((next) => follow(next, fail), fail), 1000);
}
