"""`class_distribution_stats` of one lab: how often, how long, what share. numpy, no I/O."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["class_distribution"]


def class_distribution(annotations: pa.Table, lab_id: str) -> list[dict[str, Any]]:
    """Rows of `class_distribution_stats` for one lab, sorted by action.

    Parameters
    ----------
    annotations
        The lab's `annotations_enriched`. Every event counts, whatever its `issue`; an event without seconds
        (its video has no fps) counts in `events` and `frames` only.

    Returns
    -------
    list of dict
        Seconds are null where no event has any; `share` is of the lab's annotated seconds; percentiles are
        linear (numpy's default).
    """
    action = np.array(annotations["action"].to_pylist(), dtype=object)
    video = annotations["video_id"].to_numpy()
    frames = annotations["duration_frames"].to_numpy().astype(np.int64)
    seconds = annotations["duration_sec"].to_numpy().astype(np.float64)  # null becomes NaN
    whole = float(np.nansum(seconds))
    rows = []
    for name in sorted(set(action.tolist())):
        own = action == name
        known = np.sort(seconds[own & ~np.isnan(seconds)])  # sorted: the sum does not depend on the order of rows
        total = float(known.sum()) if known.size else None
        rows.append(
            {
                "lab_id": lab_id, "action": name,
                "videos": int(np.unique(video[own]).size), "events": int(own.sum()),
                "frames": int(frames[own].sum()), "seconds": total,
                "share": total / whole if total is not None and whole > 0 else None,
                "mean_sec": float(known.mean()) if known.size else None,
                "median_sec": float(np.median(known)) if known.size else None,
                "p95_sec": float(np.percentile(known, 95)) if known.size else None,
            }
        )  # fmt: skip
    return rows
