"""Training on two instances: torchrun of the SDK and plain scripts, shards, one host's failure; input modes."""

import json
from pathlib import Path
from typing import Any

import pytest
from sagemaker_lab import Lab

from etholake.settings import Settings
from etholake.stages.model.training_job import sdk_environment

GLOO = """
import json, os, pathlib
import torch, torch.distributed as dist
torch.set_num_threads(1)
dist.init_process_group("gloo")
total = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(total)
if dist.get_rank() == 0:
    print(f"train_loss={total.item()}", flush=True)
    where = {n: json.loads(os.environ[n]) if os.environ[n][0] in "[" else os.environ[n]
             for n in ("SM_HOSTS", "SM_CURRENT_HOST", "SM_HOST_COUNT", "SM_NETWORK_INTERFACE_NAME")}
    answer = {"total": total.item(), "world": dist.get_world_size(), **where}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "answer.json").write_text(json.dumps(answer))
dist.destroy_process_group()
"""
SHARDS = """
import json, os, pathlib, sys
host = os.environ["SM_CURRENT_HOST"]
if host == os.environ.get("BAD"):
    print("words of the bad host", flush=True)
    sys.exit(4)
if "BAD" in os.environ:
    import time
    time.sleep(60)
folder = pathlib.Path(os.environ["SM_CHANNEL_DATA"])
seen = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
links = [p.is_symlink() for p in folder.rglob("*") if p.is_file()]
config = json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/inputdataconfig.json"))["data"]
for name in (host, "same"):
    pathlib.Path(os.environ["SM_MODEL_DIR"], f"{name}.json").write_text(
        json.dumps({"host": host, "seen": seen, "links": links, "mode": config["TrainingInputMode"],
                    "hosts": json.loads(os.environ["SM_HOSTS"])}))
"""
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}


@pytest.fixture(scope="module")
def lab(mock_settings: Settings) -> Lab:
    return Lab(mock_settings)


def data(lab: Lab, **source: str) -> list[dict[str, Any]]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{lab.bucket}/in/", **source}
    return [{"ChannelName": "data", "DataSource": {"S3DataSource": s3}}]


def answers(lab: Lab, job: dict[str, Any]) -> dict[str, Any]:
    assert job["TrainingJobStatus"] == "Completed", job
    files = lab.unpacked(job["ModelArtifacts"]["S3ModelArtifacts"])
    return {name: json.loads(text) for name, text in files.items()}


@pytest.mark.slow
def test_the_sdks_torchrun_on_two_instances(lab: Lab, tmp_path: Path) -> None:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.shapes import MetricDefinition
    from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode, StoppingCondition
    from sagemaker.train.distributed import Torchrun

    from etholake import aws
    from sagemaker.train import ModelTrainer

    (tmp_path / "train.py").write_text(GLOO)
    settings = lab.settings
    with sdk_environment(settings):
        trainer = ModelTrainer(
            sagemaker_session=Session(
                boto_session=aws.session(settings), default_bucket=lab.bucket, default_bucket_prefix="sdk"
            ),
            role="arn:aws:iam::123456789012:role/trainer",
            training_image="123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
            source_code=SourceCode(source_dir=str(tmp_path), entry_script="train.py"),
            distributed=Torchrun(process_count_per_node=1),
            compute=Compute(instance_type="ml.m5.large", instance_count=2, volume_size_in_gb=5),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=120),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{lab.bucket}/out"),
        ).with_metric_definitions([MetricDefinition(name="loss", regex=r"train_loss=(\S+)")])
        trainer.train(wait=False, logs=False)
    job = lab.wait(trainer._latest_training_job.training_job_name, 120)
    answer = answers(lab, job)["answer.json"]
    assert (answer["total"], answer["world"]) == (3.0, 2)
    assert (answer["SM_HOSTS"], answer["SM_CURRENT_HOST"]) == (["algo-1", "algo-2"], "algo-1")
    assert (answer["SM_HOST_COUNT"], answer["SM_NETWORK_INTERFACE_NAME"]) == ("2", "lo")
    assert [m["Value"] for m in job["FinalMetricDataList"]] == [3.0]


def test_every_instance_gets_all_or_its_shard(lab: Lab) -> None:
    job = answers(lab, lab.wait(lab.start(SHARDS, ResourceConfig=TWO)))
    assert job["algo-1.json"]["seen"] == job["algo-2.json"]["seen"] == ["a.txt", "deep/b.txt"]
    assert job["same.json"]["host"] == "algo-1"  # of one name, the first instance's file is kept
    shards = data(lab, S3DataDistributionType="ShardedByS3Key")
    job = answers(lab, lab.wait(lab.start(SHARDS, ResourceConfig=TWO, InputDataConfig=shards)))
    assert [job[f"algo-{n}.json"]["seen"] for n in (1, 2)] == [["a.txt"], ["deep/b.txt"]]
    assert job["algo-2.json"]["hosts"] == ["algo-1", "algo-2"]


def test_one_instances_failure_ends_the_job_with_its_words(lab: Lab) -> None:
    job = lab.wait(lab.start(SHARDS, ResourceConfig=TWO, Environment={"BAD": "algo-2"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert "exit code 4 on algo-2" in job["FailureReason"]
    assert "words of the bad host" in job["FailureReason"]


def test_fast_file_mode_copies_nothing(lab: Lab) -> None:
    fast = [{**channel, "InputMode": "FastFile"} for channel in data(lab)]
    by_mode = {
        mode: answers(lab, lab.wait(lab.start(SHARDS, InputDataConfig=channels)))["algo-1.json"]
        for mode, channels in (("FastFile", fast), ("File", data(lab)))
    }
    for mode, linked in (("FastFile", True), ("File", False)):
        assert by_mode[mode]["mode"] == mode
        assert by_mode[mode]["seen"] == ["a.txt", "deep/b.txt"]
        assert by_mode[mode]["links"] == [linked, linked]
