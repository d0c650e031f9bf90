"""The operations of pipelines; each becomes a method of moto's `SageMakerResponse`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import SagemakerClientError
from moto.sagemaker.utils import arn_formatter

from local_mock.context import get_context
from local_mock.errors import DataError
from local_mock.sagemaker.errors import InvalidRequestError
from local_mock.sagemaker.models import filled
from local_mock.sagemaker.pipelines.definition import Definition, parse_definition
from local_mock.sagemaker.pipelines.models import PipelineExecution
from local_mock.sagemaker.pipelines.pages import cut, page_of, within
from local_mock.sagemaker.pipelines.parameters import values_of
from local_mock.sagemaker.pipelines.run import PipelineRun

__all__ = ["OPERATIONS"]

_NOT_SUPPORTED = (
    "SelectiveExecutionConfig", "PipelineVersionId", "PipelineVersionAlias", "PipelineVersionAliases",
    "MlflowExperimentName", "ManagedBy",
)  # fmt: skip


class PipelineNotFoundError(SagemakerClientError):
    """There is no such pipeline or execution."""

    code = "ResourceNotFound"


class PipelineConflictError(SagemakerClientError):
    """The request does not fit the state."""

    code = "ConflictException"


def _refuse_unsupported(request: Mapping[str, Any]) -> None:
    if names := [name for name in _NOT_SUPPORTED if request.get(name)]:
        raise InvalidRequestError(f"Not supported by local_mock: {', '.join(names)}.")


def _pipeline(response: Any) -> Any:
    """Return the pipeline that a request names, by its name or its ARN."""
    name = response.params["PipelineName"].rpartition("/")[2]
    pipeline = response.sagemaker_backend.pipelines.get(name)
    if pipeline is None:
        arn = arn_formatter("pipeline", name, response.current_account, response.region)
        raise PipelineNotFoundError(f"Pipeline '{arn}' does not exist.")
    return pipeline


def _execution(response: Any) -> tuple[Any, PipelineExecution]:
    """Return the execution that a request names, and its pipeline."""
    arn = response.params.get("PipelineExecutionArn", "")
    for pipeline in response.sagemaker_backend.pipelines.values():
        if arn in pipeline.pipeline_executions:
            return pipeline, pipeline.pipeline_executions[arn]
    raise PipelineNotFoundError(f"Pipeline execution '{arn}' does not exist.")


def _definition_text(request: Mapping[str, Any]) -> str:
    """Return the definition of a request, "" if it has none. Raises InvalidRequestError."""
    text, place = request.get("PipelineDefinition"), request.get("PipelineDefinitionS3Location")
    if text and place:
        raise InvalidRequestError(
            "Both Pipeline Definition and Pipeline Definition S3 Location shouldn't be present"
        )
    if not place:
        return str(text or "")
    if place.get("VersionId"):
        raise InvalidRequestError(
            "local_mock reads the newest version of a definition: VersionId is not supported."
        )
    uri = f"s3://{place['Bucket']}/{place['ObjectKey']}"
    try:
        return get_context().data.read(uri).decode("utf-8")
    except (FileNotFoundError, DataError, UnicodeDecodeError) as err:
        raise InvalidRequestError(f"The pipeline definition cannot be read from {uri}: {err}") from err


# --- pipelines --------------------------------------------------------------------------------------------
def create_pipeline(self: Any) -> ActionResult:
    """Keep a pipeline whose definition can run. The same request under the same token is answered again."""
    request, backend = self.params, self.sagemaker_backend
    _refuse_unsupported(request)
    text = _definition_text(request)
    if not text:
        raise InvalidRequestError(
            "Either Pipeline Definition or Pipeline Definition S3 location should be provided"
        )
    parse_definition(text)
    name = request["PipelineName"]
    existing = backend.pipelines.get(name)
    if existing is not None:
        if getattr(existing, "client_request_token", None) == request["ClientRequestToken"]:
            return ActionResult({"PipelineArn": existing.arn})
        raise InvalidRequestError(
            "Pipeline names must be unique within an AWS account and region. "
            f"Pipeline with name ({name}) already exists."
        )
    pipeline = backend.create_pipeline(
        pipeline_name=name,
        pipeline_display_name=request.get("PipelineDisplayName"),
        pipeline_definition=text,
        pipeline_definition_s3_location=None,
        pipeline_description=request.get("PipelineDescription"),
        role_arn=request["RoleArn"],
        tags=request.get("Tags"),
        parallelism_configuration=request.get("ParallelismConfiguration"),
    )
    pipeline.client_request_token = request["ClientRequestToken"]
    return ActionResult({"PipelineArn": pipeline.arn})


def update_pipeline(self: Any) -> ActionResult:
    """Change what the request names; executions that run keep their definition."""
    request, pipeline = self.params, _pipeline(self)
    _refuse_unsupported(request)
    if text := _definition_text(request):
        parse_definition(text)
        pipeline.pipeline_definition = text
    for member, attribute in (
        ("PipelineDisplayName", "pipeline_display_name"), ("PipelineDescription", "pipeline_description"),
        ("RoleArn", "role_arn"), ("ParallelismConfiguration", "parallelism_configuration"),
    ):  # fmt: skip
        if request.get(member):
            setattr(pipeline, attribute, request[member])
    pipeline.last_modified_time = utcnow()
    return ActionResult({"PipelineArn": pipeline.arn})


def describe_pipeline(self: Any) -> ActionResult:
    """Describe a pipeline as moto does, without empty members."""
    _refuse_unsupported(self.params)
    return ActionResult(filled(self.sagemaker_backend.describe_pipeline(_pipeline(self).pipeline_name)))


def delete_pipeline(self: Any) -> ActionResult:
    """Forget a pipeline with its executions; refused while one runs."""
    pipeline = _pipeline(self)
    if running := [e.arn for e in pipeline.pipeline_executions.values() if not e.ended]:
        raise PipelineConflictError(f"Pipeline '{pipeline.arn}' has executions that run: {', '.join(running)}.")
    del self.sagemaker_backend.pipelines[pipeline.pipeline_name]
    return ActionResult({"PipelineArn": pipeline.arn})


def list_pipelines(self: Any) -> ActionResult:
    """List pipelines: filtered, sorted and paged as requested."""
    request = self.params
    _refuse_unsupported(request)
    prefix = request.get("PipelineNamePrefix") or ""
    pipelines = [p for p in self.sagemaker_backend.pipelines.values() if p.pipeline_name.startswith(prefix)]
    orders = {"CreationTime": "creation_time", "Name": "pipeline_name"}
    page, token = page_of(within(pipelines, request), request, orders)
    summaries = [
        filled(
            {
                "PipelineArn": p.arn,
                "PipelineName": p.pipeline_name,
                "PipelineDisplayName": p.pipeline_display_name,
                "PipelineDescription": p.pipeline_description,
                "RoleArn": p.role_arn,
                "CreationTime": p.creation_time,
                "LastModifiedTime": p.last_modified_time,
                "LastExecutionTime": p.last_execution_time,
            }
        )
        for p in page
    ]
    return ActionResult({"PipelineSummaries": summaries} | token)


# --- executions -------------------------------------------------------------------------------------------
def start_pipeline_execution(self: Any) -> ActionResult:
    """Run a pipeline with the parameters of the request. The same token starts it once."""
    request, pipeline = self.params, _pipeline(self)
    _refuse_unsupported(request)
    for execution in pipeline.pipeline_executions.values():
        if execution.client_request_token == request["ClientRequestToken"]:
            return ActionResult({"PipelineExecutionArn": execution.arn})
    definition = parse_definition(pipeline.pipeline_definition)
    execution = PipelineExecution(pipeline, request)
    _launch(self, pipeline, execution, definition)
    pipeline.last_execution_time = execution.start_time
    return ActionResult({"PipelineExecutionArn": execution.arn})


def _launch(response: Any, pipeline: Any, execution: PipelineExecution, definition: Definition) -> None:
    values = values_of(definition.parameters, execution.pipeline_parameters)
    pipeline.pipeline_executions[execution.arn] = execution
    execution.runner = PipelineRun(
        execution, definition, values, pipeline.pipeline_executions, get_context(), response.region
    )
    execution.runner.start()


def stop_pipeline_execution(self: Any) -> ActionResult:
    """Start no further step and stop the jobs of those that run; refused if the execution has ended."""
    _, execution = _execution(self)
    if execution.ended or not execution.runner.stop():
        raise PipelineConflictError(
            f"Pipeline execution '{execution.arn}' is {execution.pipeline_execution_status} and cannot be stopped."
        )
    return ActionResult({"PipelineExecutionArn": execution.arn})


def retry_pipeline_execution(self: Any) -> ActionResult:
    """Run an execution that failed or was stopped again; steps that succeeded are not run again."""
    pipeline, execution = _execution(self)
    if execution.pipeline_execution_status not in {"Failed", "Stopped"}:
        raise PipelineConflictError(
            f"Only a failed or stopped execution can be retried; '{execution.arn}' is "
            f"{execution.pipeline_execution_status}."
        )
    execution.steps = {name: run for name, run in execution.steps.items() if run.status == "Succeeded"}
    if self.params.get("ParallelismConfiguration"):
        execution.parallelism_configuration = self.params["ParallelismConfiguration"]
    execution.become("Executing")
    _launch(self, pipeline, execution, parse_definition(execution.pipeline_definition_for_execution))
    return ActionResult({"PipelineExecutionArn": execution.arn})


def describe_pipeline_execution(self: Any) -> ActionResult:
    """Describe an execution."""
    return ActionResult(_execution(self)[1].description())


def describe_pipeline_definition_for_execution(self: Any) -> ActionResult:
    """Return the definition that an execution was started with."""
    _, execution = _execution(self)
    text = execution.pipeline_definition_for_execution
    return ActionResult({"PipelineDefinition": text, "CreationTime": execution.creation_time})


def list_pipeline_executions(self: Any) -> ActionResult:
    """List a pipeline's executions: filtered, sorted and paged as requested."""
    request = self.params
    _refuse_unsupported(request)
    executions = within(_pipeline(self).pipeline_executions.values(), request)
    orders = {"CreationTime": "creation_time", "PipelineExecutionArn": "arn"}
    page, token = page_of(executions, request, orders)
    return ActionResult({"PipelineExecutionSummaries": [execution.summary() for execution in page]} | token)


