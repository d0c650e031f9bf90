"""Names of errors, and refusals in AWS's shape where moto's have no code."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName

__all__ = ["InvalidDefinitionError", "InvalidInputError", "error_named"]


class InvalidDefinitionError(AWSError):
    """The definition cannot be run."""

    TYPE = "InvalidDefinition"
    STATUS = 400


class InvalidInputError(AWSError):
    """The input of an execution is not JSON."""

    TYPE = "InvalidExecutionInput"
    STATUS = 400


def error_named(error_name: str | None) -> Any:
    """Return the name by which moto's interpreter compares an error; it refuses a reserved one from a branch."""
    if error_name and error_name.startswith("States."):
        return StatesErrorName.from_name(error_name)
    return CustomErrorName(error_name)
