// One metric of a training as a small curve: its value in every logged line, null for a gap.
const SVG = "http://www.w3.org/2000/svg";
const { el } = Ui;

const node = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

export function chart(name, values) {
  const seen = values.filter((value) => value != null);
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  const x = (i) => (values.length > 1 ? (100 * i) / (values.length - 1) : 50);
  const y = (value) => (high > low ? 95 - (90 * (value - low)) / (high - low) : 50);
  let pen = "M";
  const path = values.map((value, i) => {
    if (value == null) { pen = "M"; return ""; }
    const dot = pen === "M" && values[i + 1] == null ? "h0" : ""; // a lone value is a dot
    const point = `${pen}${x(i).toFixed(2)},${y(value).toFixed(2)}${dot}`;
    pen = "L";
    return point;
  }).join("");
  const last = seen.length ? seen[seen.length - 1].toPrecision(4) : "–";
  const label = seen.length ? `${name}: ${seen.length} values, from ${low.toPrecision(3)} to ${high.toPrecision(3)}, now ${last}` : `${name}: no value yet`;
  const svg = node("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label });
  svg.append(node("path", { d: path }));
  return el("figure", {}, el("figcaption", {}, el("span", {}, name), el("b", { class: "num" }, last)), svg);
}
