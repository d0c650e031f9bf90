"""Time how fast poses of other tools are read: an hour of four animals with twelve parts at 30 frames a second.

.venv/bin/python benchmarks/formats.py [--quick] [--json]

Ratios against what a user would write without Etholake, in the same run on the same file: `pandas.read_hdf` with
writing the table as Parquet, `pyarrow.csv.read_csv`. The peak of memory is that of a child that reads one file.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
from figures import Figure, median_seconds, options, show

from etholake.formats.base import PoseRecording, ReadOptions
from etholake.formats.registry import FORMATS

ANIMALS, PARTS, FRAMES = 4, 12, 108_000
PEAK = """
import sys
from pathlib import Path
from etholake.formats.base import ReadOptions
from etholake.formats.registry import FORMATS
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
item = FORMATS.get(sys.argv[1])
before = peak()
for recording in item.read(Path(sys.argv[2]), ReadOptions()):
    pass
print(peak() - before)
"""


def main() -> None:
    given = options(__doc__)
    frames, repeats = (FRAMES // 10, 3) if given.quick else (FRAMES, 5)
    with tempfile.TemporaryDirectory() as name:
        show(measure(Path(name), frames, repeats), as_json=given.json)


def measure(folder: Path, frames: int, repeats: int) -> list[Figure]:
    table = tracks(frames)
    figures = [Figure("formats: points", frames * ANIMALS * PARTS / 1e6, "million")]
    for layout in ("table", "fixed"):
        path = folder / f"{layout}.h5"
        table.to_hdf(path, key="df_with_missing", format=layout, mode="w")
        yardstick = partial(pandas_way, path, folder / "pandas.parquet")
        figures += compared(f"DeepLabCut h5 ({layout})", "deeplabcut_h5", path, yardstick, 3.0, repeats)
    path = folder / "tracks.csv"
    table.to_csv(path)
    return figures + compared("DeepLabCut csv", "deeplabcut_csv", path, partial(arrow_way, path), 1.5, repeats)


def compared(
    title: str, name: str, path: Path, yardstick: Callable[[], None], limit: float, repeats: int
) -> list[Figure]:
    """Time a reader and its yardstick in turn, so that a busy machine stretches both."""
    read(name, path)
    yardstick()
    pairs = [(median_seconds(partial(read, name, path), 1), median_seconds(yardstick, 1)) for _ in range(repeats)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    child = [sys.executable, "-c", PEAK, name, str(path)]
    peak = int(subprocess.run(child, capture_output=True, text=True, check=True).stdout) / 1024
    return [
        Figure(f"formats: {title}, read", statistics.median(ours for ours, _ in pairs), "s"),
        Figure(f"formats: {title}, read / yardstick", ratio, "x", f"<= {limit:g}", ratio <= limit),
        Figure(f"formats: {title}, peak memory", peak, "MB"),
    ]


def read(name: str, path: Path) -> PoseRecording:
    (recording,) = FORMATS.get(name).read(path, ReadOptions())
    assert isinstance(recording, PoseRecording)
    return recording


def pandas_way(path: Path, target: Path) -> None:
    frame = pd.read_hdf(path)
    frame.columns = ["_".join(column) for column in frame.columns]
    frame.to_parquet(target)


def arrow_way(path: Path) -> None:
    header = pyarrow.csv.ReadOptions(skip_rows=4, autogenerate_column_names=True)
    pyarrow.csv.read_csv(path, read_options=header)


def tracks(frames: int) -> pd.DataFrame:
    """Return a table as DeepLabCut writes it: wandering animals, likelihoods, five in a hundred points missing."""
    random = np.random.default_rng(1)
    steps = random.normal(0, 0.5, (frames, ANIMALS * PARTS, 2)).cumsum(0) + 300
    values = np.concatenate([steps, random.uniform(0.6, 1, (frames, ANIMALS * PARTS, 1))], -1)
    values[random.random(values.shape[:2]) < 0.05] = np.nan
    levels = [
        ["scorer"],
        [f"m{a}" for a in range(ANIMALS)],
        [f"part{p}" for p in range(PARTS)],
        ["x", "y", "likelihood"],
    ]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    return pd.DataFrame(values.reshape(frames, -1), columns=pd.MultiIndex.from_product(levels, names=names))


if __name__ == "__main__":
    main()
