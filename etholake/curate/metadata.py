"""Curate `train.csv` and `test.csv` into `metadata_*` and `labeled_behaviors`. Pure: text in, Arrow out.

Two steps, because a video's flags need the other files too: `curate_metadata` types the rows of the csv;
`metadata_table` adds what was received of each video.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from etholake.contract import (
    ANIMAL_ARRAYS,
    MAX_ANIMALS,
    MAX_FPS,
    MIN_FPS,
    MOUSE_ATTRIBUTES,
    MOUSE_COLUMNS,
    OVERLONG,
    RAW_METADATA_COLUMNS,
    RAW_METADATA_NUMBERS,
    RAW_METADATA_OPTIONAL_COLUMNS,
    arrow_schema,
    plain_name,
    raw_key,
    whole_number,
)
from etholake.contract import number as read_number
from etholake.csv_rows import surplus_remedy
from etholake.curate.behaviors import Labeled, Spans, Triplet, parse_labeled, parse_list, parse_spans
from etholake.curate.file_reports import FileReport, source_name
from etholake.curate.quarantine import BadFileError, QuarantineRow, payload_json
from etholake.curate.tracking import VideoScale

__all__ = [
    "CuratedMetadata", "VideoRecord", "curate_metadata", "labeled_table", "labels_beyond_tracking",
    "metadata_table",
]  # fmt: skip

_TEXT_COLUMNS = (
    "video_name", "species", *MOUSE_COLUMNS, "arena_shape", "arena_type", "tracking_method",
)  # fmt: skip
_ANIMAL_COLUMN = re.compile(rf"mouse([1-9][0-9]{{0,2}})_({'|'.join(MOUSE_ATTRIBUTES)})")
_INTS = frozenset({"video_width_pix", "video_height_pix"})
_MAX_INT = 2**31 - 1  # the contract's int
_KEYS = ("lab_id", "video_id")
_SURPLUS = "(surplus cells)"  # where the csv reader's cells without a column name go
_NOTHING = frozenset({"", "nan", "none", "null"})


class SharedRow(Mapping[str, Any]):
    """A row of a table. All rows share the names of the columns: a dict a row takes three times the memory.

    Parameters
    ----------
    values
        {column: value}, in any order.
    """

    __slots__ = ("_cells", "_places")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._places, self._cells = _places(tuple(values)), tuple(values.values())

    def __getitem__(self, name: str) -> Any:
        return self._cells[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._cells)


@lru_cache(maxsize=64)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One curated metadata row: `values` by contract column, the labeled triplets, the rules that fired."""

    split: str
    lab_id: str
    video_id: int
    values: Mapping[str, Any]
    labeled: dict[Triplet, bool] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    spans: dict[Triplet, Spans] = field(default_factory=dict)  # of the triplets that were looked for in parts only

    @property
    def fps(self) -> float | None:
        """Return the frames per second, None where unknown."""
        return self.values["frames_per_second"]  # type: ignore[no-any-return]

    @property
    def described(self) -> set[int]:
        """Return the animals that the metadata describe."""
        return _described(self.values)

    @property
    def n_frames(self) -> float | None:
        """Return fps x duration, None where one of them is unknown or the product is no number."""
        duration = self.values["video_duration_sec"]
        frames = self.fps * duration if self.fps and duration else math.inf
        return frames if math.isfinite(frames) else None

    @property
    def scale(self) -> VideoScale:
        """Return what curation of the tracks needs."""
        names = (
            "pix_per_cm_approx", "video_width_pix", "video_height_pix", "arena_width_cm", "arena_height_cm",
            "min_likelihood",
        )  # fmt: skip
        rest = (self.values.get(name) for name in names)
        return VideoScale(self.video_id, self.lab_id, self.fps, *rest)

    def as_json(self) -> dict[str, Any]:
        """Return everything of the row in JSON types: for fingerprints, and for the tasks of a job."""
        triplets = [[*triplet, repaired] for triplet, repaired in sorted(self.labeled.items())]
        spans = [[*triplet, [list(span) for span in spans]] for triplet, spans in sorted(self.spans.items())]
        return {
            "split": self.split, "lab_id": self.lab_id, "video_id": self.video_id, "values": dict(self.values),
            "labeled": triplets, "flags": list(self.flags), "spans": spans,
        }  # fmt: skip

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> VideoRecord:
        """Return the record that `as_json` wrote."""
        labeled = {(agent, target, action): repaired for agent, target, action, repaired in entry["labeled"]}
        spans = {(agent, target, action): tuple(map(tuple, s)) for agent, target, action, s in entry["spans"]}
        read = {"values": SharedRow(entry["values"]), "labeled": labeled, "flags": tuple(entry["flags"])}
        return cls(**{**entry, **read, "spans": spans})


