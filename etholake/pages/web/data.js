// Rows, filters, groups, aggregates, calculated fields and number formats. Knows nothing of pages or pixels.
"use strict";
const Data = (() => {
  /** A data set as it comes in the page: {columns: {name: {type, values} or {type, words, index}}, rows, error}. */
  function open(packed) {
    const columns = {};
    for (const [name, c] of Object.entries(packed.columns)) {
      columns[name] = { type: c.type, values: c.words ? c.index.map((i) => (i < 0 ? null : c.words[i])) : c.values };
    }
    return { columns, rows: packed.rows, error: packed.error || null };
  }

  function allRows(table) {
    return Array.from({ length: table.rows }, (_, i) => i);
  }

  /** Rows whose column holds one of the chosen values. choices: [{column, values: Set}]. */
  function filter(table, choices) {
    const active = choices.filter((c) => c.values.size && table.columns[c.column]);
    if (!active.length) return allRows(table);
    return allRows(table).filter((i) => active.every((c) => c.values.has(table.columns[c.column].values[i])));
  }

  /** Rows by the value of a column, in order of appearance: Map(value -> rows). A missing value is "–". */
  function group(table, rows, column) {
    const groups = new Map();
    const values = table.columns[column].values;
    for (const i of rows) {
      const key = values[i] === null ? "–" : values[i];
      const have = groups.get(key);
      if (have) have.push(i);
      else groups.set(key, [i]);
    }
    return groups;
  }

  function distinct(table, column) {
    return [...new Set(table.columns[column].values)].filter((v) => v !== null).sort(byName);
  }

  const byName = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

  const AGGREGATES = {
    SUM: (v) => (v.length ? v.reduce((a, b) => a + b, 0) : null),
    AVERAGE: (v) => (v.length ? v.reduce((a, b) => a + b, 0) / v.length : null),
    MIN: (v) => (v.length ? v.reduce((a, b) => (b < a ? b : a)) : null),
    MAX: (v) => (v.length ? v.reduce((a, b) => (b > a ? b : a)) : null),
    MEDIAN: (v) => quantile([...v].sort((a, b) => a - b), 0.5),
    COUNT: (v) => v.length,
    DISTINCT_COUNT: (v) => new Set(v).size,
  };

  function numbers(table, rows, column) {
    const values = table.columns[column].values;
    const present = [];
    for (const i of rows) if (values[i] !== null) present.push(values[i]);
    return present;
  }

  /** The value of a measure field over some rows; null where there is nothing to aggregate. */
  function measure(table, rows, field) {
    if (field.expression) return evaluate(field.expression, table, rows);
    return AGGREGATES[field.how](numbers(table, rows, field.column));
  }

  /** Linear interpolation between the neighbours, as most programs do it. */
  function quantile(sorted, p) {
    if (!sorted.length) return null;
    const at = (sorted.length - 1) * p;
    const low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  }

  // --- calculated fields: sum({a}) / sum({b}) * 100 -------------------------------------------------------
  const FUNCTIONS = {
    sum: "SUM", avg: "AVERAGE", min: "MIN", max: "MAX", count: "COUNT", distinct_count: "DISTINCT_COUNT", median: "MEDIAN",
  };
  const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([a-z_]+)\s*\(\s*\{([^}]+)\}\s*\)|([-+*/()]))/gy;

  function columnsOf(expression) {
    return [...expression.matchAll(/\{([^}]+)\}/g)].map((m) => m[1]);
  }

  /** Evaluates numbers, + - * / ( ) and aggregates of columns. A missing operand or a division by 0 gives null. */
  function evaluate(expression, table, rows) {
    const tokens = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < expression.trimEnd().length) {
      const m = TOKEN.exec(expression);
      if (!m) throw new Error(`The calculated field "${expression}" uses what this page does not know.`);
      tokens.push(m);
    }
    let at = 0;
    const operator = () => tokens[at] && tokens[at][4];
    const apply = (op, a, b) => {
      if (a === null || b === null) return null;
      if (op === "/") return b === 0 ? null : a / b;
      return op === "+" ? a + b : op === "-" ? a - b : a * b;
    };
    function atom() {
      const token = tokens[at++];
      if (!token) throw new Error(`The calculated field "${expression}" ends too early.`);
      if (token[1] !== undefined) return Number(token[1]);
      if (token[2]) {
        if (!FUNCTIONS[token[2]]) throw new Error(`The calculated field "${expression}": no function ${token[2]}.`);
        return measure(table, rows, { how: FUNCTIONS[token[2]], column: token[3] });
      }
      if (token[4] === "-") return apply("-", 0, atom());
      const value = sum();
      at++; // the closing parenthesis
      return value;
    }
    function product() {
      let value = atom();
      while (operator() === "*" || operator() === "/") value = apply(tokens[at++][4], value, atom());
      return value;
    }
    function sum() {
      let value = product();
      while (operator() === "+" || operator() === "-") value = apply(tokens[at++][4], value, product());
      return value;
    }
    return sum();
  }

  // --- numbers as text -----------------------------------------------------------------------------------
  /** A number in a field's own format (QuickSight's NumberDisplayFormatConfiguration), with thousands separators. */
  function text(value, field) {
    if (value === null || value === undefined) return (field && field.empty) || "–";
    if (typeof value !== "number") return String(value);
    const decimals = field && field.decimals !== undefined ? field.decimals : Number.isInteger(value) ? 0 : 2;
    const small = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
    const number = small
      ? value.toLocaleString("en-US", { maximumSignificantDigits: 1 })
      : value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    return number + ((field && field.suffix) || "");
  }

  return { open, allRows, filter, group, distinct, byName, measure, numbers, quantile, columnsOf, text };
})();
