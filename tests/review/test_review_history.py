"""Any sequence of operations, undo and redo gives what a plain reference gives: a list of whole states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.errors import UsageError
from etholake.review.bouts import ReviewedBout
from etholake.review.history import ConflictError, VideoReview
from etholake.review.operations import OPERATIONS, Operation

ANNOTATED = [ReviewedBout.annotated(1, 2, "chase", 100, 200), ReviewedBout.annotated(1, 2, "chase", 300, 350)]
PREDICTED = [
    ReviewedBout.predicted("r1", 1, 2, "chase", 110, 205, 0.9),
    ReviewedBout.predicted("r1", 2, 1, "sniff", 500, 520, 0.4),
]
AT = "2026-11-30T09:00:00+00:00"


def review() -> VideoReview:
    return VideoReview([*ANNOTATED, *PREDICTED], frames=1000)


def do(state: VideoReview, name: str, *bouts: str, by: str = "ann", acknowledged: int = 0, **values: Any) -> Any:
    change = state.plan(Operation(name, bouts, **values), by, AT, acknowledged)
    state.apply(change)
    return change


def spans(state: VideoReview) -> list[tuple[int, int, str]]:
    return [(bout.start_frame, bout.stop_frame, bout.action) for bout in state.labels]


def test_two_bouts_of_one_event_are_one_label() -> None:
    state = review()
    do(state, "accept", PREDICTED[0].bout_id)
    do(state, "create", agent_id=1, target_id=2, action="chase", start_frame=205, stop_frame=230)
    do(state, "create", agent_id=1, target_id=2, action="attack", start_frame=120, stop_frame=130)
    assert len(state.labels) == 5
    # the next one touches, but shares no frame
    wanted = [(100, 205, "chase"), (120, 130, "attack"), (205, 230, "chase"), (300, 350, "chase")]
    assert [(bout.start_frame, bout.stop_frame, bout.action) for bout in state.joined_labels] == wanted


def test_every_operation_does_what_its_name_says() -> None:
    state = review()
    first, second = (bout.bout_id for bout in ANNOTATED)
    likely, unlikely = (bout.bout_id for bout in PREDICTED)
    do(state, "create", agent_id=2, target_id=2, action="Rear", start_frame=10, stop_frame=20)
    do(state, "point", agent_id=1, target_id=1, action="jump", frame=40)
    do(state, "move", first, start_frame=90, stop_frame=210)
    do(state, "split", first, frame=150)
    assert spans(state) == [
        (10, 20, "rear"), (40, 41, "jump"), (90, 150, "chase"), (150, 210, "chase"), (300, 350, "chase"),
    ]  # fmt: skip
    do(state, "join", first, second)
    do(state, "accept", likely)
    do(state, "reject", unlikely)
    do(state, "relabel", likely, agent_id=1, target_id=2, action="attack")
    do(state, "looked_for", agent_id=1, target_id=2, action="attack")
    assert spans(state) == [
        (10, 20, "rear"), (40, 41, "jump"), (90, 350, "chase"), (110, 205, "attack"), (150, 210, "chase"),
    ]  # fmt: skip
    assert state.looked_for == {(1, 2, "attack")}
    do(state, "delete", likely)
    assert (110, 205, "attack") not in spans(state)
    do(state, "accept", likely)
    assert (110, 205, "attack") in spans(state)
    assert state.bouts[likely].run_id == "r1"
    assert state.bouts[likely].confidence == 0.9


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("dance", {}, "no operation 'dance'"),
        ("move", {"bouts": ("nothing",)}, "has no bout nothing"),
        ("move", {"bouts": (PREDICTED[0].bout_id,), "start_frame": 5}, "needs stop_frame"),
        ("move", {"bouts": (PREDICTED[0].bout_id,), "start_frame": 5, "stop_frame": 5}, "stops after its start"),
        ("move", {"bouts": (PREDICTED[0].bout_id,), "start_frame": 5, "stop_frame": 1001}, "frame 1000 at the"),
        ("split", {"bouts": (PREDICTED[0].bout_id,), "frame": 110}, "between them, but got 110"),
        ("join", {"bouts": (PREDICTED[0].bout_id, PREDICTED[1].bout_id)}, "same agent, target and action"),
        ("join", {"bouts": (PREDICTED[0].bout_id,)}, "Two bouts or more"),
        ("delete", {"bouts": (PREDICTED[0].bout_id,) * 2}, "names a bout twice"),
        ("reject", {"bouts": (ANNOTATED[0].bout_id,)}, "annotated is deleted"),
        ("accept", {"bouts": (ANNOTATED[0].bout_id,)}, "would change nothing"),
        ("accept", {}, "needs a bout"),
        (
            "create",
            {"agent_id": 9, "target_id": 1, "action": "x", "start_frame": 1, "stop_frame": 2},
            "from 1 to 4",
        ),
        ("create", {"agent_id": 1, "target_id": 1, "action": " ", "start_frame": 1, "stop_frame": 2}, "an action"),
    ],
)
def test_what_cannot_be_done_is_refused(name: str, values: dict[str, Any], message: str) -> None:
    state = review()
    with pytest.raises(UsageError, match=message):
        state.plan(Operation(name, **values), "ann", AT)
    assert state.changes == []


def test_a_conflict_is_shown_and_overruled_only_knowingly() -> None:
    state, bout = review(), PREDICTED[0].bout_id
    accepted = do(state, "accept", bout, by="ann")
    with pytest.raises(ConflictError, match=r"ann has changed this bout .*\(accept\)") as caught:
        do(state, "reject", bout, by="ben")
    assert caught.value.change == accepted
    do(state, "reject", bout, by="ben", acknowledged=accepted.number)
    assert state.reviewers()[bout] == ["ann", "ben"]
    with pytest.raises(ConflictError, match="ben has changed"):
        state.plan_undo("ann", AT)
    state.apply(state.plan_undo("ben", AT))
    assert state.bouts[bout].status == "kept"
    state.apply(state.plan_undo("ann", AT))
    assert state.bouts[bout].status == "open"
    assert state.can("ann") == (False, True)
    with pytest.raises(UsageError, match="nothing to undo"):
        state.plan_undo("ann", AT)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([*(name for name in OPERATIONS if name != "looked_for"), "undo", "redo"]),
        st.integers(0, 30), st.integers(0, 30), st.integers(0, 990), st.integers(1, 10),
        st.sampled_from(["chase", "sniff"]),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_any_sequence_equals_the_reference_and_its_own_log(
    steps: list[tuple[str, int, int, int, int, str]],
) -> None:
    state = review()
    past: list[dict[str, ReviewedBout]] = []  # the reference: whole states to go back to, and forward to
    future: list[dict[str, ReviewedBout]] = []
    now = state.bouts
    for name, first, second, start, length, action in steps:
        if name == "undo":
            if past:
                future.append(now)
                now = past.pop()
                state.apply(state.plan_undo("ann", AT))
        elif name == "redo":
            if future:
                past.append(now)
                now = future.pop()
                state.apply(state.plan_redo("ann", AT))
        else:
            ids = list(state.bouts)
            chosen = [ids[first % len(ids)], *([ids[second % len(ids)]] if name == "join" else [])]
            values = {"agent_id": 1, "target_id": 2, "action": action, "start_frame": start,
                      "stop_frame": start + length, "frame": start}  # fmt: skip
            try:
                change = do(state, name, *([] if name in ("create", "point") else chosen), **values)
            except UsageError:
                assert state.bouts == now
                continue
            past.append(now)
            future.clear()
            now = {**now, **{bout.bout_id: bout for bout in change.bouts}}
        assert state.bouts == now
        assert state.can("ann") == (bool(past), bool(future))
    again = review()
    for change in state.changes:
        again.apply(change)
    assert again.bouts == now
    assert [change.number for change in state.changes] == list(range(1, len(state.changes) + 1))
