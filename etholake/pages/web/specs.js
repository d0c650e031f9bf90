// Translates a visual of the QuickSight definitions, over some rows, into a Vega-Lite specification.
// A translation is {spec, head, rows, formats}: the picture (null where there is nothing to draw) and its table.
// Each datum that can be pointed at has `tip`: {title, lines: [[name, text, colour]]}.
"use strict";
const Specs = (() => {
  const FONT = 12;
  const OTHER = "other";

  const ruler = document.createElement("canvas").getContext("2d");
  function textWidth(text, size = FONT) {
    ruler.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    return ruler.measureText(String(text)).width;
  }
  const widest = (names, size) => Math.max(0, ...names.map((name) => textWidth(name, size)));
  const upTo = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 6 });

  // --- rows into categories and series -----------------------------------------------------------------------
  /** Groups sorted and limited: [{key, rows}], the rest under "other" if wanted. */
  function categories(visual, rows, field, sortKey, limitKey) {
    const groups = [...Data.group(visual.table, rows, field.column)].map(([key, members]) => ({ key, rows: members }));
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
        name: m.label, color: colorOf(null, i), field: m, value: (members) => Data.measure(visual.table, members, m),
      }));
    }
    const measure = measures[0];
    const groups = [...Data.group(visual.table, rows, color.column)].map(([key, members]) => ({ key, rows: members }));
    const size = new Map(groups.map((g) => [g.key, Data.measure(visual.table, g.rows, measure) ?? 0]));
    groups.sort((a, b) => size.get(b.key) - size.get(a.key) || Data.byName(a.key, b.key));
    const limit = visual.kind === "LineChartVisual" ? "ColorItemsLimitConfiguration" : "ColorItemsLimit";
    const shown = cut(groups, Definition.limit(visual, limit).limit, true);
    const given = Definition.colorMap(visual, color);
    const order = [...given.keys()]; // states: the definition's own order reads better than that of size
    if (order.length) shown.sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
    const free = freeColors(given, colorOf);
    return shown.map((g) => {
      const own = new Set(g.rows);
      return {
        name: g.key, color: g.rest ? "var(--other)" : tone(given.get(g.key)) || free(color.column, g.key), field: measure,
        value: (members) => Data.measure(visual.table, members.filter((i) => own.has(i)), measure),
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

  // --- parts of a specification --------------------------------------------------------------------------------
  const CONFIG = {
    background: null, aria: false, view: { stroke: null }, padding: 2,
    axis: {
      labelFontSize: FONT, titleFontSize: FONT, titleFontWeight: "normal", labelColor: "var(--muted)", titleColor: "var(--muted)",
      domainColor: "var(--line)", tickColor: "var(--line)", gridColor: "var(--grid)", labelPadding: 5, labelLimit: 0,
    },
    title: { fontSize: FONT, fontWeight: "normal", color: "var(--muted)", anchor: "start", frame: "bounds", offset: 8 },
    legend: { labelFontSize: FONT, titleFontSize: FONT, labelColor: "var(--muted)", titleColor: "var(--muted)", titleFontWeight: "normal", symbolType: "square", symbolStrokeWidth: 0, },
    style: { cell: { stroke: null } },
  };

  /** A whole specification of the given size; `caption` names the value axis above the chart. */
  function chart(size, caption, parts) {
    return {
      width: size.width, height: size.height, autosize: { type: "fit", contains: "padding" },
      ...(caption ? { title: { text: caption } } : {}),
      config: { ...CONFIG, font: getComputedStyle(document.body).fontFamily }, ...parts,
    };
  }

  const TIP = { tooltip: { field: "tip" } };

  const legendColumns = (series, room) => Math.max(1, Math.floor(room / (widest(series.map((s) => s.name)) + 34)));
  const legendHeight = (series, room) => 16 + 15 * Math.ceil(series.length / legendColumns(series, room));

  function colorScale(series, room, shown) {
    return {
      field: "series", type: "nominal", sort: null,
      scale: { domain: series.map((s) => s.name), range: series.map((s) => s.color) },
      legend: shown ? { orient: "top", title: null, columns: legendColumns(series, room), symbolLimit: 50, labelLimit: room - 40 } : null,
    };
  }

  /** The scale of values: log or linear, in the range of the definition; readable ticks. */
  function valueChannel(field, values, options, pixels) {
    const finite = values.filter((v) => v !== null && Number.isFinite(v) && (!options.log || v > 0));
    const largest = Math.max(0, ...finite);
    const channel = { field, type: "quantitative", title: null, axis: { domain: false, ticks: false, grid: true, tickCount: Math.max(2, Math.round(pixels)) } };
    if (largest >= 100000) channel.axis.format = "~s";
    if (options.whole) channel.axis.tickMinStep = 1;
    if (options.log) {
      const smallest = finite.length ? Math.min(...finite) : 0.1;
      const low = Math.floor(Math.log10(smallest) + 1e-9), high = Math.max(low + 1, Math.ceil(Math.log10(largest || 10) - 1e-9));
      channel.scale = { type: "log", domain: [10 ** low, 10 ** high], nice: false };
      channel.axis.values = decades(low, high, 1.6 * pixels);
      delete channel.axis.tickCount; // of more values than that Vega would draw every other one: 10, 50, 200
      channel.axis.labelExpr = "datum.value >= 100000 || datum.value < 0.001 ? format(datum.value, '~s') : format(datum.value, ',~r')";
    } else {
      channel.scale = { zero: !options.data, nice: channel.axis.tickCount, ...(options.minimum === undefined ? {} : { domainMin: options.minimum }) };
      if (options.maximum !== undefined) channel.scale = { ...channel.scale, domainMax: options.maximum, nice: false };
    }
    return channel;
  }

  /** Ticks of a log axis from 10^low to 10^high: 1, 2, 5 of each decade if there is room for them, else decades. */
  function decades(low, high, room) {
    const steps = 3 * (high - low) < room ? [1, 2, 5] : [1];
    const every = Math.max(1, Math.ceil((high - low) / Math.max(2, room)));
    const ticks = [];
    for (let power = low; power <= high; power += every) ticks.push(...steps.map((step) => step * 10 ** power));
    return ticks.filter((tick) => tick <= 10 ** high * 1.0001);
  }

  /** The axis of names below a chart, which begins at `left`: level if they fit, else slanted; every n-th where there are too many. */
  function namesBelow(names, width, left, longest) {
    const room = Math.min(longest, width * 0.35);
    const level = widest(names) <= (width - left) / names.length - 6;
    const begins = level ? left : Math.max(left, 0.72 * Math.min(room, widest(names))); // a slanted name reaches to the left
    const every = Math.ceil(14 / ((width - begins) / names.length));
    return { title: null, grid: false, ticks: false, labelAngle: level ? 0 : -45, labelLimit: level ? 0 : room, labelOverlap: false, values: names.filter((_, i) => level || i % every === 0) };
  }

  const nothing = (visual) => ({ spec: null, head: visual.fields.map((f) => f.label), rows: [], formats: visual.fields });

  // --- the kinds -----------------------------------------------------------------------------------------------
  function kpi(visual, rows) {
    const field = visual.wells.Values[0];
    const value = Data.measure(visual.table, rows, field);
    return { spec: null, text: Data.text(value, field), head: [visual.title], rows: [[value]], formats: [field] };
  }

  function bars(visual, rows, size, colorOf) {
    const field = visual.wells.Category[0];
    const cats = categories(visual, rows, field, "CategorySort", "CategoryItemsLimit");
    if (!cats.length) return nothing(visual);
    const series = seriesOf(visual, rows, colorOf);
    const arrangement = visual.configuration.BarsArrangement || "CLUSTERED";
    const percent = arrangement === "STACKED_PERCENT", stacked = arrangement !== "CLUSTERED";
    const named = series.length > 1 || (visual.wells.Colors || []).length > 0;
    const values = cats.map((c) => series.map((s) => s.value(c.rows)));
    const totals = values.map((v) => v.reduce((a, b) => a + (b || 0), 0));
    const options = { ...Definition.axis(visual.configuration.ValueAxis), whole: series.every((s) => s.field.decimals === 0) };
    const data = cats.flatMap((c, i) => series.map((s, j) => ({
      key: String(c.key), series: s.name, rank: j, value: values[i][j],
      tip: { title: String(c.key), lines: [
        [s.name, Data.text(values[i][j], s.field), named ? s.color : undefined],
        ...(percent ? [["Fraction", totals[i] ? `${((100 * (values[i][j] || 0)) / totals[i]).toFixed(1)} %` : "–"]] : []),
        ...(stacked && named ? [["All", Data.text(totals[i], s.field)]] : []),
      ] },
    }))).filter((d) => d.value);
    const vertical = visual.configuration.Orientation === "VERTICAL";
    const keys = cats.map((c) => String(c.key)), inner = stacked ? 1 : series.length;
    const value = valueChannel("value", stacked ? totals : values.flat(), percent ? {} : options, (vertical ? size.height - 60 : size.width * 0.7) / (vertical ? 45 : 90));
    value.stack = percent ? "normalize" : stacked ? "zero" : null;
    if (percent) { value.axis = { ...value.axis, format: ".0%" }; delete value.axis.tickMinStep; }
    const name = { field: "key", type: "nominal", sort: null, scale: { type: "band", domain: keys, paddingInner: 0.28, paddingOuter: 0.14 },
      axis: vertical ? namesBelow(keys, size.width, 60, 150) : { title: null, ticks: false, domain: false, grid: options.log, labelLimit: size.width * 0.45 } };
    const offset = !stacked && series.length > 1 ? { [vertical ? "xOffset" : "yOffset"]: { field: "series", sort: null, scale: { domain: series.map((s) => s.name) } } } : {};
    // A bar has its meaning from its foot at 0, which a log axis does not have: there a value is a point.
    const mark = options.log ? { type: "point", filled: true, size: 80, opacity: 1 } : { type: "bar", cornerRadius: 1.5 };
    const room = size.width - (vertical ? 60 : Math.min(widest(keys), size.width * 0.45) + 16); // a legend begins at the plot
    const rowsHigh = Math.max(inner > 1 ? 8 * inner + 4 : 15, Math.min(inner > 1 ? 22 * inner : 44, (size.height - 70) / cats.length));
    const high = vertical ? size.height : rowsHigh * cats.length + 34 + (named ? legendHeight(series, room) : 0);
    return {
      spec: chart({ width: size.width, height: high }, vertical ? series[0].field.label : "", {
        data: { values: data }, mark,
        encoding: { [vertical ? "x" : "y"]: name, [vertical ? "y" : "x"]: value, ...offset, color: colorScale(series, room, named), order: { field: "rank" }, ...TIP },
      }),
      head: [field.label, ...series.map((s) => s.name)],
      rows: cats.map((c, i) => [c.key, ...values[i]]),
      formats: [field, ...series.map((s) => s.field)],
    };
  }

  function heatMap(visual, rows, size) {
    const [rowField, columnField, field] = [visual.wells.Rows[0], visual.wells.Columns[0], visual.wells.Values[0]];
    const rowGroups = categories(visual, rows, rowField, "HeatMapRowSort", "HeatMapRowItemsLimitConfiguration");
    const columnGroups = categories(visual, rows, columnField, "HeatMapColumnSort", "HeatMapColumnItemsLimitConfiguration");
    if (!rowGroups.length) return nothing(visual);
    const names = columnGroups.map((g) => g.key);
    const cells = rowGroups.map((r) => {
      const inner = Data.group(visual.table, r.rows, columnField.column);
      return names.map((n) => (inner.has(n) ? Data.measure(visual.table, inner.get(n), field) : null));
    });
    const flat = cells.flat().filter((v) => v !== null);
    const high = Math.max(...flat), low = Math.min(0, ...flat);
    const short = (v) => (Math.abs(v) >= 10000 ? `${upTo(Math.round(v / 100) / 10)}k` : Data.text(v, { decimals: Math.abs(v) >= 100 ? 0 : field.decimals ?? 0 }));
    const left = Math.min(widest(rowGroups.map((r) => r.key)) + 12, size.width * 0.32);
    const step = (size.width - left - 12) / names.length;
    const written = step > widest(flat.map(short), 11) + 6;
    const data = rowGroups.flatMap((r, i) => names.map((n, j) => ({ row: String(r.key), column: String(n), value: cells[i][j], text: cells[i][j] === null ? "" : short(cells[i][j]),
      ink: cells[i][j] === null ? "" : ink(high > low ? (cells[i][j] - low) / (high - low) : 0),
      tip: { title: `${r.key} · ${n}`, lines: [[field.label, Data.text(cells[i][j], field)]] } })));
    const x = { field: "column", type: "nominal", sort: null, scale: { domain: names.map(String), padding: 0.03 }, axis: { ...namesBelow(names.map(String), size.width, left, 110), domain: false } };
    const y = { field: "row", type: "nominal", sort: null, scale: { domain: rowGroups.map((r) => String(r.key)), padding: 0.05 }, axis: { title: null, ticks: false, domain: false, labelLimit: size.width * 0.32 } };
    const stepY = Math.max(18, Math.min(46, (size.height - 120) / rowGroups.length));
    const below = widest(names) <= step - 6 ? 24 : Math.min(110, widest(names)) * 0.72 + 24;
    const legend = { orient: "top", direction: "horizontal", gradientLength: Math.min(160, size.width * 0.4), gradientThickness: 9, tickCount: 3, labelOverlap: "greedy", titleLimit: size.width, title: field.label, ...(high >= 100000 ? { format: "~s" } : {}) };
    return {
      spec: chart({ width: size.width, height: stepY * rowGroups.length + below + 56 }, "", {
        data: { values: data }, encoding: { x, y },
        layer: [
          { transform: [{ filter: "datum.value === null" }], mark: { type: "rect", color: "var(--hole)", cornerRadius: 2 } },
          { transform: [{ filter: "datum.value !== null" }], mark: { type: "rect", cornerRadius: 2 },
            encoding: { color: { field: "value", type: "quantitative", scale: { domain: [low, high > low ? high : low + 1], range: rampColors, interpolate: "rgb" }, legend }, ...TIP } },
          ...(written ? [{ transform: [{ filter: "datum.value !== null" }], mark: { type: "text", fontSize: 11 }, encoding: { text: { field: "text" }, color: { field: "ink", type: "nominal", scale: null } } }] : []),
        ],
        resolve: { scale: { color: "independent" } },
      }),
      head: [rowField.label, columnField.label, field.label],
      rows: rowGroups.flatMap((r, i) => names.map((n, j) => [r.key, n, cells[i][j]])).filter((r) => r[2] !== null),
      formats: [rowField, columnField, field],
    };
  }

  function lines(visual, rows, size, colorOf) {
    const field = visual.wells.Category[0];
    const cats = categories(visual, rows, field, "CategorySort", "CategoryItemsLimitConfiguration");
    if (!cats.length) return nothing(visual);
    const c = visual.configuration, settings = c.DefaultSeriesSettings || {};
    const pointsOnly = (settings.LineStyleSettings || {}).LineVisibility === "HIDDEN", area = c.Type === "STACKED_AREA";
    const series = seriesOf(visual, rows, colorOf);
    if (pointsOnly) series.forEach((s, j) => { if (j) s.color = "var(--muted)"; });
    const values = series.map((s) => cats.map((g) => s.value(g.rows)));
    const named = series.length > 1 || (visual.wells.Colors || []).length > 0;
    const numeric = cats.every((g) => typeof g.key === "number");
    const tip = (i) => ({
      title: numeric ? `${field.label} ${cats[i].key}` : String(cats[i].key),
      lines: series.map((s, j) => [s.name, Data.text(values[j][i], s.field), s.color]).filter((l) => l[1] !== "–" && !(area && l[1] === "0.0")),
    });
    const tips = cats.map((_, i) => tip(i));
    const key = (g) => (numeric ? g.key : String(g.key));
    const data = series.flatMap((s, j) => cats.map((g, i) => ({ key: key(g), series: s.name, rank: j, value: values[j][i] ?? (area ? 0 : null), tip: tips[i] })));
    const sums = cats.map((_, i) => values.reduce((sum, v) => sum + (v[i] || 0), 0));
    const y = valueChannel("value", area ? sums : values.flat(), Definition.axis((c.PrimaryYAxisDisplayOptions || {}).AxisOptions), (size.height - 70) / 45);
    const names = cats.map((g) => String(g.key)), step = (size.width - 60) / cats.length;
    const x = numeric
      ? { field: "key", type: "quantitative", title: field.label, scale: { zero: false, nice: false, padding: area ? 0 : 8 }, axis: { grid: false, tickMinStep: 1, tickCount: Math.max(1, Math.min(cats.at(-1).key - cats[0].key, Math.round(size.width / 80))), format: "~d" } }
      : { field: "key", type: "nominal", sort: null, scale: { type: "point", domain: names, padding: 0.5 }, axis: namesBelow(names, size.width, 60, 190) };
    // Points with names that would be cut below the chart stand in rows: the names to the left, whole.
    const inRows = pointsOnly && !numeric && widest(names) > Math.max(step - 6, Math.min(190, size.width * 0.35));
    if (inRows) return pointRows(visual, size, { field, cats, series, values, tips, data, names });
    const color = colorScale(series, size.width - 60, named && !pointsOnly);
    const caption = pointsOnly || visual.wells.Values.length === 1 ? visual.wells.Values[0].label : "";
    const points = { mark: { type: "point", filled: true, opacity: 1, size: cats.length > 60 ? 14 : 42 }, encoding: { y: { ...y, stack: null }, color, ...TIP } };
    let layer;
    if (area) {
      const wide = Math.max(2, step);
      const shape = cats.length > 1 ? { type: "area" } : { type: "bar", orient: "vertical", width: 48 }; // one value makes no area
      layer = [
        { mark: { ...shape, stroke: "var(--panel)", strokeWidth: 0.75 }, encoding: { y: { ...y, stack: "zero" }, color, order: { field: "rank" } } },
        { data: { values: cats.map((g, i) => ({ key: key(g), top: sums[i], tip: tips[i] })) }, mark: { type: "bar", opacity: 0.001, width: wide, clip: true, color: "var(--fg)" }, encoding: { y: { field: "top", type: "quantitative", stack: null }, ...TIP } },
      ];
    } else if (pointsOnly) {
      const stems = cats.map((g, i) => { const have = values.map((v) => v[i]).filter((v) => v !== null); return have.length > 1 ? { key: key(g), low: Math.min(...have), high: Math.max(...have), tip: tips[i] } : null; }).filter(Boolean);
      layer = [
        ...(stems.length ? [{ data: { values: stems }, mark: { type: "rule", color: "var(--muted)", strokeWidth: 1.5 }, encoding: { y: { ...y, field: "low" }, y2: { field: "high" } } }] : []),
        { transform: [{ filter: "datum.rank > 0 && datum.value !== null" }], mark: { type: "tick", orient: "horizontal", width: 9, thickness: 1.5, color: "var(--muted)" }, encoding: { y } },
        { ...points, transform: [{ filter: "datum.rank === 0 && datum.value !== null" }] },
      ];
    } else {
      layer = [{ mark: { type: "line", strokeWidth: 2, strokeJoin: "round" }, encoding: { y, color } }, points];
    }
    return {
      spec: chart(size, caption, { data: { values: data }, encoding: { x }, layer }),
      head: [field.label, ...series.map((s) => s.name)],
      rows: cats.map((g, i) => [g.key, ...values.map((v) => v[i])]),
      formats: [field, ...series.map((s) => s.field)],
    };
  }

  /** Points with their intervals, one row a category: for names that are too long to stand below a chart. */
  function pointRows(visual, size, { field, cats, series, values, tips, data, names }) {
    const settings = Definition.axis((visual.configuration.PrimaryYAxisDisplayOptions || {}).AxisOptions);
    const x = valueChannel("value", values.flat(), settings, size.width / 120);
    const y = { field: "key", type: "nominal", sort: null, scale: { type: "point", domain: names, padding: 0.5 }, axis: { title: null, ticks: false, domain: false, grid: true, labelLimit: size.width * 0.6 } };
    const stems = cats.map((_, i) => {
      const have = values.map((v) => v[i]).filter((v) => v !== null);
      return have.length > 1 ? { key: names[i], low: Math.min(...have), high: Math.max(...have) } : null;
    }).filter(Boolean);
    return {
      spec: chart({ width: size.width, height: 17 * cats.length + 50 }, visual.wells.Values[0].label, {
        data: { values: data }, encoding: { y },
        layer: [
          ...(stems.length ? [{ data: { values: stems }, mark: { type: "rule", color: "var(--muted)", strokeWidth: 1.5 }, encoding: { x: { ...x, field: "low" }, x2: { field: "high" } } }] : []),
          { transform: [{ filter: "datum.rank > 0 && datum.value !== null" }], mark: { type: "tick", orient: "vertical", width: 9, thickness: 1.5, color: "var(--muted)" }, encoding: { x } },
          { transform: [{ filter: "datum.rank === 0 && datum.value !== null" }], mark: { type: "point", filled: true, opacity: 1, size: 42, color: series[0].color }, encoding: { x, ...TIP } },
        ],
      }),
      head: [field.label, ...series.map((s) => s.name)],
      rows: cats.map((g, i) => [g.key, ...values.map((v) => v[i])]),
      formats: [field, ...series.map((s) => s.field)],
    };
  }

  function boxes(visual, rows, size, colorOf) {
    const [field, value] = [visual.wells.GroupBy[0], visual.wells.Values[0]];
    const groups = categories(visual, rows, field, "CategorySort", "none")
      .map((g) => ({ key: String(g.key), ...summary(Data.numbers(visual.table, g.rows, value.column)) })).filter((s) => s.count);
    if (!groups.length) return nothing(visual);
    const options = Definition.axis(visual.configuration.PrimaryYAxisDisplayOptions);
    const y = valueChannel("low", groups.flatMap((s) => [s.low, s.high, ...s.outside]), { ...options, data: !options.log }, (size.height - 70) / 45);
    const step = (size.width - 60) / groups.length, color = colorOf(null, 0), keys = groups.map((s) => s.key);
    const wide = Math.min(36, step * 0.64);
    const data = groups.map((s) => ({ ...s, outside: undefined, tip: { title: s.key, lines: [
      ["Values", Data.text(s.count, { decimals: 0 })], ["Median", Data.text(s.median, value)],
      ["Quartiles", `${Data.text(s.q1, value)} – ${Data.text(s.q3, value)}`], ["Smallest, largest", `${Data.text(s.smallest, value)} – ${Data.text(s.largest, value)}`],
    ] } }));
    const outside = groups.flatMap((s) => s.outside.slice(0, 200).map((v) => ({ key: s.key, low: v })));
    const whole = { decimals: 0 };
    return {
      spec: chart(size, value.label, {
        data: { values: data },
        encoding: { x: { field: "key", type: "nominal", sort: null, scale: { type: "point", domain: keys, padding: 0.5 }, axis: namesBelow(keys, size.width, 60, 150) } },
        layer: [
          ...(outside.length ? [{ data: { values: outside }, mark: { type: "point", filled: true, size: 14, opacity: 0.45, color }, encoding: { y } }] : []),
          { mark: { type: "rule", color, strokeWidth: 1.25 }, encoding: { y, y2: { field: "high" } } },
          { mark: { type: "bar", width: wide, cornerRadius: 2, color, fillOpacity: 0.18, stroke: color, strokeWidth: 1.25 }, encoding: { y: { ...y, field: "q1", stack: null }, y2: { field: "q3" }, ...TIP } },
          { mark: { type: "tick", orient: "horizontal", width: wide, thickness: 2.5, color }, encoding: { y: { ...y, field: "median" } } },
        ],
      }),
      head: [field.label, "Values", "Smallest", "Lower quartile", "Median", "Upper quartile", "Largest"],
      rows: groups.map((s) => [s.key, s.count, s.smallest, s.q1, s.median, s.q3, s.largest]),
      formats: [field, whole, value, value, value, value, value],
    };
  }

  /** Quartiles, and whiskers to the last value within 1.5 times their distance. */
  function summary(values) {
    if (!values.length) return { count: 0 };
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
    if (!values.length) return nothing(visual);
    const bins = visual.configuration.BinOptions || {};
    const start = bins.StartValue || 0, wide = (bins.BinWidth || {}).Value || 1, limit = Number((bins.BinWidth || {}).BinCountLimit || 100);
    const largest = values.reduce((a, b) => Math.max(a, b));
    const count = Math.min(limit, Math.floor((largest - start) / wide) + 1);
    const counts = Array(count).fill(0);
    values.forEach((v) => { counts[Math.max(0, Math.min(count - 1, Math.floor((v - start) / wide)))]++; });
    const last = (k) => k === count - 1 && largest >= start + count * wide;
    const range = (k) => (last(k) ? `${upTo(start + k * wide)} and more` : `${upTo(start + k * wide)} – ${upTo(start + (k + 1) * wide)}`);
    const data = counts.map((n, k) => ({ from: start + k * wide, to: start + (k + 1) * wide, count: n, tip: { title: `${field.label} ${range(k)}`, lines: [["Count", Data.text(n, { decimals: 0 })]] } })).filter((d) => d.count);
    const y = valueChannel("count", counts, { ...Definition.axis(visual.configuration.YAxisDisplayOptions), whole: true }, (size.height - 70) / 45);
    return {
      spec: chart(size, "Count", {
        data: { values: data }, mark: { type: "bar", color: colorOf(null, 0), binSpacing: 1, cornerRadius: 1 },
        encoding: { x: { field: "from", type: "quantitative", bin: { binned: true }, title: field.label, scale: { domain: [start, start + count * wide], nice: false }, axis: { grid: false, tickCount: Math.max(2, Math.round(size.width / 70)), format: ",~r" } }, x2: { field: "to" }, y: { ...y, stack: null }, ...TIP },
      }),
      head: [field.label, "Count"], rows: counts.map((n, k) => [range(k), n]).filter((r) => r[1]), formats: [field, { decimals: 0 }],
    };
  }

  function scatter(visual, rows, size, colorOf) {
    const [x, y, category] = [visual.wells.XAxis[0], visual.wells.YAxis[0], visual.wells.Category[0]];
    const points = [...Data.group(visual.table, rows, category.column)]
      .map(([key, members]) => ({ key, x: Data.measure(visual.table, members, x), y: Data.measure(visual.table, members, y) }))
      .filter((p) => p.x !== null && p.y !== null).sort((a, b) => Data.byName(a.key, b.key));
    if (!points.length) return nothing(visual);
    const data = points.map((p) => ({ ...p, tip: { title: String(p.key), lines: [[x.label, Data.text(p.x, x)], [y.label, Data.text(p.y, y)]] } }));
    const across = valueChannel("x", points.map((p) => p.x), Definition.axis(visual.configuration.XAxisDisplayOptions), size.width / 90);
    const up = valueChannel("y", points.map((p) => p.y), Definition.axis(visual.configuration.YAxisDisplayOptions), (size.height - 70) / 45);
    return {
      spec: chart(size, y.label, {
        data: { values: data }, mark: { type: "point", filled: true, size: 80, opacity: 0.75, color: colorOf(null, 0), stroke: "var(--panel)", strokeWidth: 1 },
        encoding: { x: { ...across, title: x.label }, y: up, ...TIP },
      }),
      head: [category.label, x.label, y.label], rows: points.map((p) => [p.key, p.x, p.y]), formats: [category, x, y],
    };
  }

  /** A table visual has no picture: its rows are grouped by all its dimensions at once. */
  function table(visual, rows) {
    const groups = visual.wells.GroupBy, values = visual.wells.Values;
    const byKeys = new Map();
    for (const i of rows) {
      const keys = groups.map((g) => visual.table.columns[g.column].values[i]);
      const id = JSON.stringify(keys);
      if (!byKeys.has(id)) byKeys.set(id, { keys, rows: [] });
      byKeys.get(id).rows.push(i);
    }
    const fields = [...groups, ...values];
    const out = [...byKeys.values()].map((g) => [...g.keys, ...values.map((v) => Data.measure(visual.table, g.rows, v))]);
    const sort = Definition.sorting(visual, "RowSort");
    if (sort) {
      const at = fields.indexOf(sort.field), sign = sort.direction === "DESC" ? -1 : 1;
      const rank = (row) => row[at] ?? (sign > 0 ? Infinity : -Infinity);
      out.sort((a, b) => (typeof rank(a) === "number" && typeof rank(b) === "number" ? sign * (rank(a) - rank(b)) : sign * Data.byName(a[at], b[at])) || Data.byName(a.join(), b.join()));
    }
    return { spec: null, head: fields.map((f) => f.label), rows: out, formats: fields };
  }

  // --- colours ---------------------------------------------------------------------------------------------------
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

  /** The colour of text on a cell whose value lies at `fraction` of the ramp. */
  function ink(fraction) {
    const p = Math.max(0, Math.min(1, fraction)) * (rampColors.length - 1);
    const k = Math.min(rampColors.length - 2, Math.floor(p));
    const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const [a, b] = [rgb(rampColors[k]), rgb(rampColors[k + 1])];
    const [red, green, blue] = a.map((v, i) => ((v + (b[i] - v) * (p - k)) / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 ? "#10202F" : "#FFFFFF";
  }

  const KINDS = {
    KPIVisual: kpi, BarChartVisual: bars, HeatMapVisual: heatMap, LineChartVisual: lines, BoxPlotVisual: boxes,
    HistogramVisual: histogram, ScatterPlotVisual: scatter, TableVisual: table,
  };

  /** Translate a visual. colorOf(column, value) gives the colour of a value, colorOf(null, n) the n-th of the palette. */
  function translate(visual, rows, size, colorOf) {
    return KINDS[visual.kind](visual, rows, size, colorOf);
  }

  return { translate, setTheme, tone };
})();
