"""Provide `Jobs` for tests of Glue jobs: a bucket with scripts, runs that are waited for, their logs."""

from __future__ import annotations

import textwrap
import time
import uuid
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.settings import Settings

ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}


class Jobs:
    """Glue with a bucket of its own."""

    def __init__(self, settings: Settings) -> None:
        self.glue = aws.client(settings, "glue")
        self.logs = aws.client(settings, "logs")
        self.bucket = f"glue-{uuid.uuid4().hex[:8]}"
        self.folder = Path(settings.s3_root) / self.bucket
        self.folder.mkdir(parents=True)

    def make(self, source: str, *, command: str = "pythonshell", **options: Any) -> str:
        """Make a job with this script and return its name."""
        name = f"job-{uuid.uuid4().hex[:8]}"
        (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        place = {"Name": command, "ScriptLocation": f"s3://{self.bucket}/{name}.py", "PythonVersion": "3.9"}
        self.glue.create_job(Name=name, Role="role", Command=place, GlueVersion="5.1", **options)
        return name

    def run(self, name: str, **options: Any) -> dict[str, Any]:
        """Start a run and wait for its end."""
        return self.wait(name, self.glue.start_job_run(JobName=name, **options)["JobRunId"])

    def wait(self, name: str, run_id: str, states: Any = ENDED) -> dict[str, Any]:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            run: dict[str, Any] = self.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
            if run["JobRunState"] in states:
                return run
            time.sleep(0.05)
        raise AssertionError(f"{run_id} is still {run['JobRunState']}")

    def log(self, run_id: str, kind: str = "output") -> str:
        group = f"/aws-glue/jobs/{kind}"
        response = self.logs.get_log_events(logGroupName=group, logStreamName=run_id, startFromHead=True)
        return "\n".join(event["message"] for event in response["events"])
