"""Stage evaluate on a hand-made folder in the MABe layout."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import open_lake

from etholake import cli
from etholake.errors import DataError, UsageError
from etholake.events.submission import write_csv
from etholake.events.types import Event, PairScores
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.model import evaluate

CHASE = "mouse1,mouse2,chase"


def annotate(path: Path, *rows: tuple[int | None, int, str, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("agent_id", "target_id", "action", "start_frame", "stop_frame")
    types = (pa.int8(), pa.int8(), pa.string(), pa.int32(), pa.int32())
    columns = [pa.array([row[i] for row in rows], t) for i, t in enumerate(types)]
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path)


def metadata(path: Path, *rows: tuple[str, int, list[str]]) -> None:
    lines = ["lab_id,video_id,behaviors_labeled"]
    for lab, video, items in rows:
        cell = json.dumps(items).replace('"', '""')
        lines.append(f'{lab},{video},"{cell}"')
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """north: videos 1 and 2 (2 with stray quotes in its whitelist), 3 unlabelled; south: test video 9."""
    folder = tmp_path / "data"
    folder.mkdir()
    metadata(
        folder / "train.csv", ("north", 1, [CHASE]), ("north", 2, ["mouse1,mouse2,'chase'"]), ("north", 3, [CHASE])
    )
    metadata(folder / "test.csv", ("south", 9, ["mouse1,self,rear"]))
    annotate(folder / "train_annotation/north/1.parquet", (1, 2, "chase", 0, 100))
    annotate(folder / "train_annotation/north/2.parquet", (1, 2, "chase", 50, 60))
    annotate(folder / "test_annotation/south/9.parquet", (1, 1, "rear", 0, 10))
    return folder


def submit(tmp_path: Path, *events: Event) -> Path:
    write_csv(tmp_path / "s.csv", events)
    return tmp_path / "s.csv"


PERFECT = (Event(1, 1, 2, "chase", 0, 100), Event(2, 1, 2, "chase", 50, 60), Event(9, 1, 1, "rear", 0, 10))


def test_the_shape_that_others_rely_on(data: Path, tmp_path: Path):
    missed = submit(tmp_path, *PERFECT[1:], Event(3, 1, 2, "chase", 0, 999))
    f = 20 / (20 + 100)
    assert evaluate.evaluate(data, missed) == {
        "score": pytest.approx((f + 1) / 2),
        "labs": {
            "north": {"score": pytest.approx(f), "actions": {"chase": pytest.approx(f)}},
            "south": {"score": 1.0, "actions": {"rear": 1.0}},
        },
    }


def test_videos_restrict_solution_and_submission(data: Path, tmp_path: Path):
    path = submit(tmp_path, *PERFECT, Event(1, 1, 2, "chase", 100, 500))
    assert evaluate.evaluate(data, path, [2])["score"] == 1.0
    assert set(evaluate.evaluate(data, path, [2])["labs"]) == {"north"}
    assert evaluate.evaluate(data, path)["score"] < 1.0


def test_a_part_without_predictions_scores_zero(data: Path, tmp_path: Path):
    assert evaluate.evaluate(data, submit(tmp_path, PERFECT[0]), [2])["score"] == 0.0


def test_spans_clip_truth_and_prediction_and_choose_the_videos(data: Path, tmp_path: Path):
    path = submit(tmp_path, Event(1, 1, 2, "chase", 0, 10), Event(1, 1, 2, "chase", 60, 500))
    assert evaluate.evaluate(data, path, None, {1: (60, 100)})["score"] == 1.0
    tp, fn = 30, 10  # frames 50..89 are true, 60..89 predicted
    scores = evaluate.evaluate(data, path, None, {1: (50, 90)})
    assert scores["labs"]["north"]["actions"]["chase"] == pytest.approx(2 * tp / (2 * tp + fn))
    whole = evaluate.evaluate(data, path, [1, 2], {1: (60, 100)})["labs"]["north"]["actions"]["chase"]
    assert whole == pytest.approx(80 / (80 + 10))  # video 2 is scored whole: 10 frames missed


def test_what_cannot_be_scored_is_said(data: Path, tmp_path: Path):
    path = submit(tmp_path, *PERFECT)
    with pytest.raises(UsageError, match=r"does not name the videos \[4, 77\]"):
        evaluate.evaluate(data, path, [1, 77, 4])
    with pytest.raises(DataError, match=r"no ground truth for these videos.*empty solution"):
        evaluate.evaluate(data, path, [3])
    with pytest.raises(DataError, match=r"not in the MABe layout: expected train\.csv"):
        evaluate.evaluate(tmp_path, path)
    (data / "train.csv").write_text("lab_id,video_id\nnorth,1\n")
    with pytest.raises(DataError, match="but behaviors_labeled is missing"):
        evaluate.evaluate(data, path)


def test_bad_annotation_files_are_left_out_by_name(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (data / "train_annotation/north/2.parquet").write_bytes(b"PAR1 cut off")
    annotate(data / "train_annotation/north/1.parquet", (1, 2, "chase", 0, 100), (None, 2, "chase", 0, 9))
    annotate(data / "train_annotation/north/404.parquet", (1, 2, "chase", 0, 9))
    with caplog.at_level(logging.WARNING):
        assert evaluate.evaluate(data, submit(tmp_path, *PERFECT))["score"] == 1.0
    text = caplog.text
    assert "2.parquet: left out of the score" in text
    assert "1.parquet: 1 rows with missing values left out" in text
    assert "not in the metadata: train_annotation/north/404.parquet" in text


def test_probabilities_are_clipped_with_the_events(data: Path, tmp_path: Path):
    pair = PairScores(1, "north", 30.0, 1, 2, 0, ("chase",), np.linspace(0, 1, 200, dtype="f4")[:, None])
    made = evaluate.judge(data, submit(tmp_path, *PERFECT), spans={1: (90, 110)}, pairs=[pair])
    measures = made.probabilities["north", "chase"]
    assert measures.frames_Q.sum() == 20
    assert measures.average_precision == pytest.approx(sum(i / (10 + i) for i in range(1, 11)) / 10)


def test_the_command_line_says_and_writes_it(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, page = submit(tmp_path, *PERFECT[1:]), tmp_path / "evaluation.html"
    (data / "train.csv").write_text(
        (data / "train.csv").read_text().replace("video_id,", "video_id,frames_per_second,")
    )
    lines = (data / "train.csv").read_text().splitlines()
    (data / "train.csv").write_text(
        "\n".join([lines[0], *(re.sub(r"^(north,\d),", r"\1,25,", x) for x in lines[1:])])
    )
    cli.main(["evaluate", "--data", str(data), "--submission", str(path), "--html", str(page)])
    output = capsys.readouterr().out
    assert "chase                      0.1667 (0.000 to 1.000)  bouts 0.667, off by 0.00 and 0.00 s" in output
    assert page.read_text().startswith("<!doctype html>")
    cli.main(["evaluate", "--data", str(data), "--submission", str(path), "--json"])
    assert json.loads(capsys.readouterr().out) == evaluate.judge(data, path).to_dict()


def test_run_writes_the_scores_table_once(data: Path, tmp_path: Path, mock_settings: Settings):
    at, _ = open_lake(mock_settings, "evaluate")
    path = submit(tmp_path, *PERFECT[1:])
    first = evaluate.run(at, data, path, "run-1", page=tmp_path / "new" / "page.html")
    assert first.status == "done"
    assert first.details["rows"] == {
        "scores": 2, "score_details": 2, "score_confusion": 3, "score_calibration": 0,
    }  # fmt: skip
    assert first.details["scores"] == evaluate.evaluate(data, path)
    assert first.details["evaluation"] == evaluate.judge(data, path).to_dict()
    assert "run run-1" in (tmp_path / "new" / "page.html").read_text()
    assert evaluate.run(at, data, path, "run-1").status == "unchanged"
    rows = query.run_sql(
        at, "SELECT lab_id, action, tp_frames, fp_frames, fn_frames, precision, recall, videos, run_id FROM scores"
    ).rows
    assert sorted(rows) == [
        ("north", "chase", 10, 0, 100, 1.0, pytest.approx(10 / 110), 2, "run-1"),
        ("south", "rear", 10, 0, 0, 1.0, 1.0, 1, "run-1"),
    ]
    rows = query.run_sql(
        at, "SELECT action, bouts_true, bouts_matched, bout_f_score, average_precision, run_id FROM score_details"
    ).rows
    assert sorted(rows) == [
        ("chase", 2, 1, pytest.approx(2 / 3), None, "run-1"), ("rear", 1, 1, 1.0, None, "run-1")
    ]  # fmt: skip
    rows = query.run_sql(at, "SELECT true_action, predicted_action, frames FROM score_confusion").rows
    assert sorted(rows) == [("chase", "chase", 10), ("chase", "none", 100), ("rear", "rear", 10)]
    assert evaluate.run(at, data, submit(tmp_path, *PERFECT), "run-1").status == "done"
    assert query.run_sql(at, "SELECT min(f_score) FROM scores").rows == [(1.0,)]


def test_what_of_the_truth_is_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        'A,1,30,"[""mouse1,self,rear"", ""mouse1;self;dig""]"',
        'A,1,30,"[""mouse1,self,dig""]"',
        'A,2024_01_05,30,"[""mouse1,self,rear""]"',
        'A,3,30,"[""mouse1,self,rear""]"',
    ]
    header = "lab_id,video_id,frames_per_second,behaviors_labeled"
    (tmp_path / "train.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    folder = tmp_path / "train_annotation" / "A"
    folder.mkdir(parents=True)
    for video, start in ((1, 0), (3, 0.5)):
        columns = {
            "agent_id": [1],
            "target_id": [1],
            "action": ["rear"],
            "start_frame": [start],
            "stop_frame": [9],
        }
        pq.write_table(pa.table(columns), folder / f"{video}.parquet")
    truth = evaluate.read_truth(tmp_path)
    assert truth.events == [Event(1, 1, 1, "rear", 0, 9)]
    assert truth.whitelist[1] == {(1, 1, "rear")}
    for sentence in (
        "no item like 'mouse1,mouse2,attack' in behaviors_labeled of video 1: mouse1;self;dig",
        "an earlier one names video 1 already",
        "video_id '2024_01_05' is no whole number",
        "3.parquet: left out of the score, cannot be read",
    ):
        assert sentence in caplog.text
