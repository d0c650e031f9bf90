"""Videos that differ from those that taught a model are named, with how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etholake.stages.model.unlike import Traits, differences, sentence, unlike_taught

TAUGHT = (
    Traits("north", 25.0, 10.0, frozenset({"nose", "tail", "ear"}), 0.02, 4.0),
    Traits("north", 30.0, 11.0, frozenset({"nose", "tail"}), 0.1, 6.0),
)
ALIKE = Traits("north", 27.0, 10.5, frozenset({"nose", "tail"}), 0.15, 5.0)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, []),
        ({"fps": None, "pix_per_cm": None, "missing": None, "speed_cm_s": None}, []),
        ({"lab_id": "south"}, ["no video of its lab south taught"]),
        ({"fps": 60.0}, ["60 frames/s, taught with 25 to 30"]),
        ({"pix_per_cm": 5.0}, ["5 px/cm, taught with 10 to 11"]),
        ({"parts": frozenset({"nose"})}, ["without tail"]),
        ({"missing": 0.4}, ["40% of the points missing, taught with at most 10%"]),
        ({"speed_cm_s": 12.0}, ["12 cm/s on average, taught with 4 to 6"]),
        ({"speed_cm_s": 2.0}, ["2 cm/s on average, taught with 4 to 6"]),
    ],
)
def test_what_differs_is_said(change: dict[str, object], reasons: list[str]) -> None:
    assert differences(replace(ALIKE, **change), TAUGHT) == reasons  # type: ignore[arg-type]


def test_only_videos_of_a_fine_tuned_models_own_labs_are_compared() -> None:
    fast, south = replace(ALIKE, fps=60.0), replace(ALIKE, lab_id="south")
    by_split = {"train": {1: TAUGHT[0], 2: TAUGHT[1], 3: fast}, "test": {4: fast, 5: south, 6: ALIKE}}
    details = {"split": {"train": [{"video_id": 1}, {"video_id": 2}]}}
    why = ["60 frames/s, taught with 25 to 30"]
    assert unlike_taught(by_split, details, "train") == {3: why}
    assert unlike_taught(by_split, details, "test") == {4: why, 5: ["no video of its lab south taught"]}
    assert unlike_taught(by_split, details, "test", [5, 6]) == {5: ["no video of its lab south taught"]}
    assert unlike_taught(by_split, {**details, "fine_tuned": {}}, "test") == {4: why}


def test_the_sentence_names_the_first_videos() -> None:
    assert sentence({}, 3) == ""
    assert sentence({7: ["60 frames/s, taught with 30", "without tail"]}, 3) == (
        "1 of 3 videos differs from those that taught the model, whose score may not hold for it: "
        "7 (60 frames/s, taught with 30, without tail)"
    )
    many = sentence({video: ["without tail"] for video in range(7)}, 9)
    assert many.startswith("7 of 9 videos differ ")
    assert many.endswith("4 (without tail); and 2 more")
