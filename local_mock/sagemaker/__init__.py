"""SageMaker that executes: training jobs, endpoints and batch transforms are processes of this machine.

Here: `install`, which puts our jobs, endpoints and operations in the place of moto's. There are no containers: a
job's entry point runs under the interpreter of the server, with `/opt/ml` replaced by a folder of its own, and an
endpoint runs the code that lies in `model.tar.gz`. All else of SageMaker is moto's and keeps state only.
"""

from __future__ import annotations

import shutil

from local_mock.context import Context

__all__ = ["EXECUTES", "install"]

EXECUTES = frozenset({
    "CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "CreateTransformJob", "DescribeTransformJob",
    "StopTransformJob", "CreateModel", "CreateEndpoint", "UpdateEndpoint", "DescribeEndpoint", "DeleteEndpoint",
    "InvokeEndpoint", "InvokeEndpointAsync", "CreateHyperParameterTuningJob", "DescribeHyperParameterTuningJob",
    "CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob",
    "StopHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob",
    "CreatePipeline", "UpdatePipeline", "DescribePipeline", "DeletePipeline", "ListPipelines",
    "StartPipelineExecution", "StopPipelineExecution", "RetryPipelineExecution", "DescribePipelineExecution",
    "DescribePipelineDefinitionForExecution", "ListPipelineExecutions", "ListPipelineExecutionSteps",
    "ListPipelineParametersForExecution",
})  # fmt: skip


def install(context: Context) -> None:
    """Patch moto's SageMaker, its runtime, and IAM's policy simulation, which the SageMaker SDK asks for."""
    from moto.sagemaker.responses import SageMakerResponse
    from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

    for left_over in ("training", "processing", "hosts"):  # of a server that was killed
        shutil.rmtree(context.state_dir / "sagemaker" / left_over, ignore_errors=True)

    from local_mock import iam
    from local_mock.sagemaker import registry
    from local_mock.sagemaker.pipelines import operations as pipelines
    from local_mock.sagemaker.responses import OPERATIONS
    from local_mock.sagemaker.runtime import invoke_endpoint, invoke_endpoint_async

    for operation in (*OPERATIONS, *registry.OPERATIONS, *pipelines.OPERATIONS):
        setattr(SageMakerResponse, operation.__name__, operation)
    SageMakerRuntimeResponse.use_raw_body = True  # bodies are bytes, not text
    SageMakerRuntimeResponse.invoke_endpoint = invoke_endpoint
    SageMakerRuntimeResponse.invoke_endpoint_async = invoke_endpoint_async
    iam.install(context)
