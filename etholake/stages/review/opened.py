"""One video, open for review: what Athena knows of it, its runs, its session of corrections, its films."""

from __future__ import annotations

import collections
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from etholake.contract import TABLES
from etholake.errors import UsageError, suggestion
from etholake.lake import Lake
from etholake.pages.video.events import MatchedEvent
from etholake.pages.video.page import VideoView, page_content, picture, seconds_of
from etholake.pages.video.slices import pack
from etholake.review.bouts import BASELINE, ReviewedBout
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import video as video_page
from etholake.stages.review.film import FIRST, Film, measured
from etholake.stages.review.store import CorrectionLog, ReviewSession, VideoKey

__all__ = ["OpenVideo"]

_ANNOTATIONS = """SELECT agent_id, target_id, action, start_frame, stop_frame FROM annotations_enriched
WHERE split = ? AND lab_id = ? AND video_id = ? ORDER BY start_frame"""
_PREDICTIONS = """SELECT run_id, agent_id, target_id, action, start_frame, stop_frame, confidence FROM predictions
WHERE split = ? AND lab_id = ? AND video_id = ? ORDER BY run_id, start_frame"""
_TRAININGS = "SELECT DISTINCT run_id FROM out_of_fold WHERE lab_id = ? AND video_id = ? ORDER BY run_id"
_CURVE = """SELECT agent_id, target_id, action, video_frame / {step} AS step, max(probability) AS probability
FROM out_of_fold WHERE run_id = ? AND lab_id = ? AND video_id = ?
GROUP BY agent_id, target_id, action, video_frame / {step} ORDER BY 1, 2, 3, 4"""
_COLUMN = """SELECT mouse_id, video_frame / {step} AS step, avg({column}) AS value
FROM tracking_curated WHERE split = ? AND lab_id = ? AND video_id = ? AND bodypart = ? AND {column} IS NOT NULL
GROUP BY mouse_id, video_frame / {step} ORDER BY 1, 2"""
_UNIT = re.compile(r"(cm/s|cm|px)\b")  # opens the comment of a column that has one
_COLUMNS = {  # of the tracks, that are drawn as a curve: name -> unit, "" for a number without one
    column.name: unit[1] if (unit := _UNIT.match(column.comment)) else ""
    for column in TABLES["tracking_curated"].columns
    if column.type == "float"
}
_CURVE_POINTS = 4000  # of a curve: more than a screen has
_QUERIES_AT_ONCE = 5
_STATES = 8  # that pages may have seen last: of two reviewers and their latest changes
Bouts = dict[str, dict[str, Any]]  # as a page shows them, by id


