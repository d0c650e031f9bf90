"""SageMaker operations that execute; each becomes a method of moto's `SageMakerResponse`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import FakeEndpoint, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker.utils import arn_formatter

from local_mock.context import get_context
from local_mock.errors import LocalMockError
from local_mock.sagemaker import processing, tuning
from local_mock.sagemaker.container import input_mode
from local_mock.sagemaker.endpoints import Deployment, EndpointRun, TrafficPolicy
from local_mock.sagemaker.errors import InvalidRequestError, ResourceInUseError, RunError
from local_mock.sagemaker.hosting import container_of, data_uri
from local_mock.sagemaker.instances import MAX_INSTANCES
from local_mock.sagemaker.metrics import check_definitions
from local_mock.sagemaker.models import Endpoint, TrainingJob, TransformJob, check_name
from local_mock.sagemaker.training import DEFAULT_RUNTIME_S, TrainingRun
from local_mock.sagemaker.transform import TransformRun, check_request

__all__ = ["OPERATIONS", "interrupt_training", "start_training"]

_create_model = SageMakerResponse.create_model
_update_model_package = SageMakerResponse.update_model_package


def _missing(response: Any, kind: str, name: str) -> InvalidRequestError:
    arn = arn_formatter(kind, name, response.current_account, response.region)
    return InvalidRequestError(f"Could not find {kind.replace('-', ' ')} '{arn}'.")


# --- training ---------------------------------------------------------------------------------------------
def create_training_job(self: Any) -> ActionResult:
    """Start the job's entry point. A name can be used once."""
    request = self.params
    name = request["TrainingJobName"]
    check_name(name, "trainingJobName")
    if name in self.sagemaker_backend.training_jobs:
        raise ResourceInUseError(
            f"Training job names must be unique within an AWS account and region; '{name}' is taken."
        )
    _check_training(request)
    job = start_training(self.sagemaker_backend, request, self.current_account, self.region)
    return ActionResult({"TrainingJobArn": job.arn})


def start_training(backend: Any, request: Mapping[str, Any], account: str, region: str) -> TrainingJob:
    """Make a checked request a running job."""
    job = TrainingJob(request, account, region)
    _reuse_warm_pool(backend, job)
    backend.training_jobs[job.training_job_name] = job
    job.runner = TrainingRun(job, get_context(), region)
    job.runner.start()
    return job


def _reuse_warm_pool(backend: Any, job: TrainingJob) -> None:
    """Give the job the first warm pool of the same instances (state only: nothing starts faster)."""

    def same(of: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(of["ResourceConfig"].get(k) for k in ("InstanceType", "InstanceCount", "VolumeSizeInGB"))

    if not job.request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        return
    for other in backend.training_jobs.values():
        pool = other.warm_pool if isinstance(other, TrainingJob) else None
        if pool and pool["Status"] == "Available" and same(other.request) == same(job.request):
            other.reused_by = job.training_job_name
            return


def interrupt_training(name: str, account: str, region: str) -> str:
    """Take the spot instances of a job away (a fault that only the mock has). Returns why not, '' if done."""
    job = sagemaker_backends[account][region].training_jobs.get(name)
    if not isinstance(job, TrainingJob):
        return f"There is no training job '{name}'."
    if not job.request.get("EnableManagedSpotTraining"):
        return f"Training job '{name}' does not run on spot instances (EnableManagedSpotTraining)."
    if job.secondary_status != "Training":
        return f"Training job '{name}' has no instances to take away: it is {job.secondary_status}."
    job.runner.interrupt()
    return ""


def _check_training(request: Mapping[str, Any]) -> None:
    """Refuse what would not be done as asked."""
    check_definitions(request["AlgorithmSpecification"].get("MetricDefinitions") or [])
    resources = request["ResourceConfig"]
    if resources.get("InstanceGroups"):
        raise InvalidRequestError("local_mock trains on instances of one type: InstanceGroups are not supported.")
    count = resources.get("InstanceCount", 1)
    if not 1 <= count <= MAX_INSTANCES:
        raise InvalidRequestError(
            f"local_mock starts a process for every instance: InstanceCount must be 1..{MAX_INSTANCES}, "
            f"but got {count}."
        )
    _check_spot(request)
    names = set()
    for channel in request.get("InputDataConfig") or []:
        name = channel["ChannelName"]
        if name in names or "/" in name or name in (".", ".."):
            raise InvalidRequestError(f"Channel names must be unique and plain, but got '{name}'.")
        names.add(name)
        if "S3DataSource" not in channel["DataSource"]:
            raise InvalidRequestError(f"Channel '{name}': local_mock reads S3DataSource only.")
        if input_mode(channel, request) == "Pipe":
            raise InvalidRequestError(f"Channel '{name}': local_mock has input modes File and FastFile, not Pipe.")


def _check_spot(request: Mapping[str, Any]) -> None:
    """Raise the errors of AWS's rules for managed spot training."""
    condition = request.get("StoppingCondition") or {}
    wait, run = condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_S)
    if not request.get("EnableManagedSpotTraining"):
        if wait:
            raise InvalidRequestError("MaxWaitTimeInSeconds can only be given with EnableManagedSpotTraining.")
        return
    if not wait or wait < run:
        raise InvalidRequestError(
            f"Invalid MaxWaitTimeInSeconds: it must be given with EnableManagedSpotTraining and be at least "
            f"MaxRuntimeInSeconds ({run}), but got {wait}."
        )
    if request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        raise InvalidRequestError("KeepAlivePeriodInSeconds cannot be given with EnableManagedSpotTraining.")


