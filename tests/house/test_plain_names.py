"""Names of labs, body parts and videos that look the same are one name, however their accents are encoded."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake.cli.common import words
from etholake.contract import RAW_METADATA_COLUMNS, lab_folder, plain_name, raw_key
from etholake.curate.columns import names
from etholake.curate.metadata import curate_metadata
from etholake.curate.rawzone import _parse
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError
from etholake.stages.lake.ingest import list_folder
from etholake.stages.model.evaluate import read_truth
from etholake.stages.video_names import NamedVideo, find_videos

COMPOSED = "Zürich"
APART = unicodedata.normalize("NFD", COMPOSED)


def data_folder(root: Path, lab: str, folder: str, splits: tuple[str, ...] = ("train",)) -> Path:
    """One video of a lab, with its track and one event; the csv and the folders may write the lab differently."""
    for split in splits:
        row = {name: "" for name in RAW_METADATA_COLUMNS} | {"lab_id": lab, "video_id": "1"}
        row |= {"frames_per_second": "30", "behaviors_labeled": "['mouse1,self,rear']" if split == "train" else ""}
        (root / f"{split}.csv").write_text(f"{','.join(row)}\n{','.join(_quoted(c) for c in row.values())}\n")
    track = {"video_frame": [0], "mouse_id": [1], "bodypart": ["nose"], "x": [1.0], "y": [1.0]}
    event = {"agent_id": [1], "target_id": [1], "action": ["rear"], "start_frame": [0], "stop_frame": [5]}
    for kind, columns in (("tracking", track), ("annotation", event)):
        (root / f"train_{kind}" / folder).mkdir(parents=True)
        pq.write_table(pa.table(columns), root / f"train_{kind}" / folder / "1.parquet")
    return root


def _quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell else cell


def test_forms_of_accents_are_one_name() -> None:
    assert COMPOSED != APART
    assert plain_name(f" {APART}\n") == COMPOSED
    assert words(f"{APART}, b") == (COMPOSED, "b")
    assert VideoMeta.from_row({"lab_id": APART, "video_id": 1, "frames_per_second": 30}).lab_id == COMPOSED


def test_a_lab_and_a_part_are_one_in_the_tables() -> None:
    csv = f'lab_id,video_id,body_parts_tracked\n{APART},1,"[""{APART}"", ""{COMPOSED}""]"\n{COMPOSED},1,\n'
    result = curate_metadata(csv.encode(), "train")
    assert [(video.lab_id, video.values["body_parts_tracked"]) for video in result.videos] == [
        (COMPOSED, [COMPOSED])
    ]
    assert [row["rule"] for row in result.report.quarantine if row["rows"]] == ["metadata-duplicate"]
    codes, distinct = names(pa.table({"bodypart": [APART, COMPOSED, f"{COMPOSED} ", None]}), "bodypart")
    assert (codes.tolist(), distinct) == ([0, 0, 0, -1], [COMPOSED])
    raw = _parse(raw_key("train", "tracking", APART, 1), 5, "etag")  # of an earlier version's ingest
    assert raw is not None
    assert raw.lab_id == COMPOSED


@pytest.mark.parametrize(("lab", "folder"), [(COMPOSED, APART), (APART, COMPOSED), (COMPOSED, f"{APART} ")])
def test_a_csv_and_its_folders_may_differ_in_the_form(lab: str, folder: str, tmp_path: Path) -> None:
    data = data_folder(tmp_path, lab, folder)
    assert [file.key for file in list_folder(data) if file.kind != "metadata"] == [
        raw_key("train", kind, COMPOSED, 1) for kind in ("annotation", "tracking")
    ]
    assert lab_folder(data / "train_annotation", lab).name == folder
    assert [(event.action, event.stop_frame) for event in read_truth(data).events] == [("rear", 5)]


def test_two_folders_of_one_lab_are_refused(tmp_path: Path) -> None:
    data = data_folder(tmp_path, COMPOSED, COMPOSED)
    (data / "train_tracking" / COMPOSED).rename(data / "kept")
    for form in (COMPOSED, APART):
        (data / "train_tracking" / form).mkdir()
        (data / "train_tracking" / form / "1.parquet").write_bytes((data / "kept" / "1.parquet").read_bytes())
    with pytest.raises(DataError, match="differ in the form of accents"):
        list_folder(data)


@pytest.mark.parametrize("text", [APART, COMPOSED, f"lab/{APART}", f"{APART}.mp4", f" {COMPOSED} "])
@pytest.mark.parametrize("name", [APART, COMPOSED])
def test_a_video_is_found_by_either_form(text: str, name: str) -> None:
    assert find_videos([text], [NamedVideo("train", "lab", 7, name)], "The lake") == [7]


def test_a_video_of_both_splits_is_judged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = data_folder(tmp_path, "lab", "lab", ("train", "test"))
    with caplog.at_level(logging.WARNING):
        truth = read_truth(data)
    assert truth.whitelist == {1: frozenset({(1, 1, "rear")})}
    assert "test.csv: video 1 left out, train.csv names it already" in caplog.text
