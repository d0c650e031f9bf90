"""Stage evaluate: the official score of a submission against a folder in the MABe layout.

`evaluate` computes (no AWS), `run` also writes the table `scores`. A video is scored if it has an annotation
file that can be read; its whitelist is `behaviors_labeled` of ``train.csv`` (of ``test.csv``, where
``test_annotation/`` has its file), with stray quotes repaired as curation repairs them. The score itself is
`etholake.events.metric`.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etholake.contract import RAW_ANNOTATION_COLUMNS, SPLITS
from etholake.curate.behaviors import parse_labeled
from etholake.errors import DataError, UsageError
from etholake.events import metric, submission
from etholake.events.types import Event, Triplet
from etholake.settings import Settings
from etholake.stages import StageResult, fingerprint

__all__ = ["Truth", "evaluate", "read_truth", "report", "run"]

Spans = Mapping[int, tuple[int, int]]  # video_id -> (start_frame, stop_frame) of the part that is scored
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truth:
    """Ground truth of a folder: events, what was looked for (per video), and the lab of each video."""

    events: list[Event]
    whitelist: dict[int, frozenset[Triplet]]
    labs: dict[int, str]


def evaluate(
    data: Path, submission: Path, videos: Sequence[int] | None = None, spans: Spans | None = None
) -> dict[str, Any]:
    """The official score: ``{"score": …, "labs": {lab: {"score": …, "actions": {action: f}}}}``.

    See `report` for the parameters and errors.
    """
    return report(data, submission, videos, spans).to_dict()


def report(
    data: Path, submission_file: Path, videos: Sequence[int] | None = None, spans: Spans | None = None
) -> metric.ScoreReport:
    """The official score with its frames.

    Parameters
    ----------
    data
        Folder in the MABe layout.
    submission_file
        CSV as `etholake.events.submission` describes it.
    videos
        Score these videos only (None: those of `spans`, else all with ground truth).
    spans
        Clip truth and prediction of a video to ``start_frame <= f < stop_frame`` of its own clock; a video
        without an entry is scored whole.

    Raises
    ------
    DataError
        The folder, the submission or its events cannot be scored.
    UsageError
        A video was asked for that the metadata does not name.
    """
    predicted = submission.read_csv(submission_file)
    chosen = list(spans) if videos is None and spans is not None else videos
    truth = read_truth(data, chosen)
    if not truth.events:
        which = "these videos" if chosen is not None else f"any video of {data}"
        raise DataError(f"There is no ground truth for {which}: nothing can be scored (empty solution).")
    kept = None if chosen is None else set(chosen)
    predicted = [e for e in predicted if kept is None or e.video_id in kept]
    return metric.pooled(_clip(truth.events, spans), _clip(predicted, spans), truth.whitelist, truth.labs)


def run(
    settings: Settings,
    data: Path,
    submission: Path,
    run_id: str,
    *,
    videos: Sequence[int] | None = None,
    spans: Spans | None = None,
) -> StageResult:
    """`evaluate`, and the partition `run_id` of the table `scores`. `details["scores"]` is what it gives."""
    import pyarrow as pa

    from etholake import aws
    from etholake.contract import arrow_schema
    from etholake.lake import Lake, identity

    result = report(data, submission, videos, spans)
    rows = _rows(result)
    lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
    partition, print_ = {"run_id": run_id}, fingerprint("scores", rows)
    unchanged = identity(lake.current("scores", partition)) == print_
    if not unchanged:
        table = pa.Table.from_pylist(rows, schema=arrow_schema("scores"))
        lake.replace_table("scores", table, print_, partition, {"score": result.score})
    summary = f"official score {result.score:.4f} over {len(result.labs)} labs, {len(rows)} rows in table scores"
    details = {"scores": result.to_dict(), "run_id": run_id, "rows": len(rows)}
    return StageResult("evaluate", "unchanged" if unchanged else "done", summary, details)


def read_truth(data: Path, videos: Sequence[int] | None = None) -> Truth:
    """Annotations and whitelists of a folder, or of some of its videos.

    A video without an annotation file has no entry in `events`; an annotation file that cannot be read, or
    that the metadata does not name, is left out with a warning that names it.
    """
    found = Truth([], {}, {})
    for split in SPLITS:
        for row in _metadata(data, split):
            video, lab = int(row["video_id"]), row["lab_id"]
            found.labs[video] = lab
            if videos is None or video in videos:
                found.whitelist[video] = frozenset(parse_labeled(row["behaviors_labeled"]).triplets)
                found.events.extend(_annotations(data / f"{split}_annotation" / lab / f"{video}.parquet", video))
    if not found.labs:
        raise DataError(f"{data} is not in the MABe layout: expected train.csv (or test.csv) in it.")
    if unknown := sorted(set(videos or ()) - set(found.labs)):
        raise UsageError(f"The metadata of {data} does not name the videos {unknown}.")
    if videos is None:
        _warn_of_strays(data, found.labs)
    return found


def _metadata(data: Path, split: str) -> list[dict[str, str]]:
    path = data / f"{split}.csv"
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"{path}: cannot be read: {err}.") from err
    missing = [n for n in ("lab_id", "video_id", "behaviors_labeled") if rows and n not in rows[0]]
    if missing:
        raise DataError(f"{path}: expected the columns lab_id, video_id, behaviors_labeled, but lacks {missing}.")
    return [row for row in rows if (row["video_id"] or "").isdigit()]


def _annotations(path: Path, video: int) -> list[Event]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return []
    names = list(RAW_ANNOTATION_COLUMNS)
    try:
        table = pq.ParquetFile(path).read(columns=names).select(names)
    except (pa.ArrowException, OSError, KeyError) as err:
        _log.warning("%s: left out of the score, cannot be read: %s", path, err)
        return []
    whole = table.drop_null()
    if whole.num_rows < table.num_rows:
        _log.warning("%s: %d rows with missing values left out", path, table.num_rows - whole.num_rows)
    columns = (whole[name].to_pylist() for name in names)
    return [
        Event(video, int(agent), int(target), str(action), int(start), int(stop))
        for agent, target, action, start, stop in zip(*columns, strict=True)
    ]


def _warn_of_strays(data: Path, labs: Mapping[int, str]) -> None:
    for split in SPLITS:
        stray = sorted(
            str(path.relative_to(data))
            for path in data.glob(f"{split}_annotation/*/*.parquet")
            if labs.get(int(path.stem) if path.stem.isdigit() else -1) != path.parent.name
        )
        if stray:
            _log.warning("left out of the score, not in the metadata: %s", ", ".join(stray))


def _clip(events: Sequence[Event], spans: Spans | None) -> list[Event]:
    """Events cut to the span of their video; those outside it vanish."""
    if not spans:
        return list(events)
    clipped = []
    for e in events:
        low, high = spans.get(e.video_id, (e.start_frame, e.stop_frame))
        start, stop = max(e.start_frame, low), min(e.stop_frame, high)
        if e.start_frame > e.stop_frame or start < stop:  # an impossible event is kept for the metric to refuse
            clipped.append(e if e.start_frame > e.stop_frame else replace(e, start_frame=start, stop_frame=stop))
    return clipped


def _rows(result: metric.ScoreReport) -> list[dict[str, Any]]:
    return [
        {
            "lab_id": lab_id,
            "action": action,
            "f_score": s.f_score,
            "precision": s.precision,
            "recall": s.recall,
            "tp_frames": s.tp_frames,
            "fp_frames": s.fp_frames,
            "fn_frames": s.fn_frames,
            "videos": lab.videos,
        }
        for lab_id, lab in result.labs.items()
        for action, s in lab.actions.items()
    ]