def stop_training_job(self: Any) -> EmptyResult:
    """Ask the job to end; refused if it has."""
    name = self.params["TrainingJobName"]
    job = self.sagemaker_backend.training_jobs.get(name)
    if job is None:
        raise _missing(self, "training-job", name)
    if job.ended:
        raise InvalidRequestError(
            f"The request was rejected because the training job is in status {job.training_job_status}."
        )
    job.move("Stopping", "Stopping the training job", status="Stopping")
    job.runner.stop()
    return EmptyResult()


# --- tuning -----------------------------------------------------------------------------------------------
def create_hyper_parameter_tuning_job(self: Any) -> ActionResult:
    """Start training jobs, chosen by the strategy."""
    request = self.params
    name = request["HyperParameterTuningJobName"]
    check_name(name, "hyperParameterTuningJobName", longest=32)
    jobs = self.sagemaker_backend.hyper_parameter_tuning_jobs
    if name in jobs:
        raise ResourceInUseError(f"Hyper-parameter tuning job '{name}' exists: choose a different name.")
    search = tuning.check_request(request)
    definition = request["TrainingJobDefinition"]
    _check_training(definition)
    backend, account, region = self.sagemaker_backend, self.current_account, self.region

    def start(training: Mapping[str, Any]) -> TrainingJob:
        return start_training(backend, training, account, region)

    job = tuning.TuningJob(request, search, start, account, region)
    jobs[name] = job
    job.run()
    return ActionResult({"HyperParameterTuningJobArn": job.arn})


def _tuning_job(response: Any) -> Any:
    name = response.params["HyperParameterTuningJobName"]
    job = response.sagemaker_backend.hyper_parameter_tuning_jobs.get(name)
    if job is None:
        raise _missing(response, "hyper-parameter-tuning-job", name)
    return job


def stop_hyper_parameter_tuning_job(self: Any) -> EmptyResult:
    """End its training jobs and start no more; refused if it has ended."""
    job = _tuning_job(self)
    if job.ended:
        raise InvalidRequestError(
            f"The request was rejected because the job is in status {job.hyper_parameter_tuning_job_status}."
        )
    job.stop()
    return EmptyResult()


def list_training_jobs_for_hyper_parameter_tuning_job(self: Any) -> ActionResult:
    """List a tuning job's training jobs with points and objectives, sorted, filtered and paged as requested."""
    summaries = _tuning_job(self).trials()
    if wanted := self.params.get("StatusEquals"):
        summaries = [s for s in summaries if s["TrainingJobStatus"] == wanted]
    by = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(self.params.get("SortBy", ""))
    if self.params.get("SortBy") == "FinalObjectiveMetricValue":
        key = "FinalHyperParameterTuningJobObjectiveMetric"
        summaries = sorted((s for s in summaries if key in s), key=lambda s: s[key]["Value"])
    elif by:
        summaries = sorted(summaries, key=lambda s: s[by])
    if self.params.get("SortOrder") == "Descending":
        summaries.reverse()
    token, size = int(self.params.get("NextToken") or 0), self.params.get("MaxResults") or 100
    page = {"TrainingJobSummaries": summaries[token : token + size]}
    return ActionResult(page | ({"NextToken": str(token + size)} if len(summaries) > token + size else {}))


