"""Aggregate and window functions. `{d}` DISTINCT, `{o}` ORDER BY, `{w}` FILTER and OVER, `{n}` IGNORE NULLS.

https://trino.io/docs/current/functions/{aggregate,window}.html
"""

SIGNATURES = r"""
count() -> bigint = count(*){w}
count(T) -> bigint = count({d}{0}){w}
count_if(boolean) -> bigint = CAST(count({d}CASE WHEN {0} THEN 1 END){w} AS BIGINT)
sum(bigint) -> bigint = CAST(sum({d}{0}){w} AS BIGINT)
sum(double) -> double = sum({d}{0}){w}
sum(real) -> real = CAST(sum({d}{0}){w} AS FLOAT)
sum(decimal) -> decimal = sum({d}{0}){w}
sum(interval day to second) -> interval day to second = CAST(sum({d}{0}){w} AS BIGINT)
sum(interval year to month) -> interval year to month = CAST(sum({d}{0}){w} AS INTEGER)
avg(interval day to second) -> interval day to second = CAST(round(avg({d}{0}){w}) AS BIGINT)
avg(interval year to month) -> interval year to month = CAST(round(avg({d}{0}){w}) AS INTEGER)
avg(bigint) -> double = avg({d}{0}){w}
avg(double) -> double = avg({d}{0}){w}
avg(real) -> real = CAST(avg({d}{0}){w} AS FLOAT)
arbitrary(T) -> T = any_value({0}){w}
any_value(T) -> T = any_value({0}){w}
bool_and(boolean) -> boolean = bool_and({0}){w}
bool_or(boolean) -> boolean = bool_or({0}){w}
bitwise_xor_agg(bigint) -> bigint = bit_xor({d}{0}){w}
regr_count(double, double) -> bigint = CAST(regr_count({d}{0}, {1}){w} AS BIGINT)
every(boolean) -> boolean = bool_and({0}){w}
listagg(varchar, varchar) -> varchar = string_agg({d}{0}, {1}{o}){w}
approx_distinct(T) -> bigint = count(DISTINCT {0}){w}
approx_distinct(T, double) -> bigint = count(DISTINCT {0}){w}
geometric_mean(double) -> double = exp(avg({d}t_ln({0})){w})
stddev(double) -> double = stddev_samp({d}{0}){w}
stddev_samp(double) -> double = stddev_samp({d}{0}){w}
stddev_pop(double) -> double = stddev_pop({d}{0}){w}
variance(double) -> double = var_samp({d}{0}){w}
var_samp(double) -> double = var_samp({d}{0}){w}
var_pop(double) -> double = var_pop({d}{0}){w}
corr(double, double) -> double = t_finite(corr({d}{0}, {1}){w})
covar_pop(double, double) -> double = covar_pop({d}{0}, {1}){w}
covar_samp(double, double) -> double = covar_samp({d}{0}, {1}){w}
regr_slope(double, double) -> double = t_finite(regr_slope({d}{0}, {1}){w})
regr_intercept(double, double) -> double = t_finite(regr_intercept({d}{0}, {1}){w})
bitwise_and_agg(bigint) -> bigint = bit_and({0}){w}
bitwise_or_agg(bigint) -> bigint = bit_or({0}){w}
"""

WINDOW = r"""
row_number() -> bigint = row_number(){w}
rank() -> bigint = rank(){w}
dense_rank() -> bigint = dense_rank(){w}
percent_rank() -> double = percent_rank(){w}
cume_dist() -> double = cume_dist(){w}
ntile(bigint) -> bigint = ntile({0}){w}
lag(T) -> T = lag({0}{n}){w}
lag(T, bigint) -> T = lag({0}, {1}{n}){w}
lag(T, bigint, T) -> T = lag({0}, {1}, {2}{n}){w}
lead(T) -> T = lead({0}{n}){w}
lead(T, bigint) -> T = lead({0}, {1}{n}){w}
lead(T, bigint, T) -> T = lead({0}, {1}, {2}{n}){w}
first_value(T) -> T = first_value({0}{n}){w}
last_value(T) -> T = last_value({0}{n}){w}
nth_value(T, bigint) -> T = nth_value({0}, {1}{n}){w}
"""
