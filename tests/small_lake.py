"""A curated zone of six short videos of two labs, whose motion can be read off: a chase, then a rest."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etholake import aws
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.cloud import deploy

LABS = {"Lab A": (1, 2, 3), "Lab B": (4, 5, 6)}
FRAMES, BOUT, FPS = 240, 40, 30.0
BODY = {"nose": (4, 0), "ear_left": (3, 1), "ear_right": (3, -1), "neck": (2, 0), "hip_left": (0, 1),
        "hip_right": (0, -1), "tail_base": (-4, 0)}  # fmt: skip
LABELED = ((1, 1, "rest"), (1, 2, "chase"))
TEXTS = ["mouse1,self,rest", "mouse1,mouse2,chase"]


def tracks(video: int) -> dict[str, Any]:
    """Columns of `tracking_curated`: both mice on a circle, 1 close behind 2 in every other bout."""
    at = video + np.cumsum(np.where((np.arange(FRAMES) // BOUT) % 2 == 0, 20 / 15 / FPS, 0.0))
    lag = np.where((np.arange(FRAMES) // BOUT) % 2 == 0, 0.4, 2.0)
    angle = np.stack([at - lag, at])  # [mouse, frame]
    body = np.array(list(BODY.values()), dtype=float)
    turn = angle + np.pi / 2
    x = 15 * np.cos(angle)[..., None] + np.cos(turn)[..., None] * body[:, 0] - np.sin(turn)[..., None] * body[:, 1]
    y = 15 * np.sin(angle)[..., None] + np.sin(turn)[..., None] * body[:, 0] + np.cos(turn)[..., None] * body[:, 1]
    mouse, frame, part = (a.ravel() for a in np.indices(x.shape))
    size = x.size
    return {
        "video_id": np.full(size, video), "video_frame": frame, "mouse_id": mouse + 1,
        "bodypart": np.array(list(BODY))[part], "x": 300 + 10 * x.ravel(), "y": 300 + 10 * y.ravel(),
        "x_cm": x.ravel(), "y_cm": y.ravel(), "vx": np.zeros(size), "vy": np.zeros(size), "speed": np.zeros(size),
        "is_imputed": np.zeros(size, dtype=bool),
    }  # fmt: skip


def annotations() -> list[dict[str, Any]]:
    """Rows of a raw annotation file; all videos have the same."""
    return [
        dict(zip(("agent_id", "target_id", "action", "start_frame", "stop_frame"),
                 (*LABELED[1 - number % 2], start, start + BOUT), strict=True))
        for number, start in enumerate(range(0, FRAMES, BOUT))
    ]  # fmt: skip


def layout(folder: Path) -> Path:
    """Write what `evaluate` reads of the same videos, as a folder in the MABe layout."""
    rows = ["lab_id,video_id,frames_per_second,behaviors_labeled"]
    for lab, videos in LABS.items():
        (folder / "train_annotation" / lab).mkdir(parents=True)
        for video in videos:
            rows.append(f'{lab},{video},{FPS},"{str(TEXTS).replace(chr(39), 2 * chr(34))}"')
            pq.write_table(pa.Table.from_pylist(annotations()), folder / f"train_annotation/{lab}/{video}.parquet")
    (folder / "train.csv").write_text("\n".join(rows) + "\n")
    return folder


def make(settings: Settings, folder: Path) -> Settings:
    """Deploy a stack of its own on the running mock, and commit the tables that training reads."""
    tag = uuid.uuid4().hex[:8]
    own = replace(
        settings, bucket=f"lake-{tag}", database=f"db_{tag}", workgroup=f"wg-{tag}", stack=f"stack-{tag}",
        state_dir=str(folder),
    )  # fmt: skip
    deploy.run(own)
    lake = Lake(aws.client(own, "s3"), aws.client(own, "glue"), own.bucket, own.database)
    lake.register()
    fill(lake)
    return own


def fill(lake: Lake) -> None:
    """Commit the tables that training reads."""
    rows: dict[str, list[dict[str, Any]]] = {"metadata_train": [], "labeled_behaviors": []}
    for lab, videos in LABS.items():
        columns = [tracks(video) for video in videos]
        joined = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        schema = pa.schema([f.with_nullable(True) for f in arrow_schema("tracking_curated")])
        absent = {f.name: pa.nulls(len(joined["x"]), f.type) for f in schema if f.name not in joined}
        table = pa.table(joined | absent).select(schema.names).cast(schema)
        lake.replace_table("tracking_curated", table, "one", {"split": "train", "lab_id": lab})
        events = []
        for video in videos:
            rows["metadata_train"].append(
                {"lab_id": lab, "video_id": video, "frames_per_second": FPS, "pix_per_cm_approx": 10.0,
                 "video_width_pix": 600, "video_height_pix": 600, "behaviors_labeled": TEXTS, "has_tracking": True,
                 "has_annotation": True, "flags": []}
            )  # fmt: skip
            for agent, target, action in LABELED:
                rows["labeled_behaviors"].append(
                    {"split": "train", "lab_id": lab, "video_id": video, "agent_id": agent, "target_id": target,
                     "action": action, "is_self": agent == target, "repaired": False}
                )  # fmt: skip
            events += [
                {**row, "split": "train", "video_id": video, "duration_frames": BOUT,
                 "is_self": row["agent_id"] == row["target_id"], "is_labeled": True,
                 "counted_start_frame": row["start_frame"], "counted_stop_frame": row["stop_frame"]}
                for row in annotations()
            ]  # fmt: skip
        lake.replace_table("annotations_enriched", _table("annotations_enriched", events), "one", {"lab_id": lab})
    for name, values in rows.items():
        lake.replace_table(name, _table(name, values), "one")


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow_schema(name))
