"""`dirty_video(seed)` makes one random video of every kind of dirt; the seed alone remakes it."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from reference import LARGEST_FRAME  # type: ignore[import-not-found]

from etholake.curate.tracking import VideoScale


@dataclass
class DirtyVideo:
    """A raw table, the video's scale, the bound, and the kinds of dirt that are in it."""

    table: pa.Table
    meta: VideoScale
    max_gap: int
    kinds: set[str]


_FRAME_TYPES = (pa.int32(), pa.int64(), pa.float64(), pa.uint32(), pa.uint64(), pa.int16(), pa.float32())
_MOUSE_TYPES = (pa.int8(), pa.int64(), pa.float64(), pa.float32(), pa.uint8())
_NUMBER_TYPES = (pa.float32(), pa.float64(), pa.int32(), pa.int64(), pa.float16())
_PART_TYPES = (
    pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int16(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
)  # fmt: skip
_PARTS = ("nose", "ear_left", "ear_right", "tail_base", "neck", "Nose", "ñandú", "尾", "a b", "🐭")


def dirty_video(seed: int) -> DirtyVideo:
    """One random video; every kind of dirt has a fair chance, alone and together with others."""
    rng = random.Random(seed)
    kinds: set[str] = set()

    def chance(kind: str, share: float) -> bool:
        if rng.random() < share:
            kinds.add(kind)
            return True
        return False

    parts = list(rng.sample(_PARTS, rng.randint(1, 6)))
    n_frames = rng.choice([1, 2, 20, 60, 120, 200])
    if chance("hundreds of parts", 0.05):
        parts, n_frames = [f"part{n}" for n in range(rng.randint(200, 500))], rng.choice([1, 2, 4])
    frames = _frames(rng, n_frames, chance)
    points = _walks(rng, frames, parts, chance)
    points += _bad_rows(rng, points, parts, chance)
    if chance("no rows", 0.03):
        points = []
    elif chance("one row", 0.03):
        points = points[:1]
    if chance("unsorted", 0.4):
        rng.shuffle(points)
    meta = VideoScale(
        seed, "Lab",
        fps=rng.choice([30.0, 29.97, 120.02, 10.0, 25.0, 30.0, *_unknown(rng, chance, "no fps")]),
        pix_per_cm=rng.choice([16.0, 5.5, 18.3, 64.9, 16.0, 0.37, *_unknown(rng, chance, "no scale")]),
        width_pix=rng.choice([640, 1024.0, 480, *_unknown(rng, chance, "no frame size")]),
        height_pix=rng.choice([480, 576.0, *_unknown(rng, chance, "no frame size")]),
        min_likelihood=0.4 if seed % 3 else None,
    )  # fmt: skip
    max_gap = rng.choice([1, 2, 3, 5, 15, 15, 60, 2_000_000_000])
    return DirtyVideo(_table(rng, points, chance), meta, max_gap, kinds)


def _unknown(rng: random.Random, chance: Any, kind: str) -> list[float | None]:
    return [rng.choice([None, 0.0, -3.0, math.nan, math.inf])] * 50 if chance(kind, 0.12) else []


def _frames(rng: random.Random, n: int, chance: Any) -> list[int]:
    """Frames of the video: dense, with holes, or spread over two thousand million frames."""
    start = rng.choice([0, 0, 1, 7, 10_000])
    frames = list(range(start, start + n))
    if chance("sparse frames", 0.2):
        top = rng.choice([1000, 10**6, 2_000_000_000, LARGEST_FRAME])
        frames = sorted({0, top, *(rng.randint(0, top) for _ in range(n))})
    elif chance("frames missing for all", 0.3):
        hole = rng.randrange(n)
        frames = frames[:hole] + [f + rng.choice([1, 3, 14, 15, 16, 300]) for f in frames[hole:]]
    return frames


def _walks(rng: random.Random, frames: list[int], parts: list[str], chance: Any) -> list[list[Any]]:
    """Random walks of mice in px, with rows missing and mice absent for a while."""
    mice = rng.sample([1, 2, 3, 4], rng.randint(1, 4))
    missing = rng.choice([0.02, 0.3, 0.8]) if chance("rows missing", 0.6) else 0.0
    absent: dict[int, set[int]] = {mouse: set() for mouse in mice}
    if chance("mice absent", 0.4):
        for mouse in mice:
            first = rng.randrange(len(frames))
            absent[mouse] = set(frames[first : first + rng.randint(1, 40)])
    step = rng.choice([0.0, 0.5, 4.0, 80.0])
    points: list[list[Any]] = []
    for mouse in mice:
        at = {part: [rng.uniform(0, 640), rng.uniform(0, 480)] for part in parts}
        for frame in frames:
            for part in parts:
                place = at[part]
                place[0] += rng.gauss(0, step)
                place[1] += rng.gauss(0, step)
                if frame not in absent[mouse] and rng.random() >= missing:
                    points.append([frame, mouse, part, *place])
    points.sort(key=lambda p: (p[0], p[1]))
    return points


def _bad_rows(rng: random.Random, points: list[list[Any]], parts: list[str], chance: Any) -> list[list[Any]]:
    """Spoil rows of `points` in place, and return further rows: duplicates and rows out of nowhere."""
    more: list[list[Any]] = []

    def some() -> list[list[Any]]:
        count = rng.choice([1, 3, 10, 19, 20, 21, 60])
        return rng.sample(points, min(count, -(-len(points) // 5)))

    for kind, column, values in (
        ("NaN or null", rng.choice([3, 4]), [math.nan, None]),
        ("infinite", rng.choice([3, 4]), [math.inf, -math.inf, 1e39, -3.5e38, 1e300]),
        ("large but finite", 3, [3e38, -3e38, 1e20]),
        ("negative frames", 0, [-1, -7, -(2**31)]),
        ("impossible frames", 0, [None, 2**31 - 1, 2**31, 0.5, math.nan, math.inf, 2**62, -0.5]),
        ("unknown mice", 1, [0, -2, -1, None, -128, 1.5, math.nan]),
        ("blank parts", 2, [None, "", "  ", "\t\n", "\u00a0"]),
    ):
        if chance(kind, 0.2):
            for point in some():
                point[column] = rng.choice(values)
    if chance("parts with blanks around", 0.1):
        for point in some():
            point[2] = f" {point[2]}\t" if point[2] else point[2]
    if chance("duplicates", 0.35):
        for point in some():
            for _ in range(rng.choice([1, 1, 2, 4])):
                twin = list(point)
                for axis in rng.choice([(), (3,), (4,), (3, 4)]):
                    if isinstance(twin[axis], float):
                        twin[axis] += rng.choice([-9.0, 9.0, 1e-9, -1e-9, rng.gauss(0, 5)])
                more.append(twin)
    if chance("a part that is never measured", 0.1):
        more += [[f, 1, "ghost", math.nan, math.nan] for f in range(3)]
    if chance("bad in every way", 0.1):
        more.append([None] * 5)
    return more


def _table(rng: random.Random, points: list[list[Any]], chance: Any) -> pa.Table:
    """The points in types of other tools, in several chunks."""
    frame, mouse, part, x, y = (list(column) for column in zip(*points, strict=True)) if points else ([],) * 5
    usual = not chance("other types", 0.5)
    columns = {
        "video_frame": _numbers(frame, pa.int32() if usual else rng.choice(_FRAME_TYPES)),
        "mouse_id": _numbers(mouse, pa.int8() if usual else rng.choice(_MOUSE_TYPES)),
        "bodypart": pa.array(part, pa.string()),
        "x": _numbers(x, pa.float32() if usual else rng.choice(_NUMBER_TYPES)),
        "y": _numbers(y, pa.float32() if usual else rng.choice(_NUMBER_TYPES)),
    }
    wanted = pa.string() if usual else rng.choice(_PART_TYPES)
    table = pa.table(columns)
    cuts = sorted({0, len(points), *(rng.randint(0, len(points)) for _ in range(rng.choice([0, 0, 1, 3])))})
    pieces = []
    for start, stop in itertools.pairwise(cuts):
        piece = table.slice(start, stop - start)
        pieces.append(piece.set_column(2, "bodypart", _names(rng, piece["bodypart"].combine_chunks(), wanted)))
    if not pieces:
        pieces = [table.set_column(2, "bodypart", table["bodypart"].cast(wanted))]
    table = pa.concat_tables(pieces)
    if chance("extra column", 0.1):
        table = table.append_column("score", pa.array([0.5] * table.num_rows, pa.float64()))
    for name, values in (("z", (1.5, -80.0, None, math.nan)), ("likelihood", (0.1, 0.4, 0.9, None, math.inf))):
        if chance(name, 0.3):
            column = rng.choices(values, k=table.num_rows)
            table = table.append_column(name, pa.array(column, rng.choice([pa.float64(), pa.float32()])))
    if chance("columns in another order", 0.1):
        names = table.column_names
        rng.shuffle(names)
        table = table.select(names)
    return table


def _names(rng: random.Random, column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Text as `wanted`; every chunk has a dictionary of its own, in an order of its own, with unused entries."""
    if not pa.types.is_dictionary(wanted):
        return column.cast(wanted)
    values = [*sorted({v for v in column.to_pylist() if v is not None}), "never used"]
    rng.shuffle(values)
    index = [None if v is None else values.index(v) for v in column.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(index, wanted.index_type), pa.array(values, wanted.value_type))


def _numbers(values: list[Any], type_: pa.DataType) -> pa.Array:
    """The values in a type of numbers; what it cannot hold becomes null."""
    if pa.types.is_floating(type_):
        with np.errstate(over="ignore"):
            as_numpy = np.array([math.nan if v is None else v for v in values], dtype=type_.to_pandas_dtype())
        return pa.array(as_numpy, type_, mask=np.array([v is None for v in values], dtype=bool))
    low, high = np.iinfo(type_.to_pandas_dtype()).min, np.iinfo(type_.to_pandas_dtype()).max
    kept = [None if v is None or not math.isfinite(v) or not low <= v <= high else math.floor(v) for v in values]
    return pa.array(kept, type_)
