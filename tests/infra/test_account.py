"""Images lie in the registry of the account that asks, not in that of the mock, on target aws."""

import json
from collections.abc import Iterator

import pytest

from etholake import aws
from etholake.settings import MOCK_ACCOUNT, Settings
from etholake.stages.job_settings import image_uri, job_settings
from etholake.stages.model import processing, tune
from etholake.stages.pipeline import machine
from etholake.stages.serving import endpoint_requests, registry

CALLER = "210987654321"
ON_AWS = Settings(target="aws", bucket="a-lake", region="eu-west-1")


class Sts:
    """The identity service of target aws, which this machine cannot ask."""

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": CALLER}


@pytest.fixture(autouse=True)
def _caller(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    aws.account_id.cache_clear()
    monkeypatch.setattr(aws, "client", lambda settings, service: {"sts": Sts()}[service])
    yield
    aws.account_id.cache_clear()


def requests(settings: Settings) -> dict[str, object]:
    """Every request that names an image, built for `settings`."""
    details = {
        "config": "tiny", "job_name": "j", "metrics": {"best_val_score": 0.5}, "split": {"test": []},
    }  # fmt: skip
    return {
        "model": endpoint_requests.model_request(settings, "m", "s3://b/m.tar.gz", "role"),
        "package": registry.package_request(settings, "m", "s3://b/m.tar.gz", "s3://b/e.json", details),
        "pipeline": machine.parameters(settings, b"{}"),
        "processing": processing.request(settings, "j", "evaluate", {}, [], "p", "role"),
        "tuning": tune.tuning_request(settings, "t", {}, "role", job_settings()["tuning"]),
    }


def test_no_request_for_aws_names_the_account_of_the_mock() -> None:
    built = requests(ON_AWS)
    for name, request in built.items():
        assert MOCK_ACCOUNT not in json.dumps(request), name
    image = f"{CALLER}.dkr.ecr.eu-west-1.amazonaws.com/etholake-serve:latest"
    for name in ("model", "package", "pipeline"):
        assert image in json.dumps(built[name]), name


def test_the_setting_names_another_account() -> None:
    assert image_uri(Settings(target="aws", bucket="b", account="111122223333"), "hosting").startswith(
        "111122223333."
    )


def test_the_mock_has_an_account_of_its_own() -> None:
    assert image_uri(Settings(), "hosting").startswith(f"{MOCK_ACCOUNT}.")
