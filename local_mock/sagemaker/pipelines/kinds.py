"""Step types and the operations that they stand for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CONDITION", "FAIL", "KINDS", "StepKind", "members", "property_shape"]

CONDITION, FAIL = "Condition", "Fail"


@dataclass(frozen=True)
class StepKind:
    """One step type, and the operations that it stands for.

    `noun` ends the names of its operations (``create_training_job``), `name` is the request's member with the
    job's name, `identity` the member by which it is described; `status` is "" for what is there at once.
    """

    noun: str
    name: str
    identity: str
    arn: str
    metadata: str
    status: str = ""

    @property
    def operation(self) -> str:
        """Name of the operation that starts it, as AWS writes it."""
        return "Create" + self.noun.title().replace("_", "")


def _job(noun: str, name: str, metadata: str = "") -> StepKind:
    return StepKind(f"{noun}_job", f"{name}JobName", f"{name}JobName", f"{name}JobArn", metadata or f"{name}Job",
                f"{name}JobStatus")  # fmt: skip


KINDS: Mapping[str, StepKind] = {
    "Training": _job("training", "Training"),
    "Processing": _job("processing", "Processing"),
    "Transform": _job("transform", "Transform"),
    "Tuning": _job("hyper_parameter_tuning", "HyperParameterTuning", "TuningJob"),
    "Model": StepKind("model", "ModelName", "ModelName", "ModelArn", "Model"),
    "RegisterModel": StepKind(
        "model_package", "ModelPackageName", "ModelPackageName", "ModelPackageArn", "RegisterModel"
    ),
}


@functools.cache
def _service() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def members(kind: StepKind) -> frozenset[str]:
    """Return the names of the arguments that a step may have."""
    return frozenset(_service().operation_model(kind.operation).input_shape.members)


def property_shape(kind: StepKind) -> Any:
    """Return botocore's shape of the properties that other steps may refer to."""
    return _service().operation_model(kind.operation.replace("Create", "Describe", 1)).output_shape
