"""A slow, obvious `curate_tracking` in plain dicts and loops, and dirty videos to compare the fast one on.

Written from the docstring of `curate_tracking`, the sentences of `rules.RULES` and the comments of the contract,
not from the code. Everything is computed in Python's floats; only the comparison knows about float32.
`dirty_video(seed)` makes one random video of every kind of dirt; the seed alone remakes it.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from etholake.contract import JUMP_CM, JUMP_SPEED, arrow_schema
from etholake.curate.quarantine import MAX_ROWS_PER_RULE
from etholake.curate.tracking import CuratedTracking, VideoScale

# Judged of points and videos as a whole: `test_plausibility` has the right values.
PLAUSIBILITY = {"point-at-origin", "point-outside-frame", "scale-implausible", "axes-exchanged"}
LARGEST_FRAME = 2**31 - 2  # video_frame is an int, and so is the exclusive stop of an interval that ends there
LARGEST_FLOAT32 = 3.4028234663852886e38
EPSILON32 = 2.0**-23
RULES_IN_ORDER = (
    "frame-invalid", "frame-negative", "mouse-unknown", "bodypart-missing", "coordinate-infinite",
    "coordinate-missing", "likelihood-low", "point-duplicate",
)  # fmt: skip
Track = tuple[int, str]  # mouse, part
Point = tuple[float, float]  # x, y in px


@dataclass
class Reference:
    """The result that curation must give: rows and summary as dicts in the contract's order, and the balance."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    rejected: dict[str, list[int]] = field(default_factory=dict)  # rule -> row numbers, ascending
    flags: set[str] = field(default_factory=set)
    rows_in: int = 0
    extras: dict[tuple[int, str, int], dict[str, float | None]] = field(default_factory=dict)  # by point

    @property
    def measured(self) -> int:
        """Return the number of rows of the input that reached the table."""
        return sum(not row["is_imputed"] for row in self.rows)


