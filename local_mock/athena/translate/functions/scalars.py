"""Mathematical, string, regular-expression, JSON, binary and bitwise functions.

https://trino.io/docs/current/functions/{math,string,regexp,json,binary,bitwise,url}.html
"""

# ruff: noqa: E501 - one line a message or signature
SIGNATURES = r"""
# --- mathematical
abs(tinyint) -> tinyint = abs({0})
abs(smallint) -> smallint = abs({0})
abs(integer) -> integer = abs({0})
abs(bigint) -> bigint = abs({0})
abs(real) -> real = abs({0})
abs(double) -> double = abs({0})
abs(decimal) -> decimal = abs({0})
sign(tinyint) -> tinyint = CAST(sign({0}) AS TINYINT)
sign(smallint) -> smallint = CAST(sign({0}) AS SMALLINT)
sign(integer) -> integer = CAST(sign({0}) AS INTEGER)
sign(bigint) -> bigint = CAST(sign({0}) AS BIGINT)
sign(double) -> double = CASE WHEN isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END
ceil(bigint) -> bigint = {0}
ceil(integer) -> integer = {0}
ceil(double) -> double = ceil({0})
ceil(real) -> real = ceil({0})
ceil(decimal) -> decimal = ceil({0})
ceiling(bigint) -> bigint = {0}
ceiling(integer) -> integer = {0}
ceiling(double) -> double = ceil({0})
ceiling(decimal) -> decimal = ceil({0})
floor(bigint) -> bigint = {0}
floor(integer) -> integer = {0}
floor(double) -> double = floor({0})
floor(real) -> real = floor({0})
floor(decimal) -> decimal = floor({0})
round(tinyint) -> tinyint = {0}
round(smallint) -> smallint = {0}
round(integer) -> integer = {0}
round(bigint) -> bigint = {0}
round(double) -> double = round({0})
round(real) -> real = round({0})
round(integer, integer) -> integer = CAST(round({0}, {1}) AS INTEGER)
round(bigint, integer) -> bigint = CAST(round({0}, {1}) AS BIGINT)
round(double, integer) -> double = t_round({0}, {1})
round(real, integer) -> real = CAST(t_round(CAST({0} AS DOUBLE), {1}) AS FLOAT)
truncate(double) -> double = trunc({0})
truncate(real) -> real = trunc({0})
sqrt(double) -> double = CASE WHEN {0} < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt({0}) END
cbrt(double) -> double = t_cbrt({0})
exp(double) -> double = exp({0})
ln(double) -> double = t_ln({0})
log2(double) -> double = CASE WHEN {0} > 0 THEN log2({0}) ELSE t_ln({0}) END
log10(double) -> double = CASE WHEN {0} > 0 THEN log10({0}) ELSE t_ln({0}) END
log(double, double) -> double = t_ln({1}) / t_ln({0})
power(double, double) -> double = power({0}, {1})
pow(double, double) -> double = power({0}, {1})
mod(tinyint, tinyint) -> tinyint = {0} % {1}
mod(smallint, smallint) -> smallint = {0} % {1}
mod(integer, integer) -> integer = {0} % {1}
mod(bigint, bigint) -> bigint = {0} % {1}
mod(double, double) -> double = CASE WHEN {1} = 0 THEN CAST('NaN' AS DOUBLE) ELSE {0} % {1} END
pi() -> double = pi()
e() -> double = exp(CAST(1 AS DOUBLE))
nan() -> double = CAST('NaN' AS DOUBLE)
infinity() -> double = CAST('Infinity' AS DOUBLE)
is_nan(double) -> boolean = isnan({0})
is_finite(double) -> boolean = isfinite({0})
is_infinite(double) -> boolean = isinf({0})
degrees(double) -> double = degrees({0})
radians(double) -> double = radians({0})
sin(double) -> double = sin({0})
cos(double) -> double = cos({0})
tan(double) -> double = tan({0})
asin(double) -> double = CASE WHEN abs({0}) > 1 THEN CAST('NaN' AS DOUBLE) ELSE asin({0}) END
acos(double) -> double = CASE WHEN abs({0}) > 1 THEN CAST('NaN' AS DOUBLE) ELSE acos({0}) END
atan(double) -> double = atan({0})
atan2(double, double) -> double = atan2({0}, {1})
sinh(double) -> double = sinh({0})
cosh(double) -> double = cosh({0})
tanh(double) -> double = tanh({0})
rand() -> double = random()
random() -> double = random()
width_bucket(double, double, double, bigint) -> bigint = t_width_bucket({0}, {1}, {2}, {3})
width_bucket(double, array(double)) -> bigint = CAST(len(list_filter({1}, lambda b: b <= {0})) AS BIGINT)
bitwise_and(bigint, bigint) -> bigint = {0} & {1}
bitwise_or(bigint, bigint) -> bigint = {0} | {1}
bitwise_xor(bigint, bigint) -> bigint = xor({0}, {1})
bitwise_not(bigint) -> bigint = ~{0}
# --- string
length(varchar) -> bigint = length({0})
length(varbinary) -> bigint = octet_length({0})
lower(varchar) -> varchar = lower({0})
upper(varchar) -> varchar = upper({0})
trim(varchar) -> varchar = trim({0})
trim(varchar, varchar) -> varchar = trim({0}, {1})
ltrim(varchar) -> varchar = ltrim({0})
ltrim(varchar, varchar) -> varchar = ltrim({0}, {1})
rtrim(varchar) -> varchar = rtrim({0})
rtrim(varchar, varchar) -> varchar = rtrim({0}, {1})
reverse(varchar) -> varchar = reverse({0})
substr(varchar, bigint) -> varchar = t_substr({0}, {1}, length({0}))
substr(varchar, bigint, bigint) -> varchar = t_substr({0}, {1}, {2})
substring(varchar, bigint) -> varchar = t_substr({0}, {1}, length({0}))
substring(varchar, bigint, bigint) -> varchar = t_substr({0}, {1}, {2})
strpos(varchar, varchar) -> bigint = strpos({0}, {1})
starts_with(varchar, varchar) -> boolean = starts_with({0}, {1})
replace(varchar, varchar) -> varchar = replace({0}, {1}, '')
replace(varchar, varchar, varchar) -> varchar = CASE WHEN {1} = '' THEN error('replace of an empty string is not supported by local_mock') ELSE replace({0}, {1}, {2}) END
lpad(varchar, bigint, varchar) -> varchar = CASE WHEN {2} = '' THEN error('Padding string must not be empty') ELSE lpad({0}, CAST({1} AS INTEGER), {2}) END
rpad(varchar, bigint, varchar) -> varchar = CASE WHEN {2} = '' THEN error('Padding string must not be empty') ELSE rpad({0}, CAST({1} AS INTEGER), {2}) END
split(varchar, varchar) -> array(varchar) = string_split({0}, {1})
split_part(varchar, varchar, bigint) -> varchar = string_split({0}, {1})[CASE WHEN {2} < 1 THEN error('Index must be greater than zero') ELSE {2} END]
concat_ws(varchar, varchar*) -> varchar = concat_ws({all})
chr(bigint) -> varchar = chr(CAST({0} AS INTEGER))
codepoint(varchar) -> integer = unicode({0})
translate(varchar, varchar, varchar) -> varchar = translate({0}, {1}, {2})
levenshtein_distance(varchar, varchar) -> bigint = levenshtein({0}, {1})
hamming_distance(varchar, varchar) -> bigint = hamming({0}, {1})
# --- regular expressions (RE2 here, Joni there: look-around and back references fail instead of differing)
regexp_like(varchar, varchar) -> boolean = regexp_matches({0}, {1})
regexp_replace(varchar, varchar) -> varchar = regexp_replace({0}, {1}, '', 'g')
regexp_replace(varchar, varchar, varchar) -> varchar = regexp_replace({0}, {1}, t_replacement({2}), 'g')
regexp_extract(varchar, varchar) -> varchar = t_regexp_extract({0}, {1}, 0)
regexp_extract_all(varchar, varchar) -> array(varchar) = regexp_extract_all({0}, {1})
regexp_count(varchar, varchar) -> bigint = len(regexp_extract_all({0}, {1}))
regexp_split(varchar, varchar) -> array(varchar) = string_split_regex({0}, {1})
# --- JSON
json_extract(varchar, varchar) -> json = json_extract(TRY_CAST({0} AS JSON), {1})
json_extract(json, varchar) -> json = json_extract({0}, {1})
json_extract_scalar(varchar, varchar) -> varchar = t_json_scalar(TRY_CAST({0} AS JSON), {1})
json_extract_scalar(json, varchar) -> varchar = t_json_scalar({0}, {1})
json_parse(varchar) -> json = CAST({0} AS JSON)
json_format(json) -> varchar = CAST(json({0}) AS VARCHAR)
json_array_length(varchar) -> bigint = CASE WHEN json_type(TRY_CAST({0} AS JSON)) = 'ARRAY' THEN CAST(json_array_length(TRY_CAST({0} AS JSON)) AS BIGINT) END
json_array_length(json) -> bigint = CASE WHEN json_type({0}) = 'ARRAY' THEN CAST(json_array_length({0}) AS BIGINT) END
json_size(json, varchar) -> bigint = CASE json_type(json_extract({0}, {1})) WHEN 'ARRAY' THEN CAST(json_array_length(json_extract({0}, {1})) AS BIGINT) WHEN 'OBJECT' THEN len(json_keys(json_extract({0}, {1}))) WHEN NULL THEN NULL ELSE 0 END
# --- binary
to_hex(varbinary) -> varchar = hex({0})
from_hex(varchar) -> varbinary = unhex({0})
to_base64(varbinary) -> varchar = to_base64({0})
from_base64(varchar) -> varbinary = from_base64({0})
to_utf8(varchar) -> varbinary = encode({0})
from_utf8(varbinary) -> varchar = decode({0})
md5(varbinary) -> varbinary = unhex(md5({0}))
sha1(varbinary) -> varbinary = unhex(sha1({0}))
sha256(varbinary) -> varbinary = unhex(sha256({0}))
uuid() -> varchar = CAST(uuid() AS VARCHAR)
"""
