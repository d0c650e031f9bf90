"""Registry, approval, roll-back, kinds of endpoints, drift, and one video's file, on the mock.

The model is a stand-in whose predictions are fixed, around the real reading and writing of requests; the real one
is trained, served and asked in test_model_stages.
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import small_lake  # type: ignore[import-not-found]
from botocore.session import get_session
from botocore.validate import ParamValidator

from etholake import aws
from etholake.errors import DataError, UsageError
from etholake.settings import Settings
from etholake.stages import model_packages
from etholake.stages.job_settings import job_settings
from etholake.stages.serving import drift, endpoint_requests, predict_file, registry, serve
from etholake.stages.serving.videos import REQUEST_TYPE, Videos, request_body
from etholake.stages.state import load_state, save_state

ROOT = Path(__file__).resolve().parents[2]
FIXED = """
import json, pathlib
from request_forms import input_fn, output_fn

def model_fn(folder):
    return json.loads(pathlib.Path(folder, "meta.json").read_text())

def predict_fn(request, meta):
    event = {"agent_id": 1, "target_id": 2, "action": "chase", "confidence": 0.5}
    event |= {"start_frame": 0, "stop_frame": 9}
    return {"video_id": request.meta.video_id, "lab_id": request.meta.lab_id, "events": [event], "model": meta}
"""


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("registry"))
    with pytest.raises(DataError, match="is approved: run `etholake registry --register`"):
        serve.run(made, approved=True)
    uri = f"s3://{made.bucket}/model-zone/first.tar.gz"
    aws.client(made, "s3").put_object(Bucket=made.bucket, Key="model-zone/first.tar.gz", Body=model_archive())
    split = {"train": [{"video_id": video} for video in (1, 2, 4, 5)], "validation": [], "test": [{"video_id": 3}]}
    details = {
        "model_uri": uri, "job_name": "by-hand", "config": "fixed", "split": split,
        "metrics": {"train_loss": 0.5, "best_val_score": 0.25},
    }  # fmt: skip
    save_state(made, "train", {"fingerprint": "f", "details": details})
    return made


def model_archive() -> bytes:
    """`model.tar.gz` with meta.json, the real host, the real request forms, and this repository's package."""
    files = {"meta.json": b'{"data_fingerprint": "abc", "format": 1}', "code/inference.py": FIXED.encode()}
    for name, source in (("code/serve.py", "serve.py"), ("code/request_forms.py", "inference.py")):
        files[name] = (ROOT / "sagemaker" / source).read_bytes()
    for path in sorted((ROOT / "etholake").rglob("*.py")):
        files[f"code/{path.relative_to(ROOT).as_posix()}"] = path.read_bytes()
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def newer(lake: Settings, name: str) -> str:
    """The same model as if it had been trained once more."""
    state = load_state(lake, "train")
    key = state["details"]["model_uri"].removeprefix(f"s3://{lake.bucket}/")
    aws.client(lake, "s3").copy_object(
        Bucket=lake.bucket, Key=f"model-zone/{name}.tar.gz", CopySource={"Bucket": lake.bucket, "Key": key}
    )
    uri = f"s3://{lake.bucket}/model-zone/{name}.tar.gz"
    save_state(lake, "train", {**state, "details": {**state["details"], "model_uri": uri}})
    return uri