# --- the rules of one row ---------------------------------------------------------------------------------
def whole(value: Any) -> int | None:
    """The value as a whole number; None if it is missing, or a float that is none (or too large to be exact)."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, float):
        return int(value) if value == math.floor(value) and abs(value) < 2**53 else None
    return int(value)


def broken_rules(row: dict[str, Any], least: float | None) -> list[str]:
    """The rules that a raw row breaks by itself, in their order; it is counted under the first."""
    frame, mouse, part = whole(row["video_frame"]), whole(row["mouse_id"]), row["bodypart"]
    x, y = (math.nan if row[name] is None else float(row[name]) for name in ("x", "y"))
    broken = {
        "frame-invalid": frame is None or frame > LARGEST_FRAME,
        "frame-negative": frame is not None and frame < 0,
        "mouse-unknown": mouse is None or mouse not in range(1, 128),
        "bodypart-missing": part is None or not part.strip(),
        "coordinate-infinite": abs(x) > LARGEST_FLOAT32 or abs(y) > LARGEST_FLOAT32,
        "coordinate-missing": math.isnan(x) or math.isnan(y),
        "likelihood-low": bool(least) and finite(row.get("likelihood")) is not None and row["likelihood"] < least,
    }
    return [rule for rule in RULES_IN_ORDER if broken.get(rule)]


def finite(value: float | None) -> float | None:
    """A number that is missing, NaN or infinite is None."""
    return value if value is not None and math.isfinite(value) else None


def positive(value: float | None) -> float | None:
    """0, negative, NaN, infinite and None all mean unknown."""
    return value if value is not None and math.isfinite(value) and value > 0 else None


# --- the video --------------------------------------------------------------------------------------------
def reference(table: pa.Table, meta: VideoScale, max_gap: int) -> Reference:
    """Curate a raw table; the reference of `curate_tracking` and of `track_summary`."""
    result = Reference(rows_in=table.num_rows)
    if "score" in table.column_names:
        result.flags.add("column-extra")
    tracks = measured_points(table, result, positive(meta.min_likelihood))
    centre, reach = centre_of(tracks, meta, result)
    for rule, numbers in result.rejected.items():
        numbers.sort()
        result.flags.add(rule)
    if positive(meta.fps) is None:
        result.flags.add("fps-missing")
    if positive(meta.pix_per_cm) is None:
        result.flags.add("scale-missing")
    for mouse, part in sorted(tracks):
        present = sorted({frame for (m, _), points in tracks.items() if m == mouse for frame in points})
        own = tracks[mouse, part]
        first = len(result.rows)
        source = filled(own, present, max_gap)
        before = previous_measured(own)
        for frame in present:
            if source[frame] is None:
                continue
            x, y = own[source[frame]]
            row = {
                "video_id": meta.video_id, "video_frame": frame, "mouse_id": mouse, "bodypart": part,
                "x": x, "y": y, "is_imputed": source[frame] != frame,
            }  # fmt: skip
            extras = result.extras[mouse, part, source[frame]]
            row["z"], row["likelihood"] = extras["z"], None if row["is_imputed"] else extras["likelihood"]
            row |= centimetres(x, y, centre, meta)
            row |= velocity(frame, own, before, meta, max_gap)
            row |= rounding(source[frame], own, before, reach, meta)
            result.rows.append(row)
        result.summary.append(summary_row(result.rows[first:], own, present, meta, max_gap))
    return result


def measured_points(table: pa.Table, result: Reference, least: float | None) -> dict[Track, dict[int, Point]]:
    """Track -> frame -> (x, y) of what was measured: good rows, of duplicates the smallest (x, y)."""
    points: dict[tuple[int, str, int], list[tuple[float, float, int]]] = {}
    raw = table.to_pylist()
    for number, row in enumerate(raw):
        if broken := broken_rules(row, least):
            result.rejected.setdefault(broken[0], []).append(number)
            continue
        key = (int(row["mouse_id"]), row["bodypart"].strip(), int(row["video_frame"]))
        points.setdefault(key, []).append((float(row["x"]), float(row["y"]), number))
    tracks: dict[Track, dict[int, Point]] = {}
    for (mouse, part, frame), candidates in points.items():
        kept, *others = sorted(candidates)
        tracks.setdefault((mouse, part), {})[frame] = kept[:2]
        row = raw[kept[2]]
        result.extras[mouse, part, frame] = {name: finite(row.get(name)) for name in ("z", "likelihood")}
        for _, _, number in others:
            result.rejected.setdefault("point-duplicate", []).append(number)
    return tracks


def centre_of(tracks: dict[Track, dict[int, Point]], meta: VideoScale, result: Reference) -> tuple[Point, float]:
    """px: of the video's frame, else of the extent of all measured points; and the largest px it was made of."""
    width, height = positive(meta.width_pix), positive(meta.height_pix)
    if width and height:
        return (width / 2, height / 2), max(width, height)
    points = [point for track in tracks.values() for point in track.values()]
    if not points:
        return (0.0, 0.0), 0.0
    result.flags.add("centre-from-extent")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2), max(map(abs, xs + ys))


def filled(own: dict[int, Point], present: list[int], max_gap: int) -> dict[int, int | None]:
    """Frame in which the mouse is present -> the frame whose point is shown there, None for no row."""
    source: dict[int, int | None] = {}
    last = None
    for frame in present:  # forward
        if frame in own:
            last = frame
        source[frame] = last if last is not None and frame - last <= max_gap else None
    following = None
    for frame in reversed(present):  # backward, where nothing came from the front
        if frame in own:
            following = frame
        if source[frame] is None and following is not None and following - frame <= max_gap:
            source[frame] = following
    return source


def previous_measured(own: dict[int, Point]) -> dict[int, int | None]:
    frames = sorted(own)
    return dict(zip(frames, [None, *frames[:-1]], strict=True))


def storable(value: float) -> float | None:
    """A derived value that 32 bits cannot hold is null."""
    return value if abs(value) <= LARGEST_FLOAT32 else None


def centimetres(x: float, y: float, centre: Point, meta: VideoScale) -> dict[str, float | None]:
    scale = positive(meta.pix_per_cm)
    if not scale:
        return {"x_cm": None, "y_cm": None}
    return {"x_cm": storable((x - centre[0]) / scale), "y_cm": storable((y - centre[1]) / scale)}


