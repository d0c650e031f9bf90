"""The report of a run from lines that can be read off; the one of real jobs is in tests/e2e."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from etholake import logs
from etholake.errors import DataError, UsageError
from etholake.pages.run_report import render
from etholake.settings import Settings
from etholake.stages import pipeline
from etholake.stages.pipeline.history import State
from etholake.stages.reports import run_report as report

JOB = "/aws-glue/etholake/output: jr_1"


def line(second: float, stage: str, event: str, source: str = "this machine", **fields: Any) -> dict[str, Any]:
    time = f"2026-01-02T03:04:{second:06.3f}Z"
    about = {"level": "INFO", "run": "r", "stage": stage, "event": event, "message": f"{stage} {event}"}
    return {"time": time, **about, "source": source, **fields}


LINES = [
    line(0, "etl", "start", target="mock", bucket="b", command="etl --json"),
    line(1, "curate job", "start", JOB),
    line(2, "curate job", "quarantined", JOB, video=7, lab="A<b>", file="a.parquet", rules={"file-name": 9},
         rows=9, rows_in=9, whole=True),
    line(5, "curate job", "end", JOB, seconds=4.0, rows_in=90, status="done"),
    line(6, "etl", "end", seconds=6.0, status="done", rows_in=90, rows_curated=81, share=0.9, quality="s3://b/q"),
    line(7, "state Train", "retry", message="Train: retrying: it was throttled"),
    line(9, "state Train", "end", seconds=3.0, status="succeeded"),
    line(10, "train", "start"),
    line(11, "train job", "start", JOB),
    line(12, "train job", "failed", JOB, message="No video <script>", seconds=1.0, error="DataError"),
    line(13, "train", "failed", message="Training job x ended as Failed: No video <script>", seconds=3.0),
    line(14, "evaluate", "start"),
    line(15, "evaluate", "end", seconds=1.0, score=0.5, lab_scores={"A": 0.25, "B": 0.75}),
    line(16, "serve", "start"),
    line(19, "predict", "start"),
]  # fmt: skip


def test_steps_have_a_beginning_a_length_a_status_and_a_place_within_others() -> None:
    steps = {step["stage"]: step for step in report.steps(LINES)}
    assert [(s["began"], s["seconds"], s["status"], s["depth"]) for s in (steps["etl"], steps["curate job"])] == [
        (0, 6, "done", 0), (1, 4, "done", 1)
    ]  # fmt: skip
    assert steps["etl"]["counts"] == {"rows_in": 90, "rows_curated": 81, "share": 0.9}
    assert (steps["state Train"]["began"], steps["state Train"]["status"]) == (6, "succeeded")  # it had no start
    assert (steps["train job"]["status"], steps["train job"]["depth"]) == ("failed", 1)
    assert (steps["serve"]["status"], steps["serve"]["seconds"]) == ("no end", 3)  # killed, as far as lines tell
    assert next(iter(steps)) == "etl"


def test_a_failure_that_three_told_is_shown_once_in_the_first_ones_words() -> None:
    collected = report.collect("r", LINES)
    assert collected["outcome"] == "failed"
    assert [line["message"] for line in collected["failures"]] == ["No video <script>"]
    assert [line["message"] for line in collected["retries"]] == ["Train: retrying: it was throttled"]
    assert collected["scores"] == [{"stage": "evaluate", "score": 0.5, "labs": {"A": 0.25, "B": 0.75}}]
    assert (collected["seconds"], collected["commands"], collected["target"]) == (19, ["etl --json"], "mock")
    ended = report.collect("r", LINES[:7])
    assert ended["outcome"] == "succeeded"
    assert report.collect("r", LINES[:2])["outcome"] == "not ended"


def test_the_page_shows_it_and_runs_nothing_of_the_data() -> None:
    collected = report.collect("r", LINES) | {
        "notes": ["a <note>"],
        "cost": [],
        "hours": 0.0,
        "prices": "",
        "logs": [],
    }
    page = render(collected | {"no_cost": "nothing was curated"})
    assert "<script" not in page
    assert "No video &lt;script&gt;" in page
    assert "A&lt;b&gt;" in page
    assert "a &lt;note&gt;" in page
    assert "left out whole" in page
    assert "nothing was curated" in page
    assert "default-src 'none'" in page  # nothing is loaded
    priced = collected | {"cost": [{"stage": "etl", "work": "9 DPU-s", "usd": 1.25, "per": ""},
                               {"stage": "storage", "work": "1 GB", "usd": 2.0, "per": "month"}]}  # fmt: skip
    assert "$1.25" in render(priced)
    assert "$2.0000 / month" in render(priced)


@pytest.fixture
def _own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", dict(os.environ))


@pytest.mark.slow
@pytest.mark.usefixtures("_own_run")
def test_without_a_server_the_local_lines_are_the_report(tmp_path: Path, free_tcp_port: int) -> None:
    settings = Settings(port=free_tcp_port, state_dir=str(tmp_path))
    with pytest.raises(DataError, match="logs holds no run: run `make ingest etl` first"):
        report.run(settings, "", tmp_path / "dist")
    for name in ("older", "newer"):
        os.environ[logs.VARIABLE] = name
        logs.to_file(tmp_path)
        with logs.stage("ingest", target="mock", bucket="b", command="ingest"):
            logs.add_fields(uploaded=3)
    logs.silence()
    os.utime(tmp_path / "logs" / "older.jsonl", (1, 1))
    done = report.run(settings, "", tmp_path / "dist")
    assert (done.details["run"], done.details["outcome"], done.details["steps"]) == ("newer", "succeeded", 1)
    collected = json.loads((tmp_path / "dist" / "report-newer.json").read_text())
    assert collected["steps"][0]["counts"] == {"uploaded": 3}
    assert "Nothing answers on target 'mock'" in collected["notes"][0]
    assert "Nothing answers" in (tmp_path / "dist" / "report-newer.html").read_text()
    with pytest.raises(DataError, match=r"No line of run 'nowhere' is known. Runs of this machine: newer, older"):
        report.run(settings, "nowhere", tmp_path / "dist")
    with pytest.raises(UsageError, match=r"names a file: .* but got '\.\./x'"):
        report.run(settings, "../x", tmp_path / "dist")


@pytest.mark.usefixtures("_own_run")
def test_states_of_the_pipeline_are_logged_when_they_change(capsys: pytest.CaptureFixture[str]) -> None:
    os.environ[logs.VARIABLE] = "r"
    logs.to_stdout()
    began = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    train, hidden = State("Train", "running", began), State("ReadCheck", "running", began)
    states = {"Train": train, "ReadCheck": hidden}
    logged: dict[str, tuple[str, int]] = {}

    def now(status: str, **changes: Any) -> None:
        train.status = status
        for name, value in changes.items():
            setattr(train, name, value)
        for _ in range(2):  # logged once, however often it is asked
            pipeline._log_changes(states, logged, {"Train"})

    now("running")
    now("retrying", failures=1, error="SageMaker.ThrottlingException", cause="Rate exceeded")
    now("succeeded", ended=began + dt.timedelta(seconds=90))
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    logs.silence()
    assert [(line["event"], line["level"], line["stage"]) for line in lines] == [
        ("start", "INFO", "state Train"), ("retry", "WARNING", "state Train"), ("end", "INFO", "state Train")
    ]  # fmt: skip
    assert lines[1]["message"] == "Train: retrying: SageMaker.ThrottlingException: Rate exceeded"
    assert (lines[2]["seconds"], lines[2]["failures"]) == (90.0, 1)


def test_the_newest_run_is_of_a_stage_not_the_last_query(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    folder = logs.folder(tmp_path)
    folder.mkdir()
    for age, name, stages in ((1, "query", ["query"]), (2, "work", ["deploy", "etl"]), (3, "old", ["train"])):
        rows = [json.dumps({**line(0, stage, "start"), "run": name}) for stage in stages]
        (folder / f"{name}.jsonl").write_text("\n".join([*rows, "not ours"]))
        os.utime(folder / f"{name}.jsonl", (1e9 - age, 1e9 - age))
    assert report.newest(settings) == "work"
    for name in ("work", "old"):
        (folder / f"{name}.jsonl").unlink()
    assert report.newest(settings) == "query"  # better than nothing


@pytest.mark.parametrize(("error", "seen"), [("DataError", "good"), ("UsageError", "good"), ("AwsError", "newer")])
def test_a_verb_that_was_refused_does_not_hide_the_run_before(tmp_path: Path, error: str, seen: str) -> None:
    """A mistyped file of `evaluate` is no run to report on; a failure of the services is."""
    folder = logs.folder(tmp_path)
    folder.mkdir()
    failed = [line(0, "evaluate", "start"), line(1, "evaluate", "failed", error=error)]
    for age, name, lines in ((1, "newer", failed), (2, "good", [line(0, "etl", "start"), line(9, "etl", "end")])):
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps({**one, "run": name}) for one in lines))
        os.utime(folder / f"{name}.jsonl", (1e9 - age, 1e9 - age))
    assert report.newest(Settings(state_dir=str(tmp_path))) == seen
    worked = [failed[0], line(1, "evaluate", "job"), failed[1]]  # it had got further before it failed
    (folder / "newer.jsonl").write_text("\n".join(json.dumps({**one, "run": "newer"}) for one in worked))
    os.utime(folder / "newer.jsonl", (1e9 - 1, 1e9 - 1))
    assert report.newest(Settings(state_dir=str(tmp_path))) == "newer"


def test_the_tile_never_says_less_was_quarantined_than_the_stage_counted() -> None:
    """The lines of the jobs may be out of reach: etl's own count then stands, and what is named is told apart."""
    etl = [line(0, "etl", "start"), line(6, "etl", "end", seconds=6.0, rows_in=9000, rows_quarantined=4075)]
    page = render(report.collect("r", etl) | {"notes": [], "cost": [], "hours": 0.0, "prices": "", "logs": []})
    assert "4,075 rows quarantined, 0 of them named here" in page
    assert "0 rows quarantined<" not in page
