// The page: tabs, controls, cards, tooltips, tables, themes; data from the page itself or, live, from its server.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page").textContent);
  const { $, el, showTip, hideTip } = Ui;
  const tables = {}; // data set -> what the visuals are drawn from
  const base = {}; // the same without any choice: for the values of controls, and for colours that stay
  const chosen = new Map(); // dashboard id -> Map(parameter -> Set of values)
  const sheets = page.dashboards.flatMap((dashboard) =>
    dashboard.Definition.Sheets.map((sheet) => ({ dashboard, sheet, id: sheet.SheetId })));
  let current = null;

  // --- colours ---------------------------------------------------------------------------------------------
  const palette = page.theme.Configuration.DataColorPalette.Colors;
  const ranks = new Map();
  function colorOf(column, value) {
    if (column === null) return Specs.tone(palette[value % palette.length]);
    if (!ranks.has(column)) {
      const counts = new Map();
      for (const table of Object.values(base)) {
        for (const v of (table.columns[column] || { values: [] }).values) counts.set(v, (counts.get(v) || 0) + 1);
      }
      const ordered = [...counts].sort((a, b) => b[1] - a[1] || Data.byName(a[0], b[0]));
      ranks.set(column, new Map(ordered.map(([v], i) => [v, i])));
    }
    return Specs.tone(palette[(ranks.get(column).get(value) ?? 0) % palette.length]);
  }

  Ui.theme((dark) => {
    Specs.setTheme(dark, dark ? ["#16324A", "#2F7FB8", "#B9E0FF"] : ["#E8F1FA", "#6BAED6", "#08519C"]);
    if (current) drawCards();
  });

  // --- choices ---------------------------------------------------------------------------------------------
  const choicesOf = (dashboard) => {
    if (!chosen.has(dashboard.DashboardId)) chosen.set(dashboard.DashboardId, new Map());
    return chosen.get(dashboard.DashboardId);
  };
  const valuesOf = (dashboard, parameter) => choicesOf(dashboard).get(parameter) || new Set();

  const filtersOf = (dashboard) => Definition.parameterFilters(dashboard)
    .map((f) => ({ column: f.column, values: valuesOf(dashboard, f.parameter) }));

  function writeAddress() {
    const query = new URLSearchParams();
    for (const [parameter, values] of choicesOf(current.dashboard)) for (const v of values) query.append(parameter, v);
    const text = query.toString();
    history.replaceState(null, "", `#${current.id}${text ? "?" + text : ""}`);
  }

  function readAddress() {
    const [id, text] = location.hash.slice(1).split("?");
    const entry = sheets.find((s) => s.id === id) || sheets[0];
    for (const [parameter, value] of new URLSearchParams(text || "")) {
      const choices = choicesOf(entry.dashboard);
      if (!choices.has(parameter)) choices.set(parameter, new Set());
      choices.get(parameter).add(value);
    }
    return entry;
  }

  // --- data ------------------------------------------------------------------------------------------------
  const dataSetsOf = (dashboard) => dashboard.Definition.DataSetIdentifierDeclarations.map((d) => d.Identifier);

  async function fetchTables(dashboard, choices) {
    const query = new URLSearchParams();
    for (const [parameter, values] of choices) for (const v of values) query.append(parameter, v);
    return Promise.all(dataSetsOf(dashboard).map(async (name) => {
      const answer = await fetch(`api/data/${dashboard.key}/${name}?${query}`);
      const packed = await answer.json();
      return [name, Data.open(packed)];
    }));
  }

  /** Live: ask the server. Else: what the page brought along. */
  async function load(dashboard) {
    if (!page.live) return;
    status("Asking Athena …");
    const began = performance.now();
    try {
      const active = [...choicesOf(dashboard).values()].some((v) => v.size);
      if (!active || !dataSetsOf(dashboard).every((name) => base[name])) {
        for (const [name, table] of await fetchTables(dashboard, new Map())) { base[name] = table; tables[name] = table; }
        ranks.clear();
      }
      if (active) for (const [name, table] of await fetchTables(dashboard, choicesOf(dashboard))) tables[name] = table;
      status(`Live: asked Athena at ${new Date().toLocaleTimeString("en-GB")}, ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    } catch (error) {
      status(`The server of this page does not answer (${error.message}). Start it again: make dashboards SERVE=1.`);
      throw error;
    }
  }

  const status = (text) => { $("status").textContent = text; };

  // --- tables ----------------------------------------------------------------------------------------------
  const ROWS_SHOWN = 200;
  function htmlTable(chart, caption) {
    const numeric = chart.head.map((_, i) => chart.rows.length > 0 && chart.rows.every((r) => r[i] === null || typeof r[i] === "number"));
    let rows = chart.rows, by = -1, down = false;
    const body = el("tbody");
    const note = el("p", { class: "note" });
    const plain = (i, v) => (chart.formats[i] && !chart.formats[i].isMeasure && chart.formats[i].decimals === undefined && typeof v === "number" ? whole(v) : Data.text(v, chart.formats[i]));
    const start = chart.formats.findIndex((f) => f && f.column === "start_sec");
    const linked = (i, v, row) => { // a video that has a page of its own, at the row's event
      const name = chart.formats[i] && chart.formats[i].column === "video" && page.videos[v];
      return name ? el("a", { href: start < 0 ? name : `${name}#time=${row[start]}` }, plain(i, v)) : plain(i, v);
    };
    const fill = () => {
      body.replaceChildren(...rows.slice(0, ROWS_SHOWN).map((row) => el("tr", {}, row.map((v, i) =>
        el(i ? "td" : "th", { class: numeric[i] ? "num" : "", scope: i ? undefined : "row" }, linked(i, v, row))))));
      note.textContent = rows.length > ROWS_SHOWN ? `The first ${ROWS_SHOWN} of ${rows.length.toLocaleString("en-US")} rows.` : "";
    };
    const heads = chart.head.map((text, i) => el("th", { scope: "col", class: numeric[i] ? "num" : "" },
      el("button", { type: "button", title: "Sort", onclick: () => {
        down = by === i ? !down : numeric[i];
        by = i;
        rows = [...chart.rows].sort((a, b) => (down ? -1 : 1) * compare(a[i], b[i]));
        heads.forEach((h, k) => h.setAttribute("aria-sort", k === i ? (down ? "descending" : "ascending") : "none"));
        fill();
      } }, text)));
    fill();
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table: ${caption}` }, el("table", {}, el("thead", {}, el("tr", {}, heads)), body), note);
  }
  const whole = (v) => (Number.isInteger(v) ? String(v) : Data.text(v, { decimals: 2 }));
  const compare = (a, b) => (a === null ? 1 : b === null ? -1 : Data.byName(a, b));

  // --- cards -----------------------------------------------------------------------------------------------
  const ROW_HEIGHT = 26; // pixels of one row of QuickSight's grid

  function card(union, place) {
    const visual = Definition.read(union, current.dashboard, tables);
    const isKpi = visual.kind === "KPIVisual";
    const node = el("section", {
      class: `card ${isKpi ? "is-kpi" : ""}`, id: `v-${visual.id}`, "aria-label": visual.title,
      style: `--c:${place.column + 1};--cs:${place.columns};--r:${place.row + 1};--rs:${place.rows}`,
    }, el("h3", {}, visual.title), visual.subtitle ? el("p", { class: "subtitle" }, visual.subtitle) : "");
    if (!visual.error) {
      try {
        const rows = Data.filter(visual.table, page.live ? [] : filtersOf(current.dashboard));
        fillCard(node, visual, rows, place, isKpi);
        return node;
      } catch (error) {
        visual.error = error.message;
      }
    }
    node.classList.add("broken");
    node.append(el("p", { class: "error", role: "alert" }, "This visual cannot be drawn. ", visual.error));
    return node;
  }

  function fillCard(node, visual, rows, place, isKpi) {
    const figure = el("div", { class: "figure" });
    node.append(figure);
    const translate = () => {
      const narrow = matchMedia("(max-width: 900px)").matches;
      const room = Math.floor(figure.clientWidth || 600);
      const taken = 74 + (visual.subtitle ? 20 : 0);
      const height = Math.max(170, (narrow ? Math.min(place.rows, 14) : place.rows) * ROW_HEIGHT - taken);
      return Specs.translate(visual, rows, { width: room, height }, colorOf);
    };
    if (visual.kind === "TableVisual") {
      const chart = translate();
      figure.append(chart.rows.length ? htmlTable(chart, visual.title) : empty(visual));
      figure.style.setProperty("--h", `${place.rows * ROW_HEIGHT - 62 - (visual.subtitle ? 20 : 0)}px`);
      figure.classList.add("is-table");
      return;
    }
    if (isKpi) {
      figure.append(el("p", { class: "kpi" }, translate().text));
      return;
    }
    let shown = null;
    node.paint = async () => {
      shown = translate();
      foot.hidden = !shown.spec;
      if (!shown.spec) figure.replaceChildren(empty(visual));
      else await Charts.draw(figure, shown.spec, visual.alt);
    };
    const details = el("details", { class: "rows" }, el("summary", {}, "Table"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(htmlTable(shown, `${visual.title}: table`));
    });
    const saving = ["png", "svg"].map((kind) => el("button", {
      type: "button", class: "save", "aria-label": `Save ${visual.title} as ${kind.toUpperCase()}`,
      onclick: () => { if (shown.spec) Charts.save(shown.spec, visual.id, kind); },
    }, kind.toUpperCase()));
    const foot = el("div", { class: "foot" }, details, el("span", { class: "saves" }, saving));
    node.append(foot);
  }

  /** What is said where a visual has no row: under a choice the choice is the reason, else the lake has none. */
  function empty(visual) {
    const chosen = [...choicesOf(current.dashboard).values()].some((values) => values.size);
    const command = EMPTY[visual.dataSet];
    if (chosen) return el("p", { class: "empty" }, "No rows under this choice of filters.");
    if (!command) return el("p", { class: "empty" }, NONE[visual.dataSet]);
    return el("p", { class: "empty" }, "No rows yet. Run ", el("code", {}, command), " to fill this chart.");
  }
  const EMPTY = {
    ...Object.fromEntries(["videos", "points", "events", "minutes", "transitions", "sources"].map((name) => [name, "make ingest etl"])),
    ...Object.fromEntries(["runs", "scores", "scored_time", "calibration", "review"].map((name) => [name, "make train predict evaluate"])),
  };
  const NONE = { // where no row is no gap
    rejected: "None: no row was rejected.", flags: "None: no file was flagged.",
    groups: "Nothing to compare: no two groups (sex, strain, age, condition) in the metadata share an action.",
  };

  // --- controls --------------------------------------------------------------------------------------------
  function control(c) {
    const table = base[c.dataSet];
    const choices = choicesOf(current.dashboard);
    if (!table || table.error || !table.columns[c.column]) {
      return el("span", { class: "error" }, `${c.title}: column "${c.column}" is not in data set "${c.dataSet}".`);
    }
    const values = Data.distinct(table, c.column).map(String);
    const picked = () => choices.get(c.parameter) || new Set();
    const summary = el("summary", { id: c.id });
    const name = () => {
      const have = [...picked()];
      const text = have.length === 0 ? "all" : have.length === 1 ? have[0] : `${have.length} of ${values.length}`;
      summary.replaceChildren(el("span", { class: "muted" }, c.title), el("span", { class: "value" }, text));
    };
    const boxes = values.map((value) => el("label", {}, el("input", {
      type: "checkbox", value, checked: picked().has(value),
      onchange: (event) => {
        const set = c.multiple || !event.target.checked ? new Set(picked()) : new Set();
        if (event.target.checked) set.add(value);
        else set.delete(value);
        choose(c, set);
        boxes.forEach((b) => { b.firstChild.checked = set.has(b.firstChild.value); });
        name();
      },
    }), el("span", {}, value)));
    const all = el("button", { type: "button", class: "all", onclick: () => {
      choose(c, new Set());
      boxes.forEach((b) => { b.firstChild.checked = false; });
      name();
    } }, "All");
    name();
    return el("details", { class: "pick", "data-parameter": c.parameter, onkeydown: (event) => {
      if (event.key === "Escape") { event.currentTarget.open = false; summary.focus(); }
    } }, summary, el("div", { class: "choices", role: "group", "aria-label": c.title }, all, boxes));
  }

  function choose(c, set) {
    const choices = choicesOf(current.dashboard);
    if (set.size) choices.set(c.parameter, set);
    else choices.delete(c.parameter);
    writeAddress();
    refresh();
  }

  let turn = 0;
  async function refresh() {
    const own = ++turn;
    try { await load(current.dashboard); } catch { return; }
    if (own === turn) drawCards(); // a later choice has overtaken this one
  }

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.pick[open]").forEach((d) => { if (!d.contains(event.target)) d.open = false; });
  });

  // --- sheets ----------------------------------------------------------------------------------------------
  async function drawCards() {
    hideTip();
    const entry = current, own = turn;
    const places = Definition.places(entry.sheet);
    const cards = entry.sheet.Visuals.map((union) => card(union, places.get(Object.values(union)[0].VisualId) || { column: 0, columns: 36, row: 0, rows: 12 }));
    $("cards").replaceChildren(...cards);
    await Promise.all(cards.map(paintCard));
    if (own === turn) document.body.dataset.ready = entry.id;
  }

  async function paintCard(node) {
    if (!node.paint || node.classList.contains("broken")) return;
    try { await node.paint(); } catch (error) {
      node.classList.add("broken");
      node.querySelector(".figure").replaceWith(el("p", { class: "error", role: "alert" }, "This visual cannot be drawn. ", error.message));
    }
  }

  async function open(entry, focus) {
    current = entry;
    delete document.body.dataset.ready;
    document.querySelectorAll("[role=tab]").forEach((tab) => {
      const selected = tab.id === `tab-${entry.id}`;
      tab.setAttribute("aria-selected", selected);
      tab.tabIndex = selected ? 0 : -1;
      if (selected && focus) tab.focus();
      if (selected) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    $("panel").setAttribute("aria-labelledby", `tab-${entry.id}`);
    $("sheet-title").textContent = `${entry.dashboard.short}: ${entry.sheet.Name}`;
    $("sheet-text").textContent = entry.sheet.Description || "";
    document.title = `Etholake · ${entry.dashboard.short} · ${entry.sheet.Name}`;
    writeAddress();
    const own = ++turn;
    try { await load(entry.dashboard); } catch { return; }
    if (own !== turn) return;
    $("controls").replaceChildren(...Definition.controls(entry.sheet).map(control), el("button", { type: "button", id: "reset", onclick: () => {
      choicesOf(current.dashboard).clear();
      open(current);
    } }, "Reset"));
    drawCards();
  }

  function tabs() {
    const groups = page.dashboards.map((dashboard) => el("div", { class: "group", role: "presentation" },
      el("span", { class: "group-name", "aria-hidden": "true" }, dashboard.short),
      sheets.filter((s) => s.dashboard === dashboard).map((s) => el("button", {
        type: "button", role: "tab", id: `tab-${s.id}`, "aria-controls": "panel", "aria-label": `${dashboard.short}: ${s.sheet.Name}`,
        onclick: () => open(s),
      }, s.sheet.Name))));
    $("tabs").replaceChildren(...groups);
    $("tabs").addEventListener("keydown", (event) => {
      const at = sheets.indexOf(current);
      const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: sheets.length - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      open(sheets[(next + sheets.length) % sheets.length], true);
    });
  }

  let drawnAt = 0;
  new ResizeObserver(() => {
    const room = $("cards").clientWidth;
    if (Math.abs(room - drawnAt) < 2) return;
    drawnAt = room;
    repaint();
  }).observe($("cards"));
  const repaint = () => document.querySelectorAll(".card").forEach(paintCard);
  matchMedia("print").addEventListener("change", repaint);

  // --- start -----------------------------------------------------------------------------------------------
  for (const dashboard of page.dashboards) {
    dashboard.short = dashboard.Name.replace(/^Etholake: /, "");
    dashboard.key = dashboard.DashboardId.replace(/^.*-/, "");
  }
  for (const [name, packed] of Object.entries(page.data || {})) base[name] = tables[name] = Data.open(packed);
  $("facts").textContent = page.facts;
  if (!page.live) status(page.read);
  $("print").addEventListener("click", () => print());
  addEventListener("hashchange", () => { const s = readAddress(); if (s !== current) open(s); });
  tabs();
  open(readAddress());
})();
