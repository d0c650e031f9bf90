"""Write `local_mock/COVERAGE.md`: per operation of the services that the pipeline uses, what the mock does.

Run: ``python -m local_mock.coverage`` (writes the file), ``python -m local_mock.coverage --check`` (exit code 1
if the file is not what would be written). The list comes from botocore's service models, from each package's
`EXECUTES`, and from the methods of moto's response classes after our services are installed.
"""

# ruff: noqa: E501 - one line a row of a table
from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["PATH", "STATES", "operations", "render"]

PATH = Path(__file__).with_name("COVERAGE.md")
STATES = ("executes", "state only", "absent")
# botocore's name -> (moto's module with its Response class, our package or None)
_SERVICES: dict[str, tuple[str, str, str | None]] = {
    "s3": ("moto.s3.responses", "S3Response", "s3"),
    "glue": ("moto.glue.responses", "GlueResponse", "glue"),
    "athena": ("moto.athena.responses", "AthenaResponse", "athena"),
    "sagemaker": ("moto.sagemaker.responses", "SageMakerResponse", "sagemaker"),
    "sagemaker-runtime": ("moto.sagemakerruntime.responses", "SageMakerRuntimeResponse", "sagemaker"),
    "cloudformation": ("moto.cloudformation.responses", "CloudFormationResponse", "cloudformation"),
    "iam": ("moto.iam.responses", "IamResponse", "iam"),
    "sts": ("moto.sts.responses", "TokenResponse", None),
    "logs": ("moto.logs.responses", "LogsResponse", None),
    "stepfunctions": ("moto.stepfunctions.responses", "StepFunctionResponse", "stepfunctions"),
    "events": ("moto.events.responses", "EventsHandler", "events"),
    "sns": ("moto.sns.responses", "SNSResponse", None),
    "kms": ("moto.kms.responses", "KmsResponse", None),
    "application-autoscaling": (
        "moto.applicationautoscaling.responses",
        "ApplicationAutoScalingResponse",
        None,
    ),
    "quicksight": ("moto.quicksight.responses", "QuickSightResponse", "quicksight"),
    "resourcegroupstaggingapi": (
        "moto.resourcegroupstaggingapi.responses",
        "ResourceGroupsTaggingAPIResponse",
        "tagging",
    ),
}
_HEADER = """# What local_mock does, operation by operation

Made by `python -m local_mock.coverage`; do not edit (a test compares).

- **executes**: it really does what it says (a job runs, a query reads data, an object is a file).
- **state only**: moto keeps what you create and gives it back; nothing happens.
- **absent**: answers 501 `NotImplemented` with a message that names the operation.

Of S3, these are kept and given back, but nothing acts on them: ACLs and bucket policies (every request is
allowed), storage classes (but an archived object is read only after RestoreObject, which ends at once), life
cycle rules, replication, access logs. With a customer's key (SSE-C) an object is given out for that key only;
its file is not encrypted. Older versions are kept of what goes through S3's requests, not of files that change
in the folders. CRC32C and CRC64NVME checksums are kept as sent but not compared. A key that cannot be a file of
that path (`a//b`, `a/../b`, a part over 255 bytes, `d` beside `d/e`) is an object as any other, but its file
lies in `.local_mock/`: Spark, which reads the folders, does not see it. SelectObjectContent, GetObjectTorrent
and RenameObject are refused.

Of EventBridge, an object that is written starts the state machines of the rules that match it, and PutEvents does;
rules with a schedule (`rate`, `cron`) are state only: nothing happens by the clock.

{athena}

What of awswrangler and PyAthena was walked through, call by call,
stands in `tests/local_mock/athena/test_client_*.py`.

Of Glue's jobs: with `--enable-glue-datacatalog`, `spark.sql` and `spark.table` read the catalog's tables of
Parquet and ORC files, as they are when the run starts; statements that change the catalog, INSERT INTO and
saveAsTable are refused, and a query of a table that is left out says so. A job's Command.Name must be one that
Glue has; glueetl and pythonshell run.

AWS's package `awsglue` needs AWS's jars, which are not published. In its place a job imports local_mock's own
(`local_mock/glue/job_library`): GlueContext, create_dynamic_frame and write_dynamic_frame from_options (S3: Parquet,
ORC, JSON, CSV) and from_catalog (the same formats), Job, getResolvedOptions, and of DynamicFrame and the transforms:
toDF, fromDF, apply_mapping, resolveChoice by `cast:`, select_fields, drop_fields, rename_field, filter, map, join,
union, repartition, coalesce, count, show, printSchema. All else (relationalize, unnest, spigot, getSink, JDBC,
streams, …) and every option that would not be followed raises NotImplementedError with a sentence. A dynamic frame
has one schema and no choice types: of JSON, Spark infers long where Glue has int, and string for a field of mixed
types; a record that cannot be read fails the job. An empty field of a CSV file is an empty string (assumed of Glue,
without a source). The source types of apply_mapping and the SerDe of a single partition are not looked at. Paths with
folders of partitions are read through the catalog only. Job bookmarks are kept by `Job.commit` for sources with a transformation_ctx (an object is new if it was
modified since); --job-bookmark-from and -to, and the bookmark of an earlier run, are refused.

Of SageMaker's pipelines, the step types Training, Processing, Transform, Tuning, Model, RegisterModel, Condition and
Fail run; a definition with another type (Lambda, Callback, QualityCheck, EMR, …), with MlflowConfig, or that AWS
would refuse is refused when the pipeline is made. Steps are cached and retried as their CacheConfig and
RetryPolicies say; after a failure that no step waits for, those that run are waited for and no further one starts.
SelectiveExecutionConfig, versions of pipelines and VersionId of a definition in S3 are refused.

Of CloudFormation, Rules of a template are read but not evaluated; Transform and Fn::Transform (SAM, macros,
AWS::Include outside of Mappings) are refused, and so is a key that stands twice in one mapping.

Of Step Functions, JSONPath and JSONata are interpreted; Express workflows, distributed maps and activities are
moto's.

Spark of a Glue job reads the buckets' folders. Through S3's own requests (Hadoop's s3a) it goes with two jars that
are not shipped: see `tests/local_mock/test_glue_s3a.py`, which is skipped without them.

With `--s3-endpoint`, objects are read and written through an S3 elsewhere (LocalStack's, say); all other services
stay here.

## moto's own tests

`tests/peers/moto_suites.py` runs them against stock moto 5.2.5 and against this server (2026-11-30):

| suite | tests | stock | here | what is lost |
|---|---:|---:|---:|---|
| s3 (`test_s3.py`) | 151 | 150 | 145 | buckets are listed by name; ACLs open and close nothing; a presigned PUT takes no other method and no Content-Type that is not signed, but one in the URL (version 2) counts as sent |
| glue | 296 | 296 | 235 | many make a job whose Command.Name is `test_command` or the like, which Glue does not have: with `glueetl` in its place 285 tests pass, 50 more. In the other 11, runs and crawls are real (they fail, end, and exclude one another), and MaxCapacity beside WorkerType is refused |
| stepfunctions | 105 | 85 | 76 | machines execute where stock moto leaves them RUNNING; a stack removes the tags that its template no longer has |
| athena | 57 | 54 | 25 | the output bucket must exist; queries are executed, a queue of made-up results is not read |
| sagemaker | 263 | 263 | 200 | models and jobs need data, images and models that exist; kinds of tuning jobs are refused by name; 24 make a pipeline whose definition is a blank or a word: with one that can run, 23 of them pass, and the other asks for a "prefix" in the middle of a name |

## After a restart

What was acknowledged is there again, also after `kill -9`: objects; settings of buckets; {services};
Athena's executions and their results; executions of Step Functions. What ran has ended with the server and is
Failed, Aborted or FAILED, with that reason; endpoints start their hosts again. It is in `.local_mock/` beside the
buckets, survives the process but (SQLite's WAL, synchronous = NORMAL) not a power cut to the last write, and is
read by the version of moto and of local_mock that wrote it. In memory only: log events, data points of CloudWatch
metrics, and all services not named here. With `--s3-endpoint` nothing is kept.

On a full disk, S3 and the other services answer 507 `InsufficientStorage` and go on when there is space again. A
change that another service could not write is kept in memory and written with the next request.
"""
_SHOWN = {"applicationautoscaling": "application-autoscaling", "athena": "athena's work groups and statements"}


