"""Curate the annotated intervals of one video into `annotations_enriched`. numpy, no I/O.

An interval that is merely odd (empty, overlong, repeated, not looked for) is kept with its `issue`: nothing is
lost, and the official score is unaffected, because it counts frames once and an empty interval has none.
Only what names no mouse, no action or no frames is quarantined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etholake.contract import MAX_ANIMALS, OVERLONG, RAW_ANNOTATION_COLUMNS, action_name, arrow_schema
from etholake.curate.columns import check_columns, names, source_row, whole_numbers
from etholake.curate.file_reports import FileReport, source_name
from etholake.curate.metadata import VideoRecord
from etholake.curate.quarantine import BadFileError, QuarantineRow, quarantine_rows

__all__ = ["LABEL_CLOCK", "CuratedAnnotations", "curate_annotations"]

_ISSUES = ("interval-zero", "interval-overlong", "interval-unlabeled", "interval-duplicate", "label-clock")
_MAX_FRAME = 2**31 - 1
LABEL_CLOCK = 30.0  # frames/s of the clock that the labels of a `label-clock` video may count on


@dataclass(frozen=True)
class CuratedAnnotations:
    """Curated annotations: contract columns of `annotations_enriched`, sorted, and the balance of the file."""

    table: pa.Table
    report: FileReport


def curate_annotations(
    table: pa.Table, video: VideoRecord, key: str, *, repair_label_clock: bool = False, reviewed: bool = False
) -> CuratedAnnotations:
    """Curate the annotation rows of one video.

    Parameters
    ----------
    table
        Columns `agent_id, target_id, action, start_frame, stop_frame` (exclusive); a self action has
        `target_id == agent_id`.
    video
        Its metadata; seconds are null where it has no fps.
    key
        Key of the file, for the report.
    repair_label_clock
        Rescale the frames of a video that is flagged `label-clock` from the 30 fps clock to its own (x fps / 30);
        it stays flagged, and every check is of the rescaled frames.
    reviewed
        The labels are those of reviewers, who saw them on the video's own clock: nothing is rescaled, and no row
        means that nothing happened.

    Notes
    -----
    `issue` is the first that applies of: interval-zero, interval-overlong, interval-unlabeled,
    interval-duplicate (all but the first of equal rows), label-clock.

    Raises
    ------
    BadFileError
        A column is missing or has a type that cannot hold its values, or a file as received has no row.
    """
    flags = check_columns(table, RAW_ANNOTATION_COLUMNS)
    if not table.num_rows and not reviewed:
        raise BadFileError("file-no-rows", "The annotation file has no row.")
    agent, target, start, stop = (
        whole_numbers(table, name) for name in ("agent_id", "target_id", "start_frame", "stop_frame")
    )
    written_code, written = names(table, "action")
    code, actions = _canonical(written_code, written)
    rejected: list[QuarantineRow] = []
    good = np.ones(table.num_rows, dtype=np.bool_)
    for rule, broken in (
        ("interval-id", (np.minimum(agent, target) < 1) | (np.maximum(agent, target) > MAX_ANIMALS)),
        ("interval-action", code < 0),
        ("interval-frames", (np.minimum(start, stop) < 0) | (np.maximum(start, stop) > _MAX_FRAME)),
        ("interval-reversed", stop < start),
    ):
        rows = np.flatnonzero(broken & good)
        good &= ~broken
        if rows.size:
            rejected += quarantine_rows(rule, rows, lambda n: source_row(table, n))
    if repair_label_clock and not reviewed and "label-clock" in video.flags and video.fps:
        start, stop = _on_own_clock(start, stop, video.fps)
    order = np.lexsort((stop, code, target, agent, start))
    order = order[good[order]]
    columns = tuple(values[order] for values in (agent, target, code, start, stop))
    enriched, fired = _enrich(columns, actions, video)
    if respelled := sum(written[w] != actions[c] for w, c in zip(written_code[order], code[order], strict=True)):
        fired["interval-action-respelled"] = respelled
    source, lab_id, video_id = source_name(key), video.lab_id, video.video_id
    report = FileReport(
        source, "annotation", video.split, lab_id, video_id,
        rows_in=table.num_rows, rows_curated=enriched.num_rows, rows_quarantined=sum(r.rows for r in rejected),
        flags=tuple(sorted(flags | set(fired) | {r.rule for r in rejected})), flagged_rows=fired,
        last_frame=int(stop[order].max()) if order.size else None,
        quarantine=tuple(r.located(source, video.split, lab_id, video_id) for r in rejected),
    )  # fmt: skip
    return CuratedAnnotations(enriched, report)


def _counted(
    agent: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    code: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
    n_frames: float | None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the frames [N] from which, and before which, each event counts, so that a sum counts a frame once.

    Events come sorted by start. What an earlier event of the same agent, target and action covers is not counted
    again (what is left is one piece, the end), nor what lies past the video's end.
    """
    end = int(np.ceil(n_frames)) if n_frames else None
    counted_start, counted_stop = start.copy(), stop.copy()
    covered: dict[tuple[int, int, int], int] = {}
    keys = zip(agent.tolist(), target.tolist(), code.tolist(), strict=True)
    for row, (key, first, last) in enumerate(zip(keys, start.tolist(), stop.tolist(), strict=True)):
        counted_stop[row] = last if end is None else max(min(last, end), min(first, end))
        counted_start[row] = min(max(first, covered.get(key, 0)), counted_stop[row])
        covered[key] = max(covered.get(key, 0), last)
    return counted_start, counted_stop


