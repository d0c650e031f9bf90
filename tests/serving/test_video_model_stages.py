"""A model of pixels from the lake to its answers: in this process, and as jobs of the mock."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import filmed  # type: ignore[import-not-found]
import numpy as np
import pyarrow as pa
import pytest
import sagemaker_scripts  # type: ignore[import-not-found]
import small_lake  # type: ignore[import-not-found]
import torch

from etholake import aws
from etholake.contract import arrow_schema
from etholake.dataset.labelled import LabelledVideo, TrainingData, load_training_data
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, UsageError
from etholake.events.types import Event
from etholake.lake import Lake
from etholake.models.archive import load_model
from etholake.models.vision.vit import VisionTransformer
from etholake.objects import list_objects
from etholake.settings import Settings
from etholake.stages.model import backbones, evaluate, explain, models, train, training_inputs
from etholake.stages.model.clip_sets import clip_set_to_fine_tune, clip_set_to_train
from etholake.stages.model.training_inputs import channels
from etholake.stages.serving import predict, serve
from etholake.stages.serving.model_requests import ModelRequests
from etholake.stages.serving.trained_model import trained_model
from etholake.stages.serving.videos import Videos
from etholake.stages.state import load_state, save_state
from etholake.training.fit import fit
from etholake.training.windows import WindowSampler
from etholake.video import clip_request

CONFIG = "cnn3d:smoke"


def lake_of(settings: Settings) -> Lake:
    return Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)


def labelled(video: int, lab: str) -> LabelledVideo:
    """The tracks of a video of the small lake."""
    columns = small_lake.tracks(video)
    xy = np.stack([columns["x_cm"], columns["y_cm"]], axis=-1).astype(np.float32)
    xy = xy.reshape(2, small_lake.FRAMES, len(small_lake.BODY), 2).swapaxes(0, 1)
    tracks = PoseTracks(
        VideoMeta(video, lab, small_lake.FPS), xy, np.isfinite(xy[..., 0]), (1, 2), 0, small_lake.FRAMES
    )
    events = tuple(Event(video_id=video, **row) for row in small_lake.annotations())
    return LabelledVideo(tracks, events)


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small lake, with clips of all videos but 6."""
    folder = tmp_path_factory.mktemp("video-stages")
    made: Settings = small_lake.make(mock_settings, folder / "state")
    target = lake_of(made)
    for lab, videos in small_lake.LABS.items():
        rows: list[dict[str, Any]] = []
        for video in (v for v in videos if v != 6):
            prefix = f"clip-zone/{filmed.CLIP_SET}/lab_id={lab}/video_id={video}/digest/"
            own = folder / str(video)
            rows += filmed.prepare(own, labelled(video, lab), parts=list(small_lake.BODY), prefix=prefix)
            for shard in (own / "clips").glob("*.tar"):
                target.s3.upload_file(str(shard), made.bucket, prefix + shard.name)
        table = pa.Table.from_pylist(rows, arrow_schema("clips"))
        report = {"recipe": filmed.RECIPE.as_dict(), "problems": {}, "balances": {}}
        target.replace_table("clips", table, "one", {"clip_set": filmed.CLIP_SET, "lab_id": lab}, report)
    return made


# --- which clips ------------------------------------------------------------------------------------------
def test_a_training_reads_the_only_set_or_the_named_one(lake: Settings) -> None:
    target = lake_of(lake)
    assert clip_set_to_train(target, CONFIG) == "set1"
    assert clip_set_to_train(target, f"tiny,{CONFIG}", "set1") == "set1"
    assert clip_set_to_train(target, "tiny") == ""
    with pytest.raises(UsageError, match=r"'tiny' reads tracks and no clips: leave --clips out"):
        clip_set_to_train(target, "tiny", "set1")
    with pytest.raises(UsageError, match=r"no set of clips 'set2'\. Did you mean 'set1'"):
        clip_set_to_train(target, CONFIG, "set2")
    nothing = arrow_schema("clips").empty_table()
    target.replace_table("clips", nothing, "one", {"clip_set": "b", "lab_id": "Lab A"})
    try:
        with pytest.raises(UsageError, match="several sets of clips: name one with --clips: b, set1"):
            clip_set_to_train(target, CONFIG)
    finally:
        target.drop_partition("clips", {"clip_set": "b", "lab_id": "Lab A"})


