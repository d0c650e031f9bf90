// What next, agreement, and learning again: tables that the server makes.
import { ask, tell } from "./api.js";
import { fill, share } from "./table.js";

const { $, el } = Ui;
const guard = (run, fail) => (event) => { event?.preventDefault(); run().catch(fail); };

export function listen(start, open, fail) {
  const sides = ["annotation", start.user, ...start.runs];
  $("sides").replaceChildren(...sides.map((name) => el("option", { value: name })));
  $("second").value = start.run || start.runs[0] || "";
  $("config").value = start.config;
  for (const id of ["run-first", "run-second"]) $(id).replaceChildren(...start.runs.map((run) => el("option", {}, run)));
  $("run-second").selectedIndex = start.runs.length - 1;
  $("queue-form").addEventListener("submit", guard(() => queue(open), fail));
  $("agreement-form").addEventListener("submit", guard(agreement, fail));
  $("compare-form").addEventListener("submit", guard(compare, fail));
  $("merge").addEventListener("click", guard(async () => { $("learn-state").textContent = "Merging …"; $("learn-state").textContent = (await tell("merge")).summary; }, fail));
  $("train").addEventListener("click", guard(async () => { follow(await tell("train", { config: $("config").value }), fail); }, fail));
  $("register").addEventListener("click", guard(async () => { $("learn-state").textContent = (await tell("promote")).summary; await compare(); }, fail));
}

export async function queue(open) {
  const answer = await ask("queue", { minutes: $("minutes").value });
  $("queue-count").textContent = `${answer.bouts.length} bouts for ${answer.minutes} minutes, of ${answer.waiting} that wait`;
  fill($("queue"), [
    ["video", (b) => String(b.video_id), "num"], ["lab", (b) => b.lab_id], ["bout", (b) => `mouse${b.agent_id} ${b.action} ${b.agent_id === b.target_id ? "" : `mouse${b.target_id}`}`],
    ["frames", (b) => `${b.start_frame} to ${b.stop_frame}`, "num"], ["run", (b) => b.run_id], ["confidence", (b) => share(b.confidence), "num"], ["worth", (b) => share(b.worth), "num"],
    ["unsure", (b) => share(b.uncertainty), "num"], ["disagreement", (b) => share(b.disagreement), "num"], ["rare", (b) => share(b.rarity), "num"], ["new", (b) => share(b.novelty), "num"],
  ], answer.bouts, (b) => open(b.split, b.lab_id, b.video_id, b.id), "no prediction waits: `etholake predict` makes some");
  return answer.bouts;
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

export async function compare() {
  const answer = await ask("compare", { first: $("run-first").value, second: $("run-second").value });
  fill($("compare"), [
    ["lab", (r) => r[0]], ["action", (r) => r[1]], ["first", (r) => share(r[2]), "num"], ["second", (r) => share(r[3]), "num"],
    ["difference", (r) => (r[2] == null || r[3] == null ? "–" : (r[3] - r[2]).toFixed(2)), "num"],
  ], answer.scores, null, "no scores of these runs: run `etholake evaluate`");
  fill($("versions"), [
    ["version", (v) => String(v.number), "num"], ["status", (v) => v.status], ["score", (v) => share(v.score), "num"], ["model", (v) => v.model_name],
    ["", (v) => (v.status === "Approved" ? "" : el("button", { type: "button", onclick: async () => { $("learn-state").textContent = (await tell("promote", { version: v.number })).summary; compare(); } }, "Approve"))],
  ], answer.versions, null, "no version is registered: train, then register the newest model");
}

async function follow(job, fail) {
  $("train-state").textContent = job.summary;
  $("train").disabled = job.status === "running";
  if (job.status === "failed") fail(new Error(job.summary));
  if (job.status === "running") setTimeout(() => ask("job").then((next) => follow(next, fail), fail), 1000);
}