def operations(service: str) -> dict[str, str]:
    """Return the state of every operation of a service, by CamelCase name. The services must be installed."""
    import botocore.session
    from moto.core.utils import camelcase_to_underscores, method_names_from_class

    module, class_name, package = _SERVICES[service]
    methods = set(method_names_from_class(getattr(importlib.import_module(module), class_name)))
    ours: Any = importlib.import_module(f"local_mock.{package}") if package else None
    executes: frozenset[str] = getattr(ours, "EXECUTES", frozenset())
    # A package that names what is absent (S3: moto has no method per operation) is believed; else moto is asked.
    absent: frozenset[str] = getattr(ours, "ABSENT", frozenset())
    operations_by_state = {}
    for name in botocore.session.get_session().get_service_model(service).operation_names:
        if name in executes:
            operations_by_state[name] = "executes"
        elif name not in absent and (absent or camelcase_to_underscores(name) in methods):
            operations_by_state[name] = "state only"
        else:
            operations_by_state[name] = "absent"
    return operations_by_state


def unknown(service: str) -> list[str]:
    """Return the names in a package's EXECUTES that no service of it has: they are misspelt."""
    import botocore.session

    package = _SERVICES[service][2]
    if package is None:
        return []
    session = botocore.session.get_session()
    siblings = [name for name, (_, _, other) in _SERVICES.items() if other == package]
    sibling_operations = {o for name in siblings for o in session.get_service_model(name).operation_names}
    executes: frozenset[str] = getattr(importlib.import_module(f"local_mock.{package}"), "EXECUTES", frozenset())
    return sorted(set(executes) - sibling_operations)