def velocity(
    frame: int, own: dict[int, Point], before: dict[int, int | None], meta: VideoScale, max_gap: int
) -> dict[str, float | None]:
    """cm/s of a measured point since the track's previous measured one, if that is not too long ago."""
    fps, scale = positive(meta.fps), positive(meta.pix_per_cm)
    then = before.get(frame)
    if then is None or frame - then > max_gap or not fps or not scale:
        return {"vx": None, "vy": None, "speed": None}
    seconds = (frame - then) / fps
    vx, vy = ((own[frame][axis] - own[then][axis]) / scale / seconds for axis in (0, 1))
    return {"vx": storable(vx), "vy": storable(vy), "speed": storable(math.hypot(vx, vy))}


def rounding(
    frame: int, own: dict[int, Point], before: dict[int, int | None], reach: float, meta: VideoScale
) -> dict[str, float]:
    """Return how far rounding px to float32 may move the cm and the cm/s of a measured point."""
    scale, fps, then = positive(meta.pix_per_cm) or 1.0, positive(meta.fps) or 1.0, before[frame]
    largest = max(map(abs, own[frame]))
    moved = {"_cm": EPSILON32 * (largest + reach) / scale, "_speed": 0.0}
    if then is not None:
        moved["_speed"] = EPSILON32 * (largest + max(map(abs, own[then]))) / scale * fps / (frame - then)
    return moved


def summary_row(
    rows: list[dict[str, Any]], own: dict[int, Point], present: list[int], meta: VideoScale, max_gap: int
) -> dict[str, Any]:
    """The row of `track_summary`, from the track's curated rows."""
    frames = sorted(own)
    gaps = [after - before - 1 for before, after in itertools.pairwise(frames) if after - before > 1]
    imputed = sum(row["is_imputed"] for row in rows)
    summary: dict[str, Any] = {
        "video_id": meta.video_id, "mouse_id": rows[0]["mouse_id"], "bodypart": rows[0]["bodypart"],
        "first_frame": frames[0], "last_frame": frames[-1], "frames_present": len(present),
        "points_measured": len(frames), "points_imputed": imputed,
        "points_missing": len(present) - len(frames) - imputed,
        "gaps": len(gaps), "gap_frames": sum(gaps), "longest_gap_frames": max(gaps, default=0),
        "tracked_sec": None, "path_cm": None, "max_speed": None, "jumps": None,
        "_none": 0.0, "_path": 0.0, "_speed": max(row["_speed"] or 0.0 for row in rows),
    }  # fmt: skip
    steps = []  # (s, cm, cm/s) wherever the velocity is defined
    before = previous_measured(own)
    for row in rows:
        if row["speed"] is not None:
            seconds = (row["video_frame"] - before[row["video_frame"]]) / meta.fps
            steps.append((seconds, row["speed"] * seconds, row["speed"]))
            summary["_path"] += row["_speed"] * seconds
    if steps:
        summary["tracked_sec"] = math.fsum(seconds for seconds, _, _ in steps)
        summary["path_cm"] = math.fsum(length for _, length, _ in steps)
        summary["max_speed"] = max(speed for _, _, speed in steps)
        summary["jumps"] = sum(length > JUMP_CM and speed > JUMP_SPEED for _, length, speed in steps)
    return summary


# --- comparison -------------------------------------------------------------------------------------------
def assert_agrees(result: CuratedTracking, raw: pa.Table, meta: VideoScale, max_gap: int) -> Reference:
    """Assert that a result is what the reference gives; returns the reference's."""
    expected = reference(raw, meta, max_gap)
    assert_balanced(result)
    assert_equal(
        [result.counts.rows_in, result.counts.rows_curated], [expected.rows_in, expected.measured], "counts"
    )
    assert_quarantine(result, raw, expected)
    assert_equal(sorted(set(result.flags) - PLAUSIBILITY), sorted(expected.flags), "flags")
    assert_equal(list(result.mice), sorted({row["mouse_id"] for row in expected.rows}), "mice")
    last_frame = max((row["video_frame"] for row in expected.rows), default=None)
    assert_equal([result.last_frame], [last_frame], "last_frame")
    assert_table(result.table, expected.rows)
    assert_summary(result.summary, expected.summary)
    return expected


def assert_balanced(result: CuratedTracking) -> None:
    """Rows in = curated + quarantined, and every number agrees with the tables themselves."""
    counts = result.counts
    imputed = sum(result.table["is_imputed"].to_pylist())
    assert counts.rows_in == counts.rows_curated + counts.rows_quarantined
    assert counts.rows_quarantined == sum(result.quarantine["rows"].to_pylist())
    assert counts.rows_imputed == imputed
    assert counts.rows_curated == result.table.num_rows - imputed