def test_fine_tuning_reads_the_set_of_its_base_or_the_named_one(lake: Settings) -> None:
    target = lake_of(lake)
    tracks, pixels, gone = (
        _tar({"meta.json": json.dumps(meta).encode()})
        for meta in ({}, {"clips": {"clip_set": "set1"}}, {"clips": {"clip_set": "old"}})
    )
    assert clip_set_to_fine_tune(target, pixels) == "set1"
    assert clip_set_to_fine_tune(target, gone, "set1") == "set1"
    assert clip_set_to_fine_tune(target, tracks) == ""
    with pytest.raises(UsageError, match=r"model of --from reads tracks and no clips: leave --clips out"):
        clip_set_to_fine_tune(target, tracks, "set1")
    with pytest.raises(UsageError, match=r"no set of clips 'old'"):
        clip_set_to_fine_tune(target, gone)
    with pytest.raises(UsageError, match=r"no set of clips 'set2'\. Did you mean 'set1'"):
        clip_set_to_fine_tune(target, pixels, "set2")


def test_a_lake_without_clips_cannot_train_on_pixels(lake: Settings) -> None:
    empty = replace(lake, bucket=f"{lake.bucket}-without")
    lake_of(empty).s3.create_bucket(Bucket=empty.bucket)
    with pytest.raises(DataError, match="reads pixels, and the lake has no clips: ingest videos and make clips"):
        clip_set_to_train(lake_of(empty), CONFIG)


