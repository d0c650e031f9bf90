// The list of events: filters, sorting, jumping, and the export of what is listed.
"use strict";
const Events = (() => {
  const { $, el } = Ui;
  const SHOWN = 300; // rows at first; a button shows the rest
  const VERDICTS = [["", "all events"], ["disagree", "disagreements"], ["missed", "missed"], ["false", "false alarms"], ["matched", "matched"]];
  const TAGS = { matched: "matched", missed: "missed", false: "false alarm", unjudged: "–" };
  let page, events, listed = [], act, selected = null, everything = false;
  let order = { by: "start_frame", down: false };
  const filter = { action: new Set(), pair: new Set(), source: "", verdict: "", inWindow: false };

  /** The page's events as objects, with names and seconds. */
  function read(content) {
    const { columns, rows } = content.events;
    return rows.map((row) => {
      const e = Object.fromEntries(columns.map((name, i) => [name, row[i]]));
      e.agentName = `${content.animal}${e.agent}`;
      e.targetName = e.target === e.agent ? "self" : `${content.animal}${e.target}`;
      e.pair = `${e.agentName} → ${e.targetName}`;
      e.start_sec = e.start_frame / content.fps;
      e.stop_sec = e.stop_frame / content.fps;
      e.duration_sec = e.stop_sec - e.start_sec;
      return e;
    });
  }

  /** `actions`: {jump(event), changed(listed events)}. */
  function open(content, videoEvents, actions) {
    [page, events, act] = [content, videoEvents, actions];
    controls();
    heads();
    $("csv").addEventListener("click", () => save(csv(listed), `video-${page.video}-events.csv`));
    $("boris").addEventListener("click", () => save(boris(listed), `video-${page.video}-boris.csv`));
    update();
  }

  // --- filters -------------------------------------------------------------------------------------------
  function controls() {
    const values = (name) => [...new Set(events.map((e) => e[name]))].sort();
    const choice = (id, label, options, set) => el("label", {}, label, el("select", { id, onchange: (event) => { set(event.target.value); update(); } },
      options.map(([value, text]) => el("option", { value }, text))));
    $("filters").replaceChildren(
      pick("action", "Action", values("action")),
      pick("pair", "Pair", values("pair")),
      choice("source", "Source", [["", "both"], ["annotation", "annotated"], ["prediction", "predicted"]], (v) => { filter.source = v; }),
      choice("verdict", "Agreement", VERDICTS, (v) => { filter.verdict = v; }),
      el("label", { class: "check" }, el("input", { type: "checkbox", id: "in-window", onchange: (event) => { filter.inWindow = event.target.checked; update(); } }), "in the shown time"),
    );
  }

  function pick(name, title, values) {
    const summary = el("summary", { id: `pick-${name}` });
    const say = () => {
      const n = filter[name].size;
      summary.replaceChildren(el("span", { class: "muted" }, title), el("span", { class: "value" }, n === 0 ? "all" : n === 1 ? [...filter[name]][0] : `${n} of ${values.length}`));
    };
    const boxes = values.map((value) => el("label", {}, el("input", { type: "checkbox", value, onchange: (event) => {
      filter[name][event.target.checked ? "add" : "delete"](value);
      say();
      update();
    } }), el("span", {}, value)));
    const all = el("button", { type: "button", class: "all", onclick: () => {
      filter[name].clear();
      boxes.forEach((b) => { b.firstChild.checked = false; });
      say();
      update();
    } }, "All");
    say();
    return el("details", { class: "pick", "data-pick": name, onkeydown: (event) => {
      if (event.key === "Escape") { event.currentTarget.open = false; summary.focus(); event.stopPropagation(); }
    } }, summary, el("div", { class: "choices", role: "group", "aria-label": title }, all, boxes));
  }

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.pick[open]").forEach((d) => { if (!d.contains(event.target)) d.open = false; });
  });

  function passes(e) {
    if (filter.action.size && !filter.action.has(e.action)) return false;
    if (filter.pair.size && !filter.pair.has(e.pair)) return false;
    if (filter.source && e.source !== filter.source) return false;
    if (filter.verdict === "disagree") return e.verdict === "missed" || e.verdict === "false";
    return !filter.verdict || e.verdict === filter.verdict;
  }

  function update() {
    const kept = events.filter(passes);
    const { from, to } = Timeline.range();
    const sign = order.down ? -1 : 1;
    const compare = (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a < b ? -1 : 1));
    listed = filter.inWindow ? kept.filter((e) => e.start_frame < to && e.stop_frame > from) : kept;
    listed.sort((a, b) => compare(a[order.by], b[order.by]) || a.start_frame - b.start_frame || (a.source < b.source ? -1 : 1));
    fill();
    const passed = new Set(kept);
    act.changed(new Set(events.filter((e) => !passed.has(e))));
  }
  const windowMoved = () => { if (filter.inWindow) update(); };

  // --- the table -----------------------------------------------------------------------------------------
  const COLUMNS = [
    ["start_frame", "Start", (e) => el("button", { type: "button", class: "jump" },
      el("i", { style: `background:var(--${e.source})`, title: e.source }), el("span", { class: "spoken" }, e.source === "annotation" ? "annotated " : "predicted "), Clock.text(e.start_sec, 2))],
    ["duration_sec", "Length", (e) => `${e.duration_sec.toFixed(2)} s`],
    ["pair", "Who", (e) => `${e.agent} → ${e.target === e.agent ? "self" : e.target}`],
    ["action", "Action", (e) => e.action],
    ["confidence", "Conf.", (e) => (e.confidence === null ? "" : e.confidence.toFixed(2))],
    ["iou", "IoU", (e) => (e.iou === null ? "" : e.iou.toFixed(2))],
    ["verdict", "Agreement", (e) => el("span", { class: `tag ${e.verdict}` }, TAGS[e.verdict])],
  ];
  const NUMERIC = new Set(["duration_sec", "confidence", "iou"]);

  function heads() {
    const cells = COLUMNS.map(([name, title]) => el("th", { scope: "col", class: NUMERIC.has(name) ? "num" : "", "aria-sort": name === order.by ? "ascending" : "none" },
      el("button", { type: "button", class: "sort", title: "Sort", onclick: () => {
        order = { by: name, down: order.by === name ? !order.down : ["duration_sec", "iou", "confidence"].includes(name) };
        cells.forEach((c, i) => c.setAttribute("aria-sort", COLUMNS[i][0] !== name ? "none" : order.down ? "descending" : "ascending"));
        update();
      } }, title)));
    $("list").querySelector("thead").replaceChildren(el("tr", {}, cells));
  }

  function fill() {
    const rows = everything ? listed : listed.slice(0, SHOWN);
    $("list").querySelector("tbody").replaceChildren(...rows.map((e) => {
      e.row = el("tr", { class: e === selected ? "current" : "", onclick: () => act.jump(e) },
        COLUMNS.map(([name, , cell]) => el("td", { class: NUMERIC.has(name) ? "num" : "" }, cell(e))));
      return e.row;
    }));
    const wrong = listed.filter((e) => e.verdict === "missed" || e.verdict === "false").length;
    const compared = events.some((e) => e.iou !== null);
    $("count").textContent = `${listed.length.toLocaleString("en-US")} of ${events.length.toLocaleString("en-US")}, `
      + (compared ? `${wrong.toLocaleString("en-US")} ${wrong === 1 ? "disagreement" : "disagreements"}` : "nothing to compare");
    $("more").hidden = rows.length === listed.length && listed.length > 0;
    if (!listed.length) $("more").textContent = events.length ? "No event passes the filters." : "No event, neither annotated nor predicted.";
    else $("more").replaceChildren(`The first ${rows.length} of ${listed.length.toLocaleString("en-US")}. `,
      el("button", { type: "button", onclick: () => { everything = true; fill(); } }, "Show all"));
  }

  /** Mark an event as the one that is looked at. */
  function select(event) {
    if (selected) { selected.selected = false; if (selected.row) selected.row.classList.remove("current"); }
    selected = event;
    event.selected = true;
    if (event.row) {
      event.row.classList.add("current");
      const list = $("list"), top = event.row.offsetTop, bottom = top + event.row.offsetHeight; // scroll the list, not the page
      if (top - 30 < list.scrollTop) list.scrollTop = top - 30;
      else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
    }
  }

  /** The event `step` places on in the list from the selected one, else from `frame`; null at the ends. */
  function neighbour(step, frame) {
    const at = listed.indexOf(selected);
    if (at >= 0) return listed[at + step] || null;
    if (step > 0) return listed.find((e) => e.start_frame > frame) || null;
    return listed.filter((e) => e.start_frame < frame).at(-1) || null;
  }

  // --- export --------------------------------------------------------------------------------------------
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const table = (rows) => rows.map((row) => row.map(quoted).join(",") + "\r\n").join(""); // RFC 4180
  const seconds = (value) => value.toFixed(3);

  const CSV = ["lab_id", "video_id", "source", "run_id", "agent", "target", "action", "start_frame", "stop_frame", "start_sec", "stop_sec", "duration_sec", "confidence", "iou", "agreement"];
  function csv(list) {
    return table([CSV, ...list.map((e) => [
      page.lab, page.video, e.source, e.source === "prediction" ? page.run : "", e.agentName, e.targetName, e.action,
      e.start_frame, e.stop_frame, seconds(e.start_sec), seconds(e.stop_sec), seconds(e.duration_sec), e.confidence, e.iou, e.verdict,
    ])]);
  }

  // The columns of BORIS's "Export events, tabular" (version 8 and later): boris/export_observation.py there.
  const BORIS = ["Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source", "Time offset (s)",
    "Media duration (s)", "FPS", "Subject", "Behavior", "Behavioral category", "Modifier #1", "Behavior type", "Time", "Media file name",
    "Image index", "Image file path", "Comment"];
  /** START and STOP rows in the order of time, one observation per source; the target is the modifier. An event without a frame is a POINT. */
  function boris(list) {
    const length = seconds(page.frames / page.fps);
    const marks = list.flatMap((e) => e.stop_frame > e.start_frame
      ? [{ e, what: "START", frame: e.start_frame, rank: 1 }, { e, what: "STOP", frame: e.stop_frame, rank: 0 }]
      : [{ e, what: "POINT", frame: e.start_frame, rank: 2 }]);
    const observation = (e) => `${page.video} ${e.source === "annotation" ? "annotated" : `predicted by ${page.run}`}`;
    marks.sort((a, b) => (a.e.source < b.e.source ? -1 : a.e.source > b.e.source ? 1 : a.frame - b.frame || a.rank - b.rank
      || a.e.agent - b.e.agent || a.e.target - b.e.target || (a.e.action < b.e.action ? -1 : a.e.action > b.e.action ? 1 : 0)));
    return table([BORIS, ...marks.map(({ e, what, frame }) => [
      observation(e), "", "", length, "Media file(s)", `player #1:${page.video}`, "0.000", length, page.fps.toFixed(3), e.agentName, e.action, "",
      e.targetName, what, seconds(frame / page.fps), page.video, frame, "NA", e.confidence === null ? "" : `confidence ${e.confidence}`,
    ])]);
  }

  function save(text, name) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  return { read, open, select, neighbour, windowMoved, selected: () => selected, update };
})();