# --- processing -------------------------------------------------------------------------------------------
def create_processing_job(self: Any) -> ActionResult:
    """Run the entry point on inputs from S3. A name can be used once."""
    request = self.params
    name = request["ProcessingJobName"]
    check_name(name, "processingJobName")
    jobs = self.sagemaker_backend.processing_jobs
    if name in jobs:
        raise ResourceInUseError(
            f"Processing job names must be unique within an AWS account and region; '{name}' is taken."
        )
    processing.check_request(request)
    job = processing.ProcessingJob(request, self.current_account, self.region)
    jobs[name] = job
    job.runner = processing.ProcessingRun(job, get_context(), self.region)
    job.runner.start()
    return ActionResult({"ProcessingJobArn": job.arn})


def stop_processing_job(self: Any) -> EmptyResult:
    """Ask the job to end; refused if it has."""
    return _stop(self, "processing")


# --- batch transform --------------------------------------------------------------------------------------
def create_transform_job(self: Any) -> ActionResult:
    """Start the model's host and post every input object to it."""
    request = self.params
    name = request["TransformJobName"]
    check_name(name, "transformJobName")
    if name in self.sagemaker_backend.transform_jobs:
        raise ResourceInUseError(
            f"Transform job names must be unique within an AWS account and region; '{name}' is taken."
        )
    check_request(request)
    job = TransformJob(request, self.current_account, self.region)
    job.runner = TransformRun(job, _container(self, request["ModelName"]), get_context(), self.region)
    self.sagemaker_backend.transform_jobs[name] = job
    job.runner.start()
    return ActionResult({"TransformJobArn": job.arn})


def stop_transform_job(self: Any) -> EmptyResult:
    """Ask the job to end; refused if it has."""
    return _stop(self, "transform")


def _stop(self: Any, kind: str) -> EmptyResult:
    """Stop a processing or a transform job."""
    name, status = self.params[f"{kind.capitalize()}JobName"], f"{kind}_job_status"
    job = getattr(self.sagemaker_backend, f"{kind}_jobs").get(name)
    if job is None:
        raise _missing(self, f"{kind}-job", name)
    if job.ended:
        raise InvalidRequestError(
            f"The request was rejected because the {kind} job is in status {getattr(job, status)}."
        )
    setattr(job, status, "Stopping")
    job.runner.stop()
    return EmptyResult()


# --- models and endpoints ---------------------------------------------------------------------------------
def create_model(self: Any) -> ActionResult:
    """Create a model as moto does, but refuse a name that is taken and require the model's data."""
    request = self.params
    name = request["ModelName"]
    check_name(name, "modelName")
    if name in self.sagemaker_backend._models:
        raise InvalidRequestError(f"Cannot create already existing model '{name}'.")
    containers = [c for c in (request.get("PrimaryContainer"), *(request.get("Containers") or [])) if c]
    for container in containers:
        uri = data_uri(container)
        if uri:
            _check_model_data(uri)
    return _create_model(self)


def _check_model_data(uri: str) -> None:
    """Raise InvalidRequestError for model data that is no S3 URI or does not exist."""
    if re.fullmatch(r"https://[^/]+/.+", uri):
        raise InvalidRequestError(f"local_mock reads model data from s3:// URIs only, but got {uri}.")
    try:
        objects = get_context().data.list(uri)
    except LocalMockError as err:
        raise InvalidRequestError(f"Invalid ModelDataUrl {uri}: {err}") from err
    if not objects:
        raise InvalidRequestError(f"Could not find model data at {uri}.")


def describe_model(self: Any) -> ActionResult:
    """Describe a model as moto does, without empty structures, which the SDK's models refuse."""
    answer = self.sagemaker_backend.describe_model(self.params["ModelName"]).response_object
    return ActionResult({k: v for k, v in answer.items() if v not in ({}, [])})


def update_model_package(self: Any) -> ActionResult:
    """Update a version as moto does, but keep what the request does not name (moto forgets the metadata)."""
    backend, arn = self.sagemaker_backend, self.params["ModelPackageArn"]
    package = backend.model_packages.get(backend.model_package_name_mapping.get(arn, arn))
    before = dict(getattr(package, "customer_metadata_properties", None) or {})
    described = getattr(package, "approval_description", None)
    answer = _update_model_package(self)
    given = self.params.get("CustomerMetadataProperties") or {}
    removed = self.params.get("CustomerMetadataPropertiesToRemove") or []
    kept = {key: value for key, value in {**before, **given}.items() if key not in removed}
    package.customer_metadata_properties = kept or None
    if self.params.get("ApprovalDescription") is None:
        package.approval_description = described
    return answer