class OpenVideo:
    """One video of the lake under review. Raises UsageError if the lake does not have it."""

    def __init__(
        self, settings: Settings, lake: Lake, key: VideoKey, films_of: Callable[[VideoKey], Mapping[str, Film]]
    ) -> None:
        self.settings, self.key = settings, key
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # while one request reads the seconds, others of this kind wait
        where = self._where()
        with ThreadPoolExecutor(_QUERIES_AT_ONCE) as pool:  # a query is mostly waiting
            asked = [
                pool.submit(self._ask, sql, *where)
                for sql in (video_page.SUMMARIES, _ANNOTATIONS, _PREDICTIONS, video_page.LABELED)
            ]
            films = pool.submit(films_of, key)
            rows = [row for row in self._ask(video_page.INFO, str(key.video_id)) if _is(row, key)]
            summaries, annotations, predictions, labeled = (answer.result() for answer in asked)
        if not rows:
            raise UsageError(f"The lake has no video {key.video_id} of lab {key.lab_id} in split {key.split}.")
        info = rows[0]
        annotated = [ReviewedBout.annotated(*row.values()) for row in annotations]
        predicted = [ReviewedBout.predicted(*row.values()) for row in predictions]
        # of the events the view needs the last frame alone, and that only of a video whose length is not known
        latest = max((*annotated, *predicted), key=lambda bout: bout.stop_frame, default=None)
        self.view = VideoView(info, summaries, [_as_event(latest)] if latest else [])
        self.films = measured(films.result(), self.view.frames)
        self._seconds: dict[str, Any] | None = None
        self._sent: collections.OrderedDict[int, Bouts] = collections.OrderedDict()
        self.predicted = predicted
        self.labeled = [list(row.values()) for row in labeled]
        self.session = ReviewSession(CorrectionLog(lake, key), predicted, annotated, self.view.frames)
        self._annotated = annotated

    def content(self) -> dict[str, Any]:
        """Return what the page needs to know once, in JSON types."""
        content = page_content(self.view)
        del content["events"]  # they are `runs` and the state
        films = {camera: {"fps": film.fps, "note": film.note} for camera, film in sorted(self.films.items())}
        runs: dict[str, list[list[Any]]] = {}
        for b in self.predicted:
            runs.setdefault(b.run_id or "", []).append(
                [b.bout_id, b.agent_id, b.target_id, b.action, b.start_frame, b.stop_frame, b.confidence]
            )
        return {
            **content,
            "live": True,
            "runs": runs,
            "labeled": self.labeled,
            "columns": list(_COLUMNS.items()),
            "film": films.pop(FIRST, None),
            "cameras": films,
            "picture": picture(self.view.info),
        }

    def seconds(self) -> dict[str, Any]:
        """Return where each animal was and how fast, second by second, as the page draws it: {animal: columns}.

        Hours of tracks take a while to read, so the page asks for it when it is open.
        """
        with self._reading:
            if self._seconds is None:
                rows = video_page.seconds_rows(self.settings, self.view)
                self._seconds = seconds_of(replace(self.view, seconds=rows))
            return {"seconds": self._seconds}

    def received(self) -> list[list[Any]]:
        """Return the annotation as the lab sent it: the baseline of the log, before that the table."""
        changes = self.session.review.changes
        bouts: Sequence[ReviewedBout] = self._annotated
        if changes:
            bouts = changes[0].bouts if changes[0].operation == BASELINE else ()
        return [[b.bout_id, b.agent_id, b.target_id, b.action, b.start_frame, b.stop_frame] for b in bouts]

    def state(self, reviewer: str, since: int | None = None) -> dict[str, Any]:
        """Return the touched bouts as they are now, who touched them, and what can be undone, in JSON types.

        All others are as `content` (predictions) and ``received`` (annotation) have them. With `since`, the number
        of changes that a page has seen, only what has changed after it: the bouts in ``bouts``, the ids of those
        that are no more in ``gone``; all touched ones, without ``gone``, where that state is not remembered.
        """
        review = self.session.refresh()
        can_undo, can_redo = review.can(reviewer)
        every, bouts = review.bouts, Bouts()
        for bout_id, names in review.reviewers().items():
            bout = every.get(bout_id)
            if bout is not None:
                standing = review.standing(bout_id)
                bouts[bout_id] = {
                    "id": bout_id, "source": bout.source, "agent": bout.agent_id, "target": bout.target_id,
                    "action": bout.action, "start": bout.start_frame, "stop": bout.stop_frame,
                    "status": bout.status, "confidence": bout.confidence, "run": bout.run_id, "by": names,
                    "change": standing.number if standing else 0,
                }  # fmt: skip
        number = review.next_number - 1
        before = self._remember(number, bouts, since)
        last = review.changes[-1] if review.changes else None
        common = {
            "changes": number,
            "made": sum(change.operation != BASELINE for change in review.changes),
            "canUndo": can_undo,
            "canRedo": can_redo,
            "lookedFor": sorted(map(list, review.looked_for)),
            "last": f"{last.operation} by {last.reviewer} at {last.changed_at}" if last and last.reviewer else "",
        }
        if before is None:
            return {**common, "bouts": list(bouts.values()), "received": self.received()}
        changed = [bout for bout_id, bout in bouts.items() if before.get(bout_id) != bout]
        return {**common, "bouts": changed, "gone": sorted(before.keys() - bouts.keys())}

    def reviewers(self) -> set[str]:
        """Return the names of all who have changed a bout."""
        return {name for names in self.session.review.reviewers().values() for name in names}

    def _remember(self, number: int, bouts: Bouts, since: int | None) -> Bouts | None:
        """Keep the state after change `number`, and return that after change `since`, if it is remembered."""
        with self._lock:
            before = None if since is None else self._sent.get(since)
            self._sent[number] = bouts
            self._sent.move_to_end(number)
            while len(self._sent) > _STATES:
                self._sent.popitem(last=False)
            return before

    def poses(self, number: int) -> bytes:
        """Return one packed slice of the poses. Raises UsageError for a slice that there is not."""
        if not 0 <= number < self.view.slice_count:
            raise UsageError(f"The video has {self.view.slice_count} slices of poses, but got {number}.")
        frames = video_page.pose_frames(number, number)
        return pack(self.view.tracks, self._ask(video_page.SLICES, *self._where(), *frames))

    def curve(self, run_id: str = "") -> dict[str, Any]:
        """Return the out-of-fold probabilities of a training, as the largest of every `step` frames, by behaviour.

        Parameters
        ----------
        run_id
            The training; "" for the last of those that have probabilities of the video.

        Returns
        -------
        dict
            `runs`, the trainings that have probabilities of the video; `run`, the one of the curves, "" if there
            is none; `step`; `curves`, of (agent, target, action, [[first frame, probability], …]).
        """
        video = (query.literal(self.key.lab_id), str(self.key.video_id))
        runs = [row["run_id"] for row in self._ask(_TRAININGS, *video)]
        run = run_id or (runs[-1] if runs else "")
        step = max(1, self.view.frames // _CURVE_POINTS)
        curves: dict[tuple[int, int, str], list[list[float]]] = {}
        for row in self._ask(_CURVE.format(step=step), query.literal(run), *video) if run in runs else ():
            curve = curves.setdefault((row["agent_id"], row["target_id"], row["action"]), [])
            curve.append([row["step"] * step, round(float(row["probability"]), 3)])
        drawn = [[*triplet, points] for triplet, points in curves.items()]
        return {"runs": runs, "run": run, "step": step, "curves": drawn}

    def column_curve(self, column: str, part: str) -> dict[str, Any]:
        """Return a numeric column of the curated tracks of a body part, as the mean of every `step` frames.

        Parameters
        ----------
        column
            One of the columns of type float of `tracking_curated`, such as `x_cm` or `likelihood`.
        part
            The body part, as the lab tracked it.

        Returns
        -------
        dict
            `unit`, that of the column, "" for a number without one; `step`; `curves`, of (animal, [[first frame,
            mean], …]). Steps in which the column is not known are left out.

        Raises
        ------
        UsageError
            There is no such column, or the video has no such part: the nearest name is given.
        """
        parts = sorted({name for _, name in self.view.tracks.tracks})
        if column not in _COLUMNS:
            raise UsageError(f"The tracks have no numeric column '{column}'. {suggestion(column, _COLUMNS)}")
        if part not in parts:
            raise UsageError(f"The video has no body part '{part}'. {suggestion(part, parts)}")
        step = max(1, self.view.frames // _CURVE_POINTS)
        curves: dict[int, list[list[float]]] = {}
        sql = _COLUMN.format(step=step, column=column)
        for row in self._ask(sql, *self._where(), query.literal(part)):
            curves.setdefault(row["mouse_id"], []).append([row["step"] * step, round(float(row["value"]), 3)])
        return {"unit": _COLUMNS[column], "step": step, "curves": list(curves.items())}

    def _where(self) -> tuple[str, str, str]:
        return query.literal(self.key.split), query.literal(self.key.lab_id), str(self.key.video_id)

    def _ask(self, sql: str, *values: str) -> list[dict[str, Any]]:
        return query.run_sql(self.settings, sql, values).records


def _as_event(bout: ReviewedBout) -> MatchedEvent:
    return MatchedEvent(bout.source, bout.agent_id, bout.target_id, bout.action, bout.start_frame, bout.stop_frame)


def _is(row: Mapping[str, Any], key: VideoKey) -> bool:
    return (row["split"], row["lab_id"]) == (key.split, key.lab_id)
