"""`etholake export` on a small lake: what is chosen is in the files, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lakes import open_lake, rows

from etholake.errors import UsageError
from etholake.formats.base import LabelRecording, ReadOptions
from etholake.formats.registry import FORMATS
from etholake.review.bouts import BoutChange, ReviewedBout
from etholake.settings import Settings
from etholake.stages.lake import export
from etholake.stages.lake.export import ExportChoice
from etholake.stages.review.store import CorrectionLog, VideoKey
from etholake.stages.state import open_lake as lake_of

FPS = 25.0


@pytest.fixture(scope="module")
def lake_settings(mock_settings: Settings) -> Settings:
    settings, lake = open_lake(mock_settings, "export")
    keys = {"lab_id": "north", "split": "train"}
    video = {"lab_id": "north", "frames_per_second": FPS, "video_duration_sec": 4.0, "n_mice": 2}
    meta = [{**video, "video_id": 41, "video_name": "cage one"}, {**video, "video_id": 42}]
    lake.replace_table("metadata_train", rows("metadata_train", *meta), "one", {})
    bout = {"split": "train", "agent_id": 1}
    attack = {**bout, "video_id": 41, "target_id": 2, "action": "attack", "start_frame": 10, "stop_frame": 20}
    rear = {**bout, "video_id": 42, "target_id": 1, "action": "rear", "start_frame": 0, "stop_frame": 5}
    annotations = rows("annotations_enriched", attack, rear)
    lake.replace_table("annotations_enriched", annotations, "one", {"lab_id": "north"})
    looked = [{**keys, **bout, "video_id": 41, "target_id": 2, "action": "attack"}]
    lake.replace_table("labeled_behaviors", rows("labeled_behaviors", *looked), "one", {})
    guess = {
        **keys,
        **bout,
        "video_id": 41,
        "target_id": 2,
        "action": "attack",
        "start_frame": 12,
        "stop_frame": 30,
    }
    lake.replace_table("predictions", rows("predictions", guess), "one", {"run_id": "r1"})
    return settings


def read(path: Path, name: str) -> list[LabelRecording]:
    return list(FORMATS.get(name).read(path, ReadOptions()))  # type: ignore[arg-type]


def test_annotations_and_predictions_are_exported(lake_settings: Settings, tmp_path: Path) -> None:
    result = export.run(lake_settings, "csv", tmp_path / "truth", ExportChoice())
    assert result.details["bouts"] == 2
    facts = [
        (r.name, [(b.action, b.agent, b.target, b.start, b.stop) for b in r.bouts])
        for r in read(tmp_path / "truth" / "labels.csv", "interval_csv")
    ]
    assert facts == [
        ("cage one", [("attack", "mouse1", "mouse2", 10, 20)]),
        ("42", [("rear", "mouse1", "mouse1", 0, 5)]),
    ]
    export.run(lake_settings, "boris", tmp_path / "run", ExportChoice(runs=("r1",)))
    (recording,) = read(tmp_path / "run" / "etholake.boris", "boris_project")
    assert [(b.action, b.start, b.stop) for b in recording.bouts] == [("attack", 0.48, 1.2)]
    assert recording.frame_count == 100


def test_corrected_labels_stand_for_the_annotation_of_reviewed_videos(
    lake_settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Nobody has corrected a label"):
        export.run(lake_settings, "csv", tmp_path / "none", ExportChoice(corrected=True))
    video = VideoKey("train", "north", 41)
    attack = ReviewedBout.annotated(1, 2, "attack", 10, 20)
    moved = replace(attack, start_frame=12, stop_frame=31)
    wrong = ReviewedBout.predicted("r1", 1, 2, "attack", 40, 50, 0.9)
    wanted = ReviewedBout("looked_for:1:1:rear", "looked_for", 1, 1, "rear", 0, 0)
    log = CorrectionLog(lake_of(lake_settings), video)
    log.add(BoutChange(1, "baseline", "ann", "2026-11-30T00:00:00+00:00", (attack, wanted), None))
    log.add(BoutChange(2, "move", "ann", "2026-11-30T00:01:00+00:00", (moved,), None))
    log.add(
        BoutChange(3, "reject", "ann", "2026-11-30T00:02:00+00:00", (replace(wrong, status="rejected"),), None)
    )
    export.run(lake_settings, "csv", tmp_path / "out", ExportChoice(corrected=True))
    facts = {r.name: [(b.action, b.start, b.stop) for b in r.bouts]
             for r in read(tmp_path / "out" / "labels.csv", "interval_csv")}  # fmt: skip
    assert facts == {"cage one": [("attack", 12, 31)], "42": [("rear", 0, 5)]}


def test_several_runs_have_a_folder_each(lake_settings: Settings, tmp_path: Path) -> None:
    settings, lake = lake_settings, lake_of(lake_settings)
    other = {"lab_id": "north", "split": "train", "video_id": 42, "agent_id": 1, "target_id": 1, "action": "rear"}
    lake.replace_table("predictions", rows("predictions", {**other, "stop_frame": 7}), "one", {"run_id": "r2"})
    result = export.run(settings, "csv", tmp_path / "out", ExportChoice(runs=("r1", "r2")))
    assert result.details["bouts"] == 2
    (second,) = read(tmp_path / "out" / "r2" / "labels.csv", "interval_csv")
    assert [(b.action, b.start, b.stop) for b in second.bouts] == [("rear", 0, 7)]
    assert (tmp_path / "out" / "r1" / "labels.csv").is_file()


def test_a_choice_and_the_names_of_videos(lake_settings: Settings, tmp_path: Path) -> None:
    choice = ExportChoice(videos=("cage one",), actions=("attack",))
    result = export.run(lake_settings, "annot", tmp_path / "out", choice)
    assert [Path(path).name for path in result.details["files"]] == ["cage one.annot"]
    with pytest.raises(UsageError, match=r"holds cage one\.annot already"):
        export.run(lake_settings, "annot", tmp_path / "out", choice)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ExportChoice(runs=("r9",)), "no predictions of run 'r9'; runs with predictions: r1"),
        (ExportChoice(videos=("77",)), "The lake does not hold these videos .*\n.*no video '77'"),
        (ExportChoice(labs=("south",)), "The lake has no lab 'south'. Did you mean 'north'"),
        (ExportChoice(actions=("fly",)), "The lake has no action fly; it has attack, rear"),
        (ExportChoice(videos=("42",), actions=("attack",)), "Nothing fits this choice"),
    ],
)
def test_what_is_not_there_is_refused(
    choice: ExportChoice, message: str, lake_settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        export.run(lake_settings, "csv", tmp_path / "out", choice)
    assert not (tmp_path / "out" / "labels.csv").exists()
