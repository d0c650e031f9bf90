// Draws Vega-Lite specifications as SVG: tooltips, stepping through values by key, export to PNG and SVG.
// Vega's expressions are interpreted (`ast`), so that the page's policy need not allow eval.
"use strict";
const Charts = (() => {
  const { $, el, showTip, hideTip } = Ui;
  const views = new Map(); // place -> the Vega view that is drawn there
  const options = (more) => ({ mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, hover: false, ...more });
  const svgOf = (place) => place.querySelector("svg");

  function forget(place) {
    if (views.has(place)) views.get(place).finalize();
    views.delete(place);
  }

  /** Draw in `place`, an element; `alt` is what a screen reader says. */
  async function draw(place, spec, alt) {
    const onTip = (handler, event, item, value) => {
      if (!value) { light(place, null); hideTip(); return; }
      light(place, item._svg);
      showTip(item.datum.tip, event.clientX, event.clientY);
    };
    const fresh = el("div", { class: "drawing" });
    const { view } = await vegaEmbed(fresh, spec, options({ tooltip: onTip }));
    forget(place);
    views.set(place, view);
    place.replaceChildren(fresh);
    const node = svgOf(place);
    node.setAttribute("role", "img");
    for (const child of node.children) child.setAttribute("aria-hidden", "true"); // the arrow keys speak the values
    node.setAttribute("tabindex", "0");
    node.setAttribute("aria-label", `${alt} Arrow keys step through the values.`);
    attachKeys(place, node);
  }

  const light = (place, node) => {
    place.querySelectorAll(".lit").forEach((other) => other.classList.remove("lit"));
    if (node) node.classList.add("lit");
  };

  /** The drawn marks that have a tooltip, in their order. */
  const marksOf = (node) => [...node.querySelectorAll("path, rect, line")].filter((one) => one.__data__ && one.__data__.tooltip && one.__data__.datum && one.__data__.datum.tip);

  function attachKeys(place, node) {
    let at = -1;
    const leave = () => { light(place, null); hideTip(); at = -1; };
    node.addEventListener("blur", leave);
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      const marks = marksOf(node);
      if (!step || !marks.length) return;
      event.preventDefault();
      at = at < 0 ? (step > 0 ? 0 : marks.length - 1) : (at + step + marks.length) % marks.length;
      const { tip } = marks[at].__data__.datum;
      const box = marks[at].getBoundingClientRect();
      light(place, marks[at]);
      showTip(tip, box.left + box.width / 2, box.top + box.height / 2);
      $("spoken").textContent = `${tip.title}: ${tip.lines.map((l) => `${l[0]} ${l[1]}`).join(", ")}`;
    });
  }

  // --- export ------------------------------------------------------------------------------------------------------
  /** The specification with the colours that the page's style gives just now: a file has no style of the page. */
  function resolved(spec) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const text = JSON.stringify(spec).replace(/var\((--[a-z]+)\)/g, (_, name) => colour(name));
    const copy = JSON.parse(text);
    copy.config.background = colour("--panel");
    return copy;
  }

  /** Save a chart as a file, `kind` png or svg. */
  async function save(spec, name, kind) {
    const { view } = await vegaEmbed(document.createElement("div"), resolved(spec), options({ tooltip: false }));
    const url = await view.toImageURL(kind, kind === "png" ? 2 : 1);
    view.finalize();
    el("a", { href: url, download: `${name}.${kind}` }).click();
  }

  return { draw, save };
})();
