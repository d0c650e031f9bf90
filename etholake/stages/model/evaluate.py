"""Stage evaluate: the official score of a submission, and further figures, on a folder in the MABe layout.

`evaluate` and `judge` compute (no AWS), `run` also writes the tables `score…` and the page. A video is scored if
it has an annotation file that can be read; its whitelist is `behaviors_labeled` of ``train.csv`` (of ``test.csv``,
where ``test_annotation/`` has its file), with stray quotes repaired as curation repairs them. The score itself is
`etholake.events.metric`, the rest `etholake.evaluation`.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etholake.contract import (
    MAX_BOUTS,
    RAW_ANNOTATION_COLUMNS,
    SPLITS,
    action_name,
    lab_folder,
    number,
    plain_name,
    whole_number,
)
from etholake.csv_rows import open_rows
from etholake.curate.behaviors import Spans as LabelSpans
from etholake.curate.behaviors import parse_labeled, parse_spans
from etholake.digest import fingerprint
from etholake.errors import DataError, UsageError
from etholake.evaluation import report
from etholake.events import submission
from etholake.events.post_processing import PostProcessing
from etholake.events.types import Event, PairScores, Triplet
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.storage import read_rows

__all__ = ["Truth", "evaluate", "ignored_by_official", "judge", "lines", "read_truth", "run", "write_page"]

Spans = Mapping[int, tuple[int, int]]  # video_id -> (start_frame, stop_frame) of the part that is scored
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truth:
    """Ground truth of a folder: events, and by video the whitelist, the lab, and frames/s where known.

    `looked_for` has the frames in which somebody looked for an action, where it was not in the whole video.
    """

    events: list[Event]
    whitelist: dict[int, frozenset[Triplet]]
    labs: dict[int, str]
    fps: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # the videos' own names, where they have one
    looked_for: dict[tuple[int, Triplet], LabelSpans] = field(default_factory=dict)  # of partly labelled videos


def evaluate(
    data: Path, submission: Path, videos: Sequence[int] | None = None, spans: Spans | None = None
) -> dict[str, Any]:
    """Return the official score: ``{"score": …, "labs": {lab: {"score": …, "actions": {action: f}}}}``.

    See `judge` for the parameters and errors.
    """
    return judge(data, submission, videos, spans).score.to_dict()


def judge(
    data: Path,
    predictions: Path | Sequence[Event] | PostProcessing,
    videos: Sequence[int] | None = None,
    spans: Spans | None = None,
    pairs: Sequence[PairScores] = (),
) -> report.Evaluation:
    """Return the official score of a submission, and the figures that stand beside it.

    Parameters
    ----------
    data
        Folder in the MABe layout.
    predictions
        A submission, CSV as `etholake.events.submission` describes it; or its events; or post-processing, which
        makes events of `pairs`.
    videos
        Score these videos only (None: those of `spans`, else all with ground truth).
    spans
        Clip truth and prediction of a video to ``start_frame <= f < stop_frame`` of its own clock; a video
        without an entry is scored whole.
    pairs
        Probabilities of a classifier that was not trained on these videos; with them there are average precision
        and calibration. They are clipped as the events are.

    Raises
    ------
    DataError
        The folder, the submission or its events cannot be scored.
    UsageError
        A video was asked for that the metadata does not name.
    """
    predicted: list[Event] = []
    if isinstance(predictions, Path):
        predicted = submission.read_csv(predictions)
    elif not isinstance(predictions, PostProcessing):
        predicted = list(predictions)
    chosen = list(spans) if videos is None and spans is not None else videos
    truth = read_truth(data, chosen)
    if not truth.events:
        which = "these videos" if chosen is not None else f"any video of {data}"
        raise DataError(f"There is no ground truth for {which}: nothing can be scored (empty solution).")
    if isinstance(predictions, PostProcessing):
        predicted = _decided(predictions, pairs, truth.whitelist)
    kept = None if chosen is None else set(chosen)
    predicted = [e for e in predicted if kept is None or e.video_id in kept]
    evaluation = report.judge(
        _where_looked_for(_clip(truth.events, spans), truth),
        _where_looked_for(_clip(predicted, spans), truth),
        truth.whitelist,
        truth.labs,
        truth.fps,
        [pair.between(*spans[pair.video_id]) if spans and pair.video_id in spans else pair for pair in pairs],
    )
    return replace(evaluation, names=truth.names)


def _where_looked_for(events: Sequence[Event], truth: Truth) -> list[Event]:
    """Return the events without the frames in which nobody looked for their action."""
    kept = []
    for e in events:
        looked_for = truth.looked_for.get((e.video_id, (e.agent_id, e.target_id, e.action)))
        if looked_for is None or e.start_frame > e.stop_frame:  # the metric refuses the latter
            kept.append(e)
            continue
        cut = ((max(e.start_frame, start), min(e.stop_frame, stop)) for start, stop in looked_for)
        kept += [replace(e, start_frame=start, stop_frame=stop) for start, stop in cut if start < stop]
    return kept


def run(
    settings: Settings,
    data: Path,
    submission: Path | Sequence[Event] | PostProcessing,
    run_id: str,
    *,
    videos: Sequence[int] | None = None,
    spans: Spans | None = None,
    pairs: Sequence[PairScores] = (),
    page: Path | None = None,
    model: str = "",
) -> StageResult:
    """Write what `judge` returns into the partitions `run_id` of the tables `score…`, and a page if one is named.

    `model` is one whose attention and tasks the page shows, too (see `write_page`).

    `details`: `scores` (what `evaluate` gives), `evaluation` (`Evaluation.to_dict`), `run_id`, `rows` by table.
    """
    import pyarrow as pa

    from etholake import logs
    from etholake.contract import arrow_schema
    from etholake.generations import identity
    from etholake.stages.state import open_lake

    result = judge(data, submission, videos, spans, pairs)
    if page is not None:
        write_page(settings, page, result, data, f"run {run_id}", model)
    lake = open_lake(settings)
    partition, unchanged, tables = {"run_id": run_id}, True, result.tables()
    for name, rows in tables.items():
        print_ = fingerprint(name, rows)
        if identity(lake.current(name, partition)) == print_:
            continue
        if unchanged:
            lake.register()  # the tables may be new to the catalog
        unchanged = False
        table = pa.Table.from_pylist(rows, schema=arrow_schema(name))
        lake.replace_table(name, table, print_, partition, {"score": result.score.score})
    summary = (
        f"official score {result.score.score:.4f} over {len(result.score.labs)} labs, "
        f"{len(tables['scores'])} rows in table scores"
    )
    scores = result.score.to_dict()
    details = {
        "scores": scores,
        "evaluation": result.to_dict(),
        "run_id": run_id,
        "rows": {name: len(rows) for name, rows in tables.items()},
    }
    logs.add_fields(**logged_scores(scores))
    return StageResult("evaluate", "unchanged" if unchanged else "done", summary, details)


def write_page(
    settings: Settings, page: Path, evaluation: report.Evaluation, data: Path, title: str, model: str = ""
) -> None:
    """Write the evaluation page; with a model also where it looked in the shown videos, and its tasks' figures.

    Raises UsageError for a model that has neither attention over time nor tasks.
    """
    from etholake.pages.evaluation import shown_videos, write

    view = None
    if model:
        # imports torch, for which a page without a model does not wait
        from etholake.stages.model import model_view

        view = model_view.view(settings, model, data, shown_videos(evaluation))
    write(page, evaluation, title, view)


def _decided(
    decisions: PostProcessing, pairs: Sequence[PairScores], whitelist: Mapping[int, frozenset[Triplet]]
) -> list[Event]:
    by_video: dict[int, list[PairScores]] = defaultdict(list)
    for pair in pairs:
        if pair.video_id in whitelist:
            by_video[pair.video_id].append(pair)
    return [e for video, own in by_video.items() for e in decisions.events(own, whitelist[video])]


def ignored_by_official(
    data: Path, events: Sequence[Event], videos: Sequence[int] | None = None
) -> dict[str, int]:
    """Count the predicted events that the official scorer ignores because of the truth, by reason."""
    truth = read_truth(data, videos)
    scored = {event.video_id for event in truth.events}
    reasons = Counter(
        "the video has no ground truth" if event.video_id not in scored else "not in the video's behaviors_labeled"
        for event in events
        if event.video_id not in scored
        or (event.agent_id, event.target_id, event.action) not in truth.whitelist.get(event.video_id, ())
    )
    return dict(reasons)


def read_truth(data: Path, videos: Sequence[int] | None = None) -> Truth:
    """Return annotations and whitelists of a folder, or of some of its videos.

    A video without an annotation file has no entry in `events`; an annotation file that cannot be read, or
    that the metadata does not name, is left out with a warning that names it.
    """
    truth = Truth([], {}, {})
    for split in SPLITS:
        for row in _metadata(data, split):
            video, lab = row["video_id"], plain_name(row["lab_id"])
            if video in truth.labs:
                _log.warning("%s.csv: video %d left out, train.csv names it already", split, video)
                continue
            truth.labs[video] = lab
            if name := (row.get("video_name") or "").strip():
                truth.names[video] = name
            if (fps := _fps(row.get("frames_per_second"))) is not None:
                truth.fps[video] = fps
            if videos is None or video in videos:
                labeled = parse_labeled(row["behaviors_labeled"])
                truth.whitelist[video] = frozenset(labeled.triplets)
                if labeled.malformed:
                    _log.warning(
                        "%s.csv: left out of the score, no item like 'mouse1,mouse2,attack' in behaviors_labeled "
                        "of video %d: %s", split, video, ", ".join(labeled.malformed),
                    )  # fmt: skip
                partly = parse_spans(row.get("labeled_spans"))
                if partly is None:
                    raise DataError(
                        f"{data / f'{split}.csv'}: labeled_spans of video {video} is no JSON of spans."
                    )
                truth.looked_for.update({(video, triplet): s for triplet, s in partly.items()})
                truth.events.extend(
                    _annotations(lab_folder(data / f"{split}_annotation", lab) / f"{video}.parquet", video)
                )
    if not truth.labs:
        raise DataError(f"{data} is not in the MABe layout: expected train.csv (or test.csv) in it.")
    if unknown := sorted(set(videos or ()) - set(truth.labs)):
        raise UsageError(f"The metadata of {data} does not name the videos {unknown}.")
    if videos is None:
        _warn_of_strays(data, truth.labs)
    return truth


def _metadata(data: Path, split: str) -> list[dict[str, Any]]:
    """Return the rows of a split's csv with `video_id` as a number; unusable ids and repeats are warned about."""
    path = data / f"{split}.csv"
    if not path.is_file():
        return []
    videos: dict[int, dict[str, Any]] = {}
    with open_rows(path, "metadata", ("lab_id", "video_id", "behaviors_labeled")) as rows:
        for row in rows:
            video = whole_number(row["video_id"])
            if video is None:
                _log.warning("%s: a row left out, its video_id '%s' is no whole number", path, row["video_id"])
            elif video in videos:
                _log.warning("%s: a row left out, an earlier one names video %d already", path, video)
            else:
                videos[video] = {**row, "video_id": video}
    return list(videos.values())


