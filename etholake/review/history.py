"""The history of one video's changes: what its bouts are now, what can be taken back, who stands in whose way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from etholake.errors import EtholakeError, UsageError
from etholake.review.bouts import (
    BASELINE,
    DELETED,
    KEPT,
    LOOKED_FOR,
    REDO,
    UNDO,
    BoutChange,
    ReviewedBout,
    Triplet,
)
from etholake.review.operations import Operation, bouts_after

__all__ = ["ConflictError", "VideoReview"]


class ConflictError(EtholakeError):
    """Another reviewer has changed the bout, and this one has not seen it; `change` is the other's."""

    def __init__(self, message: str, change: BoutChange) -> None:
        super().__init__(message)
        self.change = change


class VideoReview:
    """The fold of a video's changes over the predictions of its runs.

    Parameters
    ----------
    base
        Predictions that nobody has judged; before the first change also the annotation.
    frames
        Length of the video; None where it is unknown.
    """

    def __init__(self, base: Iterable[ReviewedBout], frames: int | None = None) -> None:
        self.frames = frames
        self.changes: list[BoutChange] = []
        self._bouts: dict[str, ReviewedBout] = {bout.bout_id: bout for bout in base}
        self._standing: dict[str, int] = {}  # bout -> the change that it is as after
        self._before: dict[int, dict[str, tuple[int, ReviewedBout | None]]] = {}
        self._done: dict[str, list[int]] = defaultdict(list)  # reviewer -> changes that can be undone
        self._undone: dict[str, list[tuple[int, int]]] = defaultdict(list)  # reviewer -> (change, its undo)

    @property
    def bouts(self) -> dict[str, ReviewedBout]:
        """Return all bouts by id, deleted and rejected ones as well."""
        return dict(self._bouts)

    @property
    def labels(self) -> list[ReviewedBout]:
        """Return the labels as they are now, by start."""
        labels = [bout for bout in self._bouts.values() if bout.is_label]
        return sorted(labels, key=lambda b: (b.start_frame, b.stop_frame, b.triplet, b.bout_id))

    @property
    def joined_labels(self) -> list[ReviewedBout]:
        """Return the labels by start, with those of the same animals and action that share a frame as one.

        An accepted prediction and the annotation of the same event are two bouts, but one event.
        """
        joined: list[ReviewedBout] = []
        # {triplet: place of its last bout}
        last: dict[Triplet, int] = {}
        for bout in self.labels:
            place = last.get(bout.triplet)
            if place is not None and bout.start_frame < joined[place].stop_frame:
                stop_frame = max(bout.stop_frame, joined[place].stop_frame)
                joined[place] = replace(joined[place], stop_frame=stop_frame)
            else:
                last[bout.triplet] = len(joined)
                joined.append(bout)
        return joined

    @property
    def looked_for(self) -> set[Triplet]:
        """Return the triplets that a reviewer has looked for in the whole video."""
        return {b.triplet for b in self._bouts.values() if b.source == LOOKED_FOR and b.status == KEPT}

    @property
    def next_number(self) -> int:
        """Return the number of the next change."""
        return self.changes[-1].number + 1 if self.changes else 1

    def standing(self, bout_id: str) -> BoutChange | None:
        """Return the change that a bout is as after; None if no reviewer has touched it."""
        number = self._standing.get(bout_id, 0)
        return self.changes[number - 1] if number else None

    def reviewers(self) -> dict[str, list[str]]:
        """Return who has changed each bout, by id, in the order in which they first did."""
        names: dict[str, list[str]] = defaultdict(list)
        for change in self.changes:
            for bout in change.bouts if change.operation != BASELINE else ():
                if change.reviewer not in names[bout.bout_id]:
                    names[bout.bout_id].append(change.reviewer)
        return dict(names)

    def can(self, reviewer: str) -> tuple[bool, bool]:
        """Return whether a reviewer has something to undo, and something to redo."""
        return bool(self._done[reviewer]), bool(self._undone[reviewer])

    # --- new changes ------------------------------------------------------------------------------------------
    def plan(self, operation: Operation, reviewer: str, changed_at: str, acknowledged: int = 0) -> BoutChange:
        """Return the change that an operation is; nothing is changed yet (`apply`).

        Parameters
        ----------
        acknowledged
            The last change of others that the reviewer has seen and means to overrule.

        Raises
        ------
        UsageError
            As `bouts_after`; the reviewer has no name.
        ConflictError
            Another reviewer's change stands on one of the bouts, and was not acknowledged.
        """
        if not reviewer.strip():
            raise UsageError("A reviewer needs a name: give --user NAME.")
        number = self.next_number
        after = bouts_after(operation, self._bouts, number, self.frames)
        self._refuse_conflict([bout.bout_id for bout in after], reviewer, acknowledged)
        return BoutChange(number, operation.name, reviewer, changed_at, after)

    def plan_undo(self, reviewer: str, changed_at: str) -> BoutChange:
        """Return the change that takes back the reviewer's last one.

        Raises UsageError if there is none, ConflictError if another reviewer's change stands on its bouts.
        """
        if not self._done[reviewer]:
            raise UsageError("There is nothing to undo.")
        number = self._done[reviewer][-1]
        self._refuse_later(number)
        before = self._before[number]
        bouts = (
            before[bout.bout_id][1] or replace(bout, status=DELETED) for bout in self.changes[number - 1].bouts
        )
        return BoutChange(self.next_number, UNDO, reviewer, changed_at, tuple(bouts), number)

    def plan_redo(self, reviewer: str, changed_at: str) -> BoutChange:
        """Return the change that makes the reviewer's last undone one again. Raises as `plan_undo`."""
        if not self._undone[reviewer]:
            raise UsageError("There is nothing to redo.")
        number, _ = self._undone[reviewer][-1]
        for bout_id, (standing, _) in self._before[number].items():
            if self._standing.get(bout_id, 0) != standing:
                self._conflict(bout_id)
        return BoutChange(self.next_number, REDO, reviewer, changed_at, self.changes[number - 1].bouts, number)

    def _refuse_conflict(self, bout_ids: list[str], reviewer: str, acknowledged: int) -> None:
        for bout_id in bout_ids:
            change = self.standing(bout_id)
            if change and change.reviewer not in ("", reviewer) and change.number > acknowledged:
                self._conflict(bout_id)

    def _refuse_later(self, number: int) -> None:
        for bout in self.changes[number - 1].bouts:
            if self._standing.get(bout.bout_id, 0) != number:
                self._conflict(bout.bout_id)

    def _conflict(self, bout_id: str) -> None:
        change = self.standing(bout_id) or self.changes[-1]
        now = next(bout for bout in change.bouts if bout.bout_id == bout_id)
        raise ConflictError(
            f"{change.reviewer} has changed this bout at {change.changed_at} ({change.operation}): now "
            f"{now.action} of animal {now.agent_id}, frames {now.start_frame} to {now.stop_frame}, {now.status}.",
            change,
        )

    # --- the fold ---------------------------------------------------------------------------------------------
    def apply(self, change: BoutChange) -> None:
        """Add one change, in the order of its number.

        Raises
        ------
        UsageError
            The number is not the next one.
        """
        if change.number != self.next_number:
            raise UsageError(f"Expected change {self.next_number} of the video, but got {change.number}.")
        self.changes.append(change)
        if change.operation == UNDO and change.undoes:
            for bout_id, (standing, bout) in self._before[change.undoes].items():
                self._put(bout_id, bout, standing)
            self._done[change.reviewer].remove(change.undoes)
            self._undone[change.reviewer].append((change.undoes, change.number))
        elif change.operation == REDO and change.undoes:
            self._set(change.bouts, change.undoes)
            self._done[change.reviewer].append(change.undoes)
            self._undone[change.reviewer].pop()
        else:
            ids = [bout.bout_id for bout in change.bouts]
            self._before[change.number] = {i: (self._standing.get(i, 0), self._bouts.get(i)) for i in ids}
            self._set(change.bouts, change.number)
            if change.operation != BASELINE:
                self._done[change.reviewer].append(change.number)
                self._undone[change.reviewer].clear()

    def _set(self, bouts: Iterable[ReviewedBout], standing: int) -> None:
        for bout in bouts:
            self._put(bout.bout_id, bout, standing)

    def _put(self, bout_id: str, bout: ReviewedBout | None, standing: int) -> None:
        self._standing[bout_id] = standing
        if bout is None:
            self._bouts.pop(bout_id, None)
        else:
            self._bouts[bout_id] = bout
