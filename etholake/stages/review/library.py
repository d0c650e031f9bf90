"""The library of the review: every video of the lake in an index in memory, filtered and paged by SQL.

Athena is asked once, when the review opens (and on request): a query takes a second there, and a page of the
library shall not. The index is SQLite's; a change of a reviewer is entered as it is made.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etholake.contract import whole_number
from etholake.errors import UsageError, suggestion
from etholake.stages.review.store import VideoKey

__all__ = ["COLUMNS", "PAGE", "VideoLibrary"]

PAGE = 50
_MAX_PAGE = 2**31
COLUMNS = (
    "split", "lab_id", "video_id", "frames_per_second", "video_duration_sec", "n_mice", "has_tracking", "flags",
    "labels", "predicted", "runs", "uncertainty", "score", "disagreement", "changes", "reviewers",
)  # fmt: skip
_ORDERS = {
    "video": "lab_id, video_id",
    "uncertainty": "uncertainty DESC NULLS LAST, lab_id, video_id",
    "disagreement": "disagreement DESC NULLS LAST, lab_id, video_id",
    "score": "score NULLS LAST, lab_id, video_id",
    "quality": "flags DESC, lab_id, video_id",
    "changes": "changes DESC, lab_id, video_id",
    "length": "video_duration_sec DESC NULLS LAST, lab_id, video_id",
}
_STATES = {
    "labelled": "labels > 0", "unlabelled": "labels = 0", "predicted": "predicted > 0",
    "reviewed": "changes > 0", "unreviewed": "changes = 0",
}  # fmt: skip


class VideoLibrary:
    """The index of the videos; threads take turns.

    Parameters
    ----------
    rows
        Rows of view `v_review_library`, in the order of `COLUMNS`.
    """

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.row_factory = sqlite3.Row
        self.load(rows)

    def load(self, rows: Iterable[Sequence[Any]]) -> None:
        """Replace the content."""
        with self._lock, self._index:
            self._index.execute("DROP TABLE IF EXISTS videos")
            self._index.execute(
                f"CREATE TABLE videos ({', '.join(COLUMNS)}, PRIMARY KEY (split, lab_id, video_id)) WITHOUT ROWID"
            )
            self._index.executemany(f"INSERT INTO videos VALUES ({', '.join('?' * len(COLUMNS))})", rows)  # noqa: S608

    def page(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of the videos that fit, how many fit, and the sums of the whole library.

        Parameters
        ----------
        given
            ``lab``, ``split``, ``state`` (labelled, unlabelled, predicted, reviewed, unreviewed), ``reviewer``,
            ``search`` (a part of a lab's name or of a video's number), ``order``, ``page`` from 0.

        Raises
        ------
        UsageError
            An unknown state or order, or a page that is no number.
        """
        where, values = self._where(given)
        order = given.get("order") or "video"
        if order not in _ORDERS:
            raise UsageError(f"There is no order '{order}'. {suggestion(order, _ORDERS)}")
        page = whole_number(given.get("page") or "0")
        if page is None or not 0 <= page < _MAX_PAGE:
            raise UsageError(f"Expected the number of a page, but got '{given.get('page')}'.")
        with self._lock:
            count = self._index.execute(f"SELECT count(*) FROM videos {where}", values).fetchone()[0]  # noqa: S608
            rows = self._index.execute(
                f"SELECT * FROM videos {where} ORDER BY {_ORDERS[order]} LIMIT {PAGE} OFFSET ?",  # noqa: S608
                (*values, page * PAGE),
            ).fetchall()
            sums = self._index.execute(
                "SELECT count(*) AS videos, sum(labels > 0) AS labelled, sum(changes > 0) AS reviewed FROM videos"
            ).fetchone()
        return {
            "videos": [dict(row) for row in rows],
            "count": count,
            "pages": math.ceil(count / PAGE),
            "page": page,
            "labs": self.labs(),
            "whole": {name: sums[name] or 0 for name in ("videos", "labelled", "reviewed")},
        }

    def labs(self) -> list[str]:
        """Return the labs that have a video, sorted."""
        with self._lock:
            rows = self._index.execute("SELECT DISTINCT lab_id FROM videos ORDER BY lab_id").fetchall()
        return [row[0] for row in rows]

    def find(self, video_id: int, lab_id: str = "", split: str = "") -> VideoKey:
        """Return the key of a video. Raises UsageError if there is none, or if several labs have the number."""
        with self._lock:
            rows = self._index.execute(
                "SELECT split, lab_id FROM videos WHERE video_id = ? AND ? IN ('', lab_id) AND ? IN ('', split) "
                "ORDER BY split DESC, lab_id",
                (video_id, lab_id, split),
            ).fetchall()
        labs = {row[1] for row in rows}
        if not rows:
            raise UsageError(f"The lake has no video {video_id}{f' of lab {lab_id}' if lab_id else ''}.")
        if len(labs) > 1:
            raise UsageError(
                f"Several labs have a video {video_id}: name one with --lab: {', '.join(sorted(labs))}."
            )
        return VideoKey(rows[0][0], rows[0][1], video_id)

    def changed(self, video: VideoKey, changes: int, reviewers: Iterable[str]) -> None:
        """Enter how often a video was changed, and by whom."""
        with self._lock, self._index:
            self._index.execute(
                "UPDATE videos SET changes = ?, reviewers = ? WHERE split = ? AND lab_id = ? AND video_id = ?",
                (changes, ", ".join(sorted(reviewers)), video.split, video.lab_id, video.video_id),
            )

    @staticmethod
    def _where(given: Mapping[str, str]) -> tuple[str, tuple[Any, ...]]:
        parts, values = [], []
        for name, column in (("lab", "lab_id"), ("split", "split")):
            if given.get(name):
                parts.append(f"{column} = ?")
                values.append(given[name])
        if state := given.get("state"):
            if state not in _STATES:
                raise UsageError(f"There is no state '{state}'. {suggestion(state, _STATES)}")
            parts.append(_STATES[state])
        if reviewer := given.get("reviewer"):
            parts.append("', ' || reviewers || ', ' LIKE '%, ' || ? || ', %'")
            values.append(reviewer)
        if search := given.get("search", "").strip():
            parts.append("(instr(lower(lab_id), lower(?)) OR instr(CAST(video_id AS TEXT), ?))")
            values += [search, search]
        return (f"WHERE {' AND '.join(parts)}" if parts else ""), tuple(values)
