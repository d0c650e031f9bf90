"""`behavior_summary` against a group-by in pandas."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from etholake.contract import arrow_schema
from etholake.curate.statistics import behavior_summary

KEYS = ["split", "video_id", "agent_id", "target_id", "action"]


def events(seed: int, rows: int = 400) -> pa.Table:
    """Annotations of some videos; video 3 has no rate, so no seconds."""
    random = np.random.default_rng(seed)
    video = random.integers(1, 6, rows)
    start = random.integers(0, 5000, rows)
    length = random.integers(0, 300, rows)
    timed = video != 3
    agent, target = random.integers(1, 5, rows), random.integers(1, 5, rows)
    columns = {
        "split": random.choice(["train", "test"], rows), "video_id": video, "agent_id": agent, "target_id": target,
        "action": random.choice(["attack", "rear", "rear\0", "sniff"], rows).astype(object),
        "start_frame": start, "stop_frame": start + length, "duration_frames": length,
        "frames_per_second": pa.array(np.full(rows, 30.0), mask=~timed),
        "start_sec": pa.array(start / 30, mask=~timed), "stop_sec": pa.array((start + length) / 30, mask=~timed),
        "duration_sec": pa.array(length / 30, mask=~timed),
        "counted_start_frame": start, "counted_stop_frame": start + length - length // 2,
        "counted_sec": pa.array((length - length // 2) / 30, mask=~timed), "is_self": agent == target,
        "is_labeled": np.ones(rows, bool), "agent_strain": np.char.add("strain ", agent.astype(str)),
        "agent_sex": ["female"] * rows, "target_strain": [None] * rows, "target_sex": ["male"] * rows,
        "issue": [None] * rows,
    }  # fmt: skip
    schema = arrow_schema("annotations_enriched")
    return pa.table({name: pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names}, schema)


@pytest.mark.parametrize("seed", range(5))
def test_the_summary_is_a_group_by(seed: int) -> None:
    table = events(seed)
    made = behavior_summary(table)
    assert made.schema == arrow_schema("behavior_summary")
    frame = table.to_pandas()
    frame["counted_frames"] = frame["counted_stop_frame"] - frame["counted_start_frame"]
    expected = frame.groupby(KEYS).agg(
        events=("action", "size"), frames=("counted_frames", "sum"),
        seconds=("counted_sec", lambda s: s.sum(min_count=1)), median_sec=("duration_sec", "median"),
        max_sec=("duration_sec", "max"), first_start_sec=("start_sec", "min"), last_stop_sec=("stop_sec", "max"),
        agent_strain=("agent_strain", "first"),
    )  # fmt: skip
    summary = made.to_pandas().set_index(KEYS)
    assert len(summary) == len(expected)
    for name in expected.columns:
        left, right = summary.loc[expected.index, name], expected[name]
        if left.dtype == object or "strain" in name:
            assert left.tolist() == right.tolist()
        else:
            np.testing.assert_allclose(left.to_numpy(float), right.to_numpy(float), rtol=1e-12)
    keys = [tuple(row[k] for k in ("video_id", "agent_id", "target_id", "action")) for row in made.to_pylist()]
    assert keys == sorted(keys)


def test_no_events_make_no_rows() -> None:
    assert behavior_summary(arrow_schema("annotations_enriched").empty_table()).num_rows == 0
