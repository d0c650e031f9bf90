"""Turn simulated motion into the rows of the raw layout, which `etholake.formats.layout` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.formats import layout
from etholake.simulate.motion import SimulatedEvent

__all__ = ["MARK", "mark_text", "write_annotation", "write_tracking"]

MARK = "SIMULATED.txt"


def mark_text(what: str) -> str:
    """Return the text of the mark of a folder; `what` names what was simulated, from which arguments."""
    return (
        "The tracking in this folder was made by `etholake simulate`. It is simulated: no animal moved like\n"
        f"this, and no scientific claim may rest on it.\n{what}\n"
    )


def write_tracking(
    path: Path, xy_TMP2: npt.NDArray[np.float32], detected_TMP: npt.NDArray[np.bool_], parts: Sequence[str]
) -> int:
    """Write the raw rows of one video: `xy_TMP2` in px; only detected points. Returns the number of rows."""
    _, M, P = detected_TMP.shape
    keep = np.flatnonzero(detected_TMP.ravel())
    frame, mouse, part = keep // (M * P), keep // P % M + 1, keep % P
    xy = xy_TMP2.reshape(-1, 2)[keep]
    names = pa.DictionaryArray.from_arrays(pa.array(part.astype(np.int8)), pa.array(list(parts), pa.string()))
    table = pa.table(
        {
            "video_frame": frame.astype(np.int32),
            "mouse_id": mouse.astype(np.int8),
            "bodypart": names,
            "x": np.ascontiguousarray(xy[:, 0]),
            "y": np.ascontiguousarray(xy[:, 1]),
        }
    )
    layout.write_table(path, table)
    return int(keep.size)


def write_annotation(path: Path, events: Sequence[SimulatedEvent]) -> None:
    """Write the annotated intervals of one video."""
    layout.write_annotation(path, ((e.agent + 1, e.target + 1, e.action, e.start, e.stop) for e in events))
