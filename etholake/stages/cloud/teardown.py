"""Find and remove what the stages made beside the stacks: running jobs, endpoints, their models, logs of jobs.

Names are the same in every lake of an account (the endpoint is `etholake`), so a thing is this lake's if it reads
from or writes to its bucket. The order is that of AWS: what runs is stopped, then autoscaling, the endpoint, its
configuration, its model; an endpoint that is changing is waited for, because AWS deletes none that is.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from etholake import aws
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.cloud import resource_checks
from etholake.stages.serving.endpoint import take_down
from etholake.stages.serving.endpoint_requests import KINDS, VARIANT, endpoint_name, log_group
from etholake.stages.waiting import wait_for

__all__ = ["ResourcesBesideStacks", "find", "forget_logs", "prepare", "remove"]

WAIT_S = 900.0
# Kind of job -> (noun of its operations, member of the list's answer, log group that the account's jobs share)
_JOBS = {
    "HyperParameterTuningJob": ("hyper_parameter_tuning_job", "HyperParameterTuningJobSummaries", ""),
    "TrainingJob": ("training_job", "TrainingJobSummaries", "/aws/sagemaker/TrainingJobs"),
    "TransformJob": ("transform_job", "TransformJobSummaries", "/aws/sagemaker/TransformJobs"),
    "ProcessingJob": ("processing_job", "ProcessingJobSummaries", "/aws/sagemaker/ProcessingJobs"),
}
_OWN = "etholake"  # every name begins so


@dataclass
class ResourcesBesideStacks:
    """Names of resources. `jobs` are (kind, name) that run; `targets` are resource ids of autoscaling."""

    jobs: list[tuple[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return a line for each resource, in the order of deletion."""
        jobs = [f"{kind} {name}: is stopped" for kind, name in self.jobs]
        named = {"scalable target": self.targets, "endpoint": self.endpoints}
        named |= {"endpoint configuration": self.configs, "model": self.models}
        return [*jobs, *(f"{what} {name}: is deleted" for what, names in named.items() for name in names)]

    def __bool__(self) -> bool:
        return bool(self.jobs or self.targets or self.endpoints or self.configs or self.models)


