"""The only maker of AWS clients. Which target answers is decided here and nowhere else.

Targets differ by endpoint (and by dummy credentials off AWS), never by code path:

- `mock`: every service at ``http://127.0.0.1:<port>``;
- `localstack`: S3 and STS from LocalStack (localstack-client's table); what must execute (Glue, Athena, SageMaker,
  Logs), and CloudFormation and IAM, which make it, from `local_mock` at ``<mock_port>``;
- `aws`: boto3's own resolution of endpoint and credentials.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from etholake.errors import AwsError
from etholake.settings import MOCK_ACCOUNT, Settings

__all__ = ["account_id", "client", "endpoint", "environment", "session", "stack_outputs"]

LOCALSTACK_SERVICES = frozenset({"s3", "sts"})
EXECUTING_SERVICES = (
    "application-autoscaling",
    "athena",
    "cloudformation",
    "glue",
    "iam",
    "logs",
    "sagemaker",
    "sagemaker-runtime",
)
_DUMMY_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "etholake",
    "AWS_SECRET_ACCESS_KEY": "etholake",
}  # moto, LocalStack


def endpoint(settings: Settings, service: str) -> str | None:
    """URL that answers `service` on this target, None where boto3 shall find it (AWS)."""
    if settings.target == "aws":
        return None
    if settings.target == "mock":
        return settings.endpoint_url
    if service in LOCALSTACK_SERVICES:
        from localstack_client.config import get_service_endpoint

        return str(get_service_endpoint(service, localstack_host="127.0.0.1")).replace(
            ":4566", f":{settings.port}"
        )
    return f"http://127.0.0.1:{settings.mock_port}"


def environment(settings: Settings) -> dict[str, str]:
    """Variables that make *any* AWS client (CLI, awswrangler, PyAthena, a child process) use this target."""
    variables = {"AWS_DEFAULT_REGION": settings.region, "AWS_REGION": settings.region}
    if settings.target == "aws":
        return variables
    variables |= _DUMMY_CREDENTIALS
    variables["AWS_ENDPOINT_URL"] = str(endpoint(settings, "s3"))
    if settings.target == "localstack":
        for service in EXECUTING_SERVICES:
            name = service.upper().replace("-", "_")
            variables[f"AWS_ENDPOINT_URL_{name}"] = str(endpoint(settings, service))
    return variables


@lru_cache(maxsize=8)
def session(settings: Settings) -> Any:
    """A boto3 session of this target."""
    import boto3

    if settings.target == "aws":
        return boto3.Session(region_name=settings.region)
    return boto3.Session(
        region_name=settings.region,
        aws_access_key_id=_DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@lru_cache(maxsize=64)
def client(settings: Settings, service: str) -> Any:
    """A boto3 client (thread-safe, cached). Retries are botocore's standard mode."""
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32)
    return session(settings).client(service, endpoint_url=endpoint(settings, service), config=config)


def export(settings: Settings) -> None:
    """Put `environment` into this process, for libraries that make their own clients (SDK, awswrangler)."""
    os.environ.update(environment(settings))


def account_id(settings: Settings) -> str:
    """The account that answers."""
    if settings.target != "aws":
        return MOCK_ACCOUNT
    return str(client(settings, "sts").get_caller_identity()["Account"])


def stack_outputs(settings: Settings) -> dict[str, str]:
    """Outputs of the deployed stack by name. Raises AwsError if it is not deployed."""
    from botocore.exceptions import ClientError

    try:
        stacks = client(settings, "cloudformation").describe_stacks(StackName=settings.stack)["Stacks"]
    except ClientError as err:
        raise AwsError(
            f"Stack '{settings.stack}' is not deployed on target {settings.target}: run `make deploy` first."
        ) from err
    return {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