def render() -> str:
    """Return the file's text. Installs the services into this process's moto, with temporary folders."""
    from local_mock.context import Context, set_context
    from local_mock.data import FolderData
    from local_mock.server import install

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        context = Context(root / "s3", root / "state", 0, "us-east-1", FolderData(root / "s3"))
        set_context(context)
        install(context)
        table = {service: operations(service) for service in _SERVICES}
    from local_mock.athena import gaps
    from local_mock.durable.state import SERVICES

    kept = ", ".join(_SHOWN.get(name, name) for name in sorted(SERVICES) if name != "s3")
    lines = [
        _HEADER.replace("{services}", kept).replace("{athena}", gaps.render()),
        "| service | executes | state only | absent |",
        "|---|---:|---:|---:|",
    ]
    for service, states in table.items():
        counts = " | ".join(str(list(states.values()).count(state)) for state in STATES)
        lines.append(f"| [{service}](#{service}) | {counts} |")
    for service, states in table.items():
        lines.append(f"\n## {service}\n")
        for state in STATES:
            names = sorted(name for name, value in states.items() if value == state)
            if names:
                lines.append(f"**{state}** ({len(names)}): {', '.join(names)}\n")
    return "\n".join(lines).rstrip() + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write or check the file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local_mock.coverage", description="Write COVERAGE.md.")
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 if the file is stale")
    check = parser.parse_args(argv).check
    text = render()
    problems = [
        f"{s}: EXECUTES names what AWS does not have: {', '.join(u)}" for s in _SERVICES if (u := unknown(s))
    ]
    stale = check and (not PATH.exists() or PATH.read_text(encoding="utf-8") != text)
    if stale:
        problems.append(f"{PATH.name} is stale: run `python -m local_mock.coverage`.")
    if not check:
        PATH.write_text(text, encoding="utf-8")
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