@dataclass(frozen=True)
class CuratedMetadata:
    """Videos of one csv, sorted by lab and video, and the balance of its rows."""

    videos: list[VideoRecord]
    report: FileReport


def curate_metadata(content: bytes, split: str) -> CuratedMetadata:
    """Type the rows of a metadata csv.

    A row without lab or video id, or that names a video again, is quarantined; a number that cannot be read,
    or is not above 0 where it must be, becomes null and a flag. The result does not depend on the order of
    rows, but for which of two rows of one video is kept (the first).

    Returns
    -------
    CuratedMetadata
        A csv that cannot be read at all, or lacks `lab_id` or `video_id`, gives no videos and is quarantined.
    """
    key = raw_key(split, "metadata")
    try:
        received, file_flags = _check_csv(content)
    except BadFileError as err:
        return CuratedMetadata([], FileReport.rejected(key, "metadata", split, err, lab_id=None, video_id=None))
    videos: dict[tuple[str, int], VideoRecord] = {}
    rejected: list[dict[str, Any]] = []
    for number, row in enumerate(_rows(content)):
        lab_id, video_id = plain_name(row["lab_id"]), whole_number(row["video_id"])
        problems: list[QuarantineRow]
        if _SURPLUS in row:
            cells = list(row[_SURPLUS])
            detail = f"The row has {len(cells)} more cells than the csv has columns. {surplus_remedy(cells)}"
            problems = [QuarantineRow("metadata-cells", detail, 1, number, payload_json(row))]
        elif not lab_id or video_id is None:
            detail = f"Expected a lab_id and a whole video_id, but got '{row['lab_id']}' and '{row['video_id']}'."
            problems = [QuarantineRow("metadata-id", detail, 1, number, payload_json(row))]
        elif (lab_id, video_id) in videos:
            detail = f"Video {video_id} of {lab_id} is named by an earlier row already."
            problems = [QuarantineRow("metadata-duplicate", detail, 1, number, payload_json(row))]
        else:
            videos[lab_id, video_id], problems = _video(split, lab_id, video_id, number, row)
        rejected += [p.located(source_name(key), split, lab_id or None, video_id) for p in problems]
    lost = sum(row["rows"] for row in rejected)
    flags = file_flags | {row["rule"] for row in rejected} | {flag for v in videos.values() for flag in v.flags}
    report = FileReport(
        source_name(key), "metadata", split, rows_in=received, rows_curated=received - lost,
        rows_quarantined=lost, flags=tuple(sorted(flags)), quarantine=tuple(rejected),
    )  # fmt: skip
    return CuratedMetadata(_with_label_clock([videos[key] for key in sorted(videos)]), report)


def metadata_table(
    videos: Sequence[VideoRecord],
    tracked: Mapping[tuple[str, int], FileReport],
    annotated: Mapping[tuple[str, int], FileReport],
    other_split: Collection[tuple[str, int]] = (),
) -> pa.Table:
    """Return the rows of `metadata_<split>`.

    Parameters
    ----------
    tracked
        Report of the tracking file by (lab, video), for every file that was received.
    annotated
        Report of the annotation file by (lab, video), for every file that was received.
    other_split
        (lab, video) of the other metadata csv.
    """
    rows = []
    for video in videos:
        key = (video.lab_id, video.video_id)
        flags = set(video.flags) | _received_flags(video, tracked.get(key), annotated.get(key))
        if key in other_split:
            flags.add("video-in-both-splits")
        received = {"has_tracking": key in tracked, "has_annotation": key in annotated, "flags": sorted(flags)}
        rows.append({"lab_id": key[0], "video_id": key[1], **video.values, **received})
    return pa.Table.from_pylist(rows, schema=arrow_schema("metadata_train"))


def labeled_table(videos: Sequence[VideoRecord]) -> pa.Table:
    """Return the rows of `labeled_behaviors`."""
    rows = [
        {
            "split": v.split, "lab_id": v.lab_id, "video_id": v.video_id, "agent_id": agent, "target_id": target,
            "action": action, "is_self": agent == target, "repaired": repaired,
            "spans": json.dumps(v.spans[agent, target, action]) if (agent, target, action) in v.spans else None,
        }
        for v in videos
        for (agent, target, action), repaired in v.labeled.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=arrow_schema("labeled_behaviors"))


