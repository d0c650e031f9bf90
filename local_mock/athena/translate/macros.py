"""SQL macros of the query process: texts of numbers, subscripts, and what else compiled SQL calls by name.

`t_fail` is a Python function (`functions.fail`): unlike DuckDB's `error`, it may stand inside TRY.
"""

# ruff: noqa: E501 - one line a macro
__all__ = ["MACROS"]

MACROS = r"""
CREATE MACRO t_digits(m) AS rtrim(ltrim(replace(m, '.', ''), '0'), '0');
CREATE MACRO t_exponent(t) AS coalesce(TRY_CAST(nullif(split_part(t, 'e', 2), '') AS INTEGER), 0)
  + CASE WHEN split_part(split_part(t, 'e', 1), '.', 1) <> '0'
    THEN length(split_part(split_part(t, 'e', 1), '.', 1)) - 1
    ELSE length(ltrim(split_part(split_part(t, 'e', 1), '.', 2), '0'))
       - length(split_part(split_part(t, 'e', 1), '.', 2)) - 1 END;
CREATE MACRO t_sci(x, t) AS CASE WHEN signbit(x) THEN '-' ELSE '' END || t_digits(split_part(t, 'e', 1))[1] || '.'
  || coalesce(nullif(t_digits(split_part(t, 'e', 1))[2:], ''), '0') || 'E' || CAST(t_exponent(t) AS VARCHAR);
CREATE MACRO t_nan(x) AS (hash({'x': CAST(x AS DOUBLE)}) = hash({'x': CAST('NaN' AS DOUBLE)}));
CREATE MACRO t_special(x) AS CASE WHEN t_nan(x) THEN 'NaN' WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END;
CREATE MACRO t_float_varchar(x) AS CASE WHEN x IS NULL THEN NULL WHEN NOT isfinite(x) THEN t_special(x)
  WHEN x = 0 THEN CASE WHEN signbit(x) THEN '-0E0' ELSE '0E0' END ELSE t_sci(x, CAST(abs(x) AS VARCHAR)) END;
CREATE MACRO t_decimal_text(t) AS CASE WHEN t[1] = '.' THEN '0' || t WHEN t[1:2] = '-.' THEN '-0' || t[2:] ELSE t END;
CREATE MACRO t_finite(x) AS CASE WHEN isfinite(x) THEN x END;
CREATE MACRO t_floor_div(n, d) AS CASE WHEN n >= 0 THEN n // d ELSE -((d - 1 - n) // d) END;
CREATE MACRO t_cut_us(us, unit) AS make_timestamp(CAST(t_floor_div(us + unit // 2, unit) * unit AS BIGINT));
CREATE MACRO t_picos(ts) AS CAST(epoch_us(ts) AS HUGEINT) * 1000000;
CREATE MACRO t_day_time(picos) AS ((picos % 86400000000000000) + 86400000000000000) % 86400000000000000;
CREATE MACRO t_subscript(a, i) AS CASE WHEN i IS NULL OR a IS NULL THEN NULL
  WHEN i = 0 THEN a[t_fail('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')]
  WHEN i < 0 THEN a[t_fail('INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i)]
  WHEN i > len(a) THEN a[t_fail('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a))]
  ELSE a[i] END;
CREATE MACRO t_element_at(a, i) AS CASE WHEN i = 0 THEN a[t_fail('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')] ELSE a[i] END;
CREATE MACRO t_ln(x) AS CASE WHEN x > 0 THEN ln(x) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) WHEN x IS NULL THEN NULL ELSE CAST('NaN' AS DOUBLE) END;
CREATE MACRO t_any(b) AS CASE WHEN b IS NULL THEN NULL WHEN len(list_filter(b, lambda x: x)) > 0 THEN TRUE
  WHEN len(list_filter(b, lambda x: x IS NULL)) > 0 THEN NULL ELSE FALSE END;
CREATE MACRO t_months(a, b) AS CASE WHEN b >= a THEN datesub('month', a, b) ELSE -datesub('month', b, a) END;
CREATE MACRO t_div_zero(a, b) AS CASE WHEN a = 0 OR t_nan(a) THEN CAST('NaN' AS DOUBLE) WHEN (a > 0) = NOT signbit(b) THEN CAST('Infinity' AS DOUBLE) ELSE CAST('-Infinity' AS DOUBLE) END;
"""
