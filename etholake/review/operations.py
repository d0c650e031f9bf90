"""A reviewer's operations: from bouts as they are to bouts as they shall be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from etholake.contract import MAX_MICE, action_name
from etholake.errors import UsageError, suggestion
from etholake.review.bouts import DELETED, KEPT, LOOKED_FOR, OPEN, REJECTED, ReviewedBout

__all__ = ["OPERATIONS", "Operation", "bouts_after"]

_MAX_FRAME = 2**31 - 1
_NEW = ""  # the id of a bout that has none yet; an operation makes one at most
_PLACED = ("create", "point", "move")  # a bout that was received past the video's end may be kept as it is


@dataclass(frozen=True)
class Operation:
    """One operation; a field that it does not need stays None.

    Attributes
    ----------
    name
        A key of `OPERATIONS`.
    bouts
        Ids of the bouts that it is about.
    frame
        Where a bout is split, or the frame of a point event.
    """

    name: str
    bouts: tuple[str, ...] = ()
    agent_id: int | None = None
    target_id: int | None = None
    action: str | None = None
    start_frame: int | None = None
    stop_frame: int | None = None
    frame: int | None = None


def bouts_after(
    operation: Operation, bouts: Mapping[str, ReviewedBout], number: int, frames: int | None = None
) -> tuple[ReviewedBout, ...]:
    """Return the bouts that an operation touches, as they are after it.

    Parameters
    ----------
    bouts
        All bouts of the video, by id.
    number
        Of the change: a new bout is named by it.
    frames
        Length of the video; None where it is unknown.

    Raises
    ------
    UsageError
        There is no such operation or bout; a value is missing or impossible; the operation would change nothing.
    """
    run = OPERATIONS.get(operation.name)
    if run is None:
        raise UsageError(f"There is no operation '{operation.name}'. {suggestion(operation.name, OPERATIONS)}")
    missing = [name for name in operation.bouts if name not in bouts]
    if missing:
        raise UsageError(f"The video has no bout {', '.join(missing)}: load it again.")
    if len(set(operation.bouts)) < len(operation.bouts):
        raise UsageError(f"Operation {operation.name} names a bout twice.")
    chosen = [bouts[name] for name in operation.bouts]
    made = run(operation, chosen)
    after = tuple(replace(bout, bout_id=f"review:{number}:0") if bout.bout_id == _NEW else bout for bout in made)
    limit = frames if frames and operation.name in _PLACED else _MAX_FRAME
    for bout in after:
        _check(bout, limit)
    if all(bouts.get(bout.bout_id) == bout for bout in after):
        raise UsageError(f"Operation {operation.name} would change nothing.")
    return after


def _create(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    _need(chosen, 0, operation)
    agent, target, action = _triplet(operation)
    start, stop = _given(operation, "start_frame"), _given(operation, "stop_frame")
    return [ReviewedBout(_NEW, "review", agent, target, action, start, stop)]


def _point(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    frame = _given(operation, "frame")
    return _create(replace(operation, start_frame=frame, stop_frame=frame + 1), chosen)


def _move(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    (bout,) = _need(chosen, 1, operation)
    start, stop = _given(operation, "start_frame"), _given(operation, "stop_frame")
    return [replace(_present(bout, operation), start_frame=start, stop_frame=stop, status=KEPT)]


def _split(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    (bout,) = _need(chosen, 1, operation)
    frame = _given(operation, "frame")
    if not bout.start_frame < frame < bout.stop_frame:
        raise UsageError(
            f"A bout of frames {bout.start_frame} to {bout.stop_frame} can be split between them, but got {frame}."
        )
    first = replace(_present(bout, operation), stop_frame=frame, status=KEPT)
    return [first, replace(first, bout_id=_NEW, start_frame=frame, stop_frame=bout.stop_frame)]


def _join(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    if len(chosen) < 2:
        raise UsageError("Two bouts or more are joined to one: choose another one as well.")
    if len({bout.triplet for bout in chosen}) > 1:
        raise UsageError("Bouts are joined if they have the same agent, target and action.")
    first, *rest = sorted((_present(bout, operation) for bout in chosen), key=lambda b: (b.start_frame, b.bout_id))
    stop = max(bout.stop_frame for bout in chosen)
    return [replace(first, stop_frame=stop, status=KEPT), *(replace(bout, status=DELETED) for bout in rest)]


def _delete(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    return [replace(_present(bout, operation), status=DELETED) for bout in _some(chosen, operation)]


def _relabel(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    agent, target, action = _triplet(operation)
    return [
        replace(_present(bout, operation), agent_id=agent, target_id=target, action=action, status=KEPT)
        for bout in _some(chosen, operation)
    ]


def _accept(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    return [replace(bout, status=KEPT) for bout in _some(chosen, operation)]


def _reject(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    wrong = [bout for bout in chosen if bout.source != "prediction"]
    if wrong:
        raise UsageError("Predicted bouts are rejected; one that a person annotated is deleted.")
    return [replace(bout, status=REJECTED) for bout in _some(chosen, operation)]


def _looked_for(operation: Operation, chosen: Sequence[ReviewedBout]) -> list[ReviewedBout]:
    _need(chosen, 0, operation)
    agent, target, action = _triplet(operation)
    return [ReviewedBout(f"{LOOKED_FOR}:{agent}:{target}:{action}", LOOKED_FOR, agent, target, action, 0, 0)]


OPERATIONS: Mapping[str, Callable[[Operation, Sequence[ReviewedBout]], list[ReviewedBout]]] = {
    "create": _create, "point": _point, "move": _move, "split": _split, "join": _join, "delete": _delete,
    "relabel": _relabel, "accept": _accept, "reject": _reject, "looked_for": _looked_for,
}  # fmt: skip


def _triplet(operation: Operation) -> tuple[int, int, str]:
    action = action_name(operation.action or "")
    if not action:
        raise UsageError(f"Operation {operation.name} needs an action.")
    return _given(operation, "agent_id"), _given(operation, "target_id"), action


def _given(operation: Operation, name: str) -> int:
    value = getattr(operation, name)
    if value is None:
        raise UsageError(f"Operation {operation.name} needs {name}.")
    return int(value)


def _need(chosen: Sequence[ReviewedBout], count: int, operation: Operation) -> Sequence[ReviewedBout]:
    if len(chosen) != count:
        needed = "no bout" if count == 0 else "one bout"
        raise UsageError(f"Operation {operation.name} is about {needed}, but got {len(chosen)}.")
    return chosen


def _some(chosen: Sequence[ReviewedBout], operation: Operation) -> Sequence[ReviewedBout]:
    if not chosen:
        raise UsageError(f"Operation {operation.name} needs a bout.")
    return chosen


def _present(bout: ReviewedBout, operation: Operation) -> ReviewedBout:
    """Return the bout, if it can be worked on. A deleted one is taken back by undo, or accepted first."""
    if bout.status == DELETED:
        raise UsageError(f"Bout {bout.bout_id} is deleted: accept it before it is changed ({operation.name}).")
    return bout


def _check(bout: ReviewedBout, limit: int) -> None:
    problems = []
    for who, mouse in (("agent", bout.agent_id), ("target", bout.target_id)):
        if not 1 <= mouse <= MAX_MICE:
            problems.append(f"the {who} must be an animal from 1 to {MAX_MICE}, but got {mouse}")
    if bout.source != LOOKED_FOR and bout.status in (KEPT, OPEN) and not 0 <= bout.start_frame < bout.stop_frame:
        problems.append(
            f"a bout starts at frame 0 or later and stops after its start, but got {bout.start_frame} to "
            f"{bout.stop_frame}"
        )
    if bout.stop_frame > limit:
        problems.append(f"a bout of this video stops at frame {limit} at the latest, but got {bout.stop_frame}")
    if problems:
        raise UsageError(f"This change is not possible: {'; '.join(problems)}.")
