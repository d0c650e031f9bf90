"""Array and map functions, lambdas among them. Indices are 1-based and errors are Trino's.

https://trino.io/docs/current/functions/{array,map,lambda}.html
"""

# ruff: noqa: E501 - one line a message or signature
SIGNATURES = r"""
cardinality(array(T)) -> bigint = len({0})
cardinality(map(K,V)) -> bigint = CAST(cardinality({0}) AS BIGINT)
element_at(array(T), bigint) -> T = t_element_at({0}, {1})
element_at(map(K,V), K) -> V = @map_get
contains(array(T), T) -> boolean = @contains
array_position(array(T), T) -> bigint = @array_position
array_position(array(T), T, bigint) -> bigint = @array_position
array_distinct(array(T)) -> array(T) = @array_distinct
array_sort(array(T)) -> array(T) = @array_sort
array_histogram(array(T)) -> map(T, bigint) = @array_histogram
array_min(array(T)) -> T = @array_min
array_max(array(T)) -> T = @array_max
array_join(array(T), varchar) -> varchar = @array_join
array_join(array(T), varchar, varchar) -> varchar = @array_join
array_remove(array(T), T) -> array(T) = @array_remove
array_intersect(array(T), array(T)) -> array(T) = @array_intersect
array_union(array(T), array(T)) -> array(T) = @array_union
array_except(array(T), array(T)) -> array(T) = @array_except
arrays_overlap(array(T), array(T)) -> boolean = @arrays_overlap
contains_sequence(array(T), array(T)) -> boolean = @contains_sequence
shuffle(array(T)) -> array(T) = @shuffle
slice(array(T), bigint, bigint) -> array(T) = @slice
trim_array(array(T), bigint) -> array(T) = @trim_array
reverse(array(T)) -> array(T) = list_reverse({0})
flatten(array(array(T))) -> array(T) = @flatten
repeat(T, bigint) -> array(T) = @repeat
ngrams(array(T), bigint) -> array(array(T)) = @ngrams
combinations(array(T), bigint) -> array(array(T)) = @combinations
sequence(bigint, bigint) -> array(bigint) = @sequence
sequence(bigint, bigint, bigint) -> array(bigint) = @sequence
sequence(date, date) -> array(date) = @moments
sequence(date, date, interval day to second) -> array(date) = @moments
sequence(date, date, interval year to month) -> array(date) = @moments
sequence(timestamp, timestamp, interval day to second) -> array(timestamp) = @moments
sequence(timestamp, timestamp, interval year to month) -> array(timestamp) = @moments
zip(array(T), array(U)) -> array(row(T,U)) = @zip
zip(array(T), array(U), array(V)) -> array(row(T,U,V)) = @zip
zip(array(T), array(U), array(V), array(W)) -> array(row(T,U,V,W)) = @zip
transform(array(T), function(T,U)) -> array(U) = list_transform({0}, {1})
filter(array(T), function(T,boolean)) -> array(T) = list_filter({0}, {1})
reduce(array(T), S, function(S,T,S), function(S,R)) -> R = {3}
any_match(array(T), function(T,boolean)) -> boolean = t_any(list_transform({0}, {1}))
all_match(array(T), function(T,boolean)) -> boolean = NOT t_any(list_transform(list_transform({0}, {1}), lambda x: NOT x))
none_match(array(T), function(T,boolean)) -> boolean = NOT t_any(list_transform({0}, {1}))
# --- maps
map() -> map(unknown, unknown) = MAP {{}}
map(array(K), array(V)) -> map(K,V) = @map
map_keys(map(K,V)) -> array(K) = map_keys({0})
map_values(map(K,V)) -> array(V) = map_values({0})
map_entries(map(K,V)) -> array(row(K,V)) = list_transform(map_entries({0}), lambda e: {{'f0': e.key, 'f1': e.value}})
map_from_entries(array(row(K,V))) -> map(K,V) = @map_from_entries
multimap_from_entries(array(row(K,V))) -> map(K,array(V)) = @multimap_from_entries
map_concat(map(K,V), map(K,V), map(K,V)*) -> map(K,V) = @map_concat
"""
