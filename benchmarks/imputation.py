"""Measure filled-in points: a pre-trained model against forward fill and interpolation, in cm, on real tracks.

.venv/bin/python benchmarks/imputation.py --data DIR [--config pose_bert:tiny] [--overrides JSON] [--model DIR]
    [--quick] [--json]

DIR is a folder in the MABe layout; all of its tracks are used, labelled or not. A tenth of the videos, at least
one, is held out; gaps of 5, 15 and 60 frames are hidden on purpose in what was measured there, and all methods
fill the same ones. --model keeps the pre-trained model. --quick: two epochs of ten steps.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from figures import Figure, parser, show

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError
from etholake.training.pretrain import pretrain


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder in the MABe layout")
    options.add_argument("--config", default="pose_bert:tiny")
    options.add_argument("--overrides", type=json.loads, default={})
    options.add_argument("--model", type=Path, help="folder that keeps the pre-trained model")
    given = options.parse_args()
    overrides = given.overrides | ({"epochs": 2, "batches_per_epoch": 10} if given.quick else {})
    videos = list(all_tracks(given.data))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        report = pretrain(videos, given.model or Path(temporary), given.config, overrides, _say)
    figures = [Figure("videos", len(videos), ""), Figure("pre-training", time.monotonic() - began, "s")]
    for gap, methods in report["reconstruction"]["gaps"].items():
        for method, errors in methods.items():
            figures += [
                Figure(f"gap of {gap} frames, {method}: {kind}", errors[kind], "cm") for kind in ("median", "mean")
            ]
    show(figures, as_json=given.json)


def all_tracks(folder: Path) -> Iterator[PoseTracks]:
    """Yield the tracks of every video of the training split that can be read."""
    with (folder / "train.csv").open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            file = folder / "train_tracking" / row["lab_id"] / f"{row['video_id']}.parquet"
            if file.is_file():
                try:
                    yield PoseTracks.from_raw(pq.ParquetFile(file).read(), VideoMeta.from_row(row))
                except DataError as err:
                    print(f"left out: {err}", file=sys.stderr)


def _say(epoch: int, epochs: int, row: object) -> None:
    print(f"epoch {epoch} of {epochs}: {row}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
