"""High fidelity, opt-in: Spark reads and writes the mock's S3 by requests, through Hadoop's own s3a client.

Needs `hadoop-aws-3.3.*.jar` and `aws-java-sdk-bundle-*.jar` in the folder that ``S3A_JARS`` names (190 MB; both
are in the source package of `sagemaker-pyspark` 1.4.5 on PyPI). A job asks for it by Glue's argument `--conf`.
"""

import os
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from etholake import aws
from etholake.settings import Settings

JARS = sorted(Path(os.environ.get("S3A_JARS", "absent")).glob("*.jar"))
SCRIPT = """
    import sys
    from awsglue.utils import getResolvedOptions
    from pyspark.sql import SparkSession
    base = getResolvedOptions(sys.argv, ["base"])["base"]
    spark = SparkSession.builder.getOrCreate()
    assert "S3AFileSystem" in spark._jsc.hadoopConfiguration().get("fs.s3.impl")
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    rows = spark.read.option("header", True).csv(f"{base}/in/")
    rows.write.partitionBy("part").mode("overwrite").parquet(f"{base}/out/")
    rows.where("part = 'b=c'").limit(1).write.partitionBy("part").mode("overwrite").parquet(f"{base}/out/")
    found = sorted((row.n, row.part) for row in spark.read.parquet(f"{base}/out/").collect())
    assert found == [("1", "a"), ("2", "a"), ("3", "b=c")], found
"""


@pytest.mark.slow
@pytest.mark.skipif(len(JARS) < 2, reason="S3A_JARS names no folder with hadoop-aws and the AWS SDK bundle")
def test_spark_through_s3a_overwrites_partitions(mock_settings: Settings) -> None:
    s3, glue = aws.client(mock_settings, "s3"), aws.client(mock_settings, "glue")
    bucket, name = f"s3a-{uuid.uuid4().hex[:8]}", f"s3a-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in/x.csv", Body=b"n,part\n1,a\n2,a\n3,b=c\n4,b=c\n")
    s3.put_object(Bucket=bucket, Key="job.py", Body=textwrap.dedent(SCRIPT).encode())
    settings = {
        "spark.jars": ",".join(str(jar.resolve()) for jar in JARS),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": mock_settings.endpoint_url,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": "etholake",
        "spark.hadoop.fs.s3a.secret.key": "etholake",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    }
    glue.create_job(
        Name=name,
        Role="r",
        GlueVersion="5.1",
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/job.py"},
        DefaultArguments={
            "--conf": " --conf ".join(f"{key}={value}" for key, value in settings.items()),
            "--base": f"s3://{bucket}",
        },
    )
    run_id = glue.start_job_run(JobName=name)["JobRunId"]
    while (run := glue.get_job_run(JobName=name, RunId=run_id)["JobRun"])["JobRunState"] in (
        "STARTING",
        "RUNNING",
    ):
        time.sleep(0.2)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]]
    assert {key.split("/")[1] for key in keys if key.endswith(".parquet")} == {"part=a", "part=b%3Dc"}
    assert not [key for key in keys if "_temporary" in key]
