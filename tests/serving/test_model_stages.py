"""Stages train, serve and predict on the mock, with the real SDK, model and containers' code; a smoke model."""

import csv
import io
import json
import os
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import small_lake  # type: ignore[import-not-found]
from botocore.exceptions import ClientError

from etholake import aws, cli
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import AwsError, DataError, UsageError
from etholake.lake import Lake
from etholake.models.archive import load_model
from etholake.models.stacking.model import StackingModel
from etholake.objects import read_object
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.desk.service import DeskService
from etholake.stages.model import explain, out_of_fold, train
from etholake.stages.serving import endpoint_requests, predict, serve
from etholake.stages.serving.videos import REQUEST_TYPE, Videos, request_body
from etholake.training.oof import from_table


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("model-stages"))
    return made


@pytest.fixture(scope="module")
def epochs() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture(scope="module")
def trained(lake: Settings, epochs: list[tuple[int, int, str]]) -> StageResult:
    return train.run(lake, "smoke", (3,), on_progress=lambda *row: epochs.append(row))


@pytest.fixture(scope="module")
def model_dir(lake: Settings, trained: StageResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(lake, trained.details["model_uri"], tmp_path_factory.mktemp("unpacked"))


def unpack(lake: Settings, uri: str, folder: Path) -> Path:
    key = uri.removeprefix(f"s3://{lake.bucket}/")
    body = aws.client(lake, "s3").get_object(Bucket=lake.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def served(lake: Settings, trained: StageResult) -> StageResult:
    return serve.run(lake)


def request_of(lake: Settings, video: int) -> bytes:
    videos = Videos(lake, "train")
    return request_body(videos.rows[video], videos.tracks(video))


def ask(lake: Settings, body: bytes, content_type: str = REQUEST_TYPE) -> dict[str, Any]:
    answer = aws.client(lake, "sagemaker-runtime").invoke_endpoint(
        EndpointName="etholake", ContentType=content_type, Body=body
    )
    content: dict[str, Any] = json.loads(answer["Body"].read())
    return content


def test_train_launches_the_job_and_tells_the_epochs(
    lake: Settings, trained: StageResult, epochs: list[tuple[int, int, str]], model_dir: Path
) -> None:
    details = trained.details
    assert trained.status == "done"
    assert details["model_uri"].startswith(f"s3://{lake.bucket}/model-zone/training/etholake-train-")
    assert 3 in {span["video_id"] for span in details["split"]["test"]}
    assert 3 not in {span["video_id"] for part in ("train", "validation") for span in details["split"][part]}
    assert {"epoch", "train_loss", "best_val_score"} <= details["metrics"].keys()
    assert (1, 2) in {row[:2] for row in epochs}
    assert {"model.safetensors", "meta.json", "code"} <= {p.name for p in model_dir.iterdir()}
    code = {p.name for p in (model_dir / "code").iterdir()}
    assert {"inference.py", "serve.py", "etholake"} <= code
    assert not list(model_dir.rglob("*.pyc"))


def test_the_desk_says_how_long_the_training_took(lake: Settings, trained: StageResult) -> None:
    desk = DeskService(lake)
    assert desk.times()["times"]["smoke"] > 0  # the trainings of other tests are there, too
    assert desk.curves()["status"] == "Completed"


def test_train_again_has_nothing_to_do(lake: Settings, trained: StageResult) -> None:
    again = train.run(lake, "smoke", (3,))
    assert (again.status, again.details) == ("unchanged", trained.details)


def test_a_failed_job_says_why(lake: Settings) -> None:
    with pytest.raises(AwsError, match="Cross-validation needs at least 2 folds, but got 1"):
        train.run(lake, "smoke", options=train.TrainingOptions(folds=1))


def test_wrong_options_start_no_job(lake: Settings) -> None:
    client = aws.client(lake, "sagemaker")
    before = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    with pytest.raises(UsageError, match=r"There is no model configuration 'smokey'\. Did you mean 'smoke'"):
        train.run(lake, "smokey")
    with pytest.raises(UsageError, match="video 99 cannot be held out: the lake has no training video of this id"):
        train.run(lake, "smoke", (99,))
    assert client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"] == before


def test_an_empty_lake_cannot_be_trained_on(mock_settings: Settings) -> None:
    empty = replace(mock_settings, bucket="empty-lake-of-train")
    aws.client(empty, "s3").create_bucket(Bucket=empty.bucket)
    with pytest.raises(DataError, match="is empty: run `make etl` first"):
        train.run(empty, "smoke")
    with pytest.raises(DataError, match="run `make train` first"):
        serve.run(empty)


def test_serve_answers_a_real_request(lake: Settings, served: StageResult) -> None:
    assert served.status == "done"
    assert served.details["latency_ms"] > 0
    again = serve.run(lake)
    assert (again.status, again.details["model_name"]) == ("unchanged", served.details["model_name"])


def test_the_endpoint_says_what_the_model_says(lake: Settings, served: StageResult, model_dir: Path) -> None:
    answer = ask(lake, request_of(lake, 3))
    assert (answer["video_id"], answer["lab_id"]) == (3, "Lab A")
    assert answer["events"] == [event.to_dict() for event in direct(lake, model_dir, 3)]


def direct(lake: Settings, model_dir: Path, video: int) -> list[Any]:
    """Events of the same model, asked in this process."""
    videos = Videos(lake, "train")
    clip = PoseTracks.from_curated(videos.tracks(video), VideoMeta.from_row(videos.rows[video]))
    return load_model(model_dir).events(clip)


def test_a_raw_json_request_is_curated_and_answered(lake: Settings, served: StageResult) -> None:
    columns = small_lake.tracks(3)
    tracking = {name: columns[name].tolist() for name in ("video_frame", "mouse_id", "bodypart", "x", "y")}
    row = Videos(lake, "train").rows[3]
    answer = ask(lake, json.dumps({"metadata": row, "tracking": tracking}).encode(), "application/json")
    assert answer["video_id"] == 3
    assert {event["action"] for event in answer["events"]} <= {"chase", "rest"}


def test_what_is_wrong_with_a_request_is_told_and_the_server_lives_on(lake: Settings, served: StageResult) -> None:
    row, tracks = Videos(lake, "train").rows[3], Videos(lake, "train").tracks(3)
    sink = io.BytesIO()
    pq.write_table(tracks, sink)
    bare = json.dumps({"metadata": row, "tracking": {"video_frame": [0]}}).encode()
    cases = [
        (b"PAR1 but no Parquet", REQUEST_TYPE, 400, "not a Parquet file"),
        (sink.getvalue(), REQUEST_TYPE, 400, "lacks the video's metadata"),
        (
            request_body(row, tracks.drop_columns(["mouse_id"])),
            REQUEST_TYPE,
            400,
            "lacks the columns ['mouse_id']",
        ),
        (request_body({**row, "frames_per_second": 0.0}, tracks), REQUEST_TYPE, 400, "frames_per_second"),
        (request_body({**row, "lab_id": None}, tracks), REQUEST_TYPE, 400, "lab_id"),
        (request_body({**row, "behaviors_labeled": []}, tracks), REQUEST_TYPE, 400, "nothing to predict"),
        (request_body(row, tracks.slice(0, 0)), REQUEST_TYPE, 400, "no rows"),
        (b"{", "application/json", 400, "is not JSON"),
        (b"[]", "application/json", 400, "must be a JSON object"),
        (b"{}", "application/json", 400, "missing: ['metadata', 'tracking']"),
        (bare, "application/json", 400, "lacks the columns ['mouse_id', 'bodypart', 'x', 'y']"),
        (b"1,2", "text/csv", 415, "Content type must be application/x-parquet"),
        (b"\0" * (7 << 20), REQUEST_TYPE, 413, "use a batch transform"),
    ]
    for body, content_type, status, reason in cases:
        with pytest.raises(ClientError, match="ModelError") as caught:
            ask(lake, body, content_type)
        answer = caught.value.response
        assert (answer["OriginalStatusCode"], reason in json.loads(answer["OriginalMessage"])["error"]) == (
            status,
            True,
        ), (reason, answer)
    assert ask(lake, request_of(lake, 3))["video_id"] == 3


def test_after_a_restart_of_the_mock_all_is_made_again(lake: Settings, served: StageResult) -> None:
    client = aws.client(lake, "sagemaker")
    client.delete_endpoint(EndpointName="etholake")
    client.delete_endpoint_config(EndpointConfigName=served.details["model_name"])
    client.delete_model(ModelName=served.details["model_name"])
    assert serve.run(lake).status == "done"


def test_predict_writes_submission_and_table(
    lake: Settings, trained: StageResult, model_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "submission.csv"
    done = predict.run(lake, "train", None, output)
    held_out = sorted({span["video_id"] for span in trained.details["split"]["test"]})
    assert (done.status, done.details["videos"]) == ("done", held_out)
    expected = [event for video in held_out for event in direct(lake, model_dir, video)]
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(
        (int(r["video_id"]), r["action"], int(r["start_frame"]), int(r["stop_frame"])) for r in rows
    ) == (sorted((e.video_id, e.action, e.start_frame, e.stop_frame) for e in expected))
    lake_of = Videos(lake, "train").lake
    run_id = done.details["run_id"]
    pointer = lake_of.current("predictions", {"run_id": run_id})
    assert pointer is not None
    assert pointer["report"]["rows"] == len(expected)
    partition = aws.client(lake, "glue").get_partition(
        DatabaseName=lake.database, TableName="predictions", PartitionValues=[run_id]
    )
    assert run_id in partition["Partition"]["StorageDescriptor"]["Location"]
    spans = [pq.read_table(io.BytesIO(read_object(lake_of.s3, uri))).to_pylist()
             for uri in lake_of.current_files("predicted_videos", {"run_id": run_id})]  # fmt: skip
    frames = {video: Videos(lake, "train").tracks(video)["video_frame"].to_pylist() for video in held_out}
    assert [(row["video_id"], row["start_frame"], row["stop_frame"]) for row in spans[0]] == [
        (video, min(frames[video]), max(frames[video]) + 1) for video in held_out
    ]
    requests = aws.client(lake, "s3").list_objects_v2(Bucket=lake.bucket, Prefix="model-zone/requests/")
    assert requests["KeyCount"] == 0
    assert predict.run(lake, "train", None, output).status == "unchanged"
    output.unlink()
    assert predict.run(lake, "train", None, output).status == "done"
    assert output.is_file()


def test_predict_refuses_what_is_not_there(lake: Settings, trained: StageResult, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no videos \[99\] with tracking"):
        predict.run(lake, "train", [3, 99], tmp_path / "s.csv")
    with pytest.raises(DataError, match="metadata_test has no data"):
        predict.run(lake, "test", None, tmp_path / "s.csv")
    with pytest.raises(DataError, match="Split 'test' has no videos to predict"):
        predict.choose_videos({}, "test", None, [])


@pytest.mark.parametrize(
    ("part", "reason"),
    [("features", "version"), ("vocabulary", "vocabulary")],
)
def test_a_model_that_does_not_fit_is_refused_by_name(
    lake: Settings, model_dir: Path, tmp_path: Path, part: str, reason: str
) -> None:
    meta = json.loads((model_dir / "meta.json").read_text())
    if part == "features":
        meta["features"]["version"] += 1
    else:
        meta["vocabulary"]["actions"] = meta["vocabulary"]["actions"][:-1]
    archive = tmp_path / "m.tar.gz"
    with tarfile.open(archive, "w:gz") as sink:
        for path in sorted(p for p in model_dir.rglob("*") if p.is_file() and p.name != "meta.json"):
            sink.add(path, path.relative_to(model_dir).as_posix())
        info = tarfile.TarInfo("meta.json")
        info.size = len(json.dumps(meta).encode())
        sink.addfile(info, io.BytesIO(json.dumps(meta).encode()))
    aws.client(lake, "s3").put_object(
        Bucket=lake.bucket, Key=f"model-zone/{part}.tar.gz", Body=archive.read_bytes()
    )
    client, name = aws.client(lake, "sagemaker"), f"misfit-{part}"
    request = endpoint_requests.model_request(
        lake, name, lake.uri("model-zone", f"{part}.tar.gz"), "arn:aws:iam::1:role/r"
    )
    client.create_model(**request)
    client.create_endpoint_config(**endpoint_requests.config_request(lake, name))
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for _ in range(600):
        endpoint = client.describe_endpoint(EndpointName=name)
        if endpoint["EndpointStatus"] != "Creating":
            break
        time.sleep(0.05)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "ContractError" in endpoint["FailureReason"]
    assert reason in endpoint["FailureReason"]


def test_the_folder_sagemaker_never_shadows_the_sdk() -> None:
    folder = Path(__file__).resolve().parents[2] / "sagemaker"
    assert (folder / "train.py").is_file()
    assert not (folder / "__init__.py").exists()
    assert "/opt/ml" not in (folder / "train.py").read_text()


def test_a_stack_is_trained_heard_out_of_fold_and_predicts(
    lake: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test here: from now on the stack is the lake's newest model."""
    with pytest.raises(UsageError, match="are cross-validated: say --folds 5, too"):
        train.run(lake, "boosted,smoke")
    result = train.run(lake, "boosted,smoke", (3,), options=train.TrainingOptions(folds=2, stack=True))
    catalog = Lake(aws.client(lake, "s3"), aws.client(lake, "glue"), lake.bucket, lake.database)
    (file,) = catalog.current_files("out_of_fold", {"run_id": result.details["job_name"]})
    key = file.removeprefix(f"s3://{lake.bucket}/")
    table = pq.read_table(
        io.BytesIO(aws.client(lake, "s3").get_object(Bucket=lake.bucket, Key=key)["Body"].read())
    )
    assert table.num_rows == result.details["out_of_fold_rows"]
    held_out = {span["video_id"] for span in result.details["split"]["test"]}
    assert set(table["video_id"].to_pylist()) == {1, 2, 3, 4, 5, 6} - held_out
    assert {p.video_id for p in from_table(table)} == {1, 2, 3, 4, 5, 6} - held_out
    folder = unpack(lake, result.details["model_uri"], tmp_path)
    model = load_model(folder)
    assert isinstance(model, StackingModel)
    assert [len(base.members) for base in model.bases] == [1, 1]  # type: ignore[attr-defined]
    left = aws.client(lake, "s3").list_objects_v2(Bucket=lake.bucket, Prefix="model-zone/checkpoints/")
    assert left["KeyCount"] == 0  # of runs that are complete

    done = predict.run(lake, "train", None, tmp_path / "submission.csv")
    assert done.details["videos"] == sorted(held_out)
    expected = [event for video in sorted(held_out) for event in direct(lake, folder, video)]
    assert done.details["events"] == len(expected) > 0
    assert explain.run(lake, "current")["members"] == ["boosted", "smoke"]  # one a configuration, of everything

    heard = out_of_fold.read(lake, out_of_fold.run_of(lake, "current"))
    assert [(p.video_id, p.agent_id, p.target_id) for p in heard] == sorted(
        (video, 1, target) for video in {1, 2, 3, 4, 5, 6} - held_out for target in (1, 2)
    )
    assert {p.video_id for p in out_of_fold.read(lake, result.details["job_name"], [4, 5])} == {4, 5} - held_out
    with pytest.raises(UsageError, match=r"no out-of-fold predictions of 'nobody'\. Known: etholake-train-"):
        out_of_fold.run_of(lake, "nobody")
    command = ["evaluate", "--data", str(small_lake.layout(tmp_path / "data")), "--json", "--out-of-fold"]
    environment = {**os.environ, "ETHOLAKE_PORT": str(lake.port), "ETHOLAKE_BUCKET": lake.bucket,
                   "ETHOLAKE_DATABASE": lake.database, "ETHOLAKE_STATE_DIR": lake.state_dir}  # fmt: skip
    monkeypatch.setattr("os.environ", environment)
    assert cli.main([*command, "--html", str(tmp_path / "page.html")]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output["score"] == pytest.approx(result.details["metrics"]["best_val_score"], abs=0.02)
    for judged in output["details"].values():
        for action in judged["actions"].values():
            assert 0 < action["average_precision"] <= 1
            assert 0 <= action["calibration"]["error"] <= 1
    assert "out of fold" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert cli.main([*command[:3]]) == 2
    assert "Say what to score: --submission FILE, --out-of-fold" in capsys.readouterr().err
