// The desk: forms that run verbs, the verb that runs, the mapping of an import, the curves of a training.
import { ask, tell } from "../review/api.js";
import { fail, guard } from "../review/message.js";
import { fill } from "../review/table.js";
import { chart } from "./charts.js";
import { mapping } from "./mapping.js";

const { $, el } = Ui;
const EVERY_MS = 1000, CURVES_MS = 5000; // how often the verbs are looked at, and the metrics of a training
let shown = 0; // the number of the job whose log is shown
let position = 0; // byte of its log that was read last
let drawn = 0; // when the curves were drawn last
let unfinished = false; // the drawn training, of this page or of a terminal, was not at its end
let running = new Set(); // forms that may not be started now

function input(form, field) {
  const id = `${form.name}-${field.option.replace(/^-+/, "")}`;
  const common = { id, name: field.option, required: field.required, "aria-describedby": field.help ? `${id}-help` : null };
  const control = field.choices.length
    ? el("select", common, field.choices.map((name) => el("option", { selected: name === field.default }, name)))
    : el("input", { ...common, type: field.kind === "number" ? "number" : "text", step: "any", min: field.kind === "number" ? "0" : null, value: field.default, autocomplete: "off" });
  const note = el("small", { id: `${id}-help` }, field.help);
  return [el("label", { for: id }, field.label), el("div", {}, control, note)];
}

function formCard(form, data) {
  const values = () => Object.fromEntries([...node.elements].filter((e) => e.name).map((e) => [e.name, e.value]));
  const button = el("button", { type: "submit" }, form.title);
  const node = el("form", { class: "form", id: `form-${form.name}` }, form.fields.flatMap((field) => input(form, field)), el("div", { class: "run" }, button));
  node.addEventListener("submit", guard(async () => {
    const job = await tell("run", { form: form.name, values: values() });
    show(job.number);
    await look();
    $("jobs-title").scrollIntoView({ block: "nearest" });
  }));
  for (const control of node.elements) if (["--data", "--out"].includes(control.name) && form.step !== "Export") control.value = data;
  return el("section", { class: "card", "data-step": form.step, "aria-labelledby": `title-${form.name}` },
    el("h2", { id: `title-${form.name}` }, form.title), el("p", {}, form.text), node);
}

function step(name) {
  for (const card of document.querySelectorAll("[data-step]")) card.hidden = card.dataset.step !== name;
  for (const button of $("steps").children) {
    if (button.textContent === name) button.setAttribute("aria-current", "page"); else button.removeAttribute("aria-current");
  }
  if (name === "Import") readMapping().catch(fail);
  if (name === "Train") { estimate().catch(fail); curves().catch(fail); }
  history.replaceState(null, "", `#${name}`);
}

const minutes = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

/** What the last training of the chosen model took here: the next one takes about as long on the same data. */
async function estimate() {
  const { times } = await ask("times");
  const note = $("train-config-help");
  const say = () => {
    const seconds = times[$("train-config").value];
    note.textContent = seconds ? `about ${minutes(seconds)}: so long took the last training with it here` : "not trained here yet, so there is no estimate; the first training says how long the rest takes";
  };
  $("train-config").onchange = say;
  say();
}

async function curves() {
  drawn = performance.now();
  const answer = await ask("curves");
  unfinished = ["InProgress", "Stopping"].includes(answer.status);
  $("curves-state").textContent = answer.job ? `${answer.job}: ${answer.status}` : "no training yet";
  $("charts").replaceChildren(...Object.entries(answer.metrics).map(([name, values]) => chart(name, values)));
}

const readMapping = () => mapping($("import-out").value);

function show(number) {
  if (number !== shown) { position = 0; $("log").textContent = ""; }
  shown = number;
}

const STATES = { running: "running", done: "done", failed: "failed: the end of the log says why", stopped: "stopped" };

function current(job) {
  $("job").hidden = false;
  $("job-title").textContent = job.title;
  $("job-state").textContent = `${STATES[job.status]}, ${minutes(job.seconds)}`;
  $("job-state").dataset.status = job.status;
  const bar = $("job-progress");
  bar.hidden = job.status !== "running";
  if (job.progress && job.progress[1]) { bar.max = job.progress[1]; bar.value = job.progress[0]; } else bar.removeAttribute("value");
  if (job.progress) $("job-text").textContent = `${job.progress[0]} of ${job.progress[1]} ${job.progress[2]}`;
  $("job-text").hidden = !job.progress || job.status !== "running";
  $("stop").hidden = job.status !== "running";
  $("stop").textContent = job.asked ? "End it at once" : "Stop";
  $("command").textContent = job.command;
  $("job-page").hidden = !job.address;
  if (job.address) $("job-address").href = job.address;
  if (job.log) {
    const log = $("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(job.log);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
  position = job.position;
}

async function look() {
  const { jobs } = await ask("jobs", { job: shown, from: position });
  if (!jobs.length) return;
  if (!shown) { show(jobs[0].number); return look(); }
  const job = jobs.find((one) => one.number === shown);
  if (job) current(job);
  $("earlier").hidden = $("earlier-title").hidden = false;
  fill($("jobs"), [
    ["command", (j) => j.title], ["state", (j) => j.status], ["time", (j) => minutes(j.seconds), "num"],
  ], jobs, (j) => { show(j.number); look().catch(fail); }, "no command has run yet");
  const now = new Set(jobs.filter((j) => j.status === "running").map((j) => j.form));
  const ended = [...running].filter((name) => !now.has(name));
  running = now;
  if (ended.includes("import") && !$("mapping-card").hidden) await readMapping();
  const before = unfinished;
  const isDue = (now.has("train") || unfinished) && performance.now() - drawn > CURVES_MS;
  if ((isDue || ended.includes("train")) && !$("curves-card").hidden) await curves();
  if (ended.includes("train") || (before && !unfinished)) await estimate();
  document.body.dataset.running = [...now].join(" ");
}

async function follow() {
  try { await look(); } catch (err) { fail(err); }
  setTimeout(follow, EVERY_MS);
}

async function open() {
  Ui.theme(() => {});
  const start = await ask("start");
  $("user").textContent = start.user;
  $("facts").textContent = start.facts;
  const names = [...new Set(start.forms.map((form) => form.step))];
  $("forms").replaceChildren(...start.forms.map((form) => formCard(form, start.data)));
  $("review-user").value = start.user;
  $("steps").replaceChildren(...names.map((name) => el("button", { type: "button", onclick: () => step(name) }, name)));
  $("stop").addEventListener("click", guard(async () => { await tell("stop", { job: shown }); await look(); }));
  $("copy").addEventListener("click", guard(async () => {
    await navigator.clipboard.writeText($("command").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  }));
  $("import-out").addEventListener("change", guard(readMapping));
  const wanted = decodeURIComponent(location.hash.slice(1));
  step(names.includes(wanted) ? wanted : names[0]);
  await follow();
  document.body.dataset.ready = "1";
}

open().catch(fail);