def _fps(text: str | None) -> float | None:
    fps = number(text or "")
    return fps if fps is not None and fps > 0 else None


def _annotations(path: Path, video: int) -> list[Event]:
    import pyarrow as pa

    if not path.is_file():
        return []
    names = list(RAW_ANNOTATION_COLUMNS)
    try:
        table = read_rows(path, names, MAX_BOUTS).select(names)
        for name in set(names) - {"action"}:  # a fraction is no frame: it must not be cut off
            table = table.set_column(names.index(name), name, table[name].cast(pa.int64()))
    except (pa.ArrowException, OSError, KeyError, DataError) as err:
        _log.warning("%s: left out of the score, cannot be read: %s", path, err)
        return []
    whole = table.drop_null()
    if whole.num_rows < table.num_rows:
        _log.warning("%s: %d rows with missing values left out", path, table.num_rows - whole.num_rows)
    columns = (whole[name].to_pylist() for name in names)
    return [
        Event(video, int(agent), int(target), action_name(str(action)), int(start), int(stop))
        for agent, target, action, start, stop in zip(*columns, strict=True)
    ]


def _warn_of_strays(data: Path, labs: Mapping[int, str]) -> None:
    for split in SPLITS:
        stray = sorted(
            str(path.relative_to(data))
            for path in data.glob(f"{split}_annotation/*/*.parquet")
            if (video := whole_number(path.stem)) is None or labs.get(video) != plain_name(path.parent.name)
        )
        if stray:
            _log.warning("left out of the score, not in the metadata: %s", ", ".join(stray))