def _canonical(code: npt.NDArray[np.int64], written: list[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the codes into the actions' one names (sorted), and these; -1 where a name is blank."""
    actions = sorted({action_name(name) for name in written} - {""})
    position = {name: number for number, name in enumerate(actions)}
    translate = np.array([position.get(action_name(name), -1) for name in written] + [-1], dtype=np.int64)
    return translate[code], actions


def _on_own_clock(
    start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64], fps: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Convert frames counted at 30 fps to the video's own, to the nearest; an interval with a frame keeps one.

    Start and (exclusive) stop are rounded alike: intervals that touch still do. One that would vanish takes the
    frame after its start.
    """
    own_start, own_stop = (np.floor(frames * fps / LABEL_CLOCK + 0.5).astype(np.int64) for frames in (start, stop))
    return own_start, np.where(stop > start, np.maximum(own_stop, own_start + 1), own_start)


def _enrich(
    columns: tuple[npt.NDArray[np.int64], ...], actions: list[str], video: VideoRecord
) -> tuple[pa.Table, dict[str, int]]:
    """Return the contract's columns of the good rows, which come sorted, and how many rows have each issue."""
    agent, target, code, start, stop = columns
    names_ = [actions[c] for c in code]
    triplets = list(zip(agent.tolist(), target.tolist(), names_, strict=True))
    labeled = np.array([triplet in video.labeled for triplet in triplets], dtype=np.bool_)
    duplicate = np.zeros(agent.size, dtype=np.bool_)
    duplicate[1:] = np.logical_and.reduce([c[1:] == c[:-1] for c in columns])
    overlong = stop > (video.n_frames * OVERLONG if video.n_frames else np.inf)
    clock = np.full(agent.size, "label-clock" in video.flags)
    masks = dict(zip(_ISSUES, (start == stop, overlong, ~labeled, duplicate, clock), strict=True))
    issue = np.full(agent.size, None, dtype=object)
    for rule, mask in reversed(masks.items()):
        issue[mask] = rule
    fps = video.fps or np.nan
    counted_start, counted_stop = _counted(agent, target, code, start, stop, video.n_frames)

    def seconds(frames: npt.NDArray[np.int64]) -> pa.Array:
        return pa.array(frames / fps, mask=np.full(frames.size, not video.fps))

    def mouse(ids: npt.NDArray[np.int64], attribute: str) -> list[str | None]:
        return [video.values.get(f"mouse{n}_{attribute}") for n in ids.tolist()]

    data = {
        "split": [video.split] * agent.size,
        "video_id": np.full(agent.size, video.video_id),
        "agent_id": agent, "target_id": target, "action": names_, "start_frame": start, "stop_frame": stop,
        "frames_per_second": [video.fps] * agent.size,
        "start_sec": seconds(start), "stop_sec": seconds(stop),
        "duration_frames": stop - start, "duration_sec": seconds(stop - start),
        "counted_start_frame": counted_start, "counted_stop_frame": counted_stop,
        "counted_sec": seconds(counted_stop - counted_start),
        "is_self": agent == target, "is_labeled": labeled,
        "agent_strain": mouse(agent, "strain"), "agent_sex": mouse(agent, "sex"),
        "target_strain": mouse(target, "strain"), "target_sex": mouse(target, "sex"),
        "issue": issue.tolist(),
    }  # fmt: skip
    schema = arrow_schema("annotations_enriched")
    arrays = []
    for field in schema:
        values = data[field.name]
        array = values if isinstance(values, pa.Array) else pa.array(values)
        arrays.append(array.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema), {
        rule: int(mask.sum()) for rule, mask in masks.items() if mask.any()
    }
