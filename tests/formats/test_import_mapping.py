"""The mapping file: written and read back, strict, and joined with new guesses."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.errors import DataError
from etholake.formats.facts import PoseFacts
from etholake.formats.mapping import ActionRule, Arena, ImportMapping, Scale, VideoRule, joined, parse_mapping
from etholake.formats.mapping_file import mapping_text, updated_text
from etholake.stages.lake.import_folder.job import VideoJob, _beyond_picture

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
POSITIVE = st.none() | st.floats(1e-3, 1e6)
RATES = st.none() | st.floats(1e-3, 1e3)


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, st.integers(0, 127) | st.just("each"), max_size=4),
    st.dictionaries(NAMES, NAMES.map(str.strip), max_size=4),
    NAMES,
    st.lists(NAMES, max_size=3),
    RATES,
    POSITIVE,
)
def test_what_is_written_is_read_back(
    animals: dict, parts: dict, name: str, labels: list, fps: float | None, width: float | None
) -> None:
    mapping = ImportMapping(
        "/lab's \"folder\"\n", "lab", fps, 0.6, "drop", "one-frame", "as-absent", True,
        Scale(None, 8.5, ("nose", "tail")), Arena(width, shape=name),
        animals, parts, {name: ActionRule("go", "pair", 1, "each"), "b\x00": ActionRule("", "self")},
        {name: VideoRule(2**62, name, tuple(labels), name, "test", fps, width)},
    )  # fmt: skip
    notes = {("animals", key): f"note\n{key}" for key in animals}
    assert parse_mapping(mapping_text(mapping, notes), "m.toml") == mapping
    before = mapping_text(ImportMapping('/lab\'s "folder"\n', "lab"), {}).replace("[arena]", "[arena] # mine\n\n")
    after = updated_text(before, mapping, notes)
    assert parse_mapping(after, "m.toml") == mapping
    assert "[arena] # mine" in after


def test_comments_and_order_survive_what_is_new() -> None:
    before = """# our lab
lab = "l"          # keep
min_likelihood = 0.6 # from the paper

[actions]
attack = { name = "attack", kind = "pair" } # as Miller

