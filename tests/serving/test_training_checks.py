"""A training that cannot work is refused before its job starts, with everything that is wrong in one message."""

from __future__ import annotations

import re

import pytest
from lakes import open_lake, rows  # type: ignore[import-not-found]

from etholake.errors import DataError, SettingsError, UsageError
from etholake.lake import Lake
from etholake.models.registry import FAMILIES
from etholake.settings import Settings
from etholake.stages.model.training_checks import check_base, check_configurations, check_data
from etholake.stages.pipeline import machine

LABS = {1: "north", 2: "north", 3: "south", 4: "south"}


def fill(lake: Lake, annotated: tuple[int, ...]) -> None:
    """Write four videos with tracks and labeled behaviors; only the last has no own events unless `annotated`."""
    parts = ["nose", "snout_tip", "tail_base"]
    metadata = [
        {"video_id": v, "lab_id": lab, "has_tracking": True, "body_parts_tracked": parts}
        for v, lab in LABS.items()
    ]
    lake.replace_table("metadata_train", rows("metadata_train", *metadata), "made")
    triplet = {"split": "train", "agent_id": 1, "target_id": 2, "action": "chase"}
    behaviors = [triplet | {"video_id": v, "lab_id": lab} for v, lab in LABS.items()]
    lake.replace_table("labeled_behaviors", rows("labeled_behaviors", *behaviors), "made")
    for name in set(LABS.values()):
        events = [
            triplet | {"video_id": v, "start_frame": 3, "stop_frame": 9} for v in annotated if LABS[v] == name
        ]
        lake.replace_table("annotations_enriched", rows("annotations_enriched", *events), "made", {"lab_id": name})


@pytest.fixture(scope="module")
def lake(mock_settings: Settings) -> Lake:
    made: Lake = open_lake(mock_settings, "checked")[1]
    fill(made, (1, 2, 3))
    return made


def test_options_that_fit_the_lake_pass(lake: Lake) -> None:
    check_data(lake)
    check_data(lake, holdout=(1, 3), labs=("north", "south"), part_map="snout_tip=nose")


def test_everything_that_is_wrong_is_in_one_message(lake: Lake) -> None:
    with pytest.raises(UsageError) as refused:
        check_data(lake, holdout=(3, 4, 99), labs=("north", "nort"), part_map="snout_tp=nose")
    message = str(refused.value)
    assert "lab nort has no labelled video. Did you mean 'north'?" in message
    assert "video 3 cannot be held out: its lab south is not among --labs" in message
    assert "video 4 cannot be held out: it has no annotated events" in message
    assert "video 99 cannot be held out: the lake has no training video of this id" in message
    assert "labelled videos are 1, 2" in message
    assert "part_map names 'snout_tp', which no video has. Did you mean 'snout_tip'?" in message


def test_holding_everything_out_leaves_nothing_to_learn(lake: Lake) -> None:
    with pytest.raises(UsageError, match="every labelled video is held out: none is left to learn from"):
        check_data(lake, holdout=(1, 2, 3))


def test_a_part_map_that_is_not_written_so_is_refused(lake: Lake) -> None:
    with pytest.raises(SettingsError, match="part_map must be written own_name=unified_part"):
        check_data(lake, part_map="snout_tip:nose")


def test_a_lake_without_labels_says_what_is_missing(mock_settings: Settings) -> None:
    empty: Lake = open_lake(mock_settings, "unlabelled")[1]
    fill(empty, ())
    with pytest.raises(
        DataError, match=r"of the 4 training videos with tracks 4 have labeled behaviors .* 0 have"
    ):
        check_data(empty)


def test_names_of_configurations() -> None:
    check_configurations("boosted,small")
    with pytest.raises(UsageError, match=r"no model configuration 'smal'. Did you mean 'small'\?"):
        check_configurations("boosted,smal")
    with pytest.raises(UsageError, match="named twice: small"):
        check_configurations("small,small")
    with pytest.raises(UsageError, match="no model configuration 'tinny'"):
        machine.input_of(Settings(), "tinny")


@pytest.mark.parametrize(
    ("family", "fields", "tasks", "message"),
    [
        ("cnn_transformer", {"epoch": 3}, (), "has no field 'epoch'. Did you mean 'epochs'?"),
        ("cnn_transformer", {"width": 999}, (), "Fine-tuning keeps the network of the model"),
        ("cnn_transformer", {"schedule": "never"}, (), "schedule must be one of"),
        (
            "cnn_transformer",
            {},
            ("state:sex=male",),
            "The family 'cnn_transformer' of the model learns actions only",
        ),
        ("pose_bert", {}, ("state:sex",), "state:sex"),
        ("boosted", {}, (), "A model of the family 'boosted' cannot be fine-tuned"),
    ],
)
def test_what_a_base_cannot_take_is_refused(
    family: str, fields: dict[str, object], tasks: tuple[str, ...], message: str
) -> None:
    entry = FAMILIES.get(family)
    metadata = {"family": family, "config": entry.to_json(entry.presets[entry.default])}
    with pytest.raises(UsageError, match=re.escape(message)):
        check_base(metadata, fields, tasks)


def test_a_base_takes_another_schedule_and_new_tasks() -> None:
    entry = FAMILIES.get("pose_bert")
    metadata = {"family": "pose_bert", "config": entry.to_json(entry.presets[entry.default])}
    check_base(metadata, {"epochs": 3, "tuning": "frozen"}, ("state:sex=male",))
