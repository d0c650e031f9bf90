"""Programs that a stranger would bring, unchanged: each with the library's own calls against local_mock.

SQLAlchemy with PyAthena, awswrangler, a Glue job of dynamic frames, SageMaker from training to an endpoint, Step
Functions over Glue and Athena, and the template that CDK synthesises.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# As `cdk synth` writes it: paths as metadata, a parameter and a rule for the bootstrap stack.
TEMPLATE = Path(__file__).with_name("cdk_lake_stack.template.json")
ROLE = "arn:aws:iam::123456789012:role/example"


def until(describe: Callable[[], dict[str, Any]], member: str, *running: str) -> dict[str, Any]:
    """Ask until `member` of the answer is none of the states that mean that it runs."""
    for _ in range(2400):
        answer = describe()
        if answer[member] not in running:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"still {answer[member]}")


def bucket(name: str) -> Any:
    import boto3

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    return s3


# --- SQL --------------------------------------------------------------------------------------------------
def test_sqlalchemy_on_pyathena_with_pandas(local_mock: Any) -> None:
    import pandas as pd
    import sqlalchemy as sa

    bucket("warehouse")
    engine = sa.create_engine(
        "awsathena+rest://:@athena.us-east-1.amazonaws.com:443/default?s3_staging_dir=s3://warehouse/results/"
    )
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE IF NOT EXISTS alchemy"))
        connection.execute(
            sa.text(
                "CREATE TABLE alchemy.visits WITH (external_location = 's3://warehouse/visits/') AS SELECT * FROM "
                "(VALUES ('a', 1, DATE '2026-11-30'), ('b', 4, DATE '2026-12-01')) t(lab, n, day)"
            )
        )
        visits = sa.Table("visits", sa.MetaData(schema="alchemy"), autoload_with=connection)
        query = sa.select(visits.c.lab, sa.func.sum(visits.c.n).label("total")).group_by(visits.c.lab)
        frame = pd.read_sql(query.order_by(visits.c.lab), connection)
    assert frame.to_dict("list") == {"lab": ["a", "b"], "total": [1, 4]}
    assert isinstance(visits.c.day.type, sa.Date)


def test_awswrangler_writes_a_dataset_and_reads_it_by_sql(local_mock: Any) -> None:
    import awswrangler as wr
    import pandas as pd

    bucket("wrangled")
    wr.catalog.create_database("wrangled", exist_ok=True)
    frame = pd.DataFrame({"lab": ["a", "a", "b"], "weight": [20.5, 22.0, 19.0]})
    wr.s3.to_parquet(
        frame, path="s3://wrangled/mice/", dataset=True, database="wrangled", table="mice", partition_cols=["lab"],
        mode="overwrite",
    )  # fmt: skip
    answer = wr.athena.read_sql_query(
        "SELECT lab, avg(weight) AS mean FROM mice GROUP BY lab ORDER BY lab", "wrangled",
        s3_output="s3://wrangled/results/",
    )  # fmt: skip
    assert answer["mean"].tolist() == [21.25, 19.0]


# --- Glue -------------------------------------------------------------------------------------------------
GLUE_JOB = """
import sys
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import ApplyMapping
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME"])
glueContext = GlueContext(SparkContext())
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
source = glueContext.create_dynamic_frame.from_catalog(
    database="etl", table_name="raw", transformation_ctx="source")
mapped = ApplyMapping.apply(frame=source, mappings=[
    ("name", "string", "mouse", "string"), ("grams", "string", "grams", "double")], transformation_ctx="mapped")
glueContext.write_dynamic_frame.from_options(
    frame=mapped, connection_type="s3", connection_options={"path": "s3://etl-lake/clean/"}, format="parquet",
    transformation_ctx="sink")
job.commit()
"""


@pytest.mark.long
def test_a_glue_job_of_the_visual_editor(local_mock: Any) -> None:
    import awswrangler as wr
    import boto3

    s3, glue = bucket("etl-lake"), boto3.client("glue")
    s3.put_object(Bucket="etl-lake", Key="raw/1.csv", Body=b"ada,20.5\nbob,31\n")
    s3.put_object(Bucket="etl-lake", Key="job.py", Body=GLUE_JOB.encode())
    wr.catalog.create_database("etl", exist_ok=True)
    wr.catalog.create_csv_table("etl", "raw", "s3://etl-lake/raw/", {"name": "string", "grams": "string"})
    command = {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": "s3://etl-lake/job.py"}
    arguments = {"--job-bookmark-option": "job-bookmark-enable"}
    glue.create_job(Name="clean", Role=ROLE, Command=command, GlueVersion="5.1", DefaultArguments=arguments)
    run = glue.start_job_run(JobName="clean")["JobRunId"]
    ended = until(
        lambda: glue.get_job_run(JobName="clean", RunId=run)["JobRun"], "JobRunState", "STARTING", "RUNNING"
    )
    assert ended["JobRunState"] == "SUCCEEDED", ended
    frame = wr.s3.read_parquet("s3://etl-lake/clean/").sort_values("mouse")
    assert frame.to_dict("list") == {"mouse": ["ada", "bob"], "grams": [20.5, 31.0]}


# --- SageMaker --------------------------------------------------------------------------------------------
TRAIN = """
import json, os, pathlib
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "numbers.txt").read_text().split()
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "mean.json").write_text(json.dumps(sum(map(float, data)) / len(data)))
(model / "code").mkdir()
(model / "code" / "inference.py").write_text(pathlib.Path("inference.py").read_text())
"""
INFERENCE = """
import json, pathlib
def model_fn(folder):
    return json.loads(pathlib.Path(folder, "mean.json").read_text())
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(numbers, mean):
    return [number - mean for number in numbers]