def list_pipeline_execution_steps(self: Any) -> ActionResult:
    """List the steps that an execution has started, the newest first unless asked otherwise."""
    _, execution = _execution(self)
    page, token = page_of(list(execution.steps.values()), self.params, {"StartTime": "started"})
    return ActionResult({"PipelineExecutionSteps": [run.response() for run in page]} | token)


def list_pipeline_parameters_for_execution(self: Any) -> ActionResult:
    """List the parameters of an execution: those it was started with, and the defaults of the others."""
    _, execution = _execution(self)
    definition = parse_definition(execution.pipeline_definition_for_execution)
    given = {item["Name"]: item["Value"] for item in execution.pipeline_parameters}
    defaults = {name: str(p.default) for name, p in definition.parameters.items() if p.default is not None}
    parameters = [{"Name": name, "Value": value} for name, value in {**defaults, **given}.items()]
    page, token = cut(parameters, self.params)
    return ActionResult({"PipelineParameters": page} | token)


OPERATIONS = (
    create_pipeline, update_pipeline, describe_pipeline, delete_pipeline, list_pipelines, start_pipeline_execution,
    stop_pipeline_execution, retry_pipeline_execution, describe_pipeline_execution,
    describe_pipeline_definition_for_execution, list_pipeline_executions, list_pipeline_execution_steps,
    list_pipeline_parameters_for_execution,
)  # fmt: skip
