"""Structured logs: what a line says, where it goes, whose run it is. Of real jobs: test_run_report."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etholake import cli, logs
from etholake.curate.file_reports import FileReport, log_losses
from etholake.errors import DataError, UsageError
from etholake.result import StageResult


@pytest.fixture(autouse=True)
def _own_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("os.environ", dict(os.environ) | {logs.VARIABLE: "run-1"})
    yield
    logs.silence()


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_stage_tells_start_and_end_with_seconds_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stdout()
    with logs.stage("etl", bucket="b"):
        logs.log_event("job", "Job x has started", job="x")
        details = {"rows_in": 10, "labs": {"A": {}}, "bad_files": ["one", "two"], "metrics": {"train_loss": 0.5}}
        logs.add_result(StageResult("etl", "done", "Ten rows.", details))
    start, job, end = lines(capsys.readouterr().out)
    assert [list(line)[:6] for line in (start, job, end)] == [[f for f in logs.FIELDS if f != "video"]] * 3
    assert {(line["run"], line["stage"], line["level"]) for line in (start, job, end)} == {
        ("run-1", "etl", "INFO")
    }
    assert (start["event"], start["bucket"]) == ("start", "b")
    assert (job["event"], job["job"], job["message"]) == ("job", "x", "Job x has started")
    assert (end["event"], end["message"], end["status"]) == ("end", "Ten rows.", "done")
    assert (end["rows_in"], end["bad_files"], end["train_loss"]) == (10, 2, 0.5)
    assert isinstance(end["seconds"], float)
    assert "labs" not in end
    assert str(end["time"]).endswith("Z")


def test_a_failure_is_told_with_its_exception_and_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stdout()
    with pytest.raises(DataError, match="no tracks"), logs.stage("train"):
        raise DataError("There are no tracks")
    failed = lines(capsys.readouterr().out)[-1]
    assert (failed["event"], failed["level"], failed["error"]) == ("failed", "ERROR", "DataError")
    assert failed["message"] == "There are no tracks"


def test_quarantined_videos_are_told_with_their_rules(capsys: pytest.CaptureFixture[str]) -> None:
    def report(video: int, rows: int, lost: dict[str, int]) -> FileReport:
        rows_of = tuple({"rule": rule, "rows": n} for rule, n in lost.items())
        gone = sum(lost.values())
        return FileReport(f"train_tracking/{video}.parquet", "tracking", "train", "A", video, rows_in=rows,
                          rows_curated=rows - gone, rows_quarantined=gone, quarantine=rows_of)  # fmt: skip

    logs.to_stdout()
    some, whole = report(2, 9, {"frame-negative": 2, "mouse-unknown": 1}), report(3, 7, {"file-name": 7})
    log_losses([report(1, 9, {}), some, whole, report(4, 9, {"frame-invalid": 1})], most=2)
    worst, next_, more = lines(capsys.readouterr().out)
    assert (worst["video"], worst["rules"], worst["level"]) == (3, {"file-name": 7}, "WARNING")
    assert (next_["video"], next_["rules"]) == (2, {"frame-negative": 2, "mouse-unknown": 1})
    assert (next_["rows"], next_["rows_in"], next_["level"]) == (3, 9, "INFO")
    assert more["message"] == "1 more files lost rows: see table quarantine"


def test_the_file_is_the_runs_own_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_RUNS", 3)
    for n in range(5):
        os.environ[logs.VARIABLE] = f"run-{n}"
        path = logs.to_file(tmp_path)
        assert not path.exists()  # made with its first line
        logs.log_event("note", "here")
        os.utime(path, (n, n))
    assert sorted(p.name for p in (tmp_path / "logs").iterdir()) == ["run-2.jsonl", "run-3.jsonl", "run-4.jsonl"]


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    logs.to_file(tmp_path)
    for n in range(100):
        logs.log_event("note", f"line {n}", text="x" * 9000)
    files = sorted((tmp_path / "logs").iterdir())
    assert [p.name for p in files] == ["run-1.jsonl", "run-1.jsonl.1"]
    assert json.loads(files[0].read_text())["message"] == "line 99"
    assert all(p.stat().st_size < 5000 for p in files)  # a text of 9,000 characters is cut


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    logs.to_file(tmp_path)
    logs.log_event("note", "one")
    logs.log_event("note", "two")
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_the_run_is_what_the_parent_or_the_argument_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.run_id() == "run-1"
    for argv, run in ((["x.py", "--run_id", "run-2"], "run-2"), (["x.py", "--a", "b", "--run_id=run-3"], "run-3")):
        logs.to_stdout(argv)
        logs.log_event("note", "told")
        assert lines(capsys.readouterr().out)[0]["run"] == run
    os.environ[logs.VARIABLE] = "../escape"
    with pytest.raises(UsageError, match=r"A run \(ETHOLAKE_RUN_ID\) names a file: .* but got '\.\./escape'"):
        logs.run_id()
    del os.environ[logs.VARIABLE]
    made = logs.run_id()
    assert made == logs.run_id() == os.environ[logs.VARIABLE]  # one a process, handed on to its children


def test_a_library_is_silent() -> None:
    code = "from etholake import logs; logs.log_event('note', 'told', level=40)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_what_modules_warn_of_is_still_seen_at_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = logs.to_file(tmp_path)
    logging.getLogger("etholake.stages.model.evaluate").warning("7.parquet is not in the metadata")
    logs.log_event("quarantined", "for the log alone", level=logging.WARNING)
    assert capsys.readouterr().err == "7.parquet is not in the metadata\n"
    assert [line["message"] for line in lines(path.read_text())] == [
        "7.parquet is not in the metadata",
        "for the log alone",
    ]


def test_other_modules_lines_and_odd_values_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.to_stdout()
    logging.getLogger("etholake.serve").warning("refused with %d", 413)
    logs.log_event("note", "100 % of it", video=7, score=float("nan"), stage="serve", where=Path("x"))
    refused, odd = lines(capsys.readouterr().out)
    assert (refused["stage"], refused["event"], refused["message"]) == ("serve", "note", "refused with 413")
    assert (odd["video"], odd["score"], odd["stage"], odd["where"]) == (7, None, "serve", "x")
    assert logs.parse(json.dumps(odd)) == odd
    assert [logs.parse(text) for text in ("epoch=1", '{"a": 1}', "{broken")] == [None, None, None]


@pytest.mark.slow
def test_a_verb_is_a_stage_of_the_run_and_the_terminal_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.environ["ETHOLAKE_STATE_DIR"] = str(tmp_path)
    assert cli.main(["import", str(tmp_path / "none")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("etholake: ")
    assert str(tmp_path / "none") in shown.err
    start, failed = lines((tmp_path / "logs" / "run-1.jsonl").read_text())
    assert (start["stage"], start["command"]) == ("import", f"import {tmp_path / 'none'}")
    assert (failed["event"], failed["error"]) == ("failed", "DataError")
    logs.silence()
    assert cli.main(["config"]) == 0  # is no run
    assert len((tmp_path / "logs" / "run-1.jsonl").read_text().splitlines()) == 2


def test_the_targets_of_one_make_are_one_run() -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {k: v for k, v in os.environ.items() if k != logs.VARIABLE}
    rule = f"include {root}/Makefile\none two: ; @echo $$ETHOLAKE_RUN_ID\n"
    made = [
        subprocess.run(
            ["make", "-s", "-f", "-", "one", "two"], input=rule,
            capture_output=True, text=True, check=True, env=environment | given, cwd=root,
        ).stdout.split()
        for given in ({}, {}, {logs.VARIABLE: "given"})
    ]  # fmt: skip
    assert made[0][0] == made[0][1] != made[1][0]
    assert made[2] == ["given", "given"]