# --- training and serving see the same --------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """The videos that a training job loads from its channels."""
    folder, s3 = tmp_path_factory.mktemp("channels"), aws.client(lake, "s3")
    for name, uri in channels(lake, clip_set=filmed.CLIP_SET).items():
        prefix = uri.removeprefix(f"s3://{lake.bucket}/")
        for item in list_objects(s3, lake.bucket, prefix):
            path = folder / name / item["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(lake.bucket, item["Key"], str(path))
    return load_training_data({path.name: path for path in folder.iterdir()})


@pytest.fixture(scope="module")
def model_dir(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("model")
    fit(data, folder, CONFIG, holdout=(3,))
    return folder


def test_the_channels_bring_clips_and_videos_without_are_named(data: TrainingData, lake: Settings) -> None:
    assert [video.tracks.video_id for video in data.videos] == [1, 2, 3, 4, 5]
    assert "video 6 left out: the set of clips has none of it" in data.notes
    assert {(v.tracks.clips.clip_set, v.tracks.clips.recipe) for v in data.videos if v.tracks.clips} == {
        (filmed.CLIP_SET, filmed.RECIPE)
    }
    states = training_inputs.clip_states(lake_of(lake), filmed.CLIP_SET)
    assert [keys["lab_id"] for keys, _ in states] == ["Lab A", "Lab B"]


def test_training_and_endpoint_see_the_same_pictures(data: TrainingData, lake: Settings, model_dir: Path) -> None:
    inference: ModuleType = sagemaker_scripts.load("inference", "video_inference")
    requests = ModelRequests(Videos(lake, "train"), filmed.CLIP_SET)
    assert requests.content_type == clip_request.CLIP_REQUEST
    body = requests.body(3, requests.videos.tracks(3))
    loaded = inference.model_fn(str(model_dir))
    pictures: list[torch.Tensor] = []
    loaded.model.network.register_forward_pre_hook(
        lambda _module, inputs: pictures.append(inputs[0].frames_BTHW3.clone())
    )
    answer = inference.predict_fn(inference.input_fn(body, requests.content_type), loaded)
    model, tracks = load_model(model_dir), data.videos[2].tracks
    sampler = WindowSampler(data, [Span(3, "Lab A", 0, 240)], ["Lab A"], model.config, seed=0)
    batch = sampler._batch([(p, start) for start in model.window_starts(tracks) for p in (0, 1)], margin=0)
    assert torch.equal(batch.tracks.clips.frames_BTHW3, torch.cat(pictures))
    assert answer["events"] == [event.to_dict() for event in model.events(tracks)]
    assert {event["action"] for event in answer["events"]} == {"chase", "rest"}


def test_a_request_of_a_part_brings_the_clips_of_that_part(lake: Settings) -> None:
    requests = ModelRequests(Videos(lake, "train"), filmed.CLIP_SET)
    _, clips = clip_request.read(requests.body(1, requests.videos.tracks(1, frames=20)))
    assert clips.seen((1, None), np.arange(30)).tolist() == [True] * 24 + [False] * 6
    with pytest.raises(DataError, match="the set of clips set1 has none of video 6"):
        requests.body(6, requests.videos.tracks(6))


def test_requests_that_a_model_of_pixels_cannot_use(lake: Settings, model_dir: Path) -> None:
    inference: ModuleType = sagemaker_scripts.load("inference", "video_inference_refusals")
    requests = ModelRequests(Videos(lake, "train"), filmed.CLIP_SET)
    body = requests.body(1, requests.videos.tracks(1, frames=20))
    loaded = inference.model_fn(str(model_dir))
    tracks_alone = inference.input_fn(clip_request.read(body)[0], inference.PARQUET)
    with pytest.raises(inference.RequestError, match="Video 1 has no clips, and this model reads pixels"):
        inference.predict_fn(tracks_alone, loaded)
    for broken, reason in (
        (b"no tar", "is no whole shard of clips"),
        (_tar({"clips.json": b"{}"}), r"The tar lacks request\.parquet"),
        (_tar({"request.parquet": b"", "clips.json": b"{}"}), "does not say how the clips were made: 'clip_set'"),
        (body.replace(b'"crop_size": 32', b'"crop_size": 64'), "of 32 px, and its set is of 64 px|crop_size 64"),
    ):
        with pytest.raises(inference.RequestError, match=reason):
            inference.predict_fn(inference.input_fn(broken, clip_request.CLIP_REQUEST), loaded)


def _tar(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def test_a_second_checkpoint_is_served_by_its_name(lake: Settings) -> None:
    s3, uri = aws.client(lake, "s3"), f"s3://{lake.bucket}/model-zone/job/model.tar.gz"
    files = {"meta.json": b"{}", "highest_accuracy/meta.json": b'{"second": 1}', "code/inference.py": b"# code"}
    s3.put_object(Bucket=lake.bucket, Key="model-zone/job/model.tar.gz", Body=_tar(files))
    before = load_state(lake, "train")
    save_state(lake, "train", {"details": {"model_uri": uri}})
    try:
        first, own = trained_model(lake)
        name, second = trained_model(lake, "highest_accuracy")
        assert (own, trained_model(lake, "highest_accuracy")) == (uri, (name, second))
        assert name != first
        with tarfile.open(fileobj=io.BytesIO(models.pack(lake, second))) as archive:
            assert sorted(archive.getnames()) == ["code/inference.py", "meta.json"]
        with models.unpacked(lake, "current#highest_accuracy") as folder:
            assert (folder / "meta.json").read_bytes() == b'{"second": 1}'
        with pytest.raises(UsageError, match="no checkpoint 'lowest_loss'; it has highest_accuracy beside"):
            trained_model(lake, "lowest_loss")
    finally:
        save_state(lake, "train", before)


def test_weights_of_a_backbone_become_a_channel(lake: Settings, tmp_path: Path) -> None:
    config = "crop_sequence:smoke"
    (tmp_path / "vit_tiny-1.pth").write_bytes(b"weights")
    (tmp_path / "slowfast.pyth").write_bytes(b"others")
    uri = backbones.stage(lake, str(tmp_path), config, {})
    assert channels(lake, weights=uri)["backbone"] == uri
    s3 = aws.client(lake, "s3")
    objects = [item["Key"] for item in list_objects(s3, lake.bucket, uri.removeprefix(f"s3://{lake.bucket}/"))]
    assert [key.rpartition("/")[2] for key in objects] == ["vit_tiny-1.pth"]
    s3.put_object(Bucket=lake.bucket, Key="own/vit_tiny-1.pth", Body=b"weights")
    for place in (f"s3://{lake.bucket}/own", f"s3://{lake.bucket}/own/vit_tiny-1.pth"):
        assert backbones.stage(lake, place, config, {}) == uri
    both = backbones.stage(lake, str(tmp_path), f"{config},slowfast:smoke", {})
    assert both != uri
    for name in ("model.safetensors", "config.json"):  # in the layout of transformers, beside others
        (tmp_path / name).write_bytes(b"{}")
        s3.put_object(Bucket=lake.bucket, Key=f"own/{name}", Body=b"{}")
    fields = {"backbone": "transformers_vit"}
    folder = backbones.stage(lake, str(tmp_path), config, fields)
    assert folder == backbones.stage(lake, f"s3://{lake.bucket}/own/", config, fields) != uri
    objects = [item["Key"] for item in list_objects(s3, lake.bucket, folder.removeprefix(f"s3://{lake.bucket}/"))]
    assert sorted(key.rpartition("/")[2] for key in objects) == ["config.json", "model.safetensors"]
    for place, reason in (
        (f"s3://{lake.bucket}/own/none.pth", "There are no weights at"),
        (f"s3://{lake.bucket}/nowhere/", "expected one file with weights of the backbone 'vit_tiny'.*got none"),
        (str(tmp_path / "gone.pth"), "expected one file with weights"),
    ):
        with pytest.raises(UsageError, match=reason):
            backbones.stage(lake, place, config, {})
    with pytest.raises(UsageError, match="A model of --from brings its own weights"):
        train.run(lake, "its own", options=train.TrainingOptions(base="current", weights=str(tmp_path)))


# --- as jobs of the mock ----------------------------------------------------------------------------------
@pytest.mark.long
def test_a_model_of_pixels_is_trained_served_and_predicts_on_the_mock(lake: Settings, tmp_path: Path) -> None:
    trained = train.run(lake, CONFIG, (3,))
    assert trained.status == "done"
    assert any("video 6 left out" in note for note in trained.details["notes"])
    assert train.run(lake, CONFIG, (3,)).status == "unchanged"
    model = explain.run(lake, "current")
    assert (model["family"], model["clips"]["clip_set"]) == ("cnn3d", filmed.CLIP_SET)
    assert any(line.startswith("clips    set set1: crops of 32 px") for line in explain.lines(model))
    result = predict.run(lake, "train", [3, 6], tmp_path / "submission.csv")
    assert result.details["skipped_because"] == {"6": "the set of clips set1 has none of video 6"}
    assert result.details["events"] > 0
    score = evaluate.evaluate(small_lake.layout(tmp_path / "truth"), tmp_path / "submission.csv", [3])
    assert score["score"] > 0.8
    served = serve.run(lake)
    assert served.details["events"] > 0


@pytest.mark.long
def test_given_weights_are_trained_on_and_the_second_checkpoint_is_served(lake: Settings, tmp_path: Path) -> None:
    """One job with weights, replaced fields and a tracker; then the endpoint by a checkpoint's name."""
    torch.save(VisionTransformer(32, 16, 4, 96, 3, 192).state_dict(), tmp_path / "vit_tiny-1.pth")
    fields = {"epochs": 1, "batches_per_epoch": 4, "freeze_epochs": -1, "require_pose": True}
    options = train.TrainingOptions(weights=str(tmp_path), fields=fields, trackers=("wandb",))
    trained = train.run(lake, "crop_sequence:smoke", (3,), options=options)
    assert "pose     used in 32/32 windows of the training\n  streams  validation score: both" in trained.summary
    model = explain.run(lake, "current")
    assert (model["backbone"]["file"], model["config"]["freeze_epochs"]) == ("vit_tiny-1.pth", -1)
    other = explain.run(lake, "current#highest_accuracy")
    assert (other["family"], other["backbone"]) == ("crop_sequence", model["backbone"])
    served = serve.run(lake, checkpoint="highest_accuracy")
    assert "/second/" in served.details["model_uri"]


@pytest.mark.long
def test_a_backbone_of_transformers_is_trained_by_a_job_with_its_extra(lake: Settings, tmp_path: Path) -> None:
    """The job installs requirements-video.txt; its model keeps the sizes of the folder, and predicts."""
    transformers = pytest.importorskip("transformers", reason="pip install 'etholake[video]'")
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    transformers.Dinov2Model(transformers.Dinov2Config(**sizes)).save_pretrained(tmp_path)
    fields = {"backbone": "transformers_dinov2", "epochs": 1, "batches_per_epoch": 2}
    options = train.TrainingOptions(weights=str(tmp_path), fields=fields)
    assert training_inputs.training_plan(lake, "multitask:smoke", (3,), options).extra == "video"
    assert train.run(lake, "multitask:smoke", (3,), options=options).status == "done"
    described = explain.run(lake, "current")
    assert described["config"]["backbone_config"]["hidden_size"] == 32
    result = predict.run(lake, "train", [3], tmp_path / "submission.csv")
    assert result.details["skipped_because"] == {}
