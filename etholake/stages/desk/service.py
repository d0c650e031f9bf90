"""Serve the desk: its forms become command lines, which child processes run; trainings are looked at as they run.

Nothing of a verb is done here: the page shows what the verbs print.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etholake import aws, local_server
from etholake.contract import whole_number
from etholake.errors import AwsError, UsageError
from etholake.pages.curves import gaps_of
from etholake.pages.token_server import Json, TokenServer
from etholake.settings import AUTO, Settings
from etholake.stages.desk import mapping
from etholake.stages.desk.children import Children
from etholake.stages.desk.forms import arguments, form_named, forms_json, with_home
from etholake.stages.model.training_inputs import AUTO_CONFIG
from etholake.stages.model.training_result import configuration_of
from etholake.stages.reports import curves

__all__ = ["DeskService", "make_server", "serve"]

Given = Mapping[str, str]
_NEWEST = 25  # training jobs whose times are looked at


class DeskService:
    """The functions behind the page."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The verbs work with the desk's own settings; ETHOLAKE_CONFIG is the file, and the form names the model.
        shared = {f"ETHOLAKE_{name.upper()}": str(v) for name, v in asdict(settings).items() if name != "config"}
        environment = {**os.environ, **shared, "PYTHONIOENCODING": "utf-8"}
        # The verbs are runs of their own, with names of their own in the logs.
        environment.pop("ETHOLAKE_RUN_ID", None)
        self.children = Children(Path(settings.state_dir) / "desk", environment)

    def start(self) -> Json:
        """Return what the page opens with."""
        return {
            "forms": forms_json(),
            "user": getpass.getuser(),
            "data": self.settings.data or "data",
            "facts": f"Database '{self.settings.database}' on target {self.settings.target}; "
            f"verbs run in {Path.cwd()}.",
        }

    def jobs(self, given: Given) -> Json:
        """Return the verbs that were started, with the new lines of the log of one of them."""
        number, start = (_whole(given, name) for name in ("job", "from"))
        return {"jobs": self.children.states(number, start)}

    def run(self, request: Json) -> Json:
        """Start the verb of a form."""
        form = form_named(request.get("form"))
        values = request.get("values")
        if not isinstance(values, dict):
            raise UsageError("Expected the values of the form.")
        return self.children.start(form, arguments(form, values))

    def stop(self, request: Json) -> Json:
        """Stop a verb."""
        return self.children.stop(request.get("job"))

    def mapping(self, given: Given) -> Json:
        """Return the imports of a data folder, and the mapping of one of them."""
        data = Path(with_home(given.get("data") or "data"))
        names = mapping.mappings(data)
        name = given.get("name") or (names[0] if names else "")
        return {"names": names, **(mapping.show(data, name) if name else {})}

    def save_mapping(self, request: Json) -> Json:
        """Change a mapping; the next import obeys it."""
        return mapping.change(
            Path(with_home(str(request.get("data") or "data"))), str(request.get("name")), request
        )

    def times(self) -> Json:
        """Return {configuration: seconds} of the newest completed trainings: the estimate of the next one."""
        return {"times": _look(self.settings, _training_times, {})}

    def curves(self) -> Json:
        """Return the newest training job, its status, and the metrics that it has logged so far."""
        return _look(self.settings, _newest_curves, {"job": "", "status": "", "metrics": {}})


def _look(settings: Settings, read: Callable[[Settings], Json], nothing: Json) -> Json:
    """Return what `read` finds; `nothing` as long as no services answer or no lake is deployed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        local_server.require_answer(settings)
        return read(settings)
    except (AwsError, BotoCoreError, ClientError):
        return nothing


def _jobs(settings: Settings, count: int, **more: str) -> list[dict[str, Any]]:
    client = aws.client(settings, "sagemaker")
    answer = client.list_training_jobs(SortBy="CreationTime", SortOrder="Descending", MaxResults=count, **more)
    jobs: list[dict[str, Any]] = answer["TrainingJobSummaries"]
    return jobs


def _training_times(settings: Settings) -> Json:
    client, times = aws.client(settings, "sagemaker"), {}
    for job in reversed(_jobs(settings, _NEWEST, StatusEquals="Completed")):
        description = client.describe_training_job(TrainingJobName=job["TrainingJobName"])
        config = configuration_of(description)
        if config and description.get("TrainingEndTime"):
            times[config] = (description["TrainingEndTime"] - description["CreationTime"]).total_seconds()
    if AUTO_CONFIG in times:
        times[AUTO] = times[AUTO_CONFIG]
    return times


def _newest_curves(settings: Settings) -> Json:
    (job,) = _jobs(settings, 1) or [{"TrainingJobName": "", "TrainingJobStatus": ""}]
    metrics = gaps_of(curves.read(settings, job["TrainingJobName"])) if job["TrainingJobName"] else {}
    return {"job": job["TrainingJobName"], "status": job["TrainingJobStatus"], "metrics": metrics}


def _whole(given: Given, name: str) -> int:
    value = whole_number(given.get(name) or "0")
    if value is None or value < 0:
        raise UsageError(f"{name} must be a whole number, but got '{given[name]}'.")
    return value


def make_server(settings: Settings, port: int = 0) -> tuple[TokenServer, DeskService]:
    """Return a server of the desk on loopback, not yet running, and what stands behind it."""
    service = DeskService(settings)
    ask: dict[str, Callable[[Given], Json]] = {
        "start": lambda _: service.start(), "jobs": service.jobs, "mapping": service.mapping,
        "times": lambda _: service.times(), "curves": lambda _: service.curves(),
    }  # fmt: skip
    tell: dict[str, Callable[[Json], Json]] = {
        "run": service.run, "stop": service.stop, "mapping": service.save_mapping,
    }  # fmt: skip
    return TokenServer("desk", ask, tell, port), service


def serve(settings: Settings, port: int = 0) -> None:
    """Serve the desk until stopped by Ctrl-C; the verbs that run then are stopped as well."""
    server, service = make_server(settings, port)
    with server:
        print(server.url, flush=True)
        print("etholake: the desk; Ctrl-C stops it and the verbs that it runs", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        finally:
            service.children.close()
