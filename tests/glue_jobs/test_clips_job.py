"""The clips job: videos to tables and shards, incrementally; bad videos are reported and the others go on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from lake_world import ROOT, World, events, make_world, script  # type: ignore[import-not-found]

from etholake.contract import raw_key, raw_video_key
from etholake.errors import DataError
from etholake.settings import Settings
from etholake.simulate import Filming, simulate
from etholake.video import task as video_task
from etholake.video.recipe import ClipRecipe
from etholake.video.shards import read_shard, swapped

clips_job = script("prepare_clips")
RECIPE = ClipRecipe(length=8, stride=8, crop_size=32, subjects="both")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clips") / "labs"
    simulate(out, labs=2, videos=1, seconds=2, seed=3, dirt=0, test_videos=0, filming=Filming(128))
    return out


@pytest.fixture(scope="module")
def world(mock_settings: Settings, spark: Any, data: Path) -> World:
    """The simulated labs, curated by the real jobs."""
    made = make_world(mock_settings, spark, "clips-job")
    made.put(raw_key("train", "metadata"), (data / "train.csv").read_bytes())
    for path in sorted((data / "videos").glob("*/*.mp4")):
        lab, video = path.parent.name, path.stem
        made.put(raw_video_key(lab, path.name), path.read_bytes())
        for kind in ("tracking", "annotation"):
            made.put(
                raw_key("train", kind, lab, video),
                (data / f"train_{kind}" / lab / f"{video}.parquet").read_bytes(),
            )
    made.run()
    return made


def prepare(world: World, clip_set: str = "set1", **changes: Any) -> dict[str, int]:
    arguments = ["job.py", "--JOB_NAME", "t", "--bucket", world.lake.bucket, "--database", world.lake.database]
    recipe = ClipRecipe.from_dict(RECIPE.as_dict() | changes)
    arguments += ["--recipe", json.dumps(recipe.as_dict()), "--clip_set", clip_set]
    sums: dict[str, int] = clips_job.main(arguments, world.spark)
    return sums


def lab_of(world: World, number: int) -> str:
    return sorted({keys["lab_id"] for keys in world.lake.partitions("videos")})[number]


def test_clips_of_the_lake_are_what_the_video_shows(world: World, data: Path) -> None:
    sums = prepare(world)
    assert (sums["prepared"], sums["videos"], sums["unreadable"], sums["without_clips"]) == (2, 2, 0, 0)
    total = 0
    for keys in world.lake.partitions("clips"):
        assert keys["clip_set"] == "set1"
        rows = world.table("clips", **keys)
        total += len(rows)
        report = world.lake.current("clips", keys)["report"]
        for balance in (b for balances in report["balances"].values() for b in balances):
            assert balance["frames"] == balance["used"] + sum(balance["reported"].values())
        video = world.table("videos", lab_id=keys["lab_id"])[0]
        assert video["frame_map"] == "equal"
        assert (video["codec"], video["error"]) == ("h264", None)
        assert max(video["width"], video["height"]) == 128
        shard = io.BytesIO(world.lake.s3.get_object(Bucket=world.lake.bucket, Key=rows[0]["shard"])["Body"].read())
        windows = {window.index.key: window for window in read_shard(shard)}
        truth = pq.read_table(
            data / "truth" / "all_tracking" / keys["lab_id"] / f"{video['video_id']}.parquet"
        ).to_pandas()
        for row in rows:
            window = windows[row["member"]]
            window = swapped(window) if row["swapped"] else window
            assert (window.index.agent_id, window.index.target_id) == (row["agent_id"], row["target_id"])
            assert window.frames.shape == (8, 32, 32, 3)
            assert row["has_pose"]
            assert list(window.parts) == row["parts"]
            nose = window.parts.index("nose")
            at = truth[
                (truth.video_frame == row["first_frame"])
                & (truth.mouse_id == row["agent_id"])
                & (truth.bodypart == "nose")
            ]
            side = (window.crop_xyxy[0, 2] - window.crop_xyxy[0, 0]) / 32
            nose_xy = window.keypoints[0, nose, :2] * side + window.crop_xyxy[0, :2]
            assert np.abs(nose_xy - at[["x", "y"]].to_numpy()[0]).max() < 3
        assert {row["target_id"] is None for row in rows} == {True, False}
        labels = {row["action"] for row in rows if row["action"]}
        annotated = {row["action"] for row in world.table("annotations_enriched", lab_id=keys["lab_id"])}
        assert labels <= annotated
    assert total == sums["clips"] > 20


def test_a_further_camera_is_looked_at_and_never_cut(world: World, data: Path) -> None:
    prepare(world)
    lab = lab_of(world, 0)
    clips = world.lake.current("clips", {"clip_set": "set1", "lab_id": lab})["generation"]
    (first,) = world.table("videos", lab_id=lab)
    number, film = first["video_id"], (data / "videos" / lab / f"{first['video_id']}.mp4").read_bytes()
    other = next(path for path in (data / "videos").glob("*/*.mp4") if path.parent.name != lab).read_bytes()
    names = {f"{number}.side.mp4": film, f"{number}.Top_2.mp4": other, "990.side.mp4": film}
    for name, content in names.items():
        world.put(raw_video_key(lab, name), content)
    try:
        assert prepare(world)["prepared"] == 3
        rows = {(row["video_id"], row["camera"]): row for row in world.table("videos", lab_id=lab)}
        assert set(rows) == {(number, None), (number, "side"), (number, "Top_2"), (990, "side")}
        assert rows[number, None] == first
        side, top, alone = rows[number, "side"], rows[number, "Top_2"], rows[990, "side"]
        assert (side["frame_map"], side["frame_difference"], side["tracked_frames"]) == ("equal", 0, None)
        assert "no-tracks" not in side["flags"]
        assert top["frame_difference"] == first["frames"] - top["frames"]
        assert (alone["frame_map"], alone["flags"]) == (None, ["no-first-film"])
        assert world.lake.current("clips", {"clip_set": "set1", "lab_id": lab})["generation"] == clips
        assert prepare(world)["prepared"] == 0
    finally:
        for name in names:
            world.lake.s3.delete_object(Bucket=world.lake.bucket, Key=raw_video_key(lab, name))


def test_nothing_is_prepared_twice_and_new_labels_decode_nothing(world: World) -> None:
    prepare(world)
    before = {
        str(keys): world.lake.current("clips", keys)["generation"] for keys in world.lake.partitions("clips")
    }
    assert prepare(world)["prepared"] == 0
    assert before == {
        str(keys): world.lake.current("clips", keys)["generation"] for keys in world.lake.partitions("clips")
    }
    lab = lab_of(world, 0)
    video = world.table("videos", lab_id=lab)[0]["video_id"]
    world.parquet("annotation", lab, video, events((1, 2, "attack", 0, 30)))
    world.run()
    assert prepare(world)["prepared"] == 0
    rows = world.table("clips", clip_set="set1", lab_id=lab)
    pair = [row for row in rows if (row["agent_id"], row["target_id"]) == (1, 2) and row["last_frame"] < 30]
    assert {row["action"] for row in pair} == {"attack"}
    assert {row["action"] for row in rows if (row["agent_id"], row["target_id"]) == (2, 1)} == {None}


def test_bad_videos_are_reported_and_the_others_go_on(world: World, data: Path) -> None:
    good = next((data / "videos").glob("*/*.mp4")).read_bytes()
    world.put(raw_video_key("Bad", "7.mp4"), b"not a video")
    world.put(raw_video_key("Bad", "8.mp4"), good[: len(good) // 3])
    world.put(raw_video_key("Bad", "9.mp4"), good)
    sums = prepare(world, boxes="background", clip_set="set2")
    rows = {row["video_id"]: row for row in world.table("videos", lab_id="Bad")}
    assert "has the signature of none" in rows[7]["error"]
    assert rows[8]["error"]
    assert rows[9]["error"] is None
    assert rows[9]["flags"] == ["no-tracks"]
    assert sums["without_clips"] == 2
    clips = world.table("clips", clip_set="set2", lab_id="Bad")
    assert {row["video_id"] for row in clips} == {9}
    assert {(row["box_source"], row["action"], row["has_pose"]) for row in clips} == {("background", None, False)}


def test_a_killed_job_loses_only_the_video_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first video of a new set is done, the second is cut off: the next run does the second alone."""
    arguments = ["job.py", "--JOB_NAME", "t", "--bucket", world.lake.bucket, "--database", world.lake.database]
    arguments += ["--recipe", json.dumps(RECIPE.as_dict() | {"pad_ratio": 0.3}), "--clip_set", "set3"]
    options = clips_job.parse(arguments)
    labs = clips_job.read(options, world.lake)
    left = [task for lab in labs for task in lab.left if lab.lab_id != "Bad"]
    assert len(left) == 2
    clips_job.run(left[0])
    again = [task for lab in clips_job.read(options, world.lake) for task in lab.left if lab.lab_id != "Bad"]
    assert [task.video_id for task in again] == [left[1].video_id]


