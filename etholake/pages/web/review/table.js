// One way to fill a table: columns are [title, text of a row, "num" for numbers]; a row may be opened; `empty` says
// what to do where there is no row.
const { el } = Ui;

export function fill(table, columns, rows, open, empty) {
  table.tHead.replaceChildren(el("tr", {}, columns.map(([title, , kind]) => el("th", { scope: "col", class: kind }, title))));
  table.tBodies[0].replaceChildren(...rows.map((row) => el("tr", {}, columns.map(([title, text, kind], i) => {
    const value = text(row);
    const shown = value instanceof Node ? value : String(value ?? "–");
    return el("td", { class: kind }, i === 0 && open ? el("button", { type: "button", class: "open", onclick: () => open(row) }, shown) : shown);
  }))), ...(rows.length ? [] : [el("tr", {}, el("td", { colspan: columns.length, class: "muted" }, empty))]));
}

export const share = (value) => (value == null ? "–" : Number(value).toFixed(2));
