"""Names of videos, parts, animals and actions: what is taken off, what is matched, what is guessed."""

import pytest

from etholake.formats.base import Bout, LabelRecording
from etholake.formats.facts import Labels, PoseFacts
from etholake.formats.guessing import guess_actions, guess_animals, guess_parts_of, guess_subjects, part_distance
from etholake.formats.matching import Candidate, best_match, video_stem
from etholake.formats.planning import video_number


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("m1DLC_resnet50_openfieldMay7shuffle1_500000.csv", "m1"),
        ("m1DLC_dlcrnetms5_pilot_studySep24shuffle1_100000_el_filtered.h5", "m1"),
        ("m1DLC_HrnetW32_topviewshuffle2_snapshot_200_filtered.csv", "m1"),
        ("m1.predictions.slp", "m1"),
        ("labels.v001.000_m1.analysis.h5", "m1"),
        ("m1_pose_est_v5.h5", "m1"),
        ("/home/b/videos/m1.avi", "m1"),
        ("C:\\videos\\m1.mp4", "m1"),
        ("m1_labels.csv", "m1"),
        ("20190128_113421.120s.mp4", "20190128_113421.120s"),
        ("testDLC_csv_table.csv", "testDLC_csv_table"),
        (".mp4", ".mp4"),
        ("_labels.csv", "_labels"),
    ],
)
def test_the_video_s_own_name(file: str, stem: str) -> None:
    assert video_stem(file) == stem


TRACKS = [Candidate("a/m1.csv", "a", ("m1.csv",)), Candidate("b/m2.csv", "b", ("m2.csv",))]


def test_the_named_video_comes_before_the_file_s_name() -> None:
    match = best_match(["/x/M2.avi"], ["m1"], "a", TRACKS)
    assert (match.key, match.assumed) == ("b/m2.csv", False)
    assert "names its video 'M2'" in match.how


def test_a_part_of_a_name_is_an_assumption_and_needs_a_separator() -> None:
    match = best_match(
        [], ["mouse_12_reencode"], "", [Candidate("k", "", ("mouse_12DLC_resnet50_xshuffle1_5.csv",))]
    )
    assert (match.key, match.assumed) == ("k", True)
    assert best_match([], ["mouse_123"], "", [Candidate("k", "", ("mouse_12.csv",))]).key is None


def test_of_two_with_one_name_the_one_in_the_same_folder_is_meant_else_none() -> None:
    two = [Candidate("a/m1.csv", "a", ("m1.csv",)), Candidate("b/m1.csv", "b", ("m1.csv",))]
    assert best_match([], ["m1"], "b", two).key == "b/m1.csv"
    match = best_match([], ["m1"], "c", two)
    assert match.key is None
    assert "several have it: a/m1.csv, b/m1.csv" in match.how


def _facts(animals: tuple[str, ...] = ("ind1",), parts: tuple[str, ...] = ("nose",)) -> PoseFacts:
    return PoseFacts(
        "m1.csv", 0, False, "f", "F", "m1", 10, 0, 9, animals, parts, 10, {}, 2, False, "px", None, None, None,
        None, None,
    )  # fmt: skip


def test_parts_are_guessed_with_a_distance_and_never_two_alike() -> None:
    parts, notes = guess_parts_of(
        [_facts(parts=("snout", "nosetip", "earL", "righthip", "tailbse", "paw", "neck"))]
    )
    assert parts == {
        "snout": "nose", "nosetip": "nosetip", "earL": "ear_left", "righthip": "hip_right", "tailbse": "tail_base",
        "paw": "paw", "neck": "neck",
    }  # fmt: skip
    assert "neck" not in notes
    assert notes["earL"] == "a guess, distance 0"
    assert notes["tailbse"] == "a guess, distance 0.07"
    assert "keeps its own name" in notes["paw"]
    assert part_distance("LeftEar", "ear_left") == 0


def test_a_guess_never_takes_the_name_of_a_part_that_is_there() -> None:
    parts, _ = guess_parts_of([_facts(parts=("snout", "nose"))])
    assert parts == {"snout": "snout", "nose": "nose"}


def test_sides_and_numbers_of_parts_are_never_mixed_up() -> None:
    parts, _ = guess_parts_of([_facts(parts=("spine3", "ear_lft", "Left_fhip"))])
    assert parts == {"spine3": "spine3", "ear_lft": "ear_lft", "Left_fhip": "Left_fhip"}


def test_animals_are_numbered_by_their_order_and_distinct_in_each_file() -> None:
    assert guess_animals([_facts(("b", "a")), _facts(("a", "c")), _facts(("d", "b"))]) == {
        "b": 1, "a": 2, "c": 1, "d": 2,
    }  # fmt: skip


def _labels(*bouts: Bout, vocabulary: tuple[str, ...] = ()) -> Labels:
    return Labels("l.csv", 0, False, "f", "F", LabelRecording("m1", bouts, vocabulary, "frame"))


def test_subjects_are_guessed_by_name_or_number_only() -> None:
    item = _labels(Bout("a", 0, 1, "Ind-1"), Bout("a", 0, 1, "mouse 2"), Bout("a", 0, 1, "resident"))
    guesses, notes = guess_subjects([item], {item.key: ("ind1", "ind2")}, {"ind1": 1, "ind2": 2})
    assert guesses == {"Ind-1": 1, "mouse 2": 2, "resident": "each"}
    assert "not known which animal" in notes["resident"]
    alone, _ = guess_subjects([item], {item.key: ("ind1",)}, {"ind1": 1})
    assert alone == {"Ind-1": 1, "mouse 2": 1, "resident": 1}


def test_self_or_pair_as_the_file_says_then_by_lists_then_by_words() -> None:
    item = _labels(
        Bout("x", 0, 1, "a", "a"), Bout("y", 0, 1, "a", "b"),
        vocabulary=("Self Groom", "Attack", "Face grooming", "Social, close", "odd"),
    )  # fmt: skip
    rules, _ = guess_actions([item], {item.key: ("a", "b")})
    assert {own: (rule.name, rule.kind) for own, rule in rules.items()} == {
        "x": ("x", "self"), "y": ("y", "pair"), "Self Groom": ("self groom", "self"), "Attack": ("attack", "pair"),
        "Face grooming": ("face grooming", "self"), "Social, close": ("social close", "pair"),
        "odd": ("odd", "pair"),
    }  # fmt: skip


def test_a_video_s_number_is_its_name_or_stable_and_never_taken_twice() -> None:
    assert video_number("lab", "44566106", set()) == 44566106
    assert video_number("lab", "007", set()) != 7
    number = video_number("lab", "m1", set())
    assert 100_000_000 <= number < 1_000_000_000
    assert video_number("lab", "m1", {number}) == number + 1
