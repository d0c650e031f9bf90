"""Count a lab's annotations for `class_distribution_stats` and `behavior_summary`. numpy, no I/O."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.contract import TABLES, arrow_schema

__all__ = ["behavior_summary", "class_distribution"]


def class_distribution(annotations: pa.Table, lab_id: str) -> list[dict[str, Any]]:
    """Return the rows of `class_distribution_stats` for one lab, sorted by action.

    Parameters
    ----------
    annotations
        The lab's `annotations_enriched`. Every event counts, whatever its `issue`; an event without seconds
        (its video has no fps) counts in `events` and `frames` only.

    Returns
    -------
    list of dict
        `frames` and `seconds` count a frame once, within the video; the mean and the percentiles are of whole
        events. Seconds are null where no event has any; `share` is of the lab's annotated seconds; percentiles are
        linear (numpy's default).
    """
    code, actions = _codes(annotations["action"])
    video = annotations["video_id"].to_numpy()
    frames = _counted_frames(annotations)
    seconds = annotations["duration_sec"].to_numpy().astype(np.float64)  # null becomes NaN
    counted = annotations["counted_sec"].to_numpy().astype(np.float64)
    whole = float(np.nansum(counted))
    rows = []
    for number, name in sorted(enumerate(actions), key=lambda entry: entry[1]):
        own = code == number
        durations = np.sort(
            seconds[own & ~np.isnan(seconds)]
        )  # sorted: a sum does not depend on the order of rows
        total = float(np.sort(counted[own & ~np.isnan(seconds)]).sum()) if durations.size else None
        rows.append(
            {
                "lab_id": lab_id, "action": name,
                "videos": int(np.unique(video[own]).size), "events": int(own.sum()),
                "frames": int(frames[own].sum()), "seconds": total,
                "share": total / whole if total is not None and whole > 0 else None,
                "mean_sec": float(durations.mean()) if durations.size else None,
                "median_sec": float(np.median(durations)) if durations.size else None,
                "p95_sec": float(np.percentile(durations, 95)) if durations.size else None,
            }
        )  # fmt: skip
    return rows


def behavior_summary(annotations: pa.Table) -> pa.Table:
    """Return the rows of `behavior_summary` for one lab: one per annotated (split, video, agent, target, action).

    Parameters
    ----------
    annotations
        The lab's `annotations_enriched`; every event counts, whatever its `issue`.

    Returns
    -------
    pa.Table
        The contract's columns, in its order of rows; `frames` and `seconds` count a frame once. Seconds are null
        where the video has no fps.
    """
    schema, keys = arrow_schema("behavior_summary"), ("split", "video_id", "agent_id", "target_id", "action")
    if not annotations.num_rows:
        return schema.empty_table()
    seconds, start_sec, stop_sec = (
        annotations[name].to_numpy().astype(np.float64) for name in ("duration_sec", "start_sec", "stop_sec")
    )
    frames = _counted_frames(annotations)
    counted = annotations["counted_sec"].to_numpy().astype(np.float64)
    coded = [_codes(annotations[name])[0] for name in keys]
    order = np.lexsort([seconds, *coded[::-1]])  # within a group by duration, so that the middle is the median
    new = np.logical_or.reduce([codes[order][1:] != codes[order][:-1] for codes in coded])
    first = np.flatnonzero(np.concatenate([[True], new]))
    events = np.diff(np.append(first, order.size))
    seconds, counted, start_sec, stop_sec, frames = (
        values[order] for values in (seconds, counted, start_sec, stop_sec, frames)
    )
    shared = annotations.take(pa.array(order[first]))  # a row of each group, for what its rows have in common
    columns = {name: shared[name] for name in schema.names if name in shared.schema.names}
    columns |= {
        "events": pa.array(events),
        "frames": pa.array(np.add.reduceat(frames, first)),
        "seconds": _known(np.add.reduceat(counted, first)),
        "median_sec": _known((seconds[first + (events - 1) // 2] + seconds[first + events // 2]) / 2),
        "max_sec": _known(np.maximum.reduceat(seconds, first)),
        "first_start_sec": _known(np.minimum.reduceat(start_sec, first)),
        "last_stop_sec": _known(np.maximum.reduceat(stop_sec, first)),
    }
    made = pa.table({name: columns[name].cast(schema.field(name).type) for name in schema.names}, schema=schema)
    order_by = [*TABLES["behavior_summary"].sort, "split"]
    return made.sort_by([(name, "ascending") for name in order_by])


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return codes and distinct values (numpy would take a text that ends in a null character for another)."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy()).astype(np.int64), encoded.dictionary.to_pylist()


def _known(values: npt.NDArray[np.float64]) -> pa.Array:
    """Return a float64 array, null where NaN (a video has fps for all of its events or for none)."""
    return pa.array(values, mask=np.isnan(values))


def _counted_frames(annotations: pa.Table) -> npt.NDArray[np.int64]:
    stop, start = (annotations[f"counted_{end}_frame"].to_numpy().astype(np.int64) for end in ("stop", "start"))
    return np.asarray(stop - start)
