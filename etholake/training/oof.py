"""Convert out-of-fold probabilities to the contract's table `out_of_fold`, and back.

The table has one row a frame, for SQL. Probabilities are rounded to 0.001, so that the column is a dictionary of
at most 1001 values; sorted and compressed, a row takes about two bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import TABLES, arrow_schema
from etholake.events.types import PairScores

__all__ = ["DIGITS", "from_table", "read_oof", "to_table", "write_oof"]

TABLE = "out_of_fold"
DIGITS = 3


def to_table(scores: Iterable[tuple[int, PairScores]]) -> pa.Table:
    """Return the sorted rows of `out_of_fold` for pairs of fold and probabilities.

    Frames that were not predicted (NaN) have no row.
    """
    tables = [_rows(fold, pair) for fold, pair in scores]
    joined = pa.concat_tables(tables) if tables else arrow_schema(TABLE).empty_table()
    return joined.sort_by([(key, "ascending") for key in TABLES[TABLE].sort])


def from_table(table: pa.Table) -> list[PairScores]:
    """Return the probabilities that rows of `out_of_fold` hold, one entry per (video, agent, target, fold).

    A frame without a row is NaN.
    """
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    keys = ["video_id", "agent_id", "target_id", "fold"]
    if not table.num_rows:
        return []
    rows = np.stack([columns[key].astype(np.int64) for key in keys], axis=1)
    groups, member = np.unique(rows, axis=0, return_inverse=True)
    order = np.argsort(member.ravel(), kind="stable")
    edges = np.searchsorted(member.ravel()[order], np.arange(len(groups) + 1))
    return [_pair({n: c[order[a:b]] for n, c in columns.items()}) for a, b in pairwise(edges)]


def write_oof(path: Path, scores: Iterable[tuple[int, PairScores]]) -> int:
    """Write one sorted Parquet file, video by video; return the number of rows."""
    by_video: dict[tuple[str, int], list[tuple[int, PairScores]]] = {}
    for fold, pair in scores:
        by_video.setdefault((pair.lab_id, pair.video_id), []).append((fold, pair))
    path.parent.mkdir(parents=True, exist_ok=True)
    schema, rows = arrow_schema(TABLE), 0
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=[name for name in schema.names if name != "video_frame"],
        column_encoding={"video_frame": "DELTA_BINARY_PACKED"},
    ) as writer:  # fmt: skip
        for _, scores_of_video in sorted(by_video.items(), key=lambda item: item[0]):
            table = to_table(scores_of_video)
            writer.write_table(table)
            rows += table.num_rows
    return rows


def read_oof(path: Path) -> list[PairScores]:
    """Read what `write_oof` wrote."""
    return from_table(pq.ParquetFile(path).read())


def _rows(fold: int, pair: PairScores) -> pa.Table:
    frame, action = np.nonzero(np.isfinite(pair.probabilities_TA))
    n = len(frame)
    probability = np.round(pair.probabilities_TA[frame, action].astype(np.float64), DIGITS)
    names = pa.DictionaryArray.from_arrays(pa.array(action, pa.int32()), pa.array(list(pair.actions), pa.string()))
    return pa.table(
        {
            "lab_id": pa.array([pair.lab_id] * n, pa.string()),
            "video_id": np.full(n, pair.video_id, np.int64),
            "agent_id": np.full(n, pair.agent_id, np.int8),
            "target_id": np.full(n, pair.target_id, np.int8),
            "action": names.cast(pa.string()),
            "video_frame": (pair.first_frame + frame).astype(np.int32),
            "probability": probability.astype(np.float32),
            "fold": np.full(n, fold, np.int8),
            "frames_per_second": np.full(n, pair.fps),
        },
        schema=arrow_schema(TABLE),
    )


def _pair(columns: dict[str, Any]) -> PairScores:
    actions = sorted(set(columns["action"].tolist()))
    first = int(columns["video_frame"].min())
    values = np.full((int(columns["video_frame"].max()) - first + 1, len(actions)), np.nan, dtype=np.float32)
    column = np.searchsorted(actions, columns["action"].astype(str))
    values[columns["video_frame"] - first, column] = columns["probability"]
    one = {name: values[0] for name, values in columns.items()}
    return PairScores(
        int(one["video_id"]), str(one["lab_id"]), float(one["frames_per_second"]), int(one["agent_id"]),
        int(one["target_id"]), first, tuple(actions), values,
    )  # fmt: skip