def output_fn(values, accept):
    return json.dumps(values), "application/json"
"""


def test_a_model_is_trained_and_answers_at_an_endpoint(local_mock: Any) -> None:
    import boto3

    s3, sagemaker = bucket("models"), boto3.client("sagemaker")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("train.py", TRAIN), ("inference.py", INFERENCE)):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    s3.put_object(Bucket="models", Key="code.tar.gz", Body=packed.getvalue())
    s3.put_object(Bucket="models", Key="train/numbers.txt", Body=b"1 2 6")
    sagemaker.create_training_job(
        TrainingJobName="mean",
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": "none", "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://models/code.tar.gz"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://models/train/"}}}],
        OutputDataConfig={"S3OutputPath": "s3://models/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )  # fmt: skip
    job = until(lambda: sagemaker.describe_training_job(TrainingJobName="mean"), "TrainingJobStatus", "InProgress")
    assert job["TrainingJobStatus"] == "Completed", job
    container = {"Image": "none", "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName="mean", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sagemaker.create_endpoint_config(
        EndpointConfigName="mean",
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "mean", "InstanceType": "ml.m5.large",
                             "InitialInstanceCount": 1}],
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="mean", EndpointConfigName="mean")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="mean", WaiterConfig={"Delay": 1})
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="mean", ContentType="application/json", Body=b"[3, 5]"
    )
    assert json.loads(answer["Body"].read()) == [0.0, 2.0]
    sagemaker.delete_endpoint(EndpointName="mean")


# --- Step Functions ---------------------------------------------------------------------------------------
MACHINE = {
    "StartAt": "Count",
    "States": {
        "Count": {
            "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync",
            "Parameters": {"JobName": "count", "Arguments": {"--day.$": "$.day"}}, "ResultPath": "$.run",
            "Next": "Ask"},
        "Ask": {
            "Type": "Task", "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
            "Parameters": {"QueryString": "SELECT count(*) FROM (VALUES 1, 2) t",
                           "ResultConfiguration": {"OutputLocation": "s3://nightly/results/"}},
            "ResultPath": "$.query", "Next": "Rows"},
        "Rows": {
            "Type": "Task", "Resource": "arn:aws:states:::athena:getQueryResults",
            "Parameters": {"QueryExecutionId.$": "$.query.QueryExecution.QueryExecutionId"},
            "ResultSelector": {"n.$": "States.StringToJson($.ResultSet.Rows[1].Data[0].VarCharValue)"},
            "ResultPath": "$.answer", "Next": "Enough"},
        "Enough": {
            "Type": "Choice", "Default": "No",
            "Choices": [{"Variable": "$.answer.n", "NumericGreaterThanEquals": 2, "Next": "Yes"}]},
        "Yes": {"Type": "Pass", "Parameters": {"job.$": "$.run.JobRunState", "n.$": "$.answer.n"}, "End": True},
        "No": {"Type": "Fail", "Error": "TooFew"},
    },
}  # fmt: skip


def test_a_state_machine_waits_for_a_glue_job_and_a_query(local_mock: Any) -> None:
    import boto3

    s3, glue, machines = bucket("nightly"), boto3.client("glue"), boto3.client("stepfunctions")
    script = "import sys; assert sys.argv[sys.argv.index('--day') + 1] == '2026-11-30'"
    s3.put_object(Bucket="nightly", Key="count.py", Body=script.encode())
    command = {"Name": "pythonshell", "PythonVersion": "3.9", "ScriptLocation": "s3://nightly/count.py"}
    glue.create_job(Name="count", Role=ROLE, Command=command)
    machine = machines.create_state_machine(name="nightly", definition=json.dumps(MACHINE), roleArn=ROLE)
    execution = machines.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps({"day": "2026-11-30"})
    )["executionArn"]
    ended = until(lambda: machines.describe_execution(executionArn=execution), "status", "RUNNING")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert json.loads(ended["output"]) == {"job": "SUCCEEDED", "n": 2}


# --- CloudFormation ---------------------------------------------------------------------------------------
def test_the_template_that_cdk_synthesises_is_deployed(local_mock: Any) -> None:
    import boto3

    boto3.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="21", Type="String")
    stacks = boto3.client("cloudformation")
    stacks.create_stack(
        StackName="LakeStack", TemplateBody=TEMPLATE.read_text(), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    stack = stacks.describe_stacks(StackName="LakeStack")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.describe_stack_events(StackName="LakeStack")
    name = next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "LakeName")
    assert boto3.client("s3").get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    job = boto3.client("glue").get_job(JobName="cdk-clean")["Job"]
    assert job["Command"]["ScriptLocation"] == f"s3://{name}/job.py"
    assert job["Role"].startswith("arn:aws:iam::123456789012:role/")
    stacks.delete_stack(StackName="LakeStack")
