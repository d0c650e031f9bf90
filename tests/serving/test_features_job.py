"""The features job: training on what it wrote is training on what it would have made itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_lake  # type: ignore[import-not-found]

from etholake import aws, logs
from etholake.dataset.labelled import FEATURES, LabelledVideo, TrainingData, load_training_data, write_features
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.model import features, train, training_inputs, training_job


@pytest.fixture(scope="module")
def lake(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made: Settings = small_lake.make(mock_settings, tmp_path_factory.mktemp("features"))
    return made


@pytest.fixture(scope="module")
def folders(lake: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The channels as a training job gets them."""
    root, s3 = tmp_path_factory.mktemp("channels"), aws.client(lake, "s3")
    for name, uri in training_inputs.channels(lake).items():
        prefix = uri.removeprefix(f"s3://{lake.bucket}/")
        for item in s3.list_objects_v2(Bucket=lake.bucket, Prefix=prefix)["Contents"]:
            path = root / name / item["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=lake.bucket, Key=item["Key"])["Body"].read())
    return {name: root / name for name in training_inputs.CHANNELS}


def same(a: LabelledVideo, b: LabelledVideo) -> bool:
    about = [
        (t.meta, t.mouse_ids, t.first_frame, t.n_frames, t.notes, t.own_parts, v.events)
        for v, t in ((v, v.tracks) for v in (a, b))
    ]
    arrays = [(v.tracks.xy_TMK2, v.tracks.observed_TMK, v.tracks.own_TMJ2) for v in (a, b)]
    return about[0] == about[1] and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(*arrays, strict=True))


def alike(a: TrainingData, b: TrainingData) -> bool:
    videos = len(a.videos) == len(b.videos) and all(map(same, a.videos, b.videos))
    return videos and (a.actions, a.fingerprint, a.notes) == (b.actions, b.fingerprint, b.notes)


def taken(text: str) -> list[int]:
    """Return how many videos each training took from the job, by its log."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line["videos"] for line in lines if "features" in line["message"] and line["event"] == "note"]


def test_what_was_written_is_what_training_would_make(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write_features(folders, tmp_path / "made") == 6
    logs.to_stdout()
    own = load_training_data(folders, tmp_path / "scratch")
    read = load_training_data(folders | {FEATURES: tmp_path / "made"}, tmp_path / "other")
    assert alike(own, read)
    assert not (tmp_path / "other").exists()  # nothing is written twice
    mapped = load_training_data(folders | {FEATURES: tmp_path / "made"}, part_map="snout=nose")
    assert alike(own, mapped)
    shortened = tmp_path / "made" / "features.json"
    index = json.loads(shortened.read_text())
    shortened.write_text(json.dumps(index | {"videos": {"1": index["videos"]["1"]}}))
    assert alike(own, load_training_data(folders | {FEATURES: tmp_path / "made"}))
    shortened.write_text("{")
    assert alike(own, load_training_data(folders | {FEATURES: tmp_path / "made"}))
    assert taken(capsys.readouterr().out) == [6, 0, 1, 0]  # fresh; another part map; one video only; unreadable
    logs.silence()


@pytest.mark.slow
def test_the_job_writes_them_and_training_takes_them(lake: Settings) -> None:
    assert features.channel(lake) == {}
    done = features.run(lake)
    assert (done.status, done.details["videos"]) == ("done", 6)
    assert done.details["ticks"] == 6 * small_lake.FRAMES
    again = features.run(lake)
    assert (again.status, again.details["uri"]) == ("unchanged", done.details["uri"])
    assert features.channel(lake) == {FEATURES: done.details["uri"]}
    trained = train.run(lake, "smoke", (3,))
    groups = aws.client(lake, "logs")
    pattern = f'"{logs.run_id()}"'
    events = groups.filter_log_events(logGroupName=training_job.LOG_GROUP, filterPattern=pattern)["events"]
    assert taken("\n".join(event["message"] for event in events)) == [6]
    assert trained.details["split"]["test"]


def test_other_tables_are_not_taken_for_these(lake: Settings) -> None:
    before = features.prefix(lake)
    own = Lake(aws.client(lake, "s3"), aws.client(lake, "glue"), lake.bucket, lake.database)
    rows = small_lake._table("metadata_train", [])
    own.replace_table("metadata_train", rows, "two")
    assert features.prefix(lake) != before
    assert features.channel(lake) == {}