[animals] # the cages
b = 2 # the old one
a = 1
"""
    own = parse_mapping(before, "m.toml")
    new = replace(own, fps=25.0, min_likelihood=0.7, animals={**own.animals, "c": 3},
                  actions={**own.actions, "rear": ActionRule("rear", "self")})  # fmt: skip
    after = updated_text(before, new, {("animals", "c"): "a guess"})
    assert parse_mapping(after, "m.toml") == new
    for line in ("# our lab", 'lab = "l"          # keep', "min_likelihood = 0.7 # from the paper",
                 'attack = { name = "attack", kind = "pair"', "# as Miller", "[animals] # the cages",
                 "b = 2 # the old one\na = 1\nc = 3 # a guess"):  # fmt: skip
        assert line in after


def test_the_example_makes_six_classes_of_eight() -> None:
    path = Path(__file__).parents[2] / "docs" / "examples" / "merge-classes.toml"
    actions = parse_mapping(path.read_text(encoding="utf-8"), path.name).actions
    assert list(actions) == [str(number) for number in range(8)]
    assert len({action.name for action in actions.values()}) == 6


def test_everything_wrong_is_listed_at_once() -> None:
    text = """
        lab = "l"
        fsp = 30
        min_likelihood = 2
        unpaired = "maybe"
        [scale]
        pix_per_cm = -1
        body_parts = ["nose"]
        [animals]
        a = -1
        [actions]
        x = { name = "a,b", kind = "trio", agent = "someone" }
        [videos.v]
        video_id = 1
        pose = "p"
        [videos.w]
        video_id = 1
        pose = "p"
    """
    with pytest.raises(DataError, match="cannot be used") as caught:
        parse_mapping(text, "m.toml")
    for sentence in (
        "there is no key 'fsp'. Did you mean 'fps'?",
        "min_likelihood must be a number from 0 to 1, but is 2",
        "unpaired must be one of error, drop, until-end, but is 'maybe'",
        "pix_per_cm must be a number above 0, but is -1",
        "body_parts must name two parts",
        "a must be a number from 1 (0 leaves the animal out)",
        "a name must not hold a comma",
        "kind must be one of self, pair",
        'agent must be "file", "each" or an animal\'s number',
        "video_id 1 is that of 'v' already",
    ):
        assert sentence in str(caught.value)


def test_broken_toml_names_the_file_and_the_line() -> None:
    with pytest.raises(DataError, match=r"m\.toml is no valid TOML: .*line 2"):
        parse_mapping('lab = "l"\nfps = =\n', "m.toml")


OWN = ImportMapping(
    "/f", "own", 25.0, animals={"a": 2}, parts={"snout": ""}, actions={"x": ActionRule("y", "self")},
    videos={"v": VideoRule(7, "p.csv", ("l1.csv",))},
)  # fmt: skip
GUESS = ImportMapping(
    "/f", "guess", animals={"a": 1, "b": 1}, parts={"snout": "nose"}, actions={"x": ActionRule("x", "pair")},
    videos={
        "other name": VideoRule(8, "p.csv", ("l1.csv", "l2.csv", "l3.csv"), "v.mp4"), "w": VideoRule(9, "q.csv"),
        "r": VideoRule(10, "r.csv"),
    },
)  # fmt: skip


def test_a_person_s_values_win_and_new_files_are_added() -> None:
    merged = joined(OWN, GUESS, settled={"p.csv", "l1.csv", "l2.csv", "r.csv"})
    assert merged == replace(
        OWN,
        animals={"a": 2, "b": 1},
        # l2 was there and not taken: left out on purpose; l3, v.mp4 and q are new; r was taken out.
        videos={"v": VideoRule(7, "p.csv", ("l1.csv", "l3.csv"), "v.mp4"), "w": VideoRule(9, "q.csv")},
    )


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("[arena]\nleft_px = 500\nright_px = 100\nwidth_cm = 40", "the second must be the greater edge"),
        ("[arena]\nleft_px = 10\nright_px = 100", "left_px, right_px and width_cm go together"),
        ("[arena]\ntop_px = 10\nheight_cm = 30", "top_px, bottom_px and height_cm go together"),
        (
            "[arena]\nleft_px=0\nright_px=400\nwidth_cm=40\ntop_px=0\nbottom_px=300\nheight_cm=3",
            "its width gives 10 px/cm, its height 100: an edge or a length is wrong",
        ),
        (
            "[scale]\nbody_length_cm = 8",
            "body_length_cm and body_parts, between which it is measured, go together",
        ),
        ('[scale]\nbody_parts = ["nose", "tail_base"]', "body_length_cm and body_parts"),
    ],
)
def test_lengths_that_give_no_scale_are_refused(tables: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_mapping(f'source = "/x"\nlab = "lab"\n{tables}\n', "m.toml")


@pytest.mark.parametrize(("right", "beyond"), [(640.0, False), (641.0, False), (1200.0, True)])
def test_edges_beyond_the_picture_are_said(right: float, beyond: bool) -> None:
    arena = Arena(width_cm=40, left_px=0, right_px=right)
    facts = PoseFacts(
        "v.csv", 0, False, "deeplabcut_csv", "", "v", 9, 0, 8, ("m1",), ("nose",), 9, {}, 2, True, "px", 30.0,
        None, (640, 480), 9, None,
    )  # fmt: skip
    job = VideoJob("v", VideoRule(1, "v.csv"), ImportMapping("/x", "lab", arena=arena), facts)
    assert [remark.text for remark in _beyond_picture(job)] == (
        ["the arena's edges lie beyond the picture of 640 x 480 px"] if beyond else []
    )
