"""Compile an Athena query to DuckDB SQL, typed by Trino's rules; whatever is not known here is refused.

`relations.py` holds names, types and lineage, `queries.py` the clauses, `sources.py` FROM, `ordering.py` keys and
counts, `expressions.py` the operators, `casts.py` conversions and texts, `signatures.py` resolution, `functions/`
the allow-list of functions.
"""