def shards_of(world: World, clip_set: str) -> dict[str, bytes]:
    """Return the shards of a set by lab, video, digest and name."""
    prefix = f"clip-zone/{clip_set}/"
    keys = [key for key in world.keys(prefix) if key.endswith(".tar")]
    read = world.lake.s3.get_object
    return {key.removeprefix(prefix): read(Bucket=world.lake.bucket, Key=key)["Body"].read() for key in keys}


@pytest.mark.long
def test_a_job_that_is_killed_and_run_again_gives_the_same_shards(
    world: World, data: Path, tmp_path: Path
) -> None:
    """The whole process group of the job, with Spark and the decoders, is killed after its first video."""
    film = next((data / "videos").glob("*/*.mp4")).read_bytes()
    for number in range(21, 25):
        world.put(raw_video_key("Killed", f"{number}.mp4"), film)
    recipe = ClipRecipe.from_dict(RECIPE.as_dict() | {"boxes": "background", "stride": 2})
    arguments = ["job.py", "--JOB_NAME", "t", "--bucket", world.lake.bucket, "--database", world.lake.database]
    arguments += ["--recipe", json.dumps(recipe.as_dict()), "--clip_set", "killed"]
    with (tmp_path / "log").open("wb") as log:
        job = subprocess.Popen(
            [sys.executable, str(ROOT / "glue_jobs" / "prepare_clips.py"), *arguments[1:]],
            stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"PYSPARK_SUBMIT_ARGS": "--master local[1] pyspark-shell"},
        )  # fmt: skip
    until = time.monotonic() + 120
    while not (done := [key for key in world.keys("clip-zone/killed/") if key.endswith("_DONE.json")]):
        assert job.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")[-2000:]
        assert time.monotonic() < until, "no video was done in two minutes"
        time.sleep(0.05)
    os.killpg(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert {"clip_set": "killed", "lab_id": "Killed"} not in world.lake.partitions("clips")
    again = prepare(world, "killed", boxes="background", stride=2)
    assert 0 < again["prepared"] <= again["videos"] - len(done)
    assert prepare(world, "whole", boxes="background", stride=2)["prepared"] == again["videos"]
    killed, whole = shards_of(world, "killed"), shards_of(world, "whole")
    assert killed == whole
    assert len(whole) >= 4
    rows = [world.table("clips", clip_set=name, lab_id="Killed") for name in ("killed", "whole")]
    bare = [[{k: v for k, v in r.items() if k not in {"shard", "clip_set"}} for r in part] for part in rows]
    assert bare[0] == bare[1]


def test_a_decoder_that_crashes_takes_nothing_else_down(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = next((data / "videos").glob("*/*.mp4"))
    task = video_task.ClipTask(video, 1, "Lab", RECIPE, tmp_path / "out", tracks=tmp_path / "gone.npy")
    with pytest.raises(DataError, match=r"ended with status 1 on this file \(.*gone\.npy"):
        video_task.prepare(task)
    with pytest.raises(DataError, match=r"was not prepared within 0\.01 s"):
        video_task.prepare(task, timeout_s=0.01)
    assert list(tmp_path.rglob("report.json")) == []