def find(settings: Settings) -> ResourcesBesideStacks:
    """Return this lake's jobs that run, endpoints, configurations and models, and orphaned autoscaling."""
    client = aws.client(settings, "sagemaker")
    resources = ResourcesBesideStacks(
        jobs=[(kind, name) for kind in _JOBS for name in _jobs(settings, kind, running=True)]
    )
    for model in _listed(client, "list_models", "Models", "ModelName", NameContains=_OWN):
        if _of_lake(settings, client.describe_model(ModelName=model)):
            resources.models.append(model)
    for config in _listed(client, "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"):
        variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        if any(variant.get("ModelName") in resources.models for variant in variants):
            resources.configs.append(config)
    every = _listed(client, "list_endpoints", "Endpoints", "EndpointName")
    for endpoint in every:
        if client.describe_endpoint(EndpointName=endpoint).get("EndpointConfigName") in resources.configs:
            resources.endpoints.append(endpoint)
    orphans = {endpoint_name(kind) for kind in KINDS} - set(every)
    ids = [f"endpoint/{name}/variant/{VARIANT}" for name in sorted({*resources.endpoints, *orphans})]
    scaling = aws.client(settings, "application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ids)
    resources.targets = [target["ResourceId"] for target in targets["ScalableTargets"]]
    return resources


def prepare(settings: Settings, stacks: list[str]) -> None:
    """Prepare `stacks` for their deletion.

    Executions with their jobs, Glue jobs and crawlers are stopped, and the stacks' policies are detached from the
    users and roles that have them.
    """
    for name in stacks:
        for resource in resource_checks.resources(settings, name):
            kind, physical = resource["ResourceType"], resource.get("PhysicalResourceId", "")
            if kind == "AWS::StepFunctions::StateMachine":
                client = aws.client(settings, "stepfunctions")
                for run in client.list_executions(stateMachineArn=physical, statusFilter="RUNNING")["executions"]:
                    client.stop_execution(executionArn=run["executionArn"], error="Destroyed")
            elif kind == "AWS::Glue::Job":
                _stop_job(aws.client(settings, "glue"), physical)
            elif kind == "AWS::Glue::Crawler":
                _stop_crawler(aws.client(settings, "glue"), physical)
            elif kind == "AWS::IAM::ManagedPolicy":
                _detach(aws.client(settings, "iam"), physical)


def remove(settings: Settings, resources: ResourcesBesideStacks) -> list[str]:
    """Stop and delete; return a sentence for each thing that could not be. What has gone already is no problem."""
    client = aws.client(settings, "sagemaker")
    problems: list[str] = []
    for kind, name in resources.jobs:
        with _noted(problems, name):
            getattr(client, f"stop_{_JOBS[kind][0]}")(**{f"{kind}Name": name})
    for kind, name in resources.jobs:
        with _noted(problems, name):
            _await_end(client, kind, name)
    scaling = aws.client(settings, "application-autoscaling")
    for target in resources.targets:
        with _noted(problems, target):
            scaling.deregister_scalable_target(
                ServiceNamespace="sagemaker", ResourceId=target,
                ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            )  # fmt: skip
    for name in resources.endpoints:
        with _noted(problems, name):
            take_down(client, name)
            if name != endpoint_name():  # the group of that one belongs to a stack
                _delete_group(settings, log_group(name))
    for name in resources.configs:
        with _noted(problems, name):
            client.delete_endpoint_config(EndpointConfigName=name)
    for name in resources.models:
        with _noted(problems, name):
            client.delete_model(ModelName=name)
    return problems


def forget_logs(settings: Settings) -> None:
    """Delete the logs of this lake's jobs in the groups that an account's jobs share, and groups left empty."""
    for kind, (_, _, group) in _JOBS.items():
        if group:
            for job in _jobs(settings, kind):
                _delete_streams(settings, group, f"{job}/")
            _delete_if_empty(settings, group)
    _delete_streams(settings, "/aws-glue/crawlers", f"{settings.stack}-raw")
    _delete_if_empty(settings, "/aws-glue/crawlers")


# --- what is there ------------------------------------------------------------------------------------------
def _listed(client: Any, operation: str, member: str, name: str, **filters: Any) -> list[str]:
    pages = client.get_paginator(operation).paginate(**filters)
    return [str(item[name]) for page in pages for item in page[member]]


def _jobs(settings: Settings, kind: str, *, running: bool = False) -> list[str]:
    """Return the names of this lake's jobs of a kind."""
    client = aws.client(settings, "sagemaker")
    noun, member, _ = _JOBS[kind]
    filters = {"StatusEquals": "InProgress"} if running else {}
    names = _listed(client, f"list_{noun}s", member, f"{kind}Name", NameContains=_OWN, **filters)
    describe = getattr(client, f"describe_{noun}")
    return [name for name in names if _of_lake(settings, describe(**{f"{kind}Name": name}))]


def _of_lake(settings: Settings, description: dict[str, Any]) -> bool:
    return f"s3://{settings.bucket}/" in json.dumps(description, default=str)


# --- one thing ----------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _noted(problems: list[str], name: str) -> Iterator[None]:
    """Note an error of AWS and go on; a thing that has gone already is no error."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as err:
        code, message = err.response["Error"]["Code"], err.response["Error"]["Message"]
        gone = code in {"ResourceNotFound", "ObjectNotFoundException"} or "Could not find" in message
        if not gone:
            problems.append(f"{name}: {message}")
    except AwsError as err:
        problems.append(f"{name}: {err}")


def _await_end(client: Any, kind: str, name: str) -> None:
    describe = getattr(client, f"describe_{_JOBS[kind][0]}")
    wait_for(
        lambda: str(describe(**{f"{kind}Name": name})[f"{kind}Status"]),
        lambda status: status not in {"InProgress", "Stopping"},
        f"{kind} '{name}'",
        timeout_s=WAIT_S,
    )


def _stop_job(glue: Any, job: str) -> None:
    with contextlib.suppress(glue.exceptions.EntityNotFoundException):
        runs = glue.get_job_runs(JobName=job)["JobRuns"]
        ids = [run["Id"] for run in runs if run["JobRunState"] in {"STARTING", "RUNNING", "WAITING"}]
        if ids:
            glue.batch_stop_job_run(JobName=job, JobRunIds=ids)


def _stop_crawler(glue: Any, crawler: str) -> None:
    with contextlib.suppress(
        glue.exceptions.EntityNotFoundException, glue.exceptions.CrawlerNotRunningException,
        glue.exceptions.CrawlerStoppingException,
    ):  # fmt: skip
        if glue.get_crawler(Name=crawler)["Crawler"]["State"] == "RUNNING":
            glue.stop_crawler(Name=crawler)
        wait_for(
            lambda: str(glue.get_crawler(Name=crawler)["Crawler"]["State"]),
            lambda state: state == "READY",
            f"Crawler '{crawler}'",
            timeout_s=WAIT_S,
        )


def _detach(iam: Any, policy: str) -> None:
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        for page in iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy):
            for kind in ("User", "Group", "Role"):
                for holder in page[f"Policy{kind}s"]:
                    detach = getattr(iam, f"detach_{kind.lower()}_policy")
                    detach(**{f"{kind}Name": holder[f"{kind}Name"], "PolicyArn": policy})


def _delete_streams(settings: Settings, group: str, prefix: str) -> None:
    logs = aws.client(settings, "logs")
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, logStreamNamePrefix=prefix)
        for stream in [stream["logStreamName"] for page in pages for stream in page["logStreams"]]:
            logs.delete_log_stream(logGroupName=group, logStreamName=stream)


def _delete_if_empty(settings: Settings, group: str) -> None:
    logs = aws.client(settings, "logs")
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        if not logs.describe_log_streams(logGroupName=group, limit=1)["logStreams"]:
            logs.delete_log_group(logGroupName=group)


def _delete_group(settings: Settings, group: str) -> None:
    logs = aws.client(settings, "logs")
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        logs.delete_log_group(logGroupName=group)
