// The keys: what each does, kept in this browser if changed. One table is both the help and the settings.
const { $, el } = Ui;
const SAVED = "etholake-review-keys";

export const COMMANDS = {
  play: [" ", "play or pause"], frameBack: ["ArrowLeft", "one frame back; with Shift one second"], frameOn: ["ArrowRight", "one frame on; with Shift one second"],
  boutBack: ["ArrowUp", "bout before"], boutOn: ["ArrowDown", "next bout"], slower: ["<", "slower"], faster: [">", "faster"],
  accept: ["Enter", "accept the bout"], reject: ["x", "reject the prediction"], remove: ["Delete", "delete the bout"],
  startHere: ["[", "the bout starts at this frame"], stopHere: ["]", "the bout stops after this frame"], split: ["s", "split the bout here"], join: ["j", "join with the next bout of its kind"],
  state: ["e", "start, then stop, the action"], point: ["p", "point event"], relabel: ["r", "give the bout the chosen animals and action"], lookedFor: ["w", "the action was looked for in the whole video"],
  agent: ["a", "next agent"], target: ["t", "next target"], undo: ["z", "undo"], redo: ["y", "redo"],
  zoomIn: ["+", "zoom in"], zoomOut: ["-", "zoom out"], zoomBout: ["f", "zoom to the bout"], zoomAll: ["0", "whole video"],
  near: ["c", "close-up"], next: ["n", "next bout of the queue"], library: ["l", "library"], help: ["?", "these keys"],
};
const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del", Enter: "Enter" };
const nameOf = (key) => NAMES[key] ?? key.toUpperCase();
let keys = {};

const read = () => { try { return JSON.parse(localStorage.getItem(SAVED)) || {}; } catch { return {}; } };
const own = read();
const use = () => { keys = Object.fromEntries(Object.entries(COMMANDS).map(([name, [key]]) => [own[name] ?? key, name])); };
const keyOf = (name) => own[name] ?? COMMANDS[name][0];

/** The command of a key, or {digit} for 1..9; null for none. */
export function commandOf(event) {
  if (event.altKey || event.metaKey && event.key.toLowerCase() !== "z") return null;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") return event.shiftKey ? "redo" : "undo";
  if (event.ctrlKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (keys[key]) return keys[key];
  return /^[1-9]$/.test(key) ? { digit: Number(key) } : null;
}

function rows() {
  $("key-list").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "key"), el("th", { scope: "col" }, "does"))), el("tbody", {}, Object.entries(COMMANDS).map(([name, [, text]]) => {
    const button = el("button", { type: "button", "aria-label": `${nameOf(keyOf(name))}: change the key of ${text}` }, nameOf(keyOf(name)));
    button.addEventListener("click", () => { button.textContent = "press a key"; button.dataset.waiting = "1"; });
    button.addEventListener("blur", () => { if (button.dataset.waiting) rows(); });
    button.addEventListener("keydown", (event) => {
      if (!button.dataset.waiting) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape" || event.key === "Tab" || event.key === "Shift") { rows(); return; }
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      for (const other of Object.keys(COMMANDS)) if (other !== name && keyOf(other) === key) own[other] = keyOf(name); // they change places
      own[name] = key;
      try { localStorage.setItem(SAVED, JSON.stringify(own)); } catch { /* private windows keep nothing */ }
      use();
      rows();
    });
    return el("tr", {}, el("td", {}, button), el("td", {}, text));
  }))));
}

export function open(actions) {
  rows();
  $("key-actions").textContent = actions.slice(0, 9).map((action, i) => `${i + 1} ${action}`).join(" · ");
  $("keys").showModal();
}

use();
$("keys-close").addEventListener("click", () => $("keys").close());
$("keys-reset").addEventListener("click", () => { for (const name of Object.keys(own)) delete own[name]; localStorage.removeItem(SAVED); use(); rows(); });
