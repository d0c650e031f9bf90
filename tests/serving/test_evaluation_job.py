"""The evaluation as a processing job says what stage evaluate says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_lake  # type: ignore[import-not-found]
from botocore.session import get_session
from botocore.validate import ParamValidator

from etholake import aws
from etholake.contract import raw_key
from etholake.errors import AwsError
from etholake.settings import Settings
from etholake.stages.model import evaluate, processing

TRUTH = {"agent_id": [1, 1], "target_id": [1, 2], "action": ["rest", "chase"], "start_frame": [0, 40],
         "stop_frame": [40, 80]}  # fmt: skip
LABELED = '"[""mouse1,self,rest"", ""mouse1,mouse2,chase""]"'


def test_the_job_scores_as_the_stage_does(mock_settings: Settings, tmp_path: Path) -> None:
    lake: Settings = small_lake.make(mock_settings, tmp_path / "state")
    data = tmp_path / "data"
    (data / "train_annotation" / "Lab A").mkdir(parents=True)
    (data / "train.csv").write_text(f"lab_id,video_id,behaviors_labeled\nLab A,7,{LABELED}\n")
    truth = data / "train_annotation" / "Lab A" / "7.parquet"
    pq.write_table(pa.table(TRUTH), truth)
    s3 = aws.client(lake, "s3")
    s3.put_object(Bucket=lake.bucket, Key="raw-zone/metadata/train.csv", Body=(data / "train.csv").read_bytes())
    s3.put_object(Bucket=lake.bucket, Key=raw_key("train", "annotation", "Lab A", 7), Body=truth.read_bytes())
    submission = tmp_path / "submission.csv"
    submission.write_text(
        "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n"
        "0,7,mouse1,self,rest,0,30\n1,7,mouse1,mouse2,chase,40,80\n"
    )
    done = processing.evaluate(lake, submission)
    assert {"score": done.details["score"], "labs": done.details["labs"]} == evaluate.evaluate(data, submission)
    assert 0.9 < done.details["score"] < 1  # 30 of 40 frames of rest, all of chase
    submission.write_text("row_id,video_id\n")
    with pytest.raises(AwsError, match="ended as Failed"):
        processing.evaluate(lake, submission)


def test_the_request_is_one_that_aws_takes() -> None:
    request = processing.request(
        Settings(), "job", "evaluate", {"metadata": "s3://b/m/"}, ["--videos", "1,2"], "model-zone/e",
        "arn:aws:iam::1:role/role",
    )  # fmt: skip
    shape = get_session().get_service_model("sagemaker").operation_model("CreateProcessingJob").input_shape
    assert not ParamValidator().validate(request, shape).has_errors()
    assert request["AppSpecification"]["ContainerArguments"][-2:] == ["--videos", "1,2"]
