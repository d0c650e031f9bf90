"""Boxes from ONNX files that the test builds: every layout of the outputs gives the same two boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import moving_square as square  # type: ignore[import-not-found]
import numpy as np
import pytest

from etholake.errors import ContractError, DataError
from etholake.plugins import Registry
from etholake.video.boxes.base import Detections
from etholake.video.boxes.detector import DETECTORS, DetectorBoxes
from etholake.video.boxes.onnx import DETECTOR, decode_outputs
from etholake.video.decode import Decoder
from etholake.video.recipe import ClipRecipe
from etholake.video.task import ClipTask, run_here

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SIDE = 64  # of the input
BOXES = np.array([[8, 8, 24, 16], [40, 32, 56, 56]], np.float32)  # corners, px
CENTRES = np.array([[16, 12, 16, 8], [48, 44, 16, 24]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)


def logit(values: np.ndarray) -> np.ndarray:
    return np.log(values / (1 - values)).astype(np.float32)


def padded(rows: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((count - len(rows), rows.shape[1]), np.float32)])[None].astype(
        np.float32
    )


SHARES = CENTRES / SIDE
NOTHING = np.full((2, 1), -20, np.float32)
LAYOUTS: dict[str, list[np.ndarray]] = {
    "yolov8": [padded(np.concatenate([CENTRES, SCORES], 1), 84).transpose(0, 2, 1)],
    "yolov5": [padded(np.concatenate([CENTRES, np.ones((2, 1)), SCORES], 1), 252)],
    "own-suppression": [padded(np.concatenate([BOXES, SCORES.max(1, keepdims=True), [[0], [1]]], 1), 300)],
    "rtdetr-ultralytics": [padded(np.concatenate([SHARES, SCORES], 1), 300)],
    "rtdetr": [
        padded(np.concatenate([logit(SCORES)], 1), 300) - padded(np.zeros((2, 2)), 300),
        padded(SHARES, 300),
    ],
    "detr": [
        np.concatenate([np.concatenate([np.log(SCORES * 50), NOTHING], 1), np.tile([[-20, -20, 20]], (98, 1))])[
            None
        ],
        padded(SHARES, 100),
    ],
}
LAYOUTS["rtdetr"][0][:, 2:] = -20


def model(path: Path, outputs: list[np.ndarray], metadata: dict[str, str] | None = None) -> Path:
    """A model that answers with constants, whatever the picture (whose mean is added as zero)."""
    from onnx import TensorProto, helper, numpy_helper

    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nil"], ["none"]),
    ]
    constants = [numpy_helper.from_array(np.array(0, np.float32), "nil")]
    infos = []
    for number, value in enumerate(outputs):
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"c{number}"))
        nodes.append(helper.make_node("Add", [f"c{number}", "none"], [f"out{number}"]))
        infos.append(helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, list(value.shape)))
    graph = helper.make_graph(nodes, "boxes", [picture], infos, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, text in (metadata or {}).items():
        entry = made.metadata_props.add()
        entry.key, entry.value = key, text
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_boxes(layout: str, tmp_path: Path) -> None:
    detect = DETECTOR.load(model(tmp_path / "m.onnx", LAYOUTS[layout]))
    detections = detect(np.zeros((2 * SIDE, SIDE, 3), np.uint8))  # resized by a half: boxes are twice as large
    assert len(detections.boxes) == 2
    np.testing.assert_allclose(detections.boxes, np.minimum(2 * BOXES, [64, 128, 64, 128]), atol=0.01)
    np.testing.assert_allclose(detections.confidence, [0.9, 0.8], atol=0.02)


def test_key_points_of_ultralytics_come_along(tmp_path: Path) -> None:
    points = np.array([[10, 11, 0.5], [45, 50, 0.6]], np.float32)
    rows = np.concatenate([CENTRES, SCORES.max(1, keepdims=True), points], 1)
    path = model(tmp_path / "m.onnx", [padded(rows, 84).transpose(0, 2, 1)], {"kpt_shape": "[1, 3]"})
    detections = DETECTOR.load(path)(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert detections.keypoints is not None
    np.testing.assert_allclose(detections.keypoints[:, 0], points, atol=0.01)


def test_clips_from_an_onnx_file(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", LAYOUTS["yolov8"])
    video = square.write(tmp_path / "a.mp4", 12, size=(64, 64))
    recipe = ClipRecipe(boxes=f"onnx:{path}", length=4, stride=4, crop_size=16, smoothing=0, pad_ratio=0)
    report = run_here(ClipTask(video, 1, "Lab", recipe, tmp_path / "out"))
    assert {w["box_source"] for w in report.windows} == {"onnx"}
    assert [w["crop"] for w in report.windows if w["agent_id"] == 1] == [
        [8, 4, 24, 20]
    ] * 3  # the square around it


def test_what_is_no_detector_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"bad\.onnx: is no ONNX model that can be run"):
        DETECTOR.load(tmp_path / "bad.onnx")
    with pytest.raises(DataError, match=r"none of YOLO v5/v8/v11, RT-DETR or DETR"):
        DETECTOR.load(model(tmp_path / "m.onnx", [np.zeros((1, 7), np.float32)]))(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match="which is none of"):
        decode_outputs([np.zeros((1, 50, 3)), np.zeros((1, 50, 4))], 64, 64, {})


def test_weights_outside_of_the_file_are_refused(tmp_path: Path) -> None:
    """A file that names another one as its weights could read what lies anywhere on the disk."""
    path = model(tmp_path / "m.onnx", LAYOUTS["yolov8"])
    loaded: Any = onnx.load(str(path))
    tensor = loaded.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    path.write_bytes(loaded.SerializeToString())
    with pytest.raises(DataError, match="keeps its weights in other files"):
        DETECTOR.load(path)


def test_a_library_that_is_not_there_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ultralytics", None)
    with pytest.raises(DataError, match=r"ultralytics \(AGPL\), which cannot be imported.*give onnx:FILE"):
        DETECTORS.get("ultralytics").load(tmp_path / "m.pt")
    with pytest.raises(ContractError, match=r"no detector 'onx'\. Did you mean 'onnx'"):
        DETECTORS.get("onx")


class Fixed:
    """A detector from outside of Etholake."""

    name = "fixed"

    def load(self, path: Path) -> Any:
        return lambda _: Detections(BOXES, np.array([0.9, 0.1], np.float32))


def test_another_detector_registers_itself(tmp_path: Path) -> None:
    registry: Registry[Any] = Registry("etholake.detectors-test", "detector", {})
    registry.register(Fixed())
    source = DetectorBoxes(registry.get("fixed").load(tmp_path), "fixed", 2, 0.25)
    frame = next(iter(Decoder(square.write(tmp_path / "a.mp4", 1))))
    boxes = source.boxes(frame)
    assert boxes[0].tolist() == BOXES[0].tolist()
    assert np.isnan(boxes[1]).all(), "its confidence is too low"
