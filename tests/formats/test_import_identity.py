"""Test that tracks and labels exported as DeepLabCut csv and annotator text are imported as the same rows."""

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lab_folder import deeplabcut_csv

from etholake.formats import layout
from etholake.stages.lake.import_folder import ImportOptions, run

REAL = Path(os.environ.get("REAL_TRACKS_DIR", "nowhere"))
PARTS = ("nose", "tail_base")


def prepared(at: Path) -> tuple[Path, Path]:
    """Write tracks with absent rows, and labels in both directions, in the raw layout."""
    random = np.random.default_rng(4)
    cells = [(t, m, p) for t in range(200) for m in (1, 2) for p in PARTS if random.random() > 0.4]
    table = pa.table(
        {
            "video_frame": pa.array([t for t, _, _ in cells], pa.int32()),
            "mouse_id": pa.array([m for _, m, _ in cells], pa.int8()),
            "bodypart": [p for _, _, p in cells],
            "x": pa.array(random.uniform(1, 900, len(cells)), pa.float32()),
            "y": pa.array(random.uniform(1, 900, len(cells)), pa.float32()),
        }
    )
    layout.write_table(at / "tracking.parquet", table)
    bouts = [(3, 10, "social"), (10, 11, "aggression"), (60, 200, "social")]
    both = [(a, t, action, start, stop) for start, stop, action in bouts for a, t in ((1, 2), (2, 1))]
    layout.write_annotation(at / "annotation.parquet", both)
    return at / "tracking.parquet", at / "annotation.parquet"


def check_identity(tracking: Path, annotation: Path, at: Path, fps: float) -> None:
    """Export one prepared video the way its tools write it, import it, and compare all rows."""
    points, labels = (pq.read_table(path).to_pylist() for path in (tracking, annotation))
    parts = sorted({row["bodypart"] for row in points})
    frames = max(row["video_frame"] for row in points) + 1
    xy = np.full((frames, 2, len(parts), 2), np.nan)
    for row in points:
        xy[row["video_frame"], row["mouse_id"] - 1, parts.index(row["bodypart"])] = row["x"], row["y"]
    deeplabcut_csv(at / "lab" / "v1DLC_resnet50_ratsMay7shuffle1_500000.csv", xy, parts, ("rat1", "rat2"))
    bouts = sorted({(row["start_frame"], row["stop_frame"], row["action"]) for row in labels})
    actions = sorted({action for _, _, action in bouts})
    # The behaviour annotator: 1-based frames, both ends inclusive, no gap between intervals.
    spans, position = [], 0
    for start, stop, action in bouts:
        if start > position:
            spans.append((position + 1, start, "other"))
        spans.append((start + 1, stop, action))
        position = stop
    if position < frames:
        spans.append((position + 1, frames, "other"))
    lines = ["Caltech Behavior Annotator - Annotation File", "", "Configuration file:", "other o"]
    lines += [
        *(f"{action} {action[0]}" for action in actions),
        "",
        "S1: start    end     type",
        "-----------------",
    ]
    lines += [f"{a:>11}{b:>8}    {action}" for a, b, action in spans]
    (at / "lab" / "v1.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run(at / "lab", at / "data", ImportOptions(fps=fps))
    with (at / "data" / "train.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    key = ("train", row["lab_id"], row["video_id"])
    names = ["video_frame", "mouse_id", "bodypart", "x", "y"]
    order = [(name, "ascending") for name in names]
    own = pq.read_table(layout.tracking_path(at / "data", *key)).select(names)
    assert own.sort_by(order).to_pylist() == pq.read_table(tracking).select(names).sort_by(order).to_pylist()
    imported = pq.read_table(layout.annotation_path(at / "data", *key)).to_pylist()
    key_of = lambda row: tuple(map(str, row.values()))  # noqa: E731
    assert sorted(imported, key=key_of) == sorted(labels, key=key_of)
    assert result.details["points"]["in"] == frames * 2 * len(parts)


def test_a_generated_video_is_the_same_after_export_and_import(tmp_path: Path) -> None:
    check_identity(*prepared(tmp_path), tmp_path, 30.0)


@pytest.mark.skipif(not REAL.is_dir(), reason="REAL_TRACKS_DIR names no folder with BlossomSocial")
def test_the_real_rats_are_the_same_after_export_and_import(tmp_path: Path) -> None:
    for tracking in sorted((REAL / "train_tracking" / "BlossomSocial").glob("*.parquet")):
        annotation = REAL / "train_annotation" / "BlossomSocial" / tracking.name
        check_identity(tracking, annotation, tmp_path / tracking.stem, 30.0)