@pytest.mark.slow
def test_register_approve_serve_and_roll_back(lake: Settings) -> None:
    group = model_packages.group_name(lake)
    first = registry.register(lake)
    assert (first.status, first.details["version"]) == ("done", 1)
    assert registry.register(lake).status == "unchanged"
    version = model_packages.versions(lake, group)[0]
    assert (version.status, version.number) == ("PendingManualApproval", 1)
    package = aws.client(lake, "sagemaker").describe_model_package(ModelPackageName=version.arn)
    where = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"].removeprefix(f"s3://{lake.bucket}/")
    metrics = json.loads(aws.client(lake, "s3").get_object(Bucket=lake.bucket, Key=where)["Body"].read())
    assert metrics["metrics"]["train_loss"] > 0
    registry.approve(lake, 1)
    assert model_packages.versions(lake, group)[0].score == 0.25  # approval keeps what was registered
    served = serve.run(lake, approved=True)
    assert (served.status, served.details["version"]) == ("done", 1)

    uri = newer(lake, "second")
    assert registry.register(lake).details["version"] == 2
    assert serve.run(lake, approved=True).status == "unchanged"  # 2 is not approved
    registry.approve(lake, 2)
    assert serve.run(lake, approved=True).details["model_uri"] == uri
    assert serve.roll_back(lake, group, 1).summary.endswith("is the approved one and is served now.")
    back = serve.run(lake, approved=True)
    assert (back.status, back.details["version"]) == ("unchanged", 1)
    assert back.details["model_name"] == served.details["model_name"]
    lines = registry.show(lake, group).summary.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["2", "Rejected", "0.2500"], ["*", "1", "Approved"]]
    assert [v.status for v in model_packages.versions(lake, group)] == ["Rejected", "Approved"]
    with pytest.raises(UsageError, match="has no version 9; it has: 1, 2"):
        registry.approve(lake, 9)
    targets = aws.client(lake, "application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert "endpoint/etholake/variant/AllTraffic" in [t["ResourceId"] for t in targets["ScalableTargets"]]


@pytest.mark.slow
def test_a_file_of_raw_or_curated_tracks_becomes_events(lake: Settings, tmp_path: Path) -> None:
    videos = Videos(lake, "train")
    curated = videos.tracks(3)
    metadata, tracks = tmp_path / "video.json", tmp_path / "tracks.parquet"
    metadata.write_text(json.dumps(videos.rows[3]))
    pq.write_table(curated.select(["video_frame", "mouse_id", "bodypart", "x", "y"]), tracks)
    predict_file.run(lake, tracks, metadata, tmp_path / "raw.json")
    answer = json.loads((tmp_path / "raw.json").read_text())
    assert answer["video_id"] == 3
    pq.write_table(curated, tracks)
    done = predict_file.run(lake, tracks, metadata, tmp_path / "events.jsonl")
    assert done.status == "done"
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    predict_file.run(lake, tracks, metadata, tmp_path / "events.parquet")
    assert pq.read_table(tmp_path / "events.parquet").to_pylist() == lines
    with pytest.raises(UsageError, match=r"must end in \.jsonl, \.parquet, \.json"):
        predict_file.run(lake, tracks, metadata, tmp_path / "events.csv")
    metadata.write_text("{}")
    with pytest.raises(DataError, match=r"missing: \['lab_id'"):
        predict_file.run(lake, tracks, metadata, tmp_path / "events.jsonl")


@pytest.mark.slow
def test_drift_is_seen_in_what_the_endpoint_was_asked(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(job_settings()["hosting"], "capture_percent", 100)
    monkeypatch.setitem(job_settings()["hosting"], "endpoint", "watched")
    newer(lake, "watched")  # its endpoint configuration is not there yet
    with pytest.raises(DataError, match="has captured no request to the newest model"):
        drift.run(lake, tmp_path / "drift.html")
    serve.run(lake)
    videos = Videos(lake, "train")

    def ask(change: dict[str, Any]) -> None:
        for video in videos.rows:
            table = videos.tracks(video)
            for name, factor in change.items():
                column = table.column_names.index(name)
                table = table.set_column(column, name, pc.multiply(table[name], pa.scalar(factor, pa.float32())))
            aws.client(lake, "sagemaker-runtime").invoke_endpoint(
                EndpointName="watched", ContentType=REQUEST_TYPE, Body=request_body(videos.rows[video], table)
            )

    ask({})
    same = drift.run(lake, tmp_path / "drift.html")
    assert same.details["requests"] == 7  # six videos, and the stage's own
    assert (same.details["unreadable"], same.details["drifted"]) == (0, [])
    ask({"x_cm": 1.5, "y_cm": 1.5})  # as if px/cm were wrong
    ask({"x_cm": 1.5, "y_cm": 1.5})
    measured = drift.run(lake, tmp_path / "drift.html")
    assert {"body_length_cm", "speed_cm_s"} <= set(measured.details["drifted"])
    assert "frames_per_second" not in measured.details["drifted"]
    assert json.loads((tmp_path / "drift.json").read_text())["drifted"] == measured.details["drifted"]
    assert 'class="drifted"' in (tmp_path / "drift.html").read_text()
    aws.client(lake, "sagemaker").delete_endpoint(EndpointName="watched")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["serverless", "async"])
def test_the_other_kinds_answer_too(lake: Settings, kind: str) -> None:
    served = serve.run(lake, kind)
    assert (served.status, served.details["endpoint"]) == ("done", f"etholake-{kind}")
    assert served.details["events"] >= 0
    assert serve.run(lake, kind).status == "unchanged"
    aws.client(lake, "sagemaker").delete_endpoint(EndpointName=f"etholake-{kind}")


def valid(service: str, operation: str, request: dict[str, Any]) -> bool:
    shape = get_session().get_service_model(service).operation_model(operation).input_shape
    return not ParamValidator().validate(request, shape).has_errors()


@pytest.mark.parametrize("kind", endpoint_requests.KINDS)
def test_the_requests_are_ones_that_aws_takes(kind: str) -> None:
    settings = Settings()
    config = endpoint_requests.config_request(settings, "m", kind)
    assert valid("sagemaker", "CreateEndpointConfig", config)
    assert ("ServerlessConfig" in config["ProductionVariants"][0]) == (kind == "serverless")
    assert ("AsyncInferenceConfig" in config) == (kind == "async")
    role = "arn:aws:iam::123456789012:role/r"
    model = endpoint_requests.model_request(settings, "m", "s3://b/m.tar.gz", role, kind)
    assert valid("sagemaker", "CreateModel", model)
    update = {
        "EndpointName": "e",
        "EndpointConfigName": "m",
        "DeploymentConfig": endpoint_requests.deployment_config(),
    }
    assert valid("sagemaker", "UpdateEndpoint", update)
    target, policy = endpoint_requests.scaling_requests("e")
    assert valid("application-autoscaling", "RegisterScalableTarget", target)
    assert valid("application-autoscaling", "PutScalingPolicy", policy)
    details = {"metrics": {}, "split": {"test": []}, "config": "tiny", "job_name": "j"}
    package = registry.package_request(settings, "m", "s3://b/m.tar.gz", "s3://b/e.json", details)
    assert valid("sagemaker", "CreateModelPackage", package)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="realtime, serverless, async, but got 'edge'"):
        serve.run(Settings(state_dir=str(tmp_path)), "edge")
