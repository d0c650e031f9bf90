// Reads a QuickSight definition: what a visual shows, of which data set, with which options.
// An error here names the column and the data set: the page shows it in the visual's place.
"use strict";
const Definition = (() => {
  /** {KPIVisual: {...}} -> ["KPIVisual", {...}] */
  const only = (union) => Object.entries(union)[0];

  const WELLS = {
    KPIVisual: (w) => w,
    BarChartVisual: (w) => w.BarChartAggregatedFieldWells,
    LineChartVisual: (w) => w.LineChartAggregatedFieldWells,
    HeatMapVisual: (w) => w.HeatMapAggregatedFieldWells,
    BoxPlotVisual: (w) => w.BoxPlotAggregatedFieldWells,
    HistogramVisual: (w) => w.HistogramAggregatedFieldWells,
    ScatterPlotVisual: (w) => w.ScatterPlotCategoricallyAggregatedFieldWells,
    TableVisual: (w) => w.TableAggregatedFieldWells,
  };
  const ROW_LEVEL = new Set(["BoxPlotVisual", "HistogramVisual"]); // their values are not aggregated

  /** Labels given to fields anywhere in a chart's configuration: Map(field id -> text). */
  function labels(configuration) {
    const names = new Map();
    for (const options of Object.values(configuration)) {
      for (const o of (options && options.AxisLabelOptions) || []) {
        if (o.ApplyTo && o.CustomLabel) names.set(o.ApplyTo.FieldId, o.CustomLabel);
      }
    }
    for (const { FieldTooltipItem: o } of ((configuration.Tooltip || {}).FieldBasedTooltip || {}).TooltipFields || []) {
      if (o && o.Label && !names.has(o.FieldId)) names.set(o.FieldId, o.Label);
    }
    for (const o of (configuration.FieldOptions || {}).SelectedFieldOptions || []) {
      if (o.CustomLabel) names.set(o.FieldId, o.CustomLabel);
    }
    return names;
  }

  function readField(union, names) {
    const [kind, body] = only(union);
    const field = {
      id: body.FieldId,
      column: body.Column.ColumnName,
      dataSet: body.Column.DataSetIdentifier,
      isMeasure: kind.endsWith("MeasureField"),
      how: null,
      expression: null,
    };
    field.label = names.get(field.id) || field.column.replaceAll("_", " ");
    const how = body.AggregationFunction;
    if (how) field.how = typeof how === "string" ? how : how.SimpleNumericalAggregation;
    const format = ((body.FormatConfiguration || {}).FormatConfiguration || {}).NumberDisplayFormatConfiguration;
    if (format) {
      field.decimals = format.DecimalPlacesConfiguration.DecimalPlaces;
      field.suffix = format.Suffix || "";
      field.empty = (format.NullValueFormatConfiguration || {}).NullString;
    }
    return field;
  }

  /** Checks a field against its data set, and puts in the expression of a calculated one. */
  function resolve(field, kind, tables, calculated) {
    const table = tables[field.dataSet];
    if (!table) throw new Error(`Data set "${field.dataSet}" is not declared by this dashboard.`);
    if (table.error) throw new Error(`Data set "${field.dataSet}" could not be read: ${table.error}`);
    const columns = Object.keys(table.columns);
    const check = (name) => {
      if (!table.columns[name]) {
        throw new Error(`Column "${name}" is not in data set "${field.dataSet}", which has ${columns.join(", ")}.`);
      }
    };
    const expression = calculated.find((c) => c.DataSetIdentifier === field.dataSet && c.Name === field.column);
    if (expression) {
      field.expression = expression.Expression;
      Data.columnsOf(field.expression).forEach(check);
      return;
    }
    check(field.column);
    const text = table.columns[field.column].type === "STRING";
    if (field.isMeasure && !field.how && !ROW_LEVEL.has(kind)) field.how = "SUM";
    if (field.isMeasure && text && !["COUNT", "DISTINCT_COUNT"].includes(field.how)) {
      throw new Error(`Column "${field.column}" of data set "${field.dataSet}" is text: it cannot be ${field.how}.`);
    }
    if (["COUNT", "DISTINCT_COUNT"].includes(field.how) && field.decimals === undefined) field.decimals = 0;
  }

  /** What one visual of a sheet is. Never throws: what is wrong is in `error`. */
  function read(union, dashboard, tables) {
    const [kind, body] = only(union);
    const plain = (o) => (o && o.Visibility !== "HIDDEN" && o.FormatText && o.FormatText.PlainText) || "";
    const configuration = body.ChartConfiguration || {};
    const visual = {
      id: body.VisualId,
      kind,
      title: plain(body.Title) || body.VisualId,
      subtitle: plain(body.Subtitle),
      alt: body.VisualContentAltText || plain(body.Title),
      configuration,
      wells: {},
      fields: [],
      table: null,
      error: null,
    };
    try {
      if (!WELLS[kind]) throw new Error(`This page does not draw a ${kind}.`);
      const names = labels(configuration);
      for (const [well, list] of Object.entries(WELLS[kind](configuration.FieldWells) || {})) {
        visual.wells[well] = (list || []).map((f) => readField(f, names));
        visual.fields.push(...visual.wells[well]);
      }
      if (!visual.fields.length) throw new Error("This visual has no field.");
      const calculated = dashboard.Definition.CalculatedFields || [];
      visual.fields.forEach((f) => resolve(f, kind, tables, calculated));
      visual.dataSet = visual.fields[0].dataSet;
      visual.table = tables[visual.dataSet];
    } catch (error) {
      visual.error = error.message;
    }
    return visual;
  }

  /** {field, direction} of the first sort entry that names a field of this visual, or null. */
  function sorting(visual, key) {
    const first = (((visual.configuration.SortConfiguration || {})[key] || [])[0] || {}).FieldSort;
    const field = first && visual.fields.find((f) => f.id === first.FieldId);
    return field ? { field, direction: first.Direction } : null;
  }

  /** {limit, other} of an ItemsLimitConfiguration. */
  function limit(visual, key) {
    const options = (visual.configuration.SortConfiguration || {})[key] || {};
    return { limit: Number(options.ItemsLimit || Infinity), other: options.OtherCategories !== "EXCLUDE" };
  }

  /** {log, minimum, maximum} of an AxisDisplayOptions. */
  function axis(options) {
    const numeric = ((options || {}).DataOptions || {}).NumericAxisOptions || {};
    const range = (numeric.Range || {}).MinMax || {};
    return { log: !!(numeric.Scale || {}).Logarithmic, minimum: range.Minimum, maximum: range.Maximum };
  }

  /** Colours that a chart gives to the values of a field: Map(value -> colour), in the definition's order. */
  function colorMap(visual, field) {
    const colors = new Map();
    for (const entry of (visual.configuration.VisualPalette || {}).ColorMap || []) {
      if (entry.Element.FieldId === field.id) colors.set(entry.Element.FieldValue, entry.Color);
    }
    return colors;
  }

  /** The parameter filters of a dashboard: [{parameter, column}]; they act on every data set with the column. */
  function parameterFilters(dashboard) {
    const filters = [];
    for (const group of dashboard.Definition.FilterGroups || []) {
      for (const filter of group.Filters) {
        const [, body] = only(filter);
        const [, configuration] = only(body.Configuration || { none: {} });
        if (group.Status !== "DISABLED" && configuration.ParameterName) {
          filters.push({ parameter: configuration.ParameterName, column: body.Column.ColumnName });
        }
      }
    }
    return filters;
  }

  /** The controls of a sheet, in layout order: [{id, title, parameter, multiple, dataSet, column}]. */
  function controls(sheet) {
    return (sheet.ParameterControls || []).map((union) => {
      const [, body] = only(union);
      const link = ((body.SelectableValues || {}).LinkToDataSetColumn || {});
      return {
        id: body.ParameterControlId, title: body.Title, parameter: body.SourceParameterName,
        multiple: body.Type !== "SINGLE_SELECT", dataSet: link.DataSetIdentifier, column: link.ColumnName,
      };
    });
  }

  /** Places of the elements of a sheet: Map(element id -> {column, columns, row, rows}). */
  function places(sheet) {
    const elements = sheet.Layouts[0].Configuration.GridLayout.Elements;
    return new Map(elements.map((e) => [
      e.ElementId, { column: e.ColumnIndex || 0, columns: e.ColumnSpan, row: e.RowIndex || 0, rows: e.RowSpan },
    ]));
  }

  return { read, sorting, limit, axis, colorMap, parameterFilters, controls, places };
})();
