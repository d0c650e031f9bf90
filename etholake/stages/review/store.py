"""The log of corrections in the lake: one file a change, written before the change counts.

The file of change 7 of video 41 is named ``train-41-000007``, and S3 gives a name to the first who comes: of two
reviewers who change the same video at once, the second is told, reads the first one's change, and decides on it. A
file that is there is the change, whole; there is nothing to lose when the server or the browser is killed.
"""

from __future__ import annotations

import datetime as dt
import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from etholake.contract import arrow_schema
from etholake.generations import folder
from etholake.lake import Lake, LostRaceError
from etholake.objects import list_objects, read_object
from etholake.review.bouts import BASELINE, BoutChange, ReviewedBout
from etholake.review.history import VideoReview
from etholake.review.operations import Operation

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CORRECTIONS", "CorrectionLog", "ReviewSession", "VideoKey", "changes_of", "rows_of"]

CORRECTIONS = "corrections"
_TRIES = 20  # changes of others between our reading and our writing
_THREADS = 16
_BOUT = tuple(field.name for field in fields(ReviewedBout))


@dataclass(frozen=True)
class VideoKey:
    """The name of a video in the lake: a number may be used by two labs."""

    split: str
    lab_id: str
    video_id: int


class CorrectionLog:
    """The changes of one video, as they lie in the table `corrections`."""

    def __init__(self, lake: Lake, video: VideoKey) -> None:
        self.lake, self.video = lake, video
        self._prefix = f"{folder(CORRECTIONS, self._partition)}{video.split}-{video.video_id}-"

    @property
    def _partition(self) -> dict[str, str]:
        return {"lab_id": self.video.lab_id}

    def after(self, number: int) -> list[BoutChange]:
        """Return the changes after change `number`, in their order."""
        keys = [item["Key"] for item in list_objects(self.lake.s3, self.lake.bucket, self._prefix)]
        wanted = [key for key in keys if int(key[len(self._prefix) :].removesuffix(".parquet")) > number]
        with ThreadPoolExecutor(_THREADS) as pool:
            return [change for changes in pool.map(self._read, sorted(wanted)) for change in changes]

    def add(self, change: BoutChange) -> None:
        """Write one change. Raises LostRaceError, and writes nothing, if another one has its number."""
        name = f"{self.video.split}-{self.video.video_id}-{change.number:06d}"
        self.lake.append(CORRECTIONS, self._partition, name, rows_of(change, self.video))

    def _read(self, key: str) -> list[BoutChange]:
        import pyarrow.parquet as pq

        content = io.BytesIO(read_object(self.lake.s3, f"s3://{self.lake.bucket}/{key}"))
        return changes_of(pq.read_table(content).to_pylist())


def rows_of(change: BoutChange, video: VideoKey) -> pa.Table:
    """Return the rows of `corrections` of one change: one a bout. Pure."""
    import pyarrow as pa

    common = {
        "split": video.split, "video_id": video.video_id, "change": change.number, "operation": change.operation,
        "reviewer": change.reviewer, "changed_at": change.changed_at, "undoes": change.undoes,
    }  # fmt: skip
    rows = [{**common, **asdict(bout)} for bout in change.bouts]
    return pa.Table.from_pylist(rows, schema=arrow_schema(CORRECTIONS))


def changes_of(rows: Iterable[dict[str, Any]]) -> list[BoutChange]:
    """Return the changes of rows of `corrections` of one video, by number. Pure."""
    by_number: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_number.setdefault(row["change"], []).append(row)
    return [
        BoutChange(
            number, group[0]["operation"], group[0]["reviewer"], group[0]["changed_at"],
            tuple(ReviewedBout(**{name: row[name] for name in _BOUT}) for row in group), group[0]["undoes"],
        )
        for number, group in sorted(by_number.items())
    ]  # fmt: skip


class ReviewSession:
    """One video under review: its state, brought up to date before every change. Threads take turns.

    Parameters
    ----------
    predictions, annotation
        The bouts of the lake. The annotation counts until the first change, which writes it into the log: from
        then on the log alone says what the labels are, also when the table has them merged.
    frames
        Length of the video; None where it is unknown.
    """

    def __init__(
        self,
        log: CorrectionLog,
        predictions: Iterable[ReviewedBout],
        annotation: Iterable[ReviewedBout],
        frames: int | None = None,
    ) -> None:
        self.log = log
        self._annotation = tuple({bout.bout_id: bout for bout in annotation}.values())
        self._lock = threading.RLock()
        changes = log.after(0)
        base = [*predictions, *(() if changes else self._annotation)]
        self.review = VideoReview(base, frames)
        for change in changes:
            self.review.apply(change)

    def refresh(self) -> VideoReview:
        """Return the state with the changes that others have made meanwhile."""
        with self._lock:
            for change in self.log.after(self.review.next_number - 1):
                self.review.apply(change)
            return self.review

    def change(self, operation: Operation, reviewer: str, acknowledged: int = 0) -> BoutChange:
        """Make one change durable, then part of the state. Returns it.

        Raises
        ------
        UsageError, ConflictError
            As `VideoReview.plan`: nothing was written.
        """
        return self._write(lambda at: self.review.plan(operation, reviewer, at, acknowledged))

    def undo(self, reviewer: str) -> BoutChange:
        """Take back the reviewer's last change. Raises as `VideoReview.plan_undo`."""
        return self._write(lambda at: self.review.plan_undo(reviewer, at))

    def redo(self, reviewer: str) -> BoutChange:
        """Make the reviewer's last undone change again. Raises as `VideoReview.plan_redo`."""
        return self._write(lambda at: self.review.plan_redo(reviewer, at))

    def _write(self, plan: Callable[[str], BoutChange]) -> BoutChange:
        with self._lock:
            for _ in range(_TRIES):
                self.refresh()
                at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
                change = plan(at)
                try:
                    if not self.review.changes and self._annotation:
                        self._add(BoutChange(1, BASELINE, "", at, self._annotation))
                        change = plan(at)
                    self._add(change)
                except LostRaceError:
                    continue  # another reviewer was faster: read the change, then decide again
                return change
            raise LostRaceError("Others are changing this video all the time: nothing was written. Try again.")

    def _add(self, change: BoutChange) -> None:
        self.log.add(change)
        self.review.apply(change)
