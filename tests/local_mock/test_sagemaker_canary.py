"""What of moto's insides the mock's SageMaker stands on: an upgrade must not break it in silence."""

import inspect

import moto
from moto.iam.responses import IamResponse
from moto.sagemaker.models import FakeEndpoint, FakeTrainingJob, FakeTransformJob, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse


def test_moto_is_the_version_that_was_read() -> None:
    assert moto.__version__ == "5.2.5"


def test_the_back_end_keeps_what_we_replace() -> None:
    backend = SageMakerModelBackend("us-east-1", "123456789012")
    for name in ("training_jobs", "transform_jobs", "endpoints", "endpoint_configs", "_models"):
        assert getattr(backend, name) == {}, name


def test_objects_have_the_parts_we_use() -> None:
    for kind in (FakeTrainingJob, FakeTransformJob, FakeEndpoint):
        assert list(inspect.signature(kind.arn_formatter).parameters)[1:] == ["account_id", "region_name"]
    assert list(inspect.signature(FakeEndpoint).parameters) == [
        "account_id", "region_name", "endpoint_name", "endpoint_config_name", "production_variants",
        "data_capture_config", "tags",
    ]  # fmt: skip
    assert FakeEndpoint._process_production_variants(
        FakeEndpoint, [{"VariantName": "v", "InitialInstanceCount": 1}]
    ) == [{"VariantName": "v", "CurrentInstanceCount": 1, "DesiredInstanceCount": 1}]


def test_responses_parse_parameters_by_themselves() -> None:
    for response in (SageMakerResponse(), IamResponse()):
        assert response.automated_parameter_parsing
    assert not SageMakerRuntimeResponse().automated_parameter_parsing  # the body is ours to read
    assert "use_raw_body" in inspect.signature(SageMakerRuntimeResponse.setup_class).parameters