def labels_beyond_tracking(last_tracked: int | None, last_stop: int | None) -> set[str]:
    """Return the flag of a video whose labels go on after its tracking, if they do.

    `last_tracked` is the last frame with a measured point, `last_stop` the largest stop (exclusive) of an
    interval; None for none.
    """
    beyond = last_tracked is not None and last_stop is not None and last_stop > (last_tracked + 1) * OVERLONG
    return {"labels-beyond-tracking"} if beyond else set()


def _received_flags(video: VideoRecord, tracking: FileReport | None, annotation: FileReport | None) -> set[str]:
    ends = (report.last_frame if report else None for report in (tracking, annotation))
    flags = labels_beyond_tracking(*ends)
    if tracking is None:
        flags.add("video-without-tracking")
    elif {mouse for agent, target, _ in video.labeled for mouse in (agent, target)} - set(tracking.mice):
        flags.add("mouse-untracked")
    if video.split == "train" and annotation is None:
        flags.add("video-without-annotation")
    return flags


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    """Yield the rows of a csv one by one: a million of them as dicts would not fit in memory."""
    reader = csv.DictReader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
    for row in reader:
        yield {_SURPLUS if k is None else k: v or "" for k, v in row.items()}


def _check_csv(content: bytes) -> tuple[int, set[str]]:
    """Return the number of rows and the flags of the columns. Raises BadFileError for an unreadable csv."""
    try:
        reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
        names = next(reader, [])
        rows = sum(1 for row in reader if row)  # as DictReader, which passes over empty lines
    except (UnicodeDecodeError, csv.Error) as err:
        raise BadFileError("file-unreadable", f"The csv cannot be read: {err}.") from err
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        detail = (
            f"The header names {', '.join(doubled)} more than once: which of the columns counts cannot be known."
        )
        raise BadFileError("column-type", detail, rows)
    if missing := [name for name in _KEYS if name not in names]:
        detail = f"Expected the columns {list(_KEYS)}, but {missing} are missing (found {names[:5]}…)."
        raise BadFileError("column-missing", detail, rows)
    flags = set()
    if set(RAW_METADATA_COLUMNS) - set(names):
        flags.add("metadata-column-missing")
    layout = {*RAW_METADATA_COLUMNS, *RAW_METADATA_OPTIONAL_COLUMNS}
    if any(name not in layout and not _animal_column(name) for name in names):
        flags.add("column-extra")
    return rows, flags


@lru_cache(maxsize=4096)
def _animal_column(name: str) -> tuple[int, str] | None:
    """Return the number of the animal and the attribute that a column holds, None for any other column.

    The animal may be beyond those that the curated table has columns of.
    """
    match = _ANIMAL_COLUMN.fullmatch(name)
    return (int(match[1]), match[2]) if match and int(match[1]) <= MAX_ANIMALS else None


def _by_animal(values: Mapping[str, Any]) -> dict[str, list[str | None] | None]:
    """Return each attribute as a list from animal 1 to the last one that has it; None if no animal has it."""
    given: dict[str, dict[int, str]] = {attribute: {} for attribute in ANIMAL_ARRAYS}
    for name, value in values.items():
        if value is not None and (place := _animal_column(name)) and place[1] in given:
            given[place[1]][place[0]] = value
    return {
        column: [given[attribute].get(n) for n in range(1, max(given[attribute], default=0) + 1)] or None
        for attribute, column in ANIMAL_ARRAYS.items()
    }


def _text(text: str) -> str | None:
    text = plain_name(text)
    return None if text.lower() in _NOTHING else text


