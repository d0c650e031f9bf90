// The mapping of an import as forms: every value is a field; what was changed is saved as a list of changes.
import { ask, tell } from "../review/api.js";
import { guard } from "../review/message.js";

const { $, el } = Ui;
const TOP = [["lab", "Lab"], ["species", "Species"], ["fps", "Frames per second"], ["min_likelihood", "Least likelihood of a point"]];
const RULES = [
  ["unpaired", "Events without a start or an end"], ["point_events", "Events without a duration"],
  ["partial", "Actions looked for in a part of a video"], ["annotators", "Labels of one video by several people"],
];
const SCALE = [["pix_per_cm", "Pixels per cm, the same in all videos"], ["body_length_cm", "Length of an animal in cm, between the body_parts of the file"]];
const CHOICES = {
  unpaired: ["error", "drop", "until-end"], point_events: ["leave-out", "one-frame"], partial: ["spans", "leave-out", "as-absent"],
  annotators: ["ask", "unite"], kind: ["self", "pair"], split: ["train", "test"],
};
const NUMBERS = new Set(["fps", "min_likelihood", "pix_per_cm", "body_length_cm", "width_cm", "height_cm", "video_id"]);
let data = "";
let changes = new Map();

/** A field of the value at `path`; "" of a number means that it is not set. */
function field(path, value, label) {
  const name = path[path.length - 1];
  const text = Array.isArray(value) ? value.join(", ") : String(value ?? "");
  const node = CHOICES[name]
    ? el("select", { "aria-label": label }, CHOICES[name].map((choice) => el("option", { selected: choice === text }, choice)))
    : el("input", { "aria-label": label, value: text, autocomplete: "off" });
  node.addEventListener("input", () => {
    const given = node.value.trim();
    const whole = /^-?\d+$/.test(given) ? Number(given) : given;
    let wanted = NUMBERS.has(name) ? (given === "" ? null : Number(given)) : ["animals", "agent", "target"].includes(path.length === 2 ? path[0] : name) ? whole : given;
    if (Array.isArray(value)) wanted = given ? given.split(/\s*,\s*/) : [];
    if (given === text) changes.delete(JSON.stringify(path)); else changes.set(JSON.stringify(path), wanted);
    node.classList.toggle("changed", given !== text);
    tellState();
  });
  return node;
}

function tellState(text = "") {
  $("mapping-save").disabled = !changes.size;
  $("mapping-state").textContent = text || (changes.size ? `${changes.size === 1 ? "1 change" : `${changes.size} changes`} not saved` : "");
}

const table = (title, heads, rows) => (rows.length ? [el("h3", {}, title), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
  el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))))] : []);

function draw(answer) {
  changes = new Map();
  $("mapping-name").replaceChildren(...answer.names.map((name) => el("option", { selected: name === answer.name }, name)));
  $("mapping-name").disabled = !answer.names.length;
  const m = answer.mapping;
  if (!m) { $("mapping").replaceChildren(el("p", { class: "muted" }, "Nothing was imported into this data folder yet.")); tellState(); return; }
  const plain = (group) => Object.entries(m[group]).map(([key, value]) => [key, field([group, key], value, `${group} ${key}`)]);
  $("mapping").replaceChildren(
    ...table("All videos", ["what", "value"], [
      ...TOP.map(([key, label]) => [label, field([key], m[key], label)]),
      ...RULES.map(([key, label]) => [label, field([key], m[key], label)]),
      ...SCALE.map(([key, label]) => [label, field(["scale", key], m.scale[key], label)]),
    ]),
    ...table("Animals (a number; 0 leaves it out; each: unknown)", ["in your files", "animal"], plain("animals")),
    ...table("Body parts (empty leaves it out)", ["in your files", "in the lake"], plain("parts")),
    ...table("Actions (an empty name leaves it out)", ["in your files", "name", "kind", "agent", "target"], Object.entries(m.actions).map(([key, rule]) => [
      key, ...["name", "kind", "agent", "target"].map((part) => (part === "target" && rule.kind === "self" ? "" : field(["actions", key, part], rule[part], `${key}: ${part}`))),
    ])),
    ...table("Videos", ["video", "number", "tracks", "labels", "film", "split", "frames/s"], Object.entries(m.videos).map(([key, rule]) => [
      key, String(rule.video_id), rule.pose, ...["labels", "video", "split", "fps"].map((part) => field(["videos", key, part], rule[part], `${key}: ${part}`)),
    ])),
  );
  tellState(answer.path);
}

/** Show a mapping of a data folder. Without a name it is only read anew: what is changed and not saved stays. */
export async function mapping(folder, name = "") {
  const answer = await ask("mapping", { data: folder, name });
  if (!name && folder === data && changes.size) return;
  data = folder;
  draw(answer);
}

$("mapping-name").addEventListener("change", guard(() => mapping(data, $("mapping-name").value)));
$("mapping-save").addEventListener("click", guard(async () => {
  const items = [...changes].map(([path, value]) => [JSON.parse(path), value]);
  draw({ names: [...$("mapping-name").options].map((o) => o.value), ...(await tell("mapping", { data, name: $("mapping-name").value, set: items })) });
  tellState("saved; import again to use it");
}));
