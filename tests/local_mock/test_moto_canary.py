"""The insides of moto that the mock stands on: an upgrade must not break it in silence.

All that depends on moto's private shape is tested here, service by service. moto's modules take seconds to import,
so each test imports its own.
"""

import importlib
import inspect
import json
import subprocess
import sys

import pytest


def names(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_moto_is_the_version_that_was_read() -> None:
    import moto

    assert moto.__version__ == "5.2.5"


# --- SageMaker -----------------------------------------------------------------------------------------------
def test_the_back_end_keeps_what_we_replace() -> None:
    from moto.sagemaker.models import SageMakerModelBackend

    backend = SageMakerModelBackend("us-east-1", "123456789012")
    for name in ("training_jobs", "transform_jobs", "endpoints", "endpoint_configs", "_models"):
        assert getattr(backend, name) == {}, name


def test_objects_have_the_parts_we_use() -> None:
    from moto.sagemaker.models import FakeEndpoint, FakeTrainingJob, FakeTransformJob

    for kind in (FakeTrainingJob, FakeTransformJob, FakeEndpoint):
        assert names(kind.arn_formatter)[1:] == ["account_id", "region_name"]
    assert names(FakeEndpoint) == [
        "account_id", "region_name", "endpoint_name", "endpoint_config_name", "production_variants",
        "data_capture_config", "tags",
    ]  # fmt: skip
    assert FakeEndpoint._process_production_variants(
        FakeEndpoint, [{"VariantName": "v", "InitialInstanceCount": 1}]
    ) == [{"VariantName": "v", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}]


def test_responses_parse_parameters_by_themselves() -> None:
    from moto.iam.responses import IamResponse
    from moto.sagemaker.responses import SageMakerResponse
    from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

    for response in (SageMakerResponse(), IamResponse()):
        assert response.automated_parameter_parsing
    assert not SageMakerRuntimeResponse().automated_parameter_parsing  # the body is ours to read
    assert "use_raw_body" in names(SageMakerRuntimeResponse.setup_class)
    for operation in ("create_model_package", "create_model_package_group", "update_model_package"):
        assert hasattr(SageMakerResponse, operation)


# --- Step Functions, EventBridge, S3's notifications ---------------------------------------------------------
ASL = "stepfunctions.parser.asl"
TASK = f"{ASL}.component.state.exec.state_task"


def test_the_interpreter_is_switched_on_by_its_configuration() -> None:
    from moto.core.config import default_user_config
    from moto.stepfunctions.responses import StepFunctionResponse

    assert isinstance(default_user_config, dict)
    assert "execute_state_machine" in inspect.getsource(inspect.getmodule(StepFunctionResponse))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "path", "parameters"),
    [
        (f"{ASL}.utils.boto_client", "boto_client_for", ["region", "service", "state_credentials"]),
        (f"{TASK}.service.state_task_service_factory", "state_task_service_for", ["service_name"]),
        (f"{TASK}.state_task_factory", "state_task_service_for", ["service_name"]),
        (f"{ASL}.component.common.retry.retrier_decl", "RetrierDecl._eval_body", ["self", "env"]),
        (f"{ASL}.component.common.string.string_expression", "StringVariableSample._eval_body", ["self", "env"]),
        ("events.models", "Rule.send_to_targets", ["self", "original_event", "transform_input"]),
        ("events.models", "EventTemplateParser.parse", ["input_template", "input_paths_map", "event"]),
        ("s3.responses", "S3Response.get_bucket_notification", ["self"]),
        ("stepfunctions.parser.backend.execution", "Execution._get_start_execution_worker_comm", ["self"]),
        ("stepfunctions.parser.backend.execution", "BaseExecutionWorkerCommunication.terminated", ["self"]),
    ],
)  # fmt: skip
def test_what_is_replaced_has_the_shape_that_was_read(module: str, path: str, parameters: list[str]) -> None:
    function: object = importlib.import_module(f"moto.{module}")
    for name in path.split("."):
        function = getattr(function, name)
    assert names(function) == parameters


def test_tasks_and_back_end_have_the_parts_we_use() -> None:
    from moto.stepfunctions.parser import models
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
    from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_aws_sdk,
        state_task_service_callback,
    )
    from moto.stepfunctions.parser.asl.component.state.fail import state_fail

    wanted = ["self", "env", "resource_runtime_part", "normalised_parameters", "state_credentials"]
    callback = state_task_service_callback.StateTaskServiceCallback
    assert names(callback._eval_integration_pattern) == wanted
    assert names(state_task_service_aws_sdk.StateTaskServiceAwsSdk._eval_service_task) == wanted
    for module in (branches_decl, iteration_worker, state_fail):
        assert hasattr(module, "CustomErrorName"), module.__name__
    backend = models.StepFunctionsParserBackend
    assert names(backend.start_execution)[:4] == ["self", "state_machine_arn", "name", "execution_input"]
    assert names(backend.create_state_machine)[:3] == ["self", "name", "definition"]


# --- EC2 -----------------------------------------------------------------------------------------------------
OFFERINGS = """
import json
from local_mock import instance_offerings
instance_offerings.install()
from moto.ec2.models import instance_types as module
offered = module.INSTANCE_TYPE_OFFERINGS
read = {kind: [offered[kind].get(region) for region in ("us-east-1", "nowhere")] for kind in offered}
print(json.dumps([read, offered["region"]["eu-west-1"][0]]))
"""


def test_instance_types_by_region_are_those_of_moto() -> None:
    from moto.utilities.utils import load_resource

    read, first = json.loads(subprocess.check_output([sys.executable, "-c", OFFERINGS], text=True))
    assert sorted(read) == ["availability-zone", "availability-zone-id", "region"]
    for kind, (offered, nowhere) in read.items():
        of_moto = load_resource(f"ec2/resources/instance_type_offerings/{kind}/us-east-1.json")
        assert offered == [{**offering, "LocationType": kind} for offering in of_moto]
        assert nowhere is None
    assert first["Location"] == "eu-west-1"
