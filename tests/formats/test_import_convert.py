"""Points and bouts become rows; each one is written or counted, by its reason."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.errors import DataError
from etholake.formats.base import Bout, LabelRecording, PoseRecording, ScoredSpan
from etholake.formats.convert import LabelRules, PoseRules, convert_labels, convert_pose
from etholake.formats.mapping import ActionRule

NAN = float("nan")


def recording(xyz: np.ndarray, likelihood: np.ndarray | None = None, **more: object) -> PoseRecording:
    N, A, P, _ = xyz.shape
    animals, parts = tuple(f"a{i}" for i in range(A)), tuple(f"p{i}" for i in range(P))
    frames = np.arange(N, dtype=np.int64) * 2
    return PoseRecording("v", frames, xyz.astype(np.float32), animals, parts, likelihood, **more)  # type: ignore[arg-type]


def test_rows_by_hand() -> None:
    xyz = np.array([[[[1, 2], [3, 4]], [[NAN, NAN], [7, 8]]], [[[9, 10], [11, 12]], [[13, 14], [15, NAN]]]])
    likelihood = np.array([[[0.9, 0.2], [0.9, 0.9]], [[NAN, 0.5], [0.9, 0.9]]], np.float32)
    table, balance, remarks = convert_pose(
        recording(xyz, likelihood, missing=Counter({"empty cell": 2})),
        PoseRules((2, 1), ("nose", "tail"), min_likelihood=0.5),
    )
    assert table.drop_columns("likelihood").to_pylist() == [
        {"video_frame": 0, "mouse_id": 2, "bodypart": "nose", "x": 1.0, "y": 2.0},
        {"video_frame": 0, "mouse_id": 2, "bodypart": "tail", "x": 3.0, "y": 4.0},
        {"video_frame": 0, "mouse_id": 1, "bodypart": "tail", "x": 7.0, "y": 8.0},
        {"video_frame": 2, "mouse_id": 2, "bodypart": "nose", "x": 9.0, "y": 10.0},
        {"video_frame": 2, "mouse_id": 2, "bodypart": "tail", "x": 11.0, "y": 12.0},
        {"video_frame": 2, "mouse_id": 1, "bodypart": "nose", "x": 13.0, "y": 14.0},
    ]
    assert table["likelihood"].to_pylist() == pytest.approx([0.9, 0.2, 0.9, None, 0.5, 0.9])
    assert balance.as_json() == {"in": 8, "written": 6, "left_out": {"empty cell": 2}}
    assert [r.text for r in remarks if "likelihood" in r.text] == [
        "1 of 6 points have a likelihood below 0.5: they are written, and curation takes them for missing "
        "(rule likelihood-low)"
    ]


def test_exclusive_trials_look_for_the_actions_of_each_other() -> None:
    """A trial of class 0 alone says that classes 1 and 2 do not occur in it."""
    trials = [
        LabelRecording(
            "v", tuple(Bout(action, a, b) for action, a, b in bouts),
            tuple(dict.fromkeys(action for action, _, _ in bouts)), "frame",
            scored=tuple(ScoredSpan(action, *span) for action in dict.fromkeys(a for a, _, _ in bouts)),
            exclusive=True,
        )
        for span, bouts in (
            ((0, 10), [("0", 0, 10)]), ((10, 20), [("0", 10, 12), ("1", 12, 20)]), ((20, 30), [("2", 20, 30)]),
        )
    ]  # fmt: skip
    actions = {name: ActionRule(f"class{name}", "self") for name in "012"}
    labelled = convert_labels(trials, LabelRules(30.0, {}, (1,), actions, (0, 30)))
    assert labelled.items == ("mouse1,self,class0", "mouse1,self,class1", "mouse1,self,class2")
    assert labelled.spans == {}
    assert len(labelled.rows) == 4


def test_classes_that_become_one_are_joined_where_they_touch() -> None:
    bouts = (Bout("3", 0, 5), Bout("4", 5, 9), Bout("5", 9, 12), Bout("4", 14, 16), Bout("5", 15, 18))
    own = LabelRecording("v", bouts, ("3", "4", "5"), "frame", frame_count=20)
    actions = {"3": ActionRule("rest", "self"), "4": ActionRule("lick", "self"), "5": ActionRule("lick", "self")}
    labelled = convert_labels([own], LabelRules(30.0, {}, (1,), actions, (0, 20)))
    assert labelled.rows == ((1, 1, "rest", 0, 5), (1, 1, "lick", 5, 12), (1, 1, "lick", 14, 18))
    assert labelled.items == ("mouse1,self,lick", "mouse1,self,rest")
    assert (labelled.balance.total, labelled.balance.written) == (5, 5)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_points_in_are_points_written_plus_points_left_out(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(0, 5)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), 2)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    xyz = random.normal(size=shape)
    xyz[random.random(shape[:3]) < 0.3] = NAN
    numbers = tuple(data.draw(st.permutations([1, 2, 3, 0]))[: shape[1]])
    names = tuple(data.draw(st.permutations(["nose", "", "tail"]))[: shape[2]])
    rules = PoseRules(numbers, names, None, data.draw(st.sampled_from([0.0, 0.5])))
    table, balance, _ = convert_pose(recording(xyz, random.random(shape[:3]).astype(np.float32)), rules)
    assert balance.total == np.prod(shape[:3])
    assert balance.written == table.num_rows
    assert balance.total == balance.written + balance.left_out.total()


def test_centimetres_become_pixels_and_negative_ones_are_moved() -> None:
    xyz = np.array([[[[-2.0, 1.0, 5.0]]], [[[2.0, 3.0, 6.0]]]])
    table, _, remarks = convert_pose(recording(xyz, unit="cm"), PoseRules((1,), ("nose",), 10.0))
    assert table.select(["x", "y", "z"]).to_pylist() == [
        {"x": 0.0, "y": 10.0, "z": 50.0}, {"x": 40.0, "y": 30.0, "z": 60.0},
    ]  # fmt: skip
    assert "moved by (20.0, 0.0) px" in remarks[0].text
    with pytest.raises(DataError, match="in cm, and no px/cm is known"):
        convert_pose(recording(xyz, unit="cm"), PoseRules((1,), ("nose",)))


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            PoseRules((1, 1), ("n", "t")),
            "the animals 'a0', 'a1' are all mapped to 1: give each its own in \\[animals",
        ),
        (PoseRules((1, 2), ("n", "n")), "the parts 'p0', 'p1' are all mapped to 'n'"),
        (PoseRules((1, 128), ("n", "t")), "the lake holds animals 1 to 127, but the tracks have 2, of which 'a1'"),
    ],
)
def test_what_the_lake_cannot_hold_is_refused(rules: PoseRules, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        convert_pose(recording(np.ones((1, 2, 2, 2))), rules)


# --- labels -----------------------------------------------------------------------------------------------
PAIR, SELF = ActionRule("sniff", "pair"), ActionRule("rear", "self")


def rules(**more: object) -> LabelRules:
    given = {
        "fps": 10.0, "subjects": {"a": 1, "b": 2, "?": "each", "out": 0}, "animals": (1, 2),
        "actions": {"sniff": PAIR, "rear": SELF, "gone": ActionRule("", "pair")}, "frames": (0, 100),
    }  # fmt: skip
    return LabelRules(**{**given, **more})  # type: ignore[arg-type]


def labels(*bouts: Bout, unit: str = "frame", **more: object) -> LabelRecording:
    return LabelRecording("v", bouts, ("sniff", "rear"), unit, **more)  # type: ignore[arg-type]


def test_directions_that_the_source_lacks_are_written_for_every_animal_and_flagged() -> None:
    made = convert_labels(
        [
            labels(
                Bout("sniff", 1, 2, "a"),
                Bout("sniff", 3, 4),
                Bout("rear", 5, 6, "?"),
                Bout("sniff", 7, 8, "b", "a"),
            )
        ],
        rules(),
    )
    assert made.rows == (
        (1, 2, "sniff", 1, 2),
        (1, 2, "sniff", 3, 4), (2, 1, "sniff", 3, 4),
        (1, 1, "rear", 5, 6), (2, 2, "rear", 5, 6),
        (2, 1, "sniff", 7, 8),
    )  # fmt: skip
    assert [r.text.partition(":")[0] for r in made.remarks] == ["'rear'", "'sniff'"]
    assert made.balance.as_json() == {"in": 4, "written": 4, "left_out": {}}


def test_a_rule_of_the_mapping_gives_the_direction() -> None:
    actions = {"sniff": ActionRule("sniff", "pair", 2, 1)}
    made = convert_labels([labels(Bout("sniff", 3, 4))], rules(actions=actions))
    assert made.rows == ((2, 1, "sniff", 3, 4),)
    assert made.items == ("mouse2,mouse1,sniff",)
    assert made.remarks == ()


def test_seconds_are_rounded_to_frames_and_what_has_no_frame_is_counted() -> None:
    made = convert_labels(
        [
            labels(
                Bout("rear", 0.26, 0.999, "a"), Bout("rear", 1.0, 1.01, "a"), Bout("gone", 2, 3),
                Bout("rear", 2, 3, "out"),
                unit="second",
            )
        ],
        rules(),
    )  # fmt: skip
    assert made.rows == ((1, 1, "rear", 3, 10),)
    assert made.balance.left_out == {
        "covers no frame of the video": 1, "action left out by the mapping": 1,
        "animal left out by the mapping": 1,
    }  # fmt: skip


def test_without_fps_seconds_cannot_become_frames() -> None:
    with pytest.raises(DataError, match="in seconds"):
        convert_labels([labels(Bout("rear", 1, 2, "a"), unit="second")], rules(fps=None))


def test_only_animals_that_the_source_observes_were_looked_at() -> None:
    made = convert_labels([labels(Bout("sniff", 1, 2, "a"))], rules())
    assert made.items == ("mouse1,mouse2,sniff", "mouse1,self,rear")
    listed = convert_labels([labels(Bout("sniff", 1, 2, "a"), animals=("a", "b"))], rules())
    assert listed.items == ("mouse1,mouse2,sniff", "mouse1,self,rear", "mouse2,mouse1,sniff", "mouse2,self,rear")


def test_annotators_who_differ_are_not_united_unasked() -> None:
    one, two = labels(Bout("rear", 5, 9, "a")), labels(Bout("rear", 5, 8, "a"))
    sentence = r"first\.csv and second\.annot both label 'rear', and differ .*annotators = \"unite\""
    with pytest.raises(DataError, match=sentence):
        convert_labels([one, two], rules(), ["first.csv", "second.annot"])
    assert convert_labels([one, two], rules(annotators="unite")).rows == (
        (1, 1, "rear", 5, 8),
        (1, 1, "rear", 5, 9),
    )
    assert convert_labels([one, one], rules()).rows == ((1, 1, "rear", 5, 9),)  # twins say the same


def test_frames_of_a_dropped_event_are_unlabelled_but_those_of_other_bouts_stay() -> None:
    labels = LabelRecording(
        "v", (Bout("rear", 5, 10, "a"), Bout("rear", 60, 70, "a")), ("rear",), "frame", animals=("a",),
        unknown=(ScoredSpan("rear", 40, 80, "a"), ScoredSpan("rear", 90, None, "a")),
    )  # fmt: skip
    made = convert_labels([labels], rules())
    assert made.items == ("mouse1,self,rear",)
    assert made.spans == {"mouse1,self,rear": ((0, 40), (60, 70), (80, 90))}
    assert len(made.rows) == 2
    assert convert_labels([labels], rules(partial="as-absent")).spans == {}


def test_two_annotators_disagree_only_where_both_looked() -> None:
    one = LabelRecording("v", (Bout("rear", 5, 10, "a"),), ("rear",), "frame", observed=(0, 50))
    other = LabelRecording("v", (Bout("rear", 60, 70, "a"),), ("rear",), "frame", observed=(40, 100))
    assert len(convert_labels([one, other], rules()).rows) == 2
    with pytest.raises(DataError, match="both label 'rear', and differ"):
        convert_labels([one, LabelRecording("v", (), ("rear",), "frame", observed=(0, 8))], rules())


def test_an_action_that_was_looked_for_in_a_part_of_the_video_keeps_its_spans() -> None:
    own = labels(
        Bout("rear", 5, 9, "a"), scored=(ScoredSpan("rear", 0, 40, "a"), ScoredSpan("sniff", 0, None, "a"))
    )
    made = convert_labels([own], rules())
    assert made.items == ("mouse1,mouse2,sniff", "mouse1,self,rear")
    assert made.spans == {"mouse1,self,rear": ((0, 40),)}
    assert made.rows == ((1, 1, "rear", 5, 9),)
    assert "'rear' was looked for in 40% of the video only: the rest is unlabelled" in made.remarks[0].text
    nobody = convert_labels([own], rules(partial="leave-out"))
    assert (nobody.items, nobody.spans) == (("mouse1,mouse2,sniff",), {})
    whole = convert_labels([own], rules(partial="as-absent"))
    assert whole.items == ("mouse1,mouse2,sniff", "mouse1,self,rear")
    # Two files that look at one half each cover the video together.
    halves = [
        labels(Bout("rear", 5, 9, "a"), scored=(ScoredSpan("rear", 0, 50, "a"),)),
        labels(scored=(ScoredSpan("rear", 50, 100, "a"),)),
    ]
    assert convert_labels(halves, rules()).items == ("mouse1,self,rear",)


def test_an_action_that_was_looked_for_in_no_frame_is_not_listed() -> None:
    """The second of two queued media, of which only the first was observed, has such actions."""
    made = convert_labels([labels(scored=(ScoredSpan("rear", 100, None, "a"),))], rules())
    assert (made.items, made.spans) == ((), {})
    assert "'rear' was looked for in 0% of the video only" in made.remarks[0].text


def test_a_label_without_an_animal_is_not_written_for_an_object() -> None:
    """The corners of the arena (animal 3) attack nobody; a label that names them is theirs."""
    bouts = (Bout("attack", 0, 5), Bout("attack", 10, 15, "a", "corner"))
    rules = LabelRules(
        25.0, {"a": 1, "corner": 3}, (1, 2, 3), {"attack": ActionRule("attack", "pair")}, (0, 100), objects=(3,)
    )
    labelled = convert_labels([LabelRecording("v", bouts, ("attack",), "frame")], rules)
    assert labelled.rows == ((1, 2, "attack", 0, 5), (2, 1, "attack", 0, 5), (1, 3, "attack", 10, 15))
    assert labelled.items == ("mouse1,mouse2,attack", "mouse2,mouse1,attack")
