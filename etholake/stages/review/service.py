"""Serve the review: what the page asks for and tells, in terms of the library, open videos and other stages.

No logic of its own stands here: corrections go through `store.ReviewSession`, merging through `merge`, training
and the registry through their stages.
"""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etholake.contract import number, whole_number
from etholake.errors import EtholakeError, UsageError, suggestion
from etholake.pages.review.server import ReviewServer
from etholake.review.bouts import OPEN
from etholake.review.operations import Operation
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import video as video_page
from etholake.stages.review import agreement, merge, ranking
from etholake.stages.review.film import FIRST, Film, films_in_folder, films_in_lake
from etholake.stages.review.library import COLUMNS, VideoLibrary
from etholake.stages.review.opened import OpenVideo
from etholake.stages.review.store import VideoKey
from etholake.stages.review.thumbnails import Thumbnails
from etholake.stages.state import open_lake

__all__ = ["ReviewChoice", "ReviewService", "make_server", "serve"]

Json = dict[str, Any]
Given = Mapping[str, str]
_OPEN_VIDEOS = 8  # whose bouts are kept in memory
_FILMS = 256  # of which it is remembered where they are
_NUMBERS = ("agent_id", "target_id", "start_frame", "stop_frame", "frame")
_LIBRARY = f"SELECT {', '.join(COLUMNS)} FROM v_review_library"  # noqa: S608
_RUNS = """SELECT run_id, count(*) AS events, count(DISTINCT video_id) AS videos FROM predictions
GROUP BY run_id ORDER BY run_id"""
_ACTIONS = "SELECT DISTINCT action FROM labeled_behaviors ORDER BY action"
_SCORES = """SELECT lab_id, action,
    max(CASE WHEN run_id = ? THEN f_score END) AS first,
    max(CASE WHEN run_id = ? THEN f_score END) AS second
FROM scores WHERE run_id IN (?, ?) GROUP BY lab_id, action ORDER BY lab_id, action"""


@dataclass(frozen=True)
class ReviewChoice:
    """The choice that the review opens with, and where films lie; "" and None stand for all or nothing."""

    user: str
    lab: str = ""
    run_id: str = ""
    video_id: int | None = None
    films: Path | None = None
    train_config: str = "tiny"