def _clip(events: Sequence[Event], spans: Spans | None) -> list[Event]:
    """Return the events cut to the span of their video; those outside it are left out."""
    if not spans:
        return list(events)
    clipped = []
    for e in events:
        low, high = spans.get(e.video_id, (e.start_frame, e.stop_frame))
        start, stop = max(e.start_frame, low), min(e.stop_frame, high)
        if e.start_frame > e.stop_frame or start < stop:  # an impossible event is kept for the metric to refuse
            clipped.append(e if e.start_frame > e.stop_frame else replace(e, start_frame=start, stop_frame=stop))
    return clipped


def logged_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a score that go into the log."""
    labs = {lab: entry["score"] for lab, entry in scores["labs"].items()}
    return {"score": scores["score"], "labs": len(labs), "lab_scores": labs}


def lines(scores: dict[str, Any]) -> list[str]:
    """Return the official score as text: a line for each lab and action; with `details`, further figures."""
    details = scores.get("details", {})
    ignored = scores.get("ignored", {})
    lines = [f"official score {scores['score']:.4f}{_between(scores.get('interval'))}"]
    for lab, entry in sorted(scores["labs"].items()):
        lines.append(f"  {lab:<28} {entry['score']:.4f}{_between(details.get(lab, {}).get('interval'))}")
        for action, f in sorted(entry["actions"].items()):
            line = f"    {action:<26} {f:.4f}"
            if details:
                more = details[lab]["actions"][action]
                line += f"{_between(more['interval']):<18} bouts {more['bouts']['f_score']:.3f}"
                line += _boundaries(more["bouts"]["start_error_sec"], more["bouts"]["stop_error_sec"])
                line += _of_probabilities(more["average_precision"], more["calibration"])
            lines.append(line)
    lines += [f"ignored as the official scorer does: {n:,} rows, {why}" for why, n in sorted(ignored.items())]
    return lines


def _between(interval: list[float] | None) -> str:
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _boundaries(start: float | None, stop: float | None) -> str:
    return f", off by {start:.2f} and {stop:.2f} s" if start is not None and stop is not None else ""


def _of_probabilities(average_precision: float | None, calibration: Mapping[str, Any] | None) -> str:
    if calibration is None:
        return ""
    precision = "–" if average_precision is None else f"{average_precision:.3f}"
    return f", AP {precision}, calibration off by {calibration['error']:.3f}"
