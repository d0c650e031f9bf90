r"""Glue job `etholake-pipeline-step`: one step of the pipeline's state machine that is code (check, gate, …).

Runs on Glue 5.1 (no Spark is started) and on any machine, with `etholake.zip` on the Python path::

    python pipeline_step.py --JOB_NAME etholake-pipeline-step --bucket BUCKET --database DATABASE \
        --step check --execution by-hand --input '{}'

What a step does is in `etholake.stages.pipeline.steps`; a step that refuses fails the job with its sentence, which
becomes the cause of the state.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etholake import logs
from etholake.errors import UsageError
from etholake.settings import Settings
from etholake.stages.pipeline import steps

# Settings that an execution's input may give; the others are the deployment's.
FROM_INPUT = frozenset({
    "implausible_points", "max_gap_frames", "quality_limits", "repair_label_clock", "seed",
})  # fmt: skip


@dataclass(frozen=True)
class StepOptions:
    """Arguments of the job: names of the lake, the step, the execution with its input, the training job."""

    settings: Settings
    step: str
    execution: str
    given: dict[str, Any]
    training: dict[str, Any]


def parse(argv: Sequence[str]) -> StepOptions:
    """Read the arguments as Glue passes them.

    Raises
    ------
    UsageError
        `input` or `training` is not a JSON object, or the input has settings that are no business of a run.
    """
    from awsglue.utils import getResolvedOptions

    names = {argument.partition("=")[0] for argument in argv}  # getResolvedOptions knows required ones only
    optional = [name for name in ("training",) if f"--{name}" in names]
    read = getResolvedOptions(list(argv), ["bucket", "database", "step", "execution", "input", *optional])
    given, training = (_object(name, read.get(name, "{}")) for name in ("input", "training"))
    chosen = given.get("settings", {})
    if unknown := sorted(set(chosen) - FROM_INPUT):
        raise UsageError(f"An execution's input may set {sorted(FROM_INPUT)}, but got {unknown}.")
    settings = Settings(
        target="aws",  # inside a job, boto3's own resolution is right everywhere
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        bucket=read["bucket"],
        database=read["database"],
        **chosen,
    )
    return StepOptions(settings, read["step"], read["execution"], given, training)


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as err:
        raise UsageError(f"Argument --{name} must be JSON, but got '{text}': {err}.") from err
    if not isinstance(content, dict):
        raise UsageError(f"Argument --{name} must be a JSON object, but got '{text}'.")
    return content


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Run the step; returns what it left for the state machine."""
    options = parse(argv)
    run = steps.run_id(options.given, options.execution)
    logs.to_stdout([logs.ARGUMENT, run])
    with logs.stage(f"pipeline {options.step}", execution=options.execution):
        result = steps.run(options.settings, options.step, options.execution, options.given, options.training)
        logs.add_fields(**{name: value for name, value in result.items() if isinstance(value, str | int | float)})
    print(f"{options.step}: {json.dumps(result, default=str)}")
    return result


if __name__ == "__main__":
    main(sys.argv)