def _container(response: Any, model_name: str) -> dict[str, Any]:
    """Return the container of a model that exists, else ValidationException."""
    model = response.sagemaker_backend.describe_model(model_name)
    try:
        return container_of(model.response_object)
    except RunError as err:
        raise InvalidRequestError(str(err)) from err


def _deployment(response: Any, config_name: str, policy: Mapping[str, Any] | None = None) -> Deployment:
    """Return the deployment that an endpoint configuration describes."""
    config = response.sagemaker_backend.endpoint_configs.get(config_name)
    if config is None:
        raise _missing(response, "endpoint-config", config_name)
    variants = config.response_object["ProductionVariants"]
    if len(variants) != 1:
        raise InvalidRequestError(
            f"local_mock hosts one variant an endpoint, but '{config_name}' has {len(variants)}."
        )
    return Deployment(
        config_name,
        _container(response, variants[0]["ModelName"]),
        variants,
        config.async_inference_config,
        config.data_capture_config,
        TrafficPolicy.of(policy, variants[0].get("InitialInstanceCount", 1)),
    )


def create_endpoint(self: Any) -> ActionResult:
    """Start serving: Creating, then InService or Failed."""
    request = self.params
    name, config = request["EndpointName"], request["EndpointConfigName"]
    check_name(name, "endpointName")
    if name in self.sagemaker_backend.endpoints:
        arn = FakeEndpoint.arn_formatter(name, self.current_account, self.region)
        raise InvalidRequestError(f"Cannot create already existing endpoint '{arn}'.")
    deployment = _deployment(self, config)
    tags = request.get("Tags") or []
    endpoint = Endpoint(self.current_account, self.region, name, config, deployment.variants, {}, tags)
    endpoint.async_inference_config = deployment.asynchronous
    endpoint.capture(deployment.capture)
    endpoint.become("Creating")
    self.sagemaker_backend.endpoints[name] = endpoint
    endpoint.runner = EndpointRun(endpoint, get_context(), self.region)
    endpoint.runner.start(deployment)
    return ActionResult({"EndpointArn": endpoint.arn})


def update_endpoint(self: Any) -> ActionResult:
    """Serve another configuration: the old host answers until the new one is ready, and has all the traffic."""
    name, config = self.params["EndpointName"], self.params["EndpointConfigName"]
    endpoint = self.sagemaker_backend.endpoints.get(name)
    if endpoint is None:
        raise _missing(self, "endpoint", name)
    if endpoint.endpoint_status not in {"InService", "Failed"}:
        raise InvalidRequestError(f"Cannot update endpoint '{name}' while it is {endpoint.endpoint_status}.")
    deployment = _deployment(self, config, self.params.get("DeploymentConfig"))
    if bool(deployment.asynchronous) != bool(endpoint.async_inference_config):
        raise InvalidRequestError(
            f"Endpoint '{name}' cannot change between real-time and asynchronous: make a new one."
        )
    endpoint.async_inference_config = deployment.asynchronous
    endpoint.become("Updating")
    endpoint.runner.start(deployment)
    return ActionResult({"EndpointArn": endpoint.arn})


def delete_endpoint(self: Any) -> EmptyResult:
    """Stop its host and forget it."""
    name = self.params["EndpointName"]
    endpoint = self.sagemaker_backend.endpoints.get(name)
    if endpoint is None:
        raise _missing(self, "endpoint", name)
    endpoint.become("Deleting")
    endpoint.runner.delete()
    self.sagemaker_backend.endpoints.pop(name, None)
    return EmptyResult()


OPERATIONS = (
    create_training_job, stop_training_job, create_transform_job, stop_transform_job, create_model, describe_model,
    update_model_package,
    create_endpoint, update_endpoint, delete_endpoint, create_hyper_parameter_tuning_job,
    create_processing_job, stop_processing_job,
    stop_hyper_parameter_tuning_job, list_training_jobs_for_hyper_parameter_tuning_job,
)  # fmt: skip
