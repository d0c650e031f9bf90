"""The whole pipeline through the command line, as a user runs it: simulated labs in, an official score out.

One mock, one small lake, the stages in order; then the second run, and what happens after `kill -9`.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from iam_calls import translated
from policies import denied

from etholake import local_server
from etholake.settings import Settings
from etholake.stages.lake import query
from local_mock import lifecycle
from local_mock.glue import class_archive

pytestmark = pytest.mark.server

ETHOLAKE = [sys.executable, "-m", "etholake.cli"]
# Stages that OperatorPolicy is for (`deploy` needs other rights).
OPERATED = {"ingest", "etl", "query", "train", "serve", "predict", "evaluate", "report", "explain"}


class Workplace:
    """A folder with its own mock, as a user would have it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.calls = root / "calls.jsonl"
        self.recorded: list[dict[str, Any]] = []  # requests of the stages
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("ETHOLAKE_", "AWS_", "MABE_"))}
        self.env = keep | {"ETHOLAKE_STATE_DIR": str(root / "state"), "ETHOLAKE_S3_ROOT": str(root / "s3_mock")}
        self.env["ETHOLAKE_RUN_ID"] = "e2e"
        self.env.pop("TARGET", None)
        self.pid = 0

    def up(self) -> None:
        """Start a mock that records what is asked of it, or take the running one."""
        folders = {"state_dir": self.env["ETHOLAKE_STATE_DIR"], "s3_root": self.env["ETHOLAKE_S3_ROOT"]}
        options = local_server.options(Settings(port=0, **folders))
        # This mock is killed, and ends soon: an archive that it began would be lost half made.
        path = class_archive.archive(os.environ)
        made = path is not None and path.is_file()
        lifecycle.up(replace(options, record_calls=self.calls, class_archive=options.class_archive and made))
        self.env["PORT"] = "0"
        running = self("up")
        self.pid = running["pid"]
        self.env |= running["env"] | {"PORT": running["url"].rpartition(":")[2]}

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        before = self.calls.stat().st_size if self.calls.exists() else 0
        done = self.start(*arguments).communicate(timeout=400)
        if arguments[0] in OPERATED:
            with self.calls.open("rb") as file:
                file.seek(before)
                self.recorded += map(json.loads, file)
        assert self.last.returncode == code, f"{arguments}: {done[0]}\n{done[1]}"
        return json.loads(done[0]) if code == 0 else {"error": done[1]}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        self.last = subprocess.Popen(
            [*ETHOLAKE, *arguments, "--json"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.last

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def content(self) -> dict[str, list[Any]]:
        """Return every curated table by content, whatever its files: counts and sums per lab and video."""
        settings = Settings(
            port=int(self.env["PORT"]),
            state_dir=self.env["ETHOLAKE_STATE_DIR"],
            s3_root=self.env["ETHOLAKE_S3_ROOT"],
        )
        return {name: list(query.run_sql(settings, sql).rows) for name, sql in CONTENT.items()}


CONTENT = {
    "tracking_curated": """SELECT split, lab_id, video_id, count(*), sum(CAST(x AS double)),
        sum(CAST(vx AS double)), sum(video_frame), sum(mouse_id), count_if(is_imputed)
        FROM tracking_curated GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "annotations_enriched": """SELECT lab_id, video_id, action, issue, count(*), sum(start_frame), sum(stop_frame)
        FROM annotations_enriched GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4""",
    "labeled_behaviors": """SELECT lab_id, video_id, count(*), count_if(repaired)
        FROM labeled_behaviors GROUP BY 1, 2 ORDER BY 1, 2""",
    "class_distribution_stats": """SELECT lab_id, action, events, frames, seconds
        FROM class_distribution_stats ORDER BY 1, 2""",
    "curation_files": """SELECT source_file, rows_in, rows_curated, rows_quarantined, rows_imputed
        FROM curation_files ORDER BY 1""",
    "quarantine": "SELECT source_file, rule, sum(rows) FROM quarantine GROUP BY 1, 2 ORDER BY 1, 2",
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    place = Workplace(tmp_path_factory.mktemp("workplace"))
    place(
        *("simulate", "--out", str(place.data), "--labs", "2", "--videos", "3", "--seconds", "20"),
        *("--seed", "7", "--dirt", "0.2"),
    )
    place.up()
    yield place
    place("down")


def test_01_raw_tracks_become_curated_tables(workplace: Workplace) -> None:
    workplace("deploy")
    assert workplace("ingest", "--data", str(workplace.data))["status"] == "done"
    assert workplace("etl")["status"] == "done"
    content = workplace.content()
    assert content["tracking_curated"]
    unbalanced = workplace(
        "query",
        "--sql",
        "SELECT source_file FROM curation_files WHERE rows_in <> rows_curated + rows_quarantined",
    )
    assert unbalanced == []


def test_02_an_unchanged_lake_is_left_alone(workplace: Workplace) -> None:
    assert workplace("ingest", "--data", str(workplace.data))["status"] == "unchanged"
    assert workplace("etl")["status"] == "unchanged"


def test_03_bare_boto3_reaches_everything(workplace: Workplace) -> None:
    buckets = [b["Name"] for b in workplace.client("s3").list_buckets()["Buckets"]]
    assert "etholake-dev" in buckets
    glue = workplace.client("glue")
    run = glue.start_job_run(JobName="etholake-curate-tables")["JobRunId"]
    state = ""
    deadline = time.monotonic() + 120
    while state not in {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"} and time.monotonic() < deadline:
        time.sleep(0.5)
        job = glue.get_job_run(JobName="etholake-curate-tables", RunId=run)["JobRun"]
        state = job["JobRunState"]
    assert state == "SUCCEEDED", job.get("ErrorMessage")


@pytest.mark.slow
def test_04_kill_9_of_the_mock_in_a_job_loses_nothing(workplace: Workplace) -> None:
    before = workplace.content()
    for pointer in workplace.root.glob("s3_mock/*/curated-zone/tracking_curated/**/_CURRENT"):
        pointer.unlink()
    for state in workplace.root.glob("s3_mock/*/state-zone/etl.json"):
        state.unlink()
    running = workplace.start("etl")
    time.sleep(4)
    os.kill(workplace.pid, signal.SIGKILL)
    assert running.wait(timeout=120) == 1
    assert "Traceback" not in running.communicate()[1]
    workplace.up()
    workplace("deploy")
    workplace("etl")
    assert workplace.content() == before


@pytest.mark.slow
def test_05_a_model_is_trained_served_and_scored(workplace: Workplace) -> None:
    trained = workplace("train", "--config", "smoke")
    assert workplace("train", "--config", "smoke")["status"] == "unchanged"
    workplace("serve")
    submission = workplace.root / "submission.csv"
    predicted = workplace("predict", "--split", "train", "--output", str(submission))
    videos = ",".join(str(s["video_id"]) for s in trained["split"]["test"])
    scores = workplace(
        "evaluate", "--data", str(workplace.data), "--submission", str(submission), "--videos", videos
    )
    assert set(scores) == {"score", "labs", "interval", "details"}
    assert 0 <= scores["score"] <= 1
    sql = f"SELECT count(*) AS n FROM predictions WHERE run_id = '{predicted['run_id']}'"
    rows = workplace("query", "--sql", sql)
    assert rows[0]["n"] == len(submission.read_text().splitlines()) - 1


def test_06_the_endpoint_answers_a_bare_client_and_survives_rubbish(workplace: Workplace) -> None:
    runtime = workplace.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError, match="400"):
        runtime.invoke_endpoint(EndpointName="etholake", ContentType="application/x-parquet", Body=b"rubbish")
    request = {
        "metadata": {"video_id": 1, "lab_id": "nowhere", "frames_per_second": 30.0, "pix_per_cm_approx": 10.0,
                     "video_width_pix": 500, "video_height_pix": 500,
                     "behaviors_labeled": ["mouse1,mouse2,chase"]},
        "tracking": {
            "video_frame": [f for f in range(60) for _ in range(4)],
            "mouse_id": [1, 1, 2, 2] * 60,
            "bodypart": ["nose", "tail_base"] * 120,
            "x": [100.0 + f for f in range(60) for _ in range(4)],
            "y": [100.0] * 240,
        },
    }  # fmt: skip
    answer = runtime.invoke_endpoint(
        EndpointName="etholake", ContentType="application/json", Body=json.dumps(request).encode()
    )
    body = json.loads(answer["Body"].read())
    assert (body["video_id"], body["lab_id"]) == (1, "nowhere")
    assert isinstance(body["events"], list)


def test_07_the_report_shows_the_run_with_its_jobs(workplace: Workplace) -> None:
    printed = workplace("report", "e2e", "--out", str(workplace.root / "dist"))
    report = json.loads((workplace.root / "dist" / "report-e2e.json").read_text())
    page = (workplace.root / "dist" / "report-e2e.html").read_text()
    assert (printed["steps"], printed["outcome"]) == (len(report["steps"]), report["outcome"])
    stages = {step["stage"] for step in report["steps"]}
    assert {"deploy", "ingest", "etl", "train", "serve", "predict", "evaluate"} <= stages
    assert {"curate tracking job", "curate tables job", "train job"} <= stages  # by CloudWatch, under the same run
    jobs = [step for step in report["steps"] if step["stage"] == "train job"]
    assert all(step["source"].startswith("/aws/sagemaker/TrainingJobs: etholake-train-") for step in jobs)
    assert max(step["counts"].get("rows_in", 0) for step in report["steps"] if step["stage"] == "etl") > 1000
    lost = {line["file"]: line["rules"] for line in report["quarantined"] if "file" in line}
    table = workplace("query", "--sql", "SELECT source_file, rule, sum(rows) AS n FROM quarantine GROUP BY 1, 2")
    assert lost == {
        file: {row["rule"]: row["n"] for row in table if row["source_file"] == file}
        for file in {row["source_file"] for row in table if row["n"]}
    }
    failed = [line for line in report["failures"] if line["stage"] == "etl"]  # test_04 killed the mock under it
    assert any("connect" in line["message"].lower() for line in failed), report["failures"]
    assert 0 <= report["scores"][-1]["score"] <= 1
    assert {line["stage"] for line in report["cost"]} >= {"ingest", "etl: tracks", "train", "endpoint", "storage"}
    assert "<script" not in page
    assert "curate tracking job" in page


@pytest.mark.slow
def test_08_a_model_goes_on_with_a_lab_that_joins_the_folder(workplace: Workplace) -> None:
    other, size = workplace.root / "other", ("--labs", "1", "--videos", "3", "--seconds", "20")
    workplace("simulate", "--out", str(other), *size, "--seed", "8", "--dirt", "0")
    base = workplace("train", "--config", "smoke")["model_uri"]
    refused = workplace("train", "--from", base, "--data", str(other), code=2)
    assert "a lake mirrors one folder" in refused["error"]
    join(other, workplace.data, "Newcomer")
    arguments = ("train", "--from", base, "--data", str(workplace.data), "--labs", "Newcomer")
    tuned = workplace(*arguments)
    assert tuned["fine_tuned"]["labs_added"] == ["Newcomer"]
    assert {span["lab_id"] for part in tuned["split"].values() for span in part} == {"Newcomer"}
    labs_before = workplace("explain")["labs"]
    assert labs_before["Newcomer"]
    assert len(labs_before) == 3
    assert workplace(*arguments)["status"] == "unchanged"


def test_09_the_policies_allow_what_the_stages_have_asked_for(workplace: Workplace) -> None:
    """The operator's policy covers the stages, and the roles cover their jobs and endpoint.

    Only the stages of this module are compared; `make test-long` records all of them.
    """
    asked = translated(workplace.recorded)
    assert {principal for principal, *_ in asked} == {"operator", "GlueRole", "SageMakerRole"}
    assert len(asked) > 50
    assert denied(asked) == []


def join(folder: Path, to: Path, name: str) -> None:
    """Put the one lab of a folder into another, as `name`."""
    with (folder / "train.csv").open(newline="") as new, (to / "train.csv").open("a", newline="") as old:
        rows = list(csv.DictReader(new))
        writer = csv.DictWriter(old, list(rows[0]))
        writer.writerows(row | {"lab_id": name} for row in rows)
    for kind in ("train_tracking", "train_annotation"):
        shutil.copytree(folder / kind / rows[0]["lab_id"], to / kind / name)