class ReviewService:
    """The functions behind the page. Raises UsageError without a name, or for a first video that is not there."""

    def __init__(self, settings: Settings, choice: ReviewChoice) -> None:
        if not choice.user.strip():
            raise UsageError("A reviewer needs a name: give --user NAME.")
        self.settings, self.choice = settings, choice
        self.lake = open_lake(settings)
        query.create_views(settings, (*video_page.VIEWS, "v_review_library"))
        self.library = VideoLibrary(())
        self.thumbnails = Thumbnails(settings, self.lake)
        self._films_of = lru_cache(_FILMS)(self._find_films)
        self._open: collections.OrderedDict[VideoKey, Future[OpenVideo]] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._job: Json = {"status": "none", "summary": ""}
        self.refresh()
        if choice.run_id and choice.run_id not in self.runs:
            raise UsageError(f"No run '{choice.run_id}' has predicted. {suggestion(choice.run_id, self.runs)}")
        self.first = self.library.find(choice.video_id, choice.lab) if choice.video_id is not None else None

    # --- asked ------------------------------------------------------------------------------------------------
    def start(self) -> Json:
        """Return what the page opens with."""
        first = self.first
        return {
            "user": self.choice.user, "lab": self.choice.lab, "run": self.choice.run_id, "runs": self.runs,
            "labs": self.library.labs(),
            "video": [first.split, first.lab_id, first.video_id] if first else None,
            "actions": self.actions, "config": self.choice.train_config,
            "facts": f"Database '{self.settings.database}' on target {self.settings.target}.",
        }  # fmt: skip

    def video(self, given: Given) -> Json:
        """Return a video with its bouts as they are now."""
        opened = self._opened(given)
        return {**opened.content(), "state": opened.state(self.choice.user)}

    def state(self, given: Given) -> Json:
        """Return the bouts of a video if it has changed since change `since`, else only the number of changes."""
        opened, since = self._opened(given), _since(given)
        if opened.session.refresh().next_number - 1 == since:
            return {"changes": since}
        return opened.state(self.choice.user, since)

    def seconds(self, given: Given) -> Json:
        """Return where the animals of a video were, second by second."""
        return self._opened(given).seconds()

    def curve(self, given: Given) -> Json:
        """Return the out-of-fold probabilities of a training, by default of the last one."""
        return self._opened(given).curve(given.get("run", ""))

    def column_curve(self, given: Given) -> Json:
        """Return a numeric column of the tracks of a body part, as a curve of each animal."""
        return self._opened(given).column_curve(given.get("column", ""), given.get("part", ""))

    def queue(self, given: Given) -> Json:
        """Return the bouts that are worth most to look at next, for so many minutes."""
        text = given.get("minutes")
        minutes = number(text) if text else ranking.MINUTES
        if minutes is None:
            raise UsageError(f"Expected a number of minutes, but got '{text}'.")
        return ranking.queue(self.settings, minutes, given.get("lab", ""), given.get("run", ""))

    def agreement(self, given: Given) -> Json:
        """Return the agreement of two: reviewers, runs, or the annotation."""
        result = agreement.run(self.settings, given.get("first", ""), given.get("second", ""))
        return {"summary": result.summary, **result.details}

    def compare(self, given: Given) -> Json:
        """Return the scores of two runs side by side, by lab and action. Raises UsageError without two runs."""
        first, second = (given.get(name, "") for name in ("first", "second"))
        if not first or not second or first == second:
            raise UsageError("Choose two different runs to compare.")
        names = [query.literal(first), query.literal(second)]
        rows = query.run_sql(self.settings, _SCORES, [*names, *names]).rows
        return {"scores": [list(row) for row in rows]}

    def learn(self) -> Json:
        """Return the runs that have predicted by now, and the versions of the registry."""
        from etholake.stages import model_packages
        from etholake.stages.serving import registry

        self.runs = self._column(_RUNS)
        try:
            versions = registry.show(self.settings, model_packages.group_name(self.settings)).details["versions"]
        except EtholakeError:
            versions = []
        return {"runs": self.runs, "versions": versions}

    def job(self) -> Json:
        """Return how the training that the page has started is getting on."""
        return dict(self._job)

    def poses(self, given: Given) -> bytes:
        """Return one slice of poses."""
        return self._opened(given).poses(_counted(given, "slice"))

    def film(self, given: Given) -> Film | None:
        """Return the film of a video by the camera that is named, else the one of the tracks; None without it."""
        return self._films_of(_key(given)).get(given.get("camera", FIRST))

    def thumbnail(self, given: Given) -> Json:
        """Return the small picture of a video."""
        key = _key(given)
        return self.thumbnails.of(key, self._films_of(key).get(FIRST))

    # --- request -------------------------------------------------------------------------------------------------
    def change(self, request: Json) -> Json:
        """Make one operation; returns the state after it."""
        opened = self._opened(request)
        acknowledged = request.get("acknowledged", 0)
        if not isinstance(acknowledged, int):
            raise UsageError(f"acknowledged must be the number of a change, but got {acknowledged!r}.")
        opened.session.change(_operation(request), self.choice.user, acknowledged)
        return self._after(opened, request)

    def keep_thumbnail(self, request: Json) -> Json:
        """Keep the picture that the page has taken of a film."""
        key = _key(request)
        self.thumbnails.keep(key, self._films_of(key).get(FIRST), request.get("picture"))
        return {}

    def accept_above(self, request: Json) -> Json:
        """Accept every prediction of a run that nobody has judged and that is at least so confident."""
        opened, run_id, least = self._opened(request), request.get("run"), request.get("confidence")
        if not isinstance(least, (int, float)) or not 0 <= least <= 1:
            raise UsageError(f"The confidence must be a number from 0 to 1, but got {least!r}.")
        action = request.get("action")
        bouts = [
            bout.bout_id
            for bout in opened.session.refresh().bouts.values()
            if bout.status == OPEN and bout.run_id == run_id and (bout.confidence or 0) >= least
            and action in (None, "", bout.action)
        ]  # fmt: skip
        if not bouts:
            raise UsageError(
                f"No prediction of run {run_id} with confidence {least:.2f} or more waits to be judged."
            )
        opened.session.change(Operation("accept", tuple(bouts)), self.choice.user)
        return self._after(opened, request)

    def undo(self, request: Json) -> Json:
        """Take back the reviewer's last change of a video."""
        opened = self._opened(request)
        opened.session.undo(self.choice.user)
        return self._after(opened, request)

    def redo(self, request: Json) -> Json:
        """Make the reviewer's last undone change again."""
        opened = self._opened(request)
        opened.session.redo(self.choice.user)
        return self._after(opened, request)

    def merge(self) -> Json:
        """Merge all corrections into the tables that training reads."""
        result = merge.run(self.settings, self.choice.user)
        self.refresh()
        return {"status": result.status, "summary": result.summary, **result.details}

    def refresh(self) -> Json:
        """Read the library again, and every video when it is opened next."""
        with self._lock:
            self._open.clear()
        self._films_of.cache_clear()
        self.library.load(query.run_sql(self.settings, _LIBRARY).rows)
        self.runs, self.actions = self._column(_RUNS), self._column(_ACTIONS)
        return {"runs": self.runs, "labs": self.library.labs()}

    def train(self, request: Json) -> Json:
        """Start the stage that trains, on what is merged; the page asks `job` how it gets on."""
        from etholake.stages.model import train

        with self._lock:
            if self._job["status"] == "running":
                raise UsageError("A training is running already: wait for it.")
            config = str(request.get("config") or self.choice.train_config)
            self._job = {
                "status": "running",
                "summary": f"training {config}",
                "command": f"etholake train --config {config}",
            }

        def work() -> None:
            try:
                result = train.run(
                    self.settings,
                    config,
                    (),
                    lambda done, whole, text: self._job.update(summary=f"{text} {done}/{whole}"),
                )
                self._job |= {"status": result.status, "summary": result.summary}
            except Exception as err:
                self._job |= {"status": "failed", "summary": str(err)}

        threading.Thread(target=work, name="review-training", daemon=True).start()
        return dict(self._job)

    def promote(self, request: Json) -> Json:
        """Register the newest trained model, or approve a version that is named."""
        from etholake.stages.serving import registry

        version = request.get("version")
        if version is None:
            return {"summary": registry.register(self.settings).summary}
        if not isinstance(version, int) or isinstance(version, bool):
            raise UsageError(f"Expected the number of a version, but got {version!r}.")
        chosen = registry.approve(self.settings, version)
        return {"summary": f"version {chosen.number} ({chosen.model_name}) is approved and will be served"}

    # --- videos -----------------------------------------------------------------------------------------------
    def _opened(self, given: Mapping[str, Any]) -> OpenVideo:
        key = _key(given)
        with self._lock:
            opening = self._open.get(key)
            is_first = opening is None
            if opening is None:
                opening = self._open[key] = Future()
                while len(self._open) > _OPEN_VIDEOS:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
        if is_first:  # outside the lock: others are answered meanwhile; a second request for this video waits
            try:
                opening.set_result(OpenVideo(self.settings, self.lake, key, self._films_of))
            except BaseException as err:
                with self._lock:
                    if self._open.get(key) is opening:
                        del self._open[key]
                opening.set_exception(err)
        return opening.result()

    def _column(self, sql: str) -> list[str]:
        return [row[0] for row in query.run_sql(self.settings, sql).rows]

    def _find_films(self, key: VideoKey) -> dict[str, Film]:
        films = films_in_folder(self.choice.films, key)
        return films if FIRST in films else films_in_lake(self.lake, key) | films

    def _after(self, opened: OpenVideo, request: Json) -> Json:
        state = opened.state(self.choice.user, _since(request))
        self.library.changed(opened.key, state["made"], opened.reviewers())
        return state


