"""The endpoint says of input that does not fit which part, frame rate or action it is, and what to do."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
import sagemaker_scripts  # type: ignore[import-not-found]
import small_lake  # type: ignore[import-not-found]

from etholake.contract import ACTIONS
from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span, Split
from etholake.dataset.video_meta import VideoMeta
from etholake.events.types import Event
from etholake.models.base import TEACH
from etholake.training.fit import fit

ROW: dict[str, Any] = {
    "video_id": 3, "lab_id": "Lab A", "frames_per_second": 30.0, "pix_per_cm_approx": 10.0, "video_width_pix": 600,
    "video_height_pix": 600, "behaviors_labeled": ["mouse1,mouse2,chase"],
}  # fmt: skip
NAMES = ("video_frame", "mouse_id", "bodypart", "x", "y")


@pytest.fixture(scope="module")
def inference() -> ModuleType:
    module: ModuleType = sagemaker_scripts.load("inference", "inference_of_refusals")
    return module


def columns() -> dict[str, list[Any]]:
    table = small_lake.tracks(3)
    return {name: table[name].tolist() for name in NAMES}


@pytest.fixture(scope="module")
def loaded(inference: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import pyarrow as pa

    folder = tmp_path_factory.mktemp("model")
    columns_in_px = {**columns(), "is_imputed": [False] * len(columns()["x"])}
    in_cm = {f"{axis}_cm": [value / 10 - 30 for value in columns_in_px[axis]] for axis in "xy"}
    table = pa.table({**columns_in_px, **in_cm})
    tracks = PoseTracks.from_curated(table, VideoMeta.from_row(ROW))
    video = LabelledVideo(tracks, (Event(3, 1, 2, "chase", 0, 40), Event(3, 1, 2, "chase", 80, 120)))
    split = Split((Span(3, "Lab A", 0, small_lake.FRAMES),), (), ())
    data = TrainingData((video,), ACTIONS, "one video")
    fit(data, folder, "smoke", {"epochs": 1, "batches_per_epoch": 1}, split=split)
    return inference.model_fn(str(folder))


def ask(inference: ModuleType, loaded: Any, tracking: dict[str, list[Any]], **changes: Any) -> dict[str, Any]:
    """The answer to a JSON request, as JSON."""
    body = json.dumps({"metadata": ROW | changes, "tracking": tracking}).encode()
    request = inference.input_fn(body, "application/json")
    answer, _ = inference.output_fn(inference.predict_fn(request, loaded), "application/json")
    content: dict[str, Any] = json.loads(answer)
    return content


def test_all_is_well(inference: ModuleType, loaded: Any) -> None:
    assert ask(inference, loaded, columns())["notes"] == []


def test_no_known_part_is_refused_with_the_names_and_the_setting(inference: ModuleType, loaded: Any) -> None:
    foreign = columns()
    foreign["bodypart"] = [f"kp_{part}" for part in foreign["bodypart"]]
    message = r"It has kp_ear_left, .*readable are nose \(nose or head\)"
    with pytest.raises(inference.RequestError, match=message) as refusal:
        ask(inference, loaded, foreign)
    assert refusal.value.status_code == 400
    assert "part_map, for example kp_ear_left=nose" in str(refusal.value)


def test_points_below_the_likelihood_of_the_metadata_are_left_out(inference: ModuleType, loaded: Any) -> None:
    """The column was dropped before the rule could see it: min_likelihood did nothing."""
    rows = columns()
    likelihood = [0.9] * len(rows["x"])
    likelihood[:3] = [0.5, 0.59, None]
    given = rows | {"likelihood": likelihood}
    [note] = ask(inference, loaded, given, min_likelihood=0.6)["notes"]
    assert "2 by rule likelihood-low" in note
    assert ask(inference, loaded, given)["notes"] == []
    [note] = ask(inference, loaded, rows, min_likelihood=0.6)["notes"]
    assert note == "no column likelihood: min_likelihood (0.6) leaves no point out"


def test_too_few_frames_a_second_are_refused(inference: ModuleType, loaded: Any) -> None:
    with pytest.raises(inference.RequestError, match=r"has 2 frames/s .* at least 5 are needed") as refusal:
        ask(inference, loaded, columns(), frames_per_second=2)
    assert refusal.value.status_code == 400
    for fps in (1000.1, 2997, 1e12):
        with pytest.raises(
            inference.RequestError, match=r"at most 1000 are taken.*decimal point missing"
        ) as refusal:
            ask(inference, loaded, columns(), frames_per_second=fps)
        assert refusal.value.status_code == 400
    [note] = ask(inference, loaded, columns(), frames_per_second=8)["notes"]
    assert note == "8 frames/s: fewer than in training (10), predictions are less reliable"


def test_an_unknown_action_says_how_to_teach_it(inference: ModuleType, loaded: Any) -> None:
    wanted = ["mouse1,mouse2,chase", "mouse1,mouse2,waltz", "mouse1,mouse2,mount"]
    answer = ask(inference, loaded, columns(), behaviors_labeled=wanted)
    assert answer["notes"] == [
        f"not in the model's vocabulary, ignored: waltz; {TEACH}",
        f"without an event in the training data of Lab A: mount; {TEACH}",
    ]
    assert "etholake train --from MODEL --data DIR" in TEACH


def test_an_unknown_lab_is_noted(inference: ModuleType, loaded: Any) -> None:
    [note] = ask(inference, loaded, columns(), lab_id="Elsewhere")["notes"]
    assert note.startswith("lab Elsewhere was not in the training data: what was learnt from all labs is used")
    assert note.endswith("known labs: Lab A")
