// The library: videos page by page, filtered by the server.
import { ask, tell } from "./api.js";
import { fill, share } from "./table.js";
import { picture } from "./thumbnails.js";

const { $, el } = Ui;
let page = 0, soon = 0;

const COLUMNS = [
  ["video", (v) => String(v.video_id), "num"], ["picture", picture], ["lab", (v) => v.lab_id], ["split", (v) => v.split],
  ["length", (v) => (v.video_duration_sec ? Clock.text(v.video_duration_sec) : "–"), "num"], ["animals", (v) => v.n_mice, "num"],
  ["labels", (v) => v.labels, "num"], ["predicted", (v) => v.predicted, "num"], ["score", (v) => share(v.score), "num"],
  ["disagreement", (v) => share(v.disagreement), "num"], ["uncertainty", (v) => share(v.uncertainty), "num"],
  ["quality flags", (v) => v.flags, "num"], ["changes", (v) => v.changes, "num"], ["reviewed by", (v) => v.reviewers || "–"],
];

export async function show(open) {
  const values = { page };
  for (const name of ["search", "lab", "split", "state", "reviewer", "order"]) values[name] = $(name).value;
  const answer = await ask("library", values);
  if ($("lab").options.length !== answer.labs.length + 1) {
    const chosen = $("lab").value;
    $("lab").replaceChildren(el("option", { value: "" }, "all"), ...answer.labs.map((lab) => el("option", { value: lab }, lab)));
    $("lab").value = chosen;
  }
  fill($("videos"), COLUMNS, answer.videos, (v) => open(v.split, v.lab_id, v.video_id), answer.whole.videos ? "no video fits: change the filters" : "the lake has no video: run `etholake ingest` and `etholake etl`");
  const whole = answer.whole;
  $("library-count").textContent = `${answer.count.toLocaleString("en")} of ${whole.videos.toLocaleString("en")} videos; ${whole.labelled} labelled, ${whole.reviewed} reviewed`;
  $("progress").value = whole.videos ? whole.reviewed / whole.videos : 0;
  $("page-now").textContent = `page ${answer.page + 1} of ${Math.max(1, answer.pages)}`;
  $("page-back").disabled = page === 0;
  $("page-on").disabled = page + 1 >= answer.pages;
}

export function listen(run) {
  const again = (to = 0) => { page = to; run(); };
  for (const name of ["lab", "split", "state", "order"]) $(name).addEventListener("change", () => again());
  for (const name of ["search", "reviewer"]) $(name).addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(again, 150); });
  $("library-form").addEventListener("submit", (event) => { event.preventDefault(); again(); });
  $("page-back").addEventListener("click", () => again(page - 1));
  $("page-on").addEventListener("click", () => again(page + 1));
  $("reload").addEventListener("click", async () => { await tell("refresh"); again(page); });
}
