"""A slow, obvious `curate_tracking` in plain dicts and loops.

Written from the docstring of `curate_tracking`, the sentences of `rules.RULES` and the comments of the contract,
not from the code. Everything is computed in Python's floats; only the comparison (`reference_comparison`) knows
about float32. `dirty_videos` has the videos to compare the fast one on.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from etholake.contract import JUMP_CM, JUMP_SPEED
from etholake.curate.tracking import VideoScale

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
