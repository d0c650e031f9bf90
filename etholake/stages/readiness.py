"""Check before a verb works that its services answer and that the lake is deployed, and say what to run if not.

Without this check each client meets a missing service in its own way and after its own retries: a stack trace of
XML, "501 Not Implemented", a minute of silence. The checks take one request each. What a verb needs beyond the
deployed bucket (raw files, tables, a model) is checked by its stage. Wrong usage, and options that ask no
service, come first: the problem is raised at the first use of AWS (`aws.refused`).
"""

from __future__ import annotations

from etholake import aws, local_server
from etholake.errors import AwsError
from etholake.settings import Settings

__all__ = ["problem"]

# Verbs whose services must answer; those that need the deployed bucket, too.
ANSWERED = frozenset({"deploy", "destroy"})
DEPLOYED = frozenset({
    "ingest", "etl", "compact", "vacuum", "query", "features", "train", "tune", "explain", "serve", "registry",
    "predict", "evaluate", "drift", "dashboards", "video", "figure", "review", "agreement", "curves",
    "pipeline", "cost", "clips", "overlay", "metrics", "export", "pretrain", "compare",
})  # fmt: skip


def problem(settings: Settings, verb: str) -> AwsError | None:
    """Return why the verb cannot work: nothing answers, another program does, no lake is deployed; else None."""
    if verb not in ANSWERED | DEPLOYED:
        return None
    try:
        local_server.require_answer(settings)
        if verb in DEPLOYED:
            _require_bucket(settings, verb)
    except AwsError as err:
        return err
    return None


def _require_bucket(settings: Settings, verb: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        aws.client(settings, "s3").head_bucket(Bucket=settings.bucket)
    except BotoCoreError:
        return  # credentials of target aws, say: the verb will tell
    except ClientError as err:
        if err.response["ResponseMetadata"].get("HTTPStatusCode") != 404:
            return  # a bucket that may not be looked at may still be read: the verb will tell
        raise AwsError(
            f"There is no bucket '{settings.bucket}' on target {settings.target}, so nothing for `{verb}` to "
            "work on: run `make deploy` first, then `make ingest etl DATA=<folder in the MABe layout>`."
        ) from err
