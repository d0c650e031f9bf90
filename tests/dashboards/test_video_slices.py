"""The pure parts of the video page: packing of poses, verdicts of events, the table of the skeleton."""

from typing import Any

import numpy as np
import pytest

from etholake.contract import BODY_PARTS, UNIFIED_PARTS
from etholake.pages.video import skeleton
from etholake.pages.video.events import MatchedEvent, judge
from etholake.pages.video.slices import ABSENT, FRAMES, IMPUTED, MEASURED, TrackedParts, pack, unpack
from etholake.simulate.rigs import _PART_SCHEMES

TRACKS = TrackedParts([(1, "nose"), (1, "tail_base"), (2, "nose")], {1: "nose", 2: "nose"})


def _row(mouse: int, part: str, frames: list[int], xs: list[int], speeds: list[int], imputed: list[int]) -> Any:
    lists = {"frames": frames, "xs": xs, "ys": [-x for x in xs], "speeds": speeds, "imputed": imputed}
    return {"mouse_id": mouse, "bodypart": part, **{k: " ".join(map(str, v)) for k, v in lists.items()}}


def test_a_slice_comes_back_as_it_was():
    rows = [
        _row(1, "nose", [0, 1, 5, 899], [1790, -1794, 0, 32000], [-1, 275, 0, 99999], [0, 1, 0, 0]),
        _row(1, "tail_base", [7], [-32000], [55], [0]),
    ]
    unpacked = unpack(TRACKS, pack(TRACKS, rows))
    assert unpacked["x"][0, [0, 1, 5, 899]] == pytest.approx([17.9, -17.94, 0, 320])
    assert unpacked["y"][0, [0, 1, 5, 899]] == pytest.approx([-17.9, 17.94, 0, -320])
    assert list(unpacked["state"][0, [0, 1, 2, 5]]) == [MEASURED, IMPUTED, ABSENT, MEASURED]
    assert np.isnan(unpacked["x"][0, [2, 898]]).all()
    assert np.isnan(unpacked["speed"][0, [0, 2]]).all()
    assert unpacked["speed"][0, [1, 5, 899]] == pytest.approx([2.75, 0, 655.34])  # as fast as 16 bits can say
    assert (unpacked["state"][1] != ABSENT).sum() == 1
    assert unpacked["x"][1, 7] == pytest.approx(-320)
    assert np.isnan(unpacked["speed"][1]).all()  # mouse 2: nothing


def test_far_coordinates_are_coarser_and_not_wrong():
    unpacked = unpack(TRACKS, pack(TRACKS, [_row(1, "nose", [0, 1], [400_000, -123_456], [1, 1], [0, 0])]))
    assert unpacked["x"][0, :2] == pytest.approx([4000, -1234.56], abs=0.07)


def test_a_random_walk_costs_little_and_is_exact():
    random = np.random.default_rng(1)
    xs = np.cumsum(random.integers(-40, 40, FRAMES))
    packed = pack(TRACKS, [_row(2, "nose", list(range(FRAMES)), xs.tolist(), [100] * FRAMES, [0] * FRAMES)])
    assert unpack(TRACKS, packed)["x"][2] == pytest.approx(xs / 100)
    assert len(packed) < 3 * FRAMES


def event(source: str, start: int, stop: int, action: str = "chase") -> MatchedEvent:
    return MatchedEvent(source, 1, 2, action, start, stop)


LOOKED_FOR = {(1, 2, "chase")}


def test_verdicts():
    events = [
        event("annotation", 0, 100), event("prediction", 50, 100), event("annotation", 200, 300),
        event("prediction", 251, 300), event("prediction", 400, 410), event("prediction", 0, 9, "attack"),
        event("annotation", 500, 500), event("annotation", 600, 610, "attack"),
    ]  # fmt: skip
    verdicts = {
        (e.source, e.start_frame, e.action): (e.iou, e.verdict) for e in judge(events, LOOKED_FOR, annotated=True)
    }
    assert verdicts == {
        ("annotation", 0, "chase"): (0.5, "matched"), ("prediction", 50, "chase"): (0.5, "matched"),
        ("annotation", 200, "chase"): (0.49, "missed"), ("prediction", 251, "chase"): (0.49, "false"),
        ("prediction", 400, "chase"): (0.0, "false"),
        ("prediction", 0, "attack"): (None, "unjudged"),  # nobody looked for it
        ("annotation", 500, "chase"): (None, "unjudged"),  # no frame
        ("annotation", 600, "attack"): (0.0, "missed"),  # it was seen, whatever was looked for
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "annotated"),
    [([event("annotation", 0, 9)], True), ([event("prediction", 0, 9)], False), ([], True)],
)
def test_without_a_counterpart_nothing_is_judged(events: list[MatchedEvent], annotated: bool):
    assert {e.verdict for e in judge(events, LOOKED_FOR, annotated=annotated)} <= {"unjudged"}


@pytest.mark.parametrize("parts", [*_PART_SCHEMES, UNIFIED_PARTS, BODY_PARTS, ("head", "tail_tip")], ids=len)
def test_every_scheme_has_a_skeleton_in_one_piece(parts: tuple[str, ...]):
    lines = skeleton.edges(parts)
    assert len({frozenset(line) for line in lines}) == len(lines)
    pieces = {part: {part} for part in parts if not part.startswith(("headpiece", "side_"))}
    for a, b in lines:
        if a in pieces and b in pieces:
            joined = pieces[a] | pieces[b]
            pieces |= dict.fromkeys(joined, joined)
    assert len({frozenset(piece) for piece in pieces.values()}) == 1


def test_unknown_parts_are_points_and_an_outline_encloses_something():
    assert skeleton.edges(["whisker", "paw"]) == []
    assert skeleton.outline(["nose", "tail_base"]) == []
    assert skeleton.outline(["nose", "ear_left", "tail_base"]) == ["nose", "ear_left", "tail_base"]
    assert skeleton.speed_part(["nose", "neck"]) == "neck"
    assert skeleton.speed_part(["whisker"]) == "whisker"
