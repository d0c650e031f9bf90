"""One clip, three ways in: training, batch transform (Parquet) and endpoint (JSON) see the same, known numbers.

python tests/serving/test_golden_clip.py        regenerates golden_features.json, after a wanted change of features
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sagemaker_scripts  # type: ignore[import-not-found]
import small_lake  # type: ignore[import-not-found]
import torch
from torch import Tensor

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span, Split
from etholake.dataset.video_meta import VideoMeta
from etholake.dataset.windows import Window, gather
from etholake.events.types import Event
from etholake.features.pair_features import FEATURE_NAMES, pair_features
from etholake.models.network_family import load_network
from etholake.stages.serving.videos import request_body
from etholake.training.fit import fit
from etholake.training.windows import WindowSampler

GOLDEN = Path(__file__).with_name("golden_features.json")
ROW = {"video_id": 3, "lab_id": "Lab A", "frames_per_second": 25.0, "pix_per_cm_approx": 10.0,
       "video_width_pix": 600, "video_height_pix": 600, "behaviors_labeled": ["mouse1,mouse2,chase"]}  # fmt: skip


def tracking() -> pa.Table:
    """Mouse 1 behind mouse 2 on a circle, at 25 frames/s; an ear is lost for two seconds, a nose for half."""
    columns = small_lake.tracks(3)
    frame, part = columns["video_frame"], columns["bodypart"]
    kept = ~((part == "ear_left") & (frame >= 100) & (frame < 150)) & ~(
        (part == "nose") & (frame > 30) & (frame < 43)
    )
    names = ("video_frame", "mouse_id", "bodypart", "x", "y")
    table = pa.table({name: columns[name][kept] for name in names})
    kinds = [pa.int32(), pa.int8(), pa.string(), pa.float32(), pa.float32()]
    return table.cast(pa.schema(list(zip(names, kinds, strict=True))))


@pytest.fixture(scope="module")
def tracks() -> PoseTracks:
    return PoseTracks.from_raw(tracking(), VideoMeta.from_row(ROW))


@pytest.fixture(scope="module")
def model_dir(tracks: PoseTracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    video = LabelledVideo(tracks, (Event(3, 1, 2, "chase", 0, 40), Event(3, 1, 2, "chase", 80, 120)))
    one = {"epochs": 1, "batches_per_epoch": 1, "threads": 1}
    split = Split((Span(3, "Lab A", 0, 240),), (), ())
    fit(TrainingData((video,), ACTIONS, "golden"), folder, "smoke", one, split=split)
    return folder


@pytest.fixture(scope="module")
def inference() -> ModuleType:
    module: ModuleType = sagemaker_scripts.load("inference", "golden_inference")
    return module


def served(inference: ModuleType, model_dir: Path, body: bytes, kind: str) -> tuple[Tensor, Any]:
    """Return what reaches the network for a request, and the answer."""
    loaded = inference.model_fn(str(model_dir))
    seen: list[Tensor] = []
    loaded.model.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    answer = inference.predict_fn(inference.input_fn(body, kind), loaded)
    return torch.cat(seen), answer


def test_training_batch_and_endpoint_see_the_same_numbers(
    tracks: PoseTracks, model_dir: Path, inference: ModuleType
) -> None:
    table = tracking()
    parquet, from_parquet = served(inference, model_dir, request_body(ROW, table), inference.PARQUET)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    body = json.dumps({"metadata": ROW, "tracking": columns}).encode()
    from_json, answer = served(inference, model_dir, body, inference.JSON)
    assert torch.equal(parquet, from_json)
    assert answer["events"] == from_parquet["events"]

    model = load_network(model_dir)
    video = LabelledVideo(tracks, ())
    data = TrainingData((video,), ACTIONS, "golden")
    sampler = WindowSampler(data, [Span(3, "Lab A", 0, 240)], ["Lab A"], model.config, seed=0)
    starts = model.window_starts(tracks)
    batch = sampler._batch([(0, start) for start in starts], margin=0)
    assert torch.equal(model.scaler(pair_features(batch.tracks)), parquet)


def summary(tracks: PoseTracks) -> dict[str, list[float]]:
    """Mean and spread of every feature over the clip."""
    x = pair_features(gather([Window(tracks, 0, 1, 0)], len(tracks.xy_TMK2)))[0].numpy()
    return {
        n: [round(float(v.mean()), 4), round(float(v.std()), 4)] for n, v in zip(FEATURE_NAMES, x.T, strict=True)
    }


def test_the_numbers_are_the_known_ones(tracks: PoseTracks) -> None:
    golden, now = json.loads(GOLDEN.read_text()), summary(tracks)
    assert golden.keys() == now.keys()
    for name, values in golden.items():
        np.testing.assert_allclose(now[name], values, atol=2e-3, err_msg=name)


if __name__ == "__main__":
    numbers = summary(PoseTracks.from_raw(tracking(), VideoMeta.from_row(ROW)))
    GOLDEN.write_text(
        "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in numbers.items()) + "\n}\n"
    )
