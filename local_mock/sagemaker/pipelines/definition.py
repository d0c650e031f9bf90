"""Reads a pipeline's definition and refuses, when it is made, what could not run.

Source of names: https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from local_mock.sagemaker.pipelines import conditions
from local_mock.sagemaker.pipelines.caching import parse_duration
from local_mock.sagemaker.pipelines.expressions import GET, JOIN, JSON_GET, expressions, parse_path
from local_mock.sagemaker.pipelines.kinds import CONDITION, FAIL, KINDS, members, property_shape
from local_mock.sagemaker.pipelines.parameters import PipelineParameter
from local_mock.sagemaker.pipelines.refusal import refuse
from local_mock.sagemaker.pipelines.retries import RetryPolicy

__all__ = ["COMPLETED", "VARIABLES", "Definition", "Dependency", "Step", "own_arguments", "parse_definition",
           "predecessors"]  # fmt: skip

VERSION = "2020-12-01"
COMPLETED, TRIGGERS = "Completed", frozenset({"Completed", "Failed", "Stopped", "Any"})
VARIABLES = frozenset({
    "PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn", "StartDateTime",
    "CurrentDateTime", "TrainingJobName", "ProcessingJobName",
})  # fmt: skip
_TOP = frozenset({"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"})
_STEP = frozenset({"Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description", "CacheConfig",
                   "RetryPolicies", "PropertyFiles"})  # fmt: skip
_CONDITION = frozenset({"Conditions", "IfSteps", "ElseSteps"})
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


@dataclass(frozen=True)
class Dependency:
    """A step waits for the step `step` to end as `trigger` says."""

    step: str
    trigger: str = COMPLETED


@dataclass(frozen=True)
class Step:
    """One step. `branch` is the Condition step and the outcome under which it runs, None for a step of the top."""

    name: str
    type: str
    arguments: Mapping[str, Any]
    dependencies: tuple[Dependency, ...]
    branch: tuple[str, str] | None
    display_name: str
    description: str
    retries: tuple[RetryPolicy, ...]
    files: Mapping[str, tuple[str, str]]  # property file -> (output, path of the file)
    cache: dt.timedelta | None  # how old an earlier run may be that is taken over


@dataclass(frozen=True)
class Definition:
    """A checked definition: `steps` has those of all branches, in the order in which they are written."""

    parameters: Mapping[str, PipelineParameter]
    steps: Mapping[str, Step]
    experiment: Mapping[str, Any]


def parse_definition(text: str) -> Definition:
    """Return the definition of a JSON text.

    Raises
    ------
    InvalidRequestError : AWS would refuse it, or local_mock does not execute what it asks for.
    """
    try:
        content = json.loads(text)
    except ValueError as err:
        raise refuse(f"It is no JSON: {err}.") from err
    except RecursionError as err:
        raise refuse("It is nested too deeply.") from err
    try:
        return _definition(content)
    except RecursionError as err:
        raise refuse("It is nested too deeply.") from err
    except (AttributeError, OverflowError, TypeError, ValueError) as err:  # a list in the place of a name, …
        raise refuse(f"A member has a value of another kind than it must have: {err}.") from err


def _definition(content: Any) -> Definition:
    if not isinstance(content, dict):
        raise refuse("Expecting start of Json Object.")
    _check_members(content, _TOP, "the definition")
    if content.get("Version") != VERSION:
        raise refuse(f"Version must be '{VERSION}', but got {content.get('Version')!r}.")
    if content.get("MlflowConfig"):
        raise refuse("local_mock does not support MlflowConfig.")
    parameters: dict[str, PipelineParameter] = {}
    for item in _list(content.get("Parameters"), "Parameters"):
        parameter = PipelineParameter.parse(item)
        if parameter.name in parameters:
            raise refuse(f"Duplicate parameter name '{parameter.name}'.")
        parameters[parameter.name] = parameter
    steps: dict[str, Step] = {}
    _collect(_list(content.get("Steps"), "Steps"), None, steps)
    if not steps:
        raise refuse("A pipeline must have at least one step.")
    definition = Definition(parameters, steps, content.get("PipelineExperimentConfig") or {})
    _check_references(definition.experiment, definition, "PipelineExperimentConfig")
    for step in steps.values():
        _check_step(step, definition)
    _check_order(steps)
    return definition


def _check_members(content: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    if unknown := sorted(content.keys() - set(allowed)):
        raise refuse(f"Unknown member '{unknown[0]}' in {where}.")


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise refuse(f"Expecting start of Json Array in {where}.")
    return value


# --- steps ------------------------------------------------------------------------------------------------
def _collect(items: Iterable[Any], branch: tuple[str, str] | None, steps: dict[str, Step]) -> None:
    """Add the steps of a list, and those of their branches, to `steps`."""
    for item in items:
        step = _step(item, branch)
        if step.name in steps:
            raise refuse(f"Duplicate step name '{step.name}'.")
        steps[step.name] = step
        if step.type == CONDITION:
            for member, outcome in (("IfSteps", "True"), ("ElseSteps", "False")):
                inner = _list(step.arguments.get(member), f"{member} of step '{step.name}'")
                _collect(inner, (step.name, outcome), steps)


def _step(item: Any, branch: tuple[str, str] | None) -> Step:
    if not isinstance(item, dict):
        raise refuse("Expecting start of Json Object in Steps.")
    name, kind = str(item.get("Name", "")), str(item.get("Type", ""))
    where = f"step '{name}'"
    if not _NAME.fullmatch(name):
        raise refuse(f"The step name '{name}' must satisfy the pattern ^{_NAME.pattern}$.")
    _check_members(item, _STEP, where)
    if kind not in {*KINDS, CONDITION, FAIL}:
        raise refuse(
            f"Step '{name}' is of type '{kind}': local_mock executes the types "
            f"{', '.join(sorted({*KINDS, CONDITION, FAIL}))}."
        )
    arguments = item.get("Arguments")
    if not isinstance(arguments, dict):
        raise refuse(f"Expecting start of Json Object in Arguments of {where}.")
    return Step(
        name,
        kind,
        arguments,
        tuple(_dependency(each, where) for each in _list(item.get("DependsOn"), f"DependsOn of {where}")),
        branch,
        str(item.get("DisplayName") or name),
        str(item.get("Description") or ""),
        tuple(RetryPolicy.parse(each, where) for each in _list(item.get("RetryPolicies"), where)),
        dict(_file(each, where) for each in _list(item.get("PropertyFiles"), where)),
        _cache(item.get("CacheConfig") or {}, where),
    )


def _cache(config: Mapping[str, Any], where: str) -> dt.timedelta | None:
    """Return how old an earlier run of a step may be that is taken over, None if it always runs."""
    _check_members(config, {"Enabled", "ExpireAfter"}, f"CacheConfig of {where}")
    if not config.get("Enabled"):
        return None
    return parse_duration(config["ExpireAfter"], where) if "ExpireAfter" in config else dt.timedelta.max


def _dependency(item: Any, where: str) -> Dependency:
    if isinstance(item, str):
        return Dependency(item)
    if isinstance(item, dict) and item.keys() == {"Step", "Trigger"} and item["Trigger"] in TRIGGERS:
        return Dependency(str(item["Step"]), item["Trigger"])
    raise refuse(f"DependsOn of {where} has step names and {{Step, Trigger}} with {', '.join(sorted(TRIGGERS))}.")


def _file(item: Any, where: str) -> tuple[str, tuple[str, str]]:
    try:
        return item["PropertyFileName"], (item["OutputName"], item["FilePath"])
    except (KeyError, TypeError) as err:
        raise refuse(f"PropertyFiles of {where} need PropertyFileName, OutputName and FilePath.") from err


# --- what steps refer to ----------------------------------------------------------------------------------
def _check_step(step: Step, definition: Definition) -> None:
    where = f"step '{step.name}'"
    for dependency in step.dependencies:
        if dependency.step not in definition.steps:
            raise refuse(f"Step '{step.name}' depends on '{dependency.step}', which is not in the pipeline.")
        if definition.steps[dependency.step].type == FAIL:
            raise refuse(f"{step.name} can not depends on {dependency.step}, a Fail step.")
    if step.type == CONDITION:
        _check_members(step.arguments, _CONDITION, where)
        given = _list(step.arguments.get("Conditions"), where)
        if problem := next((p for each in given if (p := conditions.check(each))), ""):
            raise refuse(f"Step '{step.name}': {problem}")
    else:
        allowed = {"ErrorMessage"} if step.type == FAIL else members(KINDS[step.type])
        if unknown := sorted(step.arguments.keys() - allowed):
            raise refuse(f"Unknown Argument member '{unknown[0]}' in {where}.")
    _check_references(own_arguments(step), definition, where)
    if step.files and step.type != "Processing":
        raise refuse(f"Step '{step.name}' has PropertyFiles, but only Processing steps write them.")
    for name, (output, _) in step.files.items():
        outputs = (step.arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        if output not in [each.get("OutputName") for each in outputs]:
            raise refuse(f"The output '{output}' of the property file '{name}' is not in {where}.")


def own_arguments(step: Step) -> Any:
    """Return the arguments of a step without the steps of its branches."""
    return step.arguments.get("Conditions") if step.type == CONDITION else step.arguments


def _check_references(value: Any, definition: Definition, where: str) -> None:
    for kind, content in expressions(value):
        if kind == GET:
            _check_get(content, definition, where)
        elif kind == JOIN:
            if not isinstance(content, dict) or not isinstance(content.get("Values"), list):
                raise refuse(f"{JOIN} in {where} needs On and Values.")
        elif kind == JSON_GET:
            _check_json_get(content, where)
        else:
            raise refuse(f"Unknown function '{kind}' in {where}.")


def _check_get(path: Any, definition: Definition, where: str) -> None:
    space, _, rest = str(path).partition(".")
    if space == "Parameters" and rest in definition.parameters:
        return
    if space == "Execution" and rest in VARIABLES:
        return
    if space == "Steps":
        name, _, member = rest.partition(".")
        step = definition.steps.get(name)
        if step is None:
            raise refuse(f"'{path}' in {where} refers to step '{name}', which is not in the pipeline.")
        if step.type == FAIL:
            raise refuse(f"'{path}' in {where}: a Fail step has no properties.")
        if _has_property(step, member):
            return
    raise refuse(f"Invalid reference '{path}' in {where}: there is no such value.")


def _has_property(step: Step, path: str) -> bool:
    try:
        segments = parse_path(path)
    except ValueError:
        return False
    if not segments:
        return False
    if segments[0] == "PropertyFiles":
        return len(segments) == 2 and segments[1] in step.files
    if step.type == CONDITION:
        return segments == ["Outcome"]
    shape = property_shape(KINDS[step.type])
    for segment in segments:
        if shape.type_name == "structure" and segment in shape.members:
            shape = shape.members[segment]
        elif shape.type_name == "list":
            shape = shape.member
        elif shape.type_name == "map" and isinstance(segment, str):
            shape = shape.value
        else:
            return False
    return True


def _check_json_get(content: Any, where: str) -> None:
    if not isinstance(content, dict) or content.keys() not in ({"PropertyFile", "Path"}, {"S3Uri", "Path"}):
        raise refuse(f"{JSON_GET} in {where} needs Path and either PropertyFile or S3Uri.")
    source = content.get("PropertyFile")
    if source is not None and not (isinstance(source, dict) and ".PropertyFiles." in str(source.get(GET))):
        raise refuse(f"PropertyFile of {JSON_GET} in {where} must be a Get of Steps.<step>.PropertyFiles.<name>.")
    try:
        parse_path(str(content["Path"]))
    except ValueError as err:
        raise refuse(f"{JSON_GET} in {where}: {err}") from err


# --- order ------------------------------------------------------------------------------------------------
def predecessors(step: Step) -> dict[str, str]:
    """Return {step: trigger} of all that a step waits for: its references, its condition and DependsOn."""
    paths = [str(content) for kind, content in expressions(own_arguments(step)) if kind == GET]
    waits = {path.split(".")[1]: COMPLETED for path in paths if path.startswith("Steps.")}
    waits |= {step.branch[0]: COMPLETED} if step.branch else {}
    return waits | {dependency.step: dependency.trigger for dependency in step.dependencies}


def _check_order(steps: Mapping[str, Step]) -> None:
    graph = {name: set(predecessors(step)) for name, step in steps.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        raise refuse(f"The steps wait for one another in a cycle: {' -> '.join(err.args[1])}.") from err
