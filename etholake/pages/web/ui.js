// What both pages use: elements, the tooltip, the theme.
"use strict";
const Ui = (() => {
  const $ = (id) => document.getElementById(id);

  function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value === true) node.setAttribute(key, "");
      else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, value);
    }
    node.append(...children.flat());
    return node;
  }

  function showTip({ title, lines }, x, y) {
    const tip = $("tip");
    tip.replaceChildren(el("strong", {}, title), ...lines.map(([name, value, color]) =>
      el("div", {}, color ? el("i", { style: `background:${color}` }) : "", el("span", {}, name), el("b", {}, value))));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - box.width - 6))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? Math.max(6, y - box.height - 12) : y + 18}px`;
  }
  const hideTip = () => { $("tip").hidden = true; };

  /** Set the theme (the saved one, else the system's) and keep the button `#theme`; `use(dark)` hears of every change. */
  function theme(use) {
    const set = (name) => {
      document.documentElement.dataset.theme = name;
      $("theme").textContent = name === "dark" ? "Light" : "Dark";
      $("theme").setAttribute("aria-label", `Switch to ${name === "dark" ? "light" : "dark"} colours`);
      use(name === "dark");
    };
    let saved = null;
    try { saved = localStorage.getItem("etholake-theme"); } catch { /* a page from a file may have no storage */ }
    set(saved || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
    $("theme").addEventListener("click", () => {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      set(next);
      try { localStorage.setItem("etholake-theme", next); } catch { /* as above */ }
    });
  }

  return { $, el, showTip, hideTip, theme };
})();
