"""Array and map functions, lambdas among them. Indices are 1-based and errors are Trino's.

https://trino.io/docs/current/functions/{array,map,lambda}.html
"""

# ruff: noqa: E501 - one line a message or signature
SIGNATURES = r"""
cardinality(array(T)) -> bigint = len({0})
cardinality(map(K,V)) -> bigint = CAST(cardinality({0}) AS BIGINT)
element_at(array(T), bigint) -> T = t_element_at({0}, {1})
element_at(map(K,V), K) -> V = map_extract_value({0}, {1})
contains(array(T), T) -> boolean = CASE WHEN list_contains({0}, {1}) THEN TRUE WHEN len(list_filter({0}, lambda x: x IS NULL)) > 0 THEN NULL WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE FALSE END
array_position(array(T), T) -> bigint = CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE CAST(coalesce(list_position({0}, {1}), 0) AS BIGINT) END
array_distinct(array(T)) -> array(T) = list_reduce({0}, lambda a, x: CASE WHEN len(list_filter(a, lambda y: y IS NOT DISTINCT FROM x)) > 0 THEN a ELSE list_append(a, x) END, list_filter({0}, lambda z: FALSE))
array_sort(array(T)) -> array(T) = list_sort({0}, 'ASC', 'NULLS LAST')
array_min(array(T)) -> T = CASE WHEN len(list_filter({0}, lambda x: x IS NULL)) = 0 THEN list_min({0}) END
array_max(array(T)) -> T = CASE WHEN len(list_filter({0}, lambda x: x IS NULL)) = 0 THEN list_max({0}) END
array_join(array(varchar), varchar) -> varchar = array_to_string({0}, {1})
array_join(array(varchar), varchar, varchar) -> varchar = array_to_string(list_transform({0}, lambda x: coalesce(x, {2})), {1})
array_remove(array(T), T) -> array(T) = CASE WHEN {1} IS NOT NULL THEN list_filter({0}, lambda x: x IS DISTINCT FROM {1}) END
array_intersect(array(T), array(T)) -> array(T) = list_sort(list_filter(list_distinct({0}), lambda x: list_contains({1}, x)))
array_union(array(T), array(T)) -> array(T) = list_reduce(list_concat({0}, {1}), lambda a, x: CASE WHEN len(list_filter(a, lambda y: y IS NOT DISTINCT FROM x)) > 0 THEN a ELSE list_append(a, x) END, list_filter({0}, lambda z: FALSE))
array_except(array(T), array(T)) -> array(T) = list_sort(list_filter(list_distinct({0}), lambda x: NOT list_contains({1}, x)))
arrays_overlap(array(T), array(T)) -> boolean = CASE WHEN list_has_any({0}, {1}) THEN TRUE WHEN len(list_filter(list_concat({0}, {1}), lambda x: x IS NULL)) > 0 THEN NULL WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE FALSE END
slice(array(T), bigint, bigint) -> array(T) = t_slice({0}, {1}, {2})
reverse(array(T)) -> array(T) = list_reverse({0})
flatten(array(array(T))) -> array(T) = flatten({0})
repeat(T, bigint) -> array(T) = list_transform(generate_series(1, {1}), lambda x: {0})
sequence(bigint, bigint) -> array(bigint) = CASE WHEN {0} <= {1} THEN generate_series({0}, {1}) ELSE generate_series({0}, {1}, -1) END
sequence(bigint, bigint, bigint) -> array(bigint) = CASE WHEN ({1} - {0}) * {2} < 0 OR {2} = 0 THEN error('sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start') ELSE generate_series({0}, {1}, {2}) END
zip(array(T), array(U)) -> array(row(T,U)) = list_transform(list_zip({0}, {1}), lambda z: {{'f0': z[1], 'f1': z[2]}})
zip(array(T), array(U), array(V)) -> array(row(T,U,V)) = list_transform(list_zip({0}, {1}, {2}), lambda z: {{'f0': z[1], 'f1': z[2], 'f2': z[3]}})
transform(array(T), function(T,U)) -> array(U) = list_transform({0}, {1})
filter(array(T), function(T,boolean)) -> array(T) = list_filter({0}, {1})
reduce(array(T), S, function(S,T,S), function(S,R)) -> R = {3}
zip_with(array(T), array(U), function(T,U,R)) -> array(R) = t_zip_with
any_match(array(T), function(T,boolean)) -> boolean = t_any(list_transform({0}, {1}))
all_match(array(T), function(T,boolean)) -> boolean = NOT t_any(list_transform(list_transform({0}, {1}), lambda x: NOT x))
none_match(array(T), function(T,boolean)) -> boolean = NOT t_any(list_transform({0}, {1}))
# --- maps
map() -> map(unknown, unknown) = MAP {{}}
map(array(K), array(V)) -> map(K,V) = CASE WHEN len({0}) <> len({1}) THEN error('Key and value arrays must be the same length') ELSE map({0}, {1}) END
map_keys(map(K,V)) -> array(K) = map_keys({0})
map_values(map(K,V)) -> array(V) = map_values({0})
map_entries(map(K,V)) -> array(row(K,V)) = list_transform(map_entries({0}), lambda e: {{'f0': e.key, 'f1': e.value}})
map_from_entries(array(row(K,V))) -> map(K,V) = map_from_entries(list_transform({0}, lambda e: {{'key': e.f0, 'value': e.f1}}))
map_concat(map(K,V), map(K,V)) -> map(K,V) = map_concat({0}, {1})
map_filter(map(K,V), function(K,V,boolean)) -> map(K,V) = t_map_filter
transform_values(map(K,V), function(K,V,U)) -> map(K,U) = t_transform_values
transform_keys(map(K,V), function(K,V,U)) -> map(U,V) = t_transform_keys
"""
