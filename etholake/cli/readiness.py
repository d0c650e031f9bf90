"""Check before a verb starts that its services answer and that the lake is deployed, and say what to run if not.

Without this check each client meets a missing service in its own way and after its own retries: a stack trace of
XML, "501 Not Implemented", a minute of silence. The checks take one request each. What a verb needs beyond the
deployed bucket (raw files, tables, a model) is checked by its stage.
"""

from __future__ import annotations

import argparse

from etholake import aws, local_server
from etholake.errors import AwsError
from etholake.settings import Settings

__all__ = ["check"]

# Verbs whose services must answer; those that need the deployed bucket, too.
ANSWERED = frozenset({"deploy", "destroy"})
DEPLOYED = frozenset({
    "ingest", "etl", "compact", "vacuum", "query", "features", "train", "tune", "explain", "serve", "registry",
    "predict", "evaluate", "drift", "dashboards", "video", "curves", "pipeline", "cost",
})  # fmt: skip


def check(settings: Settings, arguments: argparse.Namespace) -> None:
    """Raise AwsError if the verb cannot start: nothing answers, another program does, or no lake is deployed."""
    verb = arguments.verb
    if verb not in ANSWERED | DEPLOYED or _is_offline(arguments):
        return
    local_server.require_answer(settings)
    if verb in DEPLOYED:
        _require_bucket(settings, verb)


def _is_offline(arguments: argparse.Namespace) -> bool:
    """Return whether the options make the verb one that asks no service."""
    given = vars(arguments)
    match arguments.verb:
        case "query":
            return bool(given["list"])
        case "dashboards":
            return given["template"] is not None or given["publish"] is not None
        case "explain":
            return given["model"] != "current" and not given["model"].startswith("s3://")
        case "evaluate":  # a submission against a folder; the lake only takes the result if a run is named
            return not (given["run_id"] or given["out_of_fold"] or given["as_job"])
    return False


def _require_bucket(settings: Settings, verb: str) -> None:
    from botocore.exceptions import ClientError

    try:
        aws.client(settings, "s3").head_bucket(Bucket=settings.bucket)
    except ClientError as err:
        if err.response["ResponseMetadata"].get("HTTPStatusCode") != 404:
            return  # a bucket that may not be looked at may still be read: the verb will tell
        raise AwsError(
            f"There is no bucket '{settings.bucket}' on target {settings.target}, so nothing for `{verb}` to "
            "work on: run `make deploy` first, then `make ingest etl DATA=<folder in the MABe layout>`."
        ) from err