def assert_quarantine(result: CuratedTracking, raw: pa.Table, expected: Reference) -> None:
    """The rows of every rule, by number; of equal duplicates any one may have been kept."""
    assert result.quarantine.schema == arrow_schema("quarantine")
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for row in result.quarantine.to_pylist():
        by_rule.setdefault(row["rule"], []).append(row)
        assert row["payload"] == payload(raw.slice(row["row_number"], 1).to_pylist()[0])
    assert_equal(list(by_rule), [rule for rule in RULES_IN_ORDER if rule in expected.rejected], "rules")
    for rule, numbers in expected.rejected.items():
        assert_equal([sum(row["rows"] for row in by_rule[rule])], [len(numbers)], rule)
        shown = numbers if len(numbers) <= MAX_ROWS_PER_RULE else numbers[:1]
        numbers_found = [row["row_number"] for row in by_rule[rule]]
        if rule != "point-duplicate":
            assert_equal(numbers_found, shown, rule)
        elif len(numbers) <= MAX_ROWS_PER_RULE:
            assert_equal(points_at(raw, numbers_found), points_at(raw, numbers), rule)
        else:
            assert len(by_rule[rule]) == 1


def points_at(raw: pa.Table, numbers: list[int]) -> list[tuple[Any, ...]]:
    rows = [raw.slice(number, 1).to_pylist()[0] for number in numbers]
    return sorted((r["video_frame"], r["mouse_id"], r["bodypart"].strip(), r["x"], r["y"]) for r in rows)


def payload(row: dict[str, Any]) -> str:
    """A row as JSON, which has no NaN and no infinity."""
    clean = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(clean, sort_keys=True)


def assert_table(table: pa.Table, rows: list[dict[str, Any]]) -> None:
    """Keys, order, marks and nulls exactly; px to the float32; cm and cm/s to the rounding of px to float32."""
    assert table.schema == arrow_schema("tracking_curated")
    for name in ("video_id", "mouse_id", "bodypart", "video_frame", "is_imputed"):
        assert_equal(table[name].to_pylist(), [row[name] for row in rows], name)
    for name in ("x", "y", "z", "likelihood"):
        wanted = [None if row[name] is None else float(np.float32(row[name])) for row in rows]
        assert_equal(table[name].to_pylist(), wanted, name)
    for name in ("x_cm", "y_cm", "vx", "vy", "speed"):
        slack = "_cm" if name.endswith("_cm") else "_speed"
        assert_close(table[name].to_pylist(), [row[name] for row in rows], [row[slack] for row in rows], name)


def assert_summary(summary: pa.Table, expected: list[dict[str, Any]]) -> None:
    """Whole numbers, nulls and order exactly; sums to the rounding of px to float32, step by step."""
    assert summary.schema == arrow_schema("track_summary")
    slack = {"tracked_sec": "_none", "path_cm": "_path", "max_speed": "_speed"}
    for name in summary.schema.names:
        actual, wanted = summary[name].to_pylist(), [row[name] for row in expected]
        if name in slack:
            assert_close(actual, wanted, [row[slack[name]] for row in expected], name)
        else:
            assert_equal(actual, wanted, name)


def assert_equal(actual: list[Any], expected: list[Any], name: str) -> None:
    """Equality that names the first difference (pytest does not look into the asserts of a helper)."""
    for number, (a, b) in enumerate(zip(actual, expected, strict=False)):
        assert a == b, f"{name}[{number}]: expected {b!r}, but got {a!r}"
    assert len(actual) == len(expected), f"{name}: expected {len(expected)} entries, but got {len(actual)}"


def assert_close(actual: list[float | None], expected: list[float | None], slack: list[float], name: str) -> None:
    """Null where null is expected; else within 4 float32 steps, or within the absolute slack of the entry."""
    assert_equal([v is None for v in actual], [v is None for v in expected], f"{name} is null")
    for number, (a, b, absolute) in enumerate(zip(actual, expected, slack, strict=True)):
        if a is not None and b is not None:
            wrong = f"{name}[{number}]: expected {b} within {absolute}, but got {a}"
            assert abs(a - b) <= max(4 * EPSILON32 * abs(b), absolute), wrong


# --- dirty videos -----------------------------------------------------------------------------------------
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
