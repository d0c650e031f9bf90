"""Draw films of tracks in which a person sees who is who, and cut their clips: data for tests of video models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PARTS
from etholake.dataset.clip_channel import stored_clips
from etholake.dataset.labelled import LabelledVideo
from etholake.video.encode import video_writer
from etholake.video.index import clip_rows
from etholake.video.recipe import ClipRecipe
from etholake.video.stored_clips import Shard
from etholake.video.task import ClipTask, run_here

SIZE, PX_PER_CM = 160, 4.0
CLIP_SET = "set1"
RECIPE = ClipRecipe(boxes="pose", length=8, stride=8, crop_size=32, pad_ratio=0.5, keep_last_box=0)


def film(path: Path, pixels_TMK2: npt.NDArray[np.float32], fps: float = 30.0) -> Path:
    """Write a film of a gray floor: parts are discs of 3 px, light of animal 1 and dark of animal 2."""
    y, x = np.mgrid[-4:5, -4:5]
    disc = x**2 + y**2 <= 9
    with video_writer(path, fps, SIZE, SIZE) as writer:
        for animals in pixels_TMK2:
            frame = np.full((SIZE, SIZE), 120, np.uint8)
            for number, parts in enumerate(animals):
                for px, py in parts[np.isfinite(parts[:, 0])].round().astype(int):
                    frame[py - 4 : py + 5, px - 4 : px + 5][disc] = (240, 20)[number % 2]
            writer.write(np.repeat(frame[..., None], 3, axis=2))
    return path


def prepare(
    folder: Path,
    video: LabelledVideo,
    recipe: ClipRecipe = RECIPE,
    parts: Sequence[str] = UNIFIED_PARTS,
    prefix: str = f"clip-zone/{CLIP_SET}/",
) -> list[dict[str, Any]]:
    """Film the tracks (cm from the centre) of a video and make its clips; return its rows of table `clips`.

    `folder` gets ``film.mp4`` and ``clips/shard-*.tar``; keys of shards in the rows begin with `prefix`.
    """
    tracks = video.tracks
    pixels = (tracks.xy_TMK2 * PX_PER_CM + SIZE / 2).astype(np.float32)
    points = np.concatenate([pixels, np.isfinite(pixels[..., :1])], axis=-1).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tracks.npy", points)
    path = film(folder / "film.mp4", pixels, tracks.fps)
    task = ClipTask(
        path, tracks.video_id, tracks.lab_id, recipe, folder / "clips", folder / "tracks.npy", tracks.mouse_ids,
        tuple(parts),
    )  # fmt: skip
    return clip_rows(run_here(task).windows, prefix, [event.to_dict() for event in video.events])


def filmed(folder: Path, video: LabelledVideo, recipe: ClipRecipe = RECIPE) -> LabelledVideo:
    """Return the same video with clips of it."""
    rows = prepare(folder, video, recipe)
    shards = {row["shard"]: Shard(folder / "clips" / row["shard"].rpartition("/")[2]) for row in rows}
    return replace(video, tracks=replace(video.tracks, clips=stored_clips(recipe, rows, shards)))
