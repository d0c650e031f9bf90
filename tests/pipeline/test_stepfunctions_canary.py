"""What of moto the mock's Step Functions and EventBridge stand on: an upgrade must not break it in silence."""

import inspect

import pytest
from moto.core.config import default_user_config
from moto.events.models import EventTemplateParser, Rule
from moto.s3.responses import S3Response
from moto.sagemaker.responses import SageMakerResponse
from moto.stepfunctions.parser import models
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_callback,
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.responses import StepFunctionResponse


def names(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_interpreter_is_switched_on_by_its_configuration() -> None:
    assert isinstance(default_user_config, dict)
    assert "execute_state_machine" in inspect.getsource(inspect.getmodule(StepFunctionResponse))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("holder", "name", "parameters"),
    [
        (boto_client, "boto_client_for", ["region", "service", "state_credentials"]),
        (state_task_service_factory, "state_task_service_for", ["service_name"]),
        (state_task_factory, "state_task_service_for", ["service_name"]),
        (retrier_decl.RetrierDecl, "_eval_body", ["self", "env"]),
        (string_expression.StringVariableSample, "_eval_body", ["self", "env"]),
        (Rule, "send_to_targets", ["self", "original_event", "transform_input"]),
        (EventTemplateParser, "parse", ["input_template", "input_paths_map", "event"]),
        (S3Response, "get_bucket_notification", ["self"]),
        (Execution, "_get_start_execution_worker_comm", ["self"]),
        (BaseExecutionWorkerCommunication, "terminated", ["self"]),
    ],
)
def test_what_is_replaced_has_the_shape_that_was_read(holder: object, name: str, parameters: list[str]) -> None:
    assert names(getattr(holder, name)) == parameters


def test_tasks_and_back_end_have_the_parts_we_use() -> None:
    wanted = ["self", "env", "resource_runtime_part", "normalised_parameters", "state_credentials"]
    callback = state_task_service_callback.StateTaskServiceCallback
    assert names(callback._eval_integration_pattern) == wanted
    assert names(state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task) == wanted
    for module in (branches_decl, iteration_worker, state_fail):
        assert hasattr(module, "CustomErrorName"), module.__name__
    backend = models.StepFunctionsParserBackend
    assert names(backend.start_execution)[:4] == ["self", "state_machine_arn", "name", "execution_input"]
    assert names(backend.create_state_machine)[:3] == ["self", "name", "definition"]
    for operation in ("create_model_package", "create_model_package_group", "update_model_package"):
        assert hasattr(SageMakerResponse, operation)