def _video(
    split: str, lab_id: str, video_id: int, number: int, row: Mapping[str, str]
) -> tuple[VideoRecord, list[QuarantineRow]]:
    """Return the curated row, and its cells that could not be read (these stand for no row: `rows` = 0)."""
    texts = dict.fromkeys([*_TEXT_COLUMNS, *filter(_animal_column, row)])
    values: dict[str, Any] = {name: _text(row.get(name, "")) for name in texts}
    values |= _by_animal(values)
    unread: list[QuarantineRow] = []
    for name in (*RAW_METADATA_NUMBERS, "min_likelihood"):
        values[name] = _quantity(name, row.get(name, ""), number, unread)
    flags = {problem.rule for problem in unread} | _scale_flags(values)
    parts = values["body_parts_tracked"] = _body_parts(row.get("body_parts_tracked"))
    if parts is None:
        flags.add("body-parts-malformed")
        unread.append(_cell("body-parts-malformed", "body_parts_tracked", row["body_parts_tracked"], number))
    labeled = parse_labeled(row.get("behaviors_labeled"))
    spans = parse_spans(row.get("labeled_spans"))
    if spans is None:  # frames that nobody looked at must not count as looked at
        flags.add("spans-malformed")
        unread.append(_cell("spans-malformed", "labeled_spans", row["labeled_spans"], number))
        labeled = Labeled({}, labeled.repaired, labeled.malformed)
    values["behaviors_labeled"] = labeled.items
    flags |= _label_flags(labeled)
    unread += [_cell("behaviors-malformed", "behaviors_labeled", item, number) for item in labeled.malformed]
    partly = {triplet: of_triplet for triplet, of_triplet in (spans or {}).items() if triplet in labeled.triplets}
    values["n_mice"] = len(_described(values)) or max((max(a, t) for a, t, _ in labeled.triplets), default=None)
    ordered = tuple(sorted(flags))
    return VideoRecord(split, lab_id, video_id, SharedRow(values), labeled.triplets, ordered, partly), unread


def _described(values: Mapping[str, Any]) -> set[int]:
    """Return the animals that a row describes."""
    places = (_animal_column(name) for name, value in values.items() if value)
    return {place[0] for place in places if place}


@lru_cache(maxsize=1024)
def _body_parts(text: str | None) -> list[str] | None:
    """Return the parts sorted, without repeats; None if the text is no list."""
    parts = parse_list(text)
    return None if parts is None else sorted({plain_name(part) for part in parts} - {""})


def _quantity(name: str, text: str, number: int, unread: list[QuarantineRow]) -> float | int | None:
    """Return a number above 0, else None; text that is no number that can be is appended to `unread`."""
    if _text(text) is None:
        return None
    value = read_number(text)
    if value is None or not _can_be(name, value):
        unread.append(_cell("metadata-number", name, text, number))
        return None
    if not value:
        return None
    return round(value) if name in _INTS else value


def _can_be(name: str, value: float) -> bool:
    """Return whether a measure can have a value; 0 stands for unknown in many files."""
    if name in _INTS and value:
        return 1 <= round(value) <= _MAX_INT
    return 0 <= value <= (1 if name == "min_likelihood" else math.inf)


def _cell(rule: str, column: str, text: str, number: int) -> QuarantineRow:
    detail = f"Column '{column}' holds '{text[:200]}'; the row is kept without it."
    return QuarantineRow(rule, detail, 0, number, payload_json({column: text}))


def _scale_flags(values: Mapping[str, Any]) -> set[str]:
    flags = set()
    fps = values["frames_per_second"]
    if not fps:
        flags.add("fps-missing")
    elif not MIN_FPS <= fps <= MAX_FPS:
        flags.add("fps-implausible")
    if not values["pix_per_cm_approx"]:
        flags.add("scale-missing")
    if not (values["video_width_pix"] and values["video_height_pix"]):
        flags.add("frame-size-missing")
    return flags


def _label_flags(labeled: Labeled) -> set[str]:
    flags = set()
    if labeled.repaired:
        flags.add("behaviors-repaired")
    if labeled.malformed:
        flags.add("behaviors-malformed")
    if not labeled.triplets:
        flags.add("behaviors-empty")
    return flags


def _with_label_clock(videos: list[VideoRecord]) -> list[VideoRecord]:
    """Flag the 25 fps videos of labs that mostly record at 30 fps.

    The labels of AdaptableSnail's four such videos count on the 30 fps clock, though no interval runs past the end
    of the video: they were converted from 25 fps, as no start or stop leaves the rest 3 when divided by 6 (nothing
    rounds to it). `repair_label_clock` gives their first frames back.
    """
    usual: dict[str, Counter[int]] = {}
    for video in videos:
        if video.fps:
            usual.setdefault(video.lab_id, Counter())[round(video.fps)] += 1
    flagged = []
    for video in videos:
        rates = usual.get(video.lab_id, Counter())
        suspect = video.fps is not None and round(video.fps) == 25 and 2 * rates[30] > rates.total()
        flags = {*video.flags, "label-clock"} if suspect and video.labeled else video.flags
        flagged.append(replace(video, flags=tuple(sorted(flags))))
    return flagged
