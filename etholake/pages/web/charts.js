// Draws visuals as SVG. A chart is {node, marks, head, rows}: what is seen, what can be pointed at, and its table.
"use strict";
const Charts = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const FONT = 12;
  const OTHER = "other";

  function svg(name, attributes = {}, ...children) {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value);
    for (const child of children.flat(Infinity)) {
      node.append(typeof child === "object" ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  const ruler = document.createElement("canvas").getContext("2d");
  function width(text, size = FONT) {
    ruler.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    return ruler.measureText(String(text)).width;
  }

  /** The text cut to fit, with an ellipsis; the whole of it in a <title>. */
  function fitted(text, room, attributes) {
    let shown = String(text);
    while (shown.length > 2 && width(shown) > room) shown = shown.slice(0, -2).trimEnd() + "…";
    return svg("text", attributes, shown, shown === String(text) ? [] : svg("title", {}, text));
  }

  // --- scales --------------------------------------------------------------------------------------------
  function niceTicks(low, high, count, whole) {
    if (!(high > low)) return [low];
    const raw = Math.max((high - low) / Math.max(1, count), whole ? 1 : 0);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * (whole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10]).find((s) => s * power >= raw * 0.999);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
    return ticks;
  }

  /** A scale of values to pixels, with ticks; on a log scale it begins at the decade below the smallest value. */
  function valueScale(values, options, from, to, count) {
    const finite = values.filter((v) => v !== null && Number.isFinite(v) && (!options.log || v > 0));
    let high = options.maximum ?? Math.max(0, ...finite);
    let low = options.minimum ?? Math.min(0, ...finite);
    if (options.log) {
      low = 10 ** Math.floor(Math.log10(Math.min(...finite, 1e12)) - 1e-9);
      high = 10 ** Math.ceil(Math.log10(Math.max(...finite, 1e-12)) - 1e-9);
      if (!(high > low) || !finite.length) [low, high] = [0.1, 10];
      const a = Math.log10(low), b = Math.log10(high);
      const ticks = [];
      for (let e = a; e <= b + 1e-9; e += Math.max(1, Math.ceil((b - a) / Math.max(2, count)))) ticks.push(10 ** Math.round(e));
      const at = (v) => from + ((Math.log10(Math.max(v, low)) - a) / (b - a)) * (to - from);
      return { at, ticks, zero: from, low, high };
    }
    if (options.data) { // a scale of data that need not begin at 0
      low = Math.min(...finite); high = Math.max(...finite);
      const pad = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 1;
      low = low >= 0 ? Math.max(0, low - pad) : low - pad; high += pad;
    }
    if (!(high > low)) high = low + 1;
    const ticks = niceTicks(low, high, count, options.whole);
    if (options.maximum === undefined && !options.data) {
      const step = ticks.length > 1 ? ticks[1] - ticks[0] : high;
      if (ticks.at(-1) < high - step * 1e-6) ticks.push(Number((ticks.at(-1) + step).toPrecision(12)));
      high = Math.max(high, ticks.at(-1));
    }
    return { at: (v) => from + ((v - low) / (high - low)) * (to - from), ticks, low, high, zero: undefined };
  }

  function tickText(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return (value / 1e6).toLocaleString("en-US", { maximumFractionDigits: 2 }) + " M";
    return value.toLocaleString("en-US", { maximumFractionDigits: size >= 100 ? 0 : size >= 1 ? 2 : 6 });
  }

  // --- rows into categories and series ---------------------------------------------------------------------
  /** Groups sorted and limited: [{key, rows}], the rest under "other" if wanted. */
  function categories(visual, rows, field, sortKey, limitKey) {
    const groups = [...Data.group(visual.table, rows, field.column)].map(([key, found]) => ({ key, rows: found }));
    const sort = Definition.sorting(visual, sortKey);
    const sign = sort && sort.direction === "DESC" ? -1 : 1;
    if (sort && sort.field.isMeasure) {
      groups.forEach((g) => { g.by = Data.measure(visual.table, g.rows, sort.field); });
      groups.sort((a, b) => sign * ((a.by ?? -Infinity) - (b.by ?? -Infinity)) || Data.byName(a.key, b.key));
    } else {
      groups.sort((a, b) => sign * Data.byName(a.key, b.key));
    }
    const { limit, other } = Definition.limit(visual, limitKey);
    return cut(groups, limit, other);
  }

  function cut(groups, limit, other) {
    if (groups.length <= limit) return groups;
    const rest = groups.slice(limit);
    const kept = groups.slice(0, limit);
    return other ? [...kept, { key: `${OTHER} (${rest.length})`, rows: rest.flatMap((g) => g.rows), rest: true }] : kept;
  }

  /** The series of a bar or line chart: one a colour value, or one a measure. Each has value(rows). */
  function seriesOf(visual, rows, colorOf) {
    const measures = visual.wells.Values;
    const color = (visual.wells.Colors || [])[0];
    if (!color) {
      return measures.map((m, i) => ({
        name: m.label, color: colorOf(null, i), field: m, value: (found) => Data.measure(visual.table, found, m),
      }));
    }
    const measure = measures[0];
    const groups = [...Data.group(visual.table, rows, color.column)].map(([key, found]) => ({ key, rows: found }));
    const by = new Map(groups.map((g) => [g.key, Data.measure(visual.table, g.rows, measure) ?? 0]));
    groups.sort((a, b) => by.get(b.key) - by.get(a.key) || Data.byName(a.key, b.key));
    const limit = visual.kind === "LineChartVisual" ? "ColorItemsLimitConfiguration" : "ColorItemsLimit";
    const shown = cut(groups, Definition.limit(visual, limit).limit, true);
    const given = Definition.colorMap(visual, color);
    const order = [...given.keys()]; // states: the definition's own order reads better than that of size
    if (order.length) shown.sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
    const free = freeColors(given, colorOf);
    return shown.map((g) => {
      const members = new Set(g.rows);
      return {
        name: g.key, color: g.rest ? "var(--other)" : tone(given.get(g.key)) || free(color.column, g.key), field: measure,
        value: (found) => Data.measure(visual.table, found.filter((i) => members.has(i)), measure),
      };
    });
  }

  /** colorOf, but no colour twice in one chart as long as there are others. */
  function freeColors(given, colorOf) {
    const taken = new Set([...given.values()].map(tone));
    return (column, value) => {
      const own = colorOf(column, value);
      let color = own;
      for (let i = 0; taken.has(color) && i < 40; i++) color = colorOf(null, i);
      if (taken.has(color)) color = own;
      taken.add(color);
      return color;
    };
  }

  // --- parts of a chart --------------------------------------------------------------------------------------
  function legend(series, room) {
    const items = [];
    let x = 0, y = 0;
    for (const s of series) {
      const w = 22 + Math.min(width(s.name), room - 30) + 14;
      if (x && x + w > room) { x = 0; y += 18; }
      items.push(svg("g", { transform: `translate(${x},${y})` },
        s.mark ? s.mark(6, 8) : svg("rect", { x: 0, y: 2, width: 12, height: 12, rx: 2, fill: s.color }),
        fitted(s.name, room - 30, { x: 18, y: 12, class: "label" })));
      x += w;
    }
    return { node: svg("g", {}, items), height: items.length ? y + 26 : 0 };
  }

  function frame(size, alt, ...children) {
    return svg("svg", {
      viewBox: `0 0 ${size.width} ${size.height}`, width: size.width, height: size.height, role: "img", tabindex: 0,
      "aria-label": `${alt} Arrow keys step through the values.`,
    }, ...children);
  }

  function mark(node, title, lines) {
    node.classList.add("mark");
    return { node, title: String(title), lines };
  }

  const nothing = (visual, size) => ({
    node: svg("svg", { viewBox: `0 0 ${size.width} 80`, width: size.width, height: 80, role: "img", "aria-label": "No rows" },
      svg("text", { x: size.width / 2, y: 44, class: "empty", "text-anchor": "middle" }, "No rows to show")),
    marks: [], head: visual.fields.map((f) => f.label), rows: [], formats: visual.fields,
  });

  /** Labels under a chart: level if they fit, else slanted; every n-th where there are too many. */
  function bottomLabels(names, at, step, y, room) {
    const widest = Math.max(0, ...names.map((n) => width(n)));
    if (widest <= step - 6) {
      return { height: 20, node: svg("g", {}, names.map((n, i) => svg("text", { x: at(i), y: y + 16, class: "label", "text-anchor": "middle" }, n))) };
    }
    const every = Math.max(1, Math.ceil(15 / step));
    const cutAt = Math.min(widest, room);
    return {
      height: cutAt * 0.72 + 16,
      node: svg("g", {}, names.map((n, i) => i % every ? [] : fitted(n, Math.min(cutAt, (at(i) + 4) / 0.72), {
        transform: `translate(${at(i) + 4},${y + 12}) rotate(-45)`, class: "label", "text-anchor": "end",
      }))),
    };
  }

  function yGrid(scale, left, right, label, top) {
    return svg("g", {},
      scale.ticks.map((t) => [
        svg("line", { x1: left, x2: right, y1: scale.at(t), y2: scale.at(t), class: "grid" }),
        svg("text", { x: left - 6, y: scale.at(t) + 4, class: "label num", "text-anchor": "end" }, tickText(t)),
      ]),
      label ? svg("text", { x: 0, y: top - 14, class: "axis" }, label) : []);
  }

  // --- the kinds ---------------------------------------------------------------------------------------------
  function kpi(visual, rows) {
    const field = visual.wells.Values[0];
    const value = Data.measure(visual.table, rows, field);
    const node = document.createElement("p");
    node.className = "kpi";
    node.textContent = Data.text(value, field);
    return { node, marks: [], head: [visual.title], rows: [[value]], formats: [field] };
  }

  function bars(visual, rows, size, colorOf) {
    const field = visual.wells.Category[0];
    const cats = categories(visual, rows, field, "CategorySort", "CategoryItemsLimit");
    if (!cats.length) return nothing(visual, size);
    const series = seriesOf(visual, rows, colorOf);
    const arrangement = visual.configuration.BarsArrangement || "CLUSTERED";
    const options = Definition.axis(visual.configuration.ValueAxis);
    const percent = arrangement === "STACKED_PERCENT";
    const stacked = arrangement !== "CLUSTERED";
    const values = cats.map((c) => series.map((s) => s.value(c.rows)));
    const totals = values.map((v) => v.reduce((a, b) => a + (b || 0), 0));
    const share = (v, i) => (percent ? (totals[i] ? (100 * (v || 0)) / totals[i] : 0) : v || 0);
    const draw = visual.configuration.Orientation === "VERTICAL" ? columnsOf : rowsOf;
    const seen = new Set(series.length > 1 || (visual.wells.Colors || []).length ? series : []);
    const marks = [];
    const tip = (i, j) => [
      ...(seen.size ? [[series[j].name, Data.text(values[i][j], series[j].field), series[j].color]] : [[series[j].name, Data.text(values[i][j], series[j].field)]]),
      ...(percent ? [["Share", share(values[i][j], i).toFixed(1) + " %"]] : []),
      ...(stacked && seen.size ? [["All", Data.text(totals[i], series[0].field)]] : []),
    ];
    const ends = percent ? [0, 100] : stacked ? totals : values.flat();
    if (percent) options.maximum = 100;
    options.whole = series.every((s) => s.field.decimals === 0);
    const node = draw();
    return {
      node, marks,
      head: [field.label, ...series.map((s) => s.name)],
      rows: cats.map((c, i) => [c.key, ...values[i]]),
      formats: [field, ...series.map((s) => s.field)],
    };

    function rowsOf() {
      const key = legend([...seen], size.width);
      const wide = Math.min(Math.max(...cats.map((c) => width(c.key))) + 10, size.width * 0.38);
      const inner = stacked ? 1 : series.length;
      const step = Math.max(inner > 1 ? 8 * inner + 4 : 15, Math.min(inner > 1 ? 22 * inner : 44, (size.height - key.height - 30) / cats.length));
      const top = key.height + 4, bottom = top + step * cats.length;
      const scale = valueScale(ends, options, wide, size.width - 24, Math.max(2, (size.width - wide) / 90));
      const parts = [svg("g", {}, scale.ticks.map((t) => [
        svg("line", { x1: scale.at(t), x2: scale.at(t), y1: top, y2: bottom, class: "grid" }),
        svg("text", { x: scale.at(t), y: bottom + 15, class: "label num", "text-anchor": "middle" }, percent ? t + " %" : tickText(t)),
      ]))];
      cats.forEach((c, i) => {
        const y = top + i * step;
        parts.push(fitted(c.key, wide - 10, { x: wide - 8, y: y + step / 2 + 4, class: "label", "text-anchor": "end" }));
        const thick = (step * (inner > 1 ? 0.8 : 0.7)) / inner;
        let run = 0;
        series.forEach((s, j) => {
          const v = share(values[i][j], i);
          if (!v) return;
          const from = stacked ? scale.at(run) : scale.zero ?? scale.at(0);
          const to = scale.at(stacked ? run + v : v);
          const node = svg("rect", {
            x: from, y: y + (step - thick * inner) / 2 + (stacked ? 0 : j * thick), width: Math.max(1, to - from - (stacked ? 0.75 : 0)),
            height: thick - (inner > 1 ? 1 : 0), rx: 1.5, fill: s.color,
          });
          run += v;
          parts.push(node);
          marks.push(mark(node, c.key, tip(i, j)));
        });
      });
      return frame({ width: size.width, height: bottom + 22 }, visual.alt, key.node, parts);
    }

    function columnsOf() {
      const key = legend([...seen], size.width);
      const left = 52, right = size.width - 8;
      const step = (right - left) / cats.length;
      const names = bottomLabels(cats.map((c) => c.key), (i) => left + (i + 0.5) * step, step, 0, 110);
      const top = key.height + 24, bottom = Math.max(top + 80, size.height - names.height - 4);
      const scale = valueScale(ends, options, bottom, top, (bottom - top) / 45);
      const parts = [yGrid(scale, left, right, series[0].field.label, top)];
      cats.forEach((c, i) => {
        let run = 0;
        const inner = stacked ? 1 : series.length, thick = Math.min(48, step * 0.72) / inner;
        series.forEach((s, j) => {
          const v = share(values[i][j], i);
          if (!v) return;
          const y0 = stacked ? scale.at(run) : scale.zero ?? scale.at(0), y1 = scale.at(stacked ? run + v : v);
          const node = svg("rect", {
            x: left + (i + 0.5) * step - (thick * inner) / 2 + (stacked ? 0 : j * thick), y: y1, width: thick,
            height: Math.max(1, y0 - y1 - (stacked ? 0.75 : 0)), rx: 1.5, fill: s.color,
          });
          run += v;
          parts.push(node);
          marks.push(mark(node, c.key, tip(i, j)));
        });
      });
      names.node.setAttribute("transform", `translate(0,${bottom})`);
      return frame({ width: size.width, height: bottom + names.height + 4 }, visual.alt, key.node, parts, names.node);
    }
  }

  function heatMap(visual, rows, size) {
    const [rowField, columnField, field] = [visual.wells.Rows[0], visual.wells.Columns[0], visual.wells.Values[0]];
    const rowGroups = categories(visual, rows, rowField, "HeatMapRowSort", "HeatMapRowItemsLimitConfiguration");
    const columnGroups = categories(visual, rows, columnField, "HeatMapColumnSort", "HeatMapColumnItemsLimitConfiguration");
    if (!rowGroups.length) return nothing(visual, size);
    const names = columnGroups.map((g) => g.key);
    const cells = rowGroups.map((r) => {
      const inner = Data.group(visual.table, r.rows, columnField.column);
      return names.map((n) => (inner.has(n) ? Data.measure(visual.table, inner.get(n), field) : null));
    });
    const flat = cells.flat().filter((v) => v !== null);
    const high = Math.max(...flat), low = Math.min(0, ...flat);
    const left = Math.min(Math.max(...rowGroups.map((r) => width(r.key))) + 10, size.width * 0.32);
    const stepX = (size.width - left - 8) / names.length;
    const top = 30;
    const labels = bottomLabels(names, (i) => left + (i + 0.5) * stepX, stepX, 0, 110);
    const stepY = Math.max(18, Math.min(46, (size.height - labels.height - top - 6) / rowGroups.length));
    const bottom = top + stepY * rowGroups.length;
    const share = (v) => (high > low ? (v - low) / (high - low) : 1);
    const marks = [];
    const short = (v) => {
      const decimals = field.decimals ?? 0;
      return Math.abs(v) >= 10000 ? tickText(Math.round(v / 100) / 10) + "k" : Data.text(v, { decimals: Math.abs(v) >= 100 ? 0 : decimals });
    };
    const written = stepX > Math.max(...flat.map((v) => width(short(v), 11))) + 6;
    const parts = [];
    rowGroups.forEach((r, i) => {
      parts.push(fitted(r.key, left - 10, { x: left - 8, y: top + (i + 0.5) * stepY + 4, class: "label", "text-anchor": "end" }));
      names.forEach((n, j) => {
        const v = cells[i][j];
        const box = { x: left + j * stepX + 0.75, y: top + i * stepY + 0.75, width: Math.max(1, stepX - 1.5), height: stepY - 1.5, rx: 2 };
        if (v === null) { parts.push(svg("rect", { ...box, class: "hole" })); return; }
        const cell = svg("rect", { ...box, fill: ramp(share(v)) });
        parts.push(cell);
        if (written) {
          parts.push(svg("text", {
            x: left + (j + 0.5) * stepX, y: top + (i + 0.5) * stepY + 4, class: "cell num", "text-anchor": "middle",
            fill: ink(share(v)),
          }, short(v)));
        }
        marks.push(mark(cell, `${r.key} · ${n}`, [[field.label, Data.text(v, field)]]));
      });
    });
    labels.node.setAttribute("transform", `translate(0,${bottom})`);
    const highText = tickText(Number(high.toPrecision(3)));
    const barEnd = size.width - 14 - width(highText);
    const bar = Array.from({ length: 24 }, (_, k) => svg("rect", { x: barEnd - 120 + k * 5, y: 4, width: 5.5, height: 10, fill: ramp(k / 23) }));
    const key = svg("g", {}, bar,
      svg("text", { x: barEnd - 126, y: 13, class: "label num", "text-anchor": "end" }, tickText(low)),
      svg("text", { x: size.width - 8, y: 13, class: "label num", "text-anchor": "end" }, highText),
      fitted(`${rowField.label} × ${columnField.label.toLowerCase()}`, barEnd - 150, { x: 0, y: 13, class: "axis" }));
    return {
      node: frame({ width: size.width, height: bottom + labels.height + 4 }, visual.alt, key, parts, labels.node),
      marks, head: [rowField.label, columnField.label, field.label],
      rows: rowGroups.flatMap((r, i) => names.map((n, j) => [r.key, n, cells[i][j]])).filter((r) => r[2] !== null),
      formats: [rowField, columnField, field],
    };
  }

  function lines(visual, rows, size, colorOf) {
    const field = visual.wells.Category[0];
    const cats = categories(visual, rows, field, "CategorySort", "CategoryItemsLimitConfiguration");
    if (!cats.length) return nothing(visual, size);
    const c = visual.configuration;
    const settings = c.DefaultSeriesSettings || {};
    const pointsOnly = ((settings.LineStyleSettings || {}).LineVisibility) === "HIDDEN";
    const area = c.Type === "STACKED_AREA";
    const series = seriesOf(visual, rows, colorOf);
    const shapes = [circle, down, up];
    if (pointsOnly) series.forEach((s, j) => { s.color = j ? "var(--muted)" : s.color; s.mark = (x, y) => shapes[j % 3](x, y, s.color); });
    const values = series.map((s) => cats.map((g) => s.value(g.rows)));
    const options = Definition.axis((c.PrimaryYAxisDisplayOptions || {}).AxisOptions);
    const numeric = cats.every((g) => typeof g.key === "number");
    const key = legend(series.length > 1 || (visual.wells.Colors || []).length ? series : [], size.width);
    const left = pointsOnly ? 70 : 48, right = size.width - 14;
    const first = cats[0].key, last = cats.at(-1).key;
    const step = (right - left) / cats.length;
    const at = numeric && last > first
      ? (i) => left + 8 + ((cats[i].key - first) / (last - first)) * (right - left - 16)
      : (i) => left + (i + 0.5) * step;
    const stacks = area ? cats.map((_, i) => { let run = 0; return values.map((v) => [run, (run += v[i] || 0)]); }) : null;
    const ends = area ? stacks.map((s) => s.at(-1)[1]) : values.flat();
    const top = key.height + 24;
    const ticks = numeric ? [...new Set(niceTicks(first, last, Math.max(2, (right - left) / 80)).map(Math.round))].filter((t) => t >= first && t <= last) : null;
    const names = numeric
      ? { height: 36, node: svg("g", {}, ticks.map((t) => svg("text", { x: left + 8 + (last > first ? ((t - first) / (last - first)) * (right - left - 16) : (right - left) / 2), y: 16, class: "label num", "text-anchor": "middle" }, t)),
        svg("text", { x: (left + right) / 2, y: 32, class: "axis", "text-anchor": "middle" }, field.label)) }
      : bottomLabels(cats.map((g) => g.key), at, step, 0, 140);
    const bottom = Math.max(top + 90, size.height - names.height - 4);
    const scale = valueScale(ends, options, bottom, top, (bottom - top) / 45);
    const parts = [yGrid(scale, left, right, pointsOnly || visual.wells.Values.length === 1 ? visual.wells.Values[0].label : "", top)];
    const marks = [];
    const tip = (i) => series.map((s, j) => [s.name, Data.text(values[j][i], s.field), s.color]).filter((l) => l[1] !== "–");
    if (pointsOnly) {
      cats.forEach((_, i) => {
        const have = values.map((v) => v[i]).filter((v) => v !== null);
        if (have.length > 1) parts.push(svg("line", { x1: at(i), x2: at(i), y1: scale.at(Math.min(...have)), y2: scale.at(Math.max(...have)), class: "stem" }));
      });
    }
    [...series.keys()].reverse().forEach((j) => {
      const s = series[j];
      if (area) {
        const upper = cats.map((_, i) => `${at(i)},${scale.at(stacks[i][j][1])}`);
        const lower = cats.map((_, i) => `${at(i)},${scale.at(stacks[i][j][0])}`).reverse();
        parts.push(svg("polygon", { points: [...upper, ...lower].join(" "), fill: s.color, class: "area" }));
      } else if (!pointsOnly) {
        let path = "", pen = false;
        cats.forEach((_, i) => {
          const v = values[j][i];
          if (v === null) { pen = false; return; }
          path += `${pen ? "L" : "M"}${at(i)} ${scale.at(v)}`;
          pen = true;
        });
        parts.push(svg("path", { d: path, fill: "none", stroke: s.color, "stroke-width": 2, "stroke-linejoin": "round" }));
      }
      if (!area) {
        cats.forEach((g, i) => {
          const v = values[j][i];
          if (v === null) return;
          const node = pointsOnly ? shapes[j % 3](at(i), scale.at(v), s.color) : circle(at(i), scale.at(v), s.color, cats.length > 60 ? 2 : 3.5);
          parts.push(node);
          if (!pointsOnly || j === 0) marks.push(mark(node, g.key, tip(i)));
        });
      }
    });
    if (area) {
      cats.forEach((g, i) => {
        const w = cats.length > 1 ? (right - left) / cats.length : right - left;
        const node = svg("rect", { x: at(i) - w / 2, y: top, width: w, height: bottom - top, class: "strip" });
        parts.push(node);
        marks.push(mark(node, `${field.label} ${g.key}`, tip(i).filter((l) => l[1] !== "0.0")));
      });
    }
    names.node.setAttribute("transform", `translate(0,${bottom})`);
    return {
      node: frame({ width: size.width, height: bottom + names.height + 4 }, visual.alt, key.node, parts, names.node),
      marks,
      head: [field.label, ...series.map((s) => s.name)],
      rows: cats.map((g, i) => [g.key, ...values.map((v) => v[i])]),
      formats: [field, ...series.map((s) => s.field)],
    };
  }

  function boxes(visual, rows, size, colorOf) {
    const [field, value] = [visual.wells.GroupBy[0], visual.wells.Values[0]];
    const cats = categories(visual, rows, field, "CategorySort", "none");
    const options = Definition.axis(visual.configuration.PrimaryYAxisDisplayOptions);
    const stats = cats.map((g) => summary(Data.numbers(visual.table, g.rows, value.column))).map((s, i) => s && { ...s, key: cats[i].key });
    const shown = stats.filter((s) => s);
    if (!shown.length) return nothing(visual, size);
    const left = 52, right = size.width - 8, top = 24;
    const step = (right - left) / shown.length;
    const at = (i) => left + (i + 0.5) * step;
    const names = bottomLabels(shown.map((s) => s.key), at, step, 0, 110);
    const bottom = Math.max(top + 90, size.height - names.height - 4);
    const scale = valueScale(shown.flatMap((s) => [s.low, s.high, ...s.outside]), { ...options, data: !options.log }, bottom, top, (bottom - top) / 45);
    const parts = [yGrid(scale, left, right, value.label, top)];
    const marks = [];
    const half = Math.min(18, step * 0.32);
    const color = colorOf(null, 0);
    shown.forEach((s, i) => {
      const x = at(i);
      s.outside.slice(0, 200).forEach((v) => parts.push(svg("circle", { cx: x, cy: scale.at(v), r: 2, fill: color, class: "outlier" })));
      const box = svg("g", {},
        svg("line", { x1: x, x2: x, y1: scale.at(s.low), y2: scale.at(s.high), stroke: color, "stroke-width": 1.25 }),
        svg("rect", { x: x - half, y: scale.at(s.q3), width: 2 * half, height: Math.max(1, scale.at(s.q1) - scale.at(s.q3)), rx: 2, class: "box", stroke: color, fill: color }),
        svg("line", { x1: x - half, x2: x + half, y1: scale.at(s.median), y2: scale.at(s.median), stroke: color, "stroke-width": 2.5 }));
      parts.push(box);
      marks.push(mark(box, s.key, [
        ["Values", Data.text(s.count, { decimals: 0 })], ["Median", Data.text(s.median, value)],
        ["Quartiles", `${Data.text(s.q1, value)} – ${Data.text(s.q3, value)}`],
        ["Smallest, largest", `${Data.text(s.smallest, value)} – ${Data.text(s.largest, value)}`],
      ]));
    });
    names.node.setAttribute("transform", `translate(0,${bottom})`);
    const whole = { decimals: 0 };
    return {
      node: frame({ width: size.width, height: bottom + names.height + 4 }, visual.alt, parts, names.node), marks,
      head: [field.label, "Values", "Smallest", "Lower quartile", "Median", "Upper quartile", "Largest"],
      rows: shown.map((s) => [s.key, s.count, s.smallest, s.q1, s.median, s.q3, s.largest]),
      formats: [field, whole, value, value, value, value, value],
    };
  }

  function summary(values) {
    if (!values.length) return null;
    const sorted = [...values].sort((a, b) => a - b);
    const [q1, median, q3] = [0.25, 0.5, 0.75].map((p) => Data.quantile(sorted, p));
    const reach = 1.5 * (q3 - q1);
    const inside = sorted.filter((v) => v >= q1 - reach && v <= q3 + reach);
    return {
      count: sorted.length, q1, median, q3, low: inside[0], high: inside.at(-1), smallest: sorted[0], largest: sorted.at(-1),
      outside: [...new Set(sorted.filter((v) => v < q1 - reach || v > q3 + reach))],
    };
  }

  function histogram(visual, rows, size, colorOf) {
    const field = visual.wells.Values[0];
    const values = Data.numbers(visual.table, rows, field.column);
    if (!values.length) return nothing(visual, size);
    const bins = visual.configuration.BinOptions || {};
    const start = bins.StartValue || 0;
    const wide = (bins.BinWidth || {}).Value || 1;
    const limit = Number((bins.BinWidth || {}).BinCountLimit || 100);
    const largest = values.reduce((a, b) => Math.max(a, b));
    const count = Math.min(limit, Math.floor((largest - start) / wide) + 1);
    const counts = Array(count).fill(0);
    values.forEach((v) => { counts[Math.max(0, Math.min(count - 1, Math.floor((v - start) / wide)))]++; });
    const left = 48, right = size.width - 14, top = 24, bottom = size.height - 40;
    const scale = valueScale(counts, { ...Definition.axis(visual.configuration.YAxisDisplayOptions), whole: true }, bottom, top, (bottom - top) / 45);
    const x = (v) => left + ((v - start) / (count * wide)) * (right - left);
    const color = colorOf(null, 0);
    const parts = [yGrid(scale, left, right, "Count", top)];
    const marks = [];
    const last = (k) => k === count - 1 && count === limit;
    const range = (k) => last(k) ? `${tickText(start + k * wide)} and more` : `${tickText(start + k * wide)} – ${tickText(start + (k + 1) * wide)}`;
    counts.forEach((n, k) => {
      if (!n) return;
      const node = svg("rect", { x: x(start + k * wide) + 0.5, y: scale.at(n), width: Math.max(1, (right - left) / count - 1), height: bottom - scale.at(n), fill: color, rx: 1 });
      parts.push(node);
      marks.push(mark(node, `${field.label} ${range(k)}`, [["Count", Data.text(n, { decimals: 0 })]]));
    });
    parts.push(niceTicks(start, start + count * wide, (right - left) / 70).map((t) => svg("text", { x: x(t), y: bottom + 16, class: "label num", "text-anchor": "middle" }, tickText(t))));
    parts.push(svg("text", { x: (left + right) / 2, y: bottom + 33, class: "axis", "text-anchor": "middle" }, field.label));
    return {
      node: frame(size, visual.alt, parts.flat()), marks, head: [field.label, "Count"],
      rows: counts.map((n, k) => [range(k), n]).filter((r) => r[1]), formats: [field, { decimals: 0 }],
    };
  }

  function scatter(visual, rows, size, colorOf) {
    const [x, y, category] = [visual.wells.XAxis[0], visual.wells.YAxis[0], visual.wells.Category[0]];
    const points = [...Data.group(visual.table, rows, category.column)]
      .map(([key, found]) => ({ key, x: Data.measure(visual.table, found, x), y: Data.measure(visual.table, found, y) }))
      .filter((p) => p.x !== null && p.y !== null).sort((a, b) => Data.byName(a.key, b.key));
    if (!points.length) return nothing(visual, size);
    const left = 48, right = size.width - 20, top = 24, bottom = size.height - 42;
    const sx = valueScale(points.map((p) => p.x), Definition.axis(visual.configuration.XAxisDisplayOptions), left, right, (right - left) / 90);
    const sy = valueScale(points.map((p) => p.y), Definition.axis(visual.configuration.YAxisDisplayOptions), bottom, top, (bottom - top) / 45);
    const parts = [
      yGrid(sy, left, right, y.label, top),
      sx.ticks.map((t) => [
        svg("line", { x1: sx.at(t), x2: sx.at(t), y1: top, y2: bottom, class: "grid" }),
        svg("text", { x: sx.at(t), y: bottom + 16, class: "label num", "text-anchor": "middle" }, tickText(t)),
      ]).flat(),
      svg("text", { x: (left + right) / 2, y: bottom + 34, class: "axis", "text-anchor": "middle" }, x.label),
    ].flat();
    const marks = points.map((p) => {
      const node = svg("circle", { cx: sx.at(p.x), cy: sy.at(p.y), r: 5, fill: colorOf(null, 0), class: "point" });
      parts.push(node);
      return mark(node, p.key, [[x.label, Data.text(p.x, x)], [y.label, Data.text(p.y, y)]]);
    });
    return {
      node: frame(size, visual.alt, parts), marks, head: [category.label, x.label, y.label],
      rows: points.map((p) => [p.key, p.x, p.y]), formats: [category, x, y],
    };
  }

  /** A table visual has no picture: its rows are grouped by all its dimensions at once. */
  function table(visual, rows) {
    const groups = visual.wells.GroupBy, values = visual.wells.Values;
    const found = new Map();
    for (const i of rows) {
      const keys = groups.map((g) => visual.table.columns[g.column].values[i]);
      const id = JSON.stringify(keys);
      if (!found.has(id)) found.set(id, { keys, rows: [] });
      found.get(id).rows.push(i);
    }
    const fields = [...groups, ...values];
    const out = [...found.values()].map((g) => [...g.keys, ...values.map((v) => Data.measure(visual.table, g.rows, v))]);
    const sort = Definition.sorting(visual, "RowSort");
    if (sort) {
      const at = fields.indexOf(sort.field), sign = sort.direction === "DESC" ? -1 : 1;
      const rank = (row) => row[at] ?? (sign > 0 ? Infinity : -Infinity);
      out.sort((a, b) => (typeof rank(a) === "number" && typeof rank(b) === "number" ? sign * (rank(a) - rank(b)) : sign * Data.byName(a[at], b[at])) || Data.byName(a.join(), b.join()));
    }
    return { node: null, marks: [], head: fields.map((f) => f.label), rows: out, formats: fields };
  }

  // --- marks and colours ---------------------------------------------------------------------------------------
  const circle = (x, y, color, r = 4) => svg("circle", { cx: x, cy: y, r, fill: color });
  const up = (x, y, color) => svg("path", { d: `M${x - 4} ${y + 0.5}h8v-1.6h-8z`, fill: color });
  const down = (x, y, color) => svg("path", { d: `M${x - 4} ${y + 0.5}h8v-1.6h-8z`, fill: color });

  let dark = false;
  /** A data colour as the page shows it: in the dark, black is the background, so the deep ones are lifted. */
  function tone(hex) {
    if (!dark || !hex) return hex;
    const rgb = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const light = (0.2126 * (rgb[0] / 255) ** 2.2 + 0.7152 * (rgb[1] / 255) ** 2.2 + 0.0722 * (rgb[2] / 255) ** 2.2);
    const lift = light < 0.08 ? 0.5 : light < 0.2 ? 0.22 : 0;
    return `rgb(${rgb.map((v) => Math.round(v + (255 - v) * lift)).join(",")})`;
  }

  let rampColors = ["#E8F1FA", "#6BAED6", "#08519C"];
  function setTheme(isDark, colors) { dark = isDark; rampColors = colors; }

  function mixed(share) {
    const p = Math.max(0, Math.min(1, share)) * (rampColors.length - 1);
    const k = Math.min(rampColors.length - 2, Math.floor(p));
    const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const [a, b] = [rgb(rampColors[k]), rgb(rampColors[k + 1])];
    return a.map((v, i) => Math.round(v + (b[i] - v) * (p - k)));
  }
  const ramp = (share) => `rgb(${mixed(share).join(",")})`;
  const ink = (share) => {
    const [r, g, b] = mixed(share).map((v) => (v / 255) ** 2.2);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? "#10202F" : "#FFFFFF";
  };

  const KINDS = {
    KPIVisual: kpi, BarChartVisual: bars, HeatMapVisual: heatMap, LineChartVisual: lines, BoxPlotVisual: boxes,
    HistogramVisual: histogram, ScatterPlotVisual: scatter, TableVisual: table,
  };

  /** Draw a visual. colorOf(column, value) gives the colour of a value, colorOf(null, n) the n-th of the palette. */
  function draw(visual, rows, size, colorOf) {
    return KINDS[visual.kind](visual, rows, size, colorOf);
  }

  return { draw, setTheme, tone };
})();
