"""Make AWS clients. Only this module knows which target answers.

Targets differ by endpoint (and by dummy credentials off AWS), never by code path:

- `mock`: every service at ``http://127.0.0.1:<port>``;
- `localstack`: S3 and STS from LocalStack; what must execute (Glue, Athena, SageMaker,
  Logs), and CloudFormation and IAM, which make it, from `local_mock` at ``<mock_port>``. With a licence
  (`LOCALSTACK_AUTH_TOKEN`), everything from LocalStack;
- `aws`: boto3's own resolution of endpoint and credentials.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from etholake.errors import AwsError
from etholake.settings import MOCK_ACCOUNT, Settings

__all__ = [
    "STACKS", "account_id", "client", "costs_money", "endpoint", "environment", "refused", "session", "stack_name",
    "stack_outputs",
]  # fmt: skip

# The stacks in the order in which they are made; each takes outputs of those before it as parameters.
STACKS = ("storage", "compute", "models", "pipeline")

LOCALSTACK_SERVICES = frozenset({"s3", "sts"})
_DUMMY_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "etholake",
    "AWS_SECRET_ACCESS_KEY": "etholake",
}  # moto, LocalStack


def endpoint(settings: Settings, service: str) -> str | None:
    """Return the URL of `service` on this target, None where boto3 shall find it (AWS)."""
    if settings.target == "aws":
        return None
    if settings.target == "mock":
        return settings.endpoint_url
    if service in LOCALSTACK_SERVICES or os.environ.get("LOCALSTACK_AUTH_TOKEN"):
        # All services of its one gateway. Not localstack-client's table: `AWS_ENDPOINT_URL` overrides that, and
        # on this target it is the mock's.
        return f"http://127.0.0.1:{settings.port}"
    return f"http://127.0.0.1:{settings.mock_port}"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make *any* AWS client (CLI, awswrangler, a child process) use this target."""
    variables = {"AWS_DEFAULT_REGION": settings.region, "AWS_REGION": settings.region}
    if settings.target == "aws":
        return variables
    variables |= _DUMMY_CREDENTIALS
    variables["AWS_ENDPOINT_URL"] = str(endpoint(settings, "glue"))
    if settings.target == "localstack":
        for service in sorted(LOCALSTACK_SERVICES):
            variables[f"AWS_ENDPOINT_URL_{service.upper()}"] = str(endpoint(settings, service))
    return variables


_refusal: AwsError | None = None


@contextlib.contextmanager
def refused(problem: AwsError | None) -> Iterator[None]:
    """Raise `problem` at the first use of AWS in the block: nobody answers, say. None changes nothing."""
    global _refusal  # noqa: PLW0603 - of this process, as the clients are
    before, _refusal = _refusal, problem
    try:
        yield
    finally:
        _refusal = before


def session(settings: Settings) -> Any:
    """Return a boto3 session of this target. Raises the AwsError of `refused`."""
    if _refusal is not None:
        raise _refusal
    return _session(settings.target, settings.region)


@lru_cache(maxsize=8)
def _session(target: str, region: str) -> Any:
    import boto3

    if target == "aws":
        return boto3.Session(region_name=region)
    return boto3.Session(
        region_name=region,
        aws_access_key_id=_DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client (thread-safe, cached). Retries are botocore's standard mode. Raises as `session`."""
    if _refusal is not None:
        raise _refusal
    return _client(settings.target, settings.region, service, endpoint(settings, service))


# Buckets and names of stacks change nothing in a client, and making one parses the service's whole description.
@lru_cache(maxsize=64)
def _client(target: str, region: str, service: str, url: str | None) -> Any:
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32)
    made = _session(target, region).client(service, endpoint_url=url, config=config)
    if target == "localstack" and service == "s3":
        from local_mock.localstack import work_around

        return work_around(made)
    return made


def export(settings: Settings) -> None:
    """Put `environment` into this process, for libraries that make their own clients (SDK, awswrangler)."""
    os.environ.update(environment(settings))


@lru_cache(maxsize=8)
def account_id(settings: Settings) -> str:
    """Return the account id: the setting `account`, else that of the credentials (on the mock: moto's)."""
    if settings.account:
        return settings.account
    if settings.target != "aws":
        return MOCK_ACCOUNT
    return str(client(settings, "sts").get_caller_identity()["Account"])


def costs_money(settings: Settings) -> bool:
    """Return whether resources of this target are billed: then a person is asked first."""
    return settings.target == "aws"


def stack_name(settings: Settings, stack: str) -> str:
    """Return CloudFormation's name of one of `STACKS`. Pure."""
    return f"{settings.stack}-{stack}"


def stack_outputs(settings: Settings) -> dict[str, str]:
    """Return the outputs of all deployed stacks by name. Raises AwsError if the first is not deployed."""
    from botocore.exceptions import ClientError

    outputs: dict[str, str] = {}
    for stack in STACKS:
        name = stack_name(settings, stack)
        try:
            description = client(settings, "cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as err:
            if stack != STACKS[0]:
                continue
            raise AwsError(
                f"Stack '{name}' is not deployed on target {settings.target}: run `make deploy` first."
            ) from err
        outputs |= {o["OutputKey"]: o["OutputValue"] for o in description.get("Outputs", [])}
    return outputs