def make_server(settings: Settings, choice: ReviewChoice, port: int = 0) -> ReviewServer:
    """Return a server of the review on loopback, not yet running. Raises as `ReviewService`."""
    service = ReviewService(settings, choice)
    ask: dict[str, Callable[[Given], Json]] = {
        "start": lambda _: service.start(), "library": service.library.page, "video": service.video,
        "state": service.state, "seconds": service.seconds, "curve": service.curve,
        "column": service.column_curve, "queue": service.queue, "agreement": service.agreement,
        "compare": service.compare,
        "job": lambda _: service.job(), "learn": lambda _: service.learn(), "thumbnail": service.thumbnail,
    }  # fmt: skip
    tell: dict[str, Callable[[Json], Json]] = {
        "change": service.change, "accept-above": service.accept_above, "undo": service.undo, "redo": service.redo,
        "merge": lambda _: service.merge(), "refresh": lambda _: service.refresh(), "train": service.train,
        "promote": service.promote, "thumbnail": service.keep_thumbnail,
    }  # fmt: skip
    return ReviewServer(ask, tell, service.poses, service.film, port)


def serve(settings: Settings, choice: ReviewChoice, port: int = 0) -> None:
    """Serve the review until stopped by Ctrl-C."""
    with make_server(settings, choice, port) as server:
        print(server.url, flush=True)
        print("etholake: review; every change is saved as you make it; Ctrl-C stops", file=sys.stderr, flush=True)
        server.serve_forever()


def _key(given: Mapping[str, Any]) -> VideoKey:
    """Return the video that a request names. Raises UsageError if its number is none."""
    return VideoKey(str(given.get("split", "")), str(given.get("lab", "")), _counted(given, "video"))


def _counted(given: Mapping[str, Any], name: str) -> int:
    """Return a whole number from 0 on of a request. Raises UsageError if it is none."""
    value = whole_number(str(given.get(name, "")))
    if value is None or value < 0:
        raise UsageError(f"Expected the number of a {name}, but got '{given.get(name, '')}'.")
    return value


def _since(given: Mapping[str, Any]) -> int | None:
    """Return the number of changes that the page has seen; None if it does not say."""
    return whole_number(str(given.get("since", "")))


def _operation(request: Json) -> Operation:
    """Return the operation of a request. Raises UsageError for values of another kind."""
    bouts = request.get("bouts") or []
    if not isinstance(bouts, list) or not all(isinstance(bout, str) for bout in bouts):
        raise UsageError("bouts must be a list of ids.")
    values: dict[str, Any] = {}
    for field in _NUMBERS:
        value = request.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise UsageError(f"{field} must be a whole number, but got {value!r}.")
        values[field] = value
    name: Any = request.get("operation")
    action = request.get("action")
    if not isinstance(name, str) or not isinstance(action, (str, type(None))):
        raise UsageError("operation and action must be text.")
    return Operation(name, tuple(bouts), action=action, **values)
