"""The values that a step's expressions stand for, while an execution runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.core.utils import utcnow

from local_mock.context import Context
from local_mock.errors import DataError
from local_mock.sagemaker.errors import RunError
from local_mock.sagemaker.pipelines.definition import Definition
from local_mock.sagemaker.pipelines.expressions import GET, follow, parse_path
from local_mock.sagemaker.pipelines.models import PipelineExecution

__all__ = ["StepScope"]


class StepScope:
    """Values for one step: parameters, variables of the execution, properties and files of earlier steps."""

    def __init__(
        self,
        execution: PipelineExecution,
        definition: Definition,
        values: Mapping[str, Any],
        context: Context,
        job_name: str = "",
    ) -> None:
        self._execution, self._definition, self._values = execution, definition, values
        self._context, self._job_name = context, job_name

    def get(self, path: str) -> Any:
        """Return the value of a `Get`. Raises RunError if the step that it names has no such property."""
        space, _, rest = path.partition(".")
        if space == "Parameters":
            return self._values[rest]
        if space == "Execution":
            return self._variable(rest)
        name, _, member = rest.partition(".")
        return follow(self._execution.steps[name].properties, parse_path(member), f"'{path}'")

    def _variable(self, name: str) -> str:
        execution = self._execution
        variables = {
            "PipelineName": execution.pipeline_name,
            "PipelineArn": execution.pipeline_arn,
            "PipelineExecutionId": execution.id,
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": _iso(execution.start_time),
            "CurrentDateTime": _iso(utcnow()),
            "TrainingJobName": self._job_name,
            "ProcessingJobName": self._job_name,
        }
        return variables[name]

    def json(self, source: Mapping[str, Any]) -> Any:
        """Return the document of a property file, or of an S3 URI. Raises RunError."""
        uri = self._file_uri(source["PropertyFile"][GET]) if "PropertyFile" in source else str(source["S3Uri"])
        try:
            return json.loads(self._context.data.read(uri))
        except FileNotFoundError as err:
            raise RunError(f"ClientError: there is no file {uri}, which Std:JsonGet reads.") from err
        except (DataError, ValueError) as err:
            raise RunError(f"ClientError: {uri} cannot be read as JSON: {err}") from err

    def _file_uri(self, path: str) -> str:
        """Return where the property file of ``Steps.<step>.PropertyFiles.<name>`` was written to."""
        _, name, _, file_name = path.split(".", 3)
        output, file_path = self._definition.steps[name].files[file_name]
        uri = self.get(f"Steps.{name}.ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri")
        return f"{uri.rstrip('/')}/{file_path}"


def _iso(moment: Any) -> str:
    return f"{moment.isoformat(timespec='milliseconds')[:23]}Z"
