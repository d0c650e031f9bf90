"""Boxes from an ONNX file: exports of YOLO v5, v8, v11 and v10, of RT-DETR and of DETR. Extra `detect`.

What the outputs mean is told by their shapes (and by the metadata that Ultralytics writes):

==================  ===========================================================================================
one [1, 4+C, N]     YOLO v8 and v11: centre, size, class scores; with `kpt_shape` in the metadata also key points
one [1, N, 5+C]     YOLO v5: centre, size, objectness, class scores
one [1, N, 6]       exports with their own suppression: corners, score, class (N = 300 and coordinates above 1.5)
one [1, 300, 4+C]   RT-DETR of Ultralytics: centre and size as shares of the picture, class scores
two [1, Q, C][1, Q, 4]  DETR (Q = 100, or an input `pixel_mask`: softmax with a last class "nothing") and RT-DETR
                    (Q = 300: sigmoid): logits, and centre and size as shares of the picture
==================  ===========================================================================================

A file runs no code: no library of custom operators is loaded, and a file that keeps its weights in other files is
refused, so that it cannot read what lies elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.boxes.base import Detections
from etholake.video.boxes.detector import suppress

__all__ = ["DETECTOR", "OnnxDetector", "decode_outputs"]

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
DEFAULT_SIDE = 640  # of an input whose size is free
FLOOR = 0.05  # detections below are never looked at
_EXTERNAL = b"\x0a\x08location"  # the key of a tensor that lies in another file, as protobuf writes it
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
MAX_BYTES = 2 << 30


@dataclass(frozen=True)
class OnnxDetector:
    """Detector of ONNX files."""

    name: str = "onnx"

    def load(self, path: Path) -> Callable[[Pixels], Detections]:
        """Return a function from a frame to its detections.

        Raises DataError if onnxruntime is not there, or the file is no model that can be understood.
        """
        session = _session(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        picture = next(
            (i for i in inputs if len(i.shape) == 4 and i.type in {"tensor(float)", "tensor(float16)"}), None
        )
        if picture is None or (picture.shape[1] not in {3, "3"} and isinstance(picture.shape[1], int)):
            raise DataError(
                f"{path}: expected an input of float pictures [1, 3, height, width], but it has "
                f"{[(i.name, i.shape, i.type) for i in inputs]}. Export it for pictures in that order."
            )
        height, width = (
            side if isinstance(side, int) and side > 0 else DEFAULT_SIDE for side in picture.shape[2:]
        )
        half = picture.type == "tensor(float16)"
        masked = any(i.name == "pixel_mask" for i in inputs)
        names = [output.name for output in outputs]
        metadata = session.get_modelmeta().custom_metadata_map

        def detect(frame: Pixels) -> Detections:
            canvas, scale = _letterbox(frame, height, width)
            tensor = canvas.astype(np.float32) / 255
            if masked:
                tensor = (tensor - _MEAN) / _STD
            feed = {picture.name: tensor.transpose(2, 0, 1)[None].astype(np.float16 if half else np.float32)}
            if masked:
                feed["pixel_mask"] = np.ones((1, height, width), np.int64)
            values = [np.asarray(value, np.float32) for value in session.run(names, feed)]
            boxes, confidence, keypoints = decode_outputs(
                values, height, width, metadata, masked=masked, path=path
            )
            wanted = confidence >= FLOOR
            boxes, confidence = boxes[wanted], confidence[wanted]
            keep = suppress(boxes, confidence)
            limit = np.array([frame.shape[1], frame.shape[0]] * 2, np.float32)
            if keypoints is not None:
                keypoints = keypoints[wanted][keep]
                keypoints[..., :2] /= scale
            return Detections(np.clip(boxes[keep] / scale, 0, limit), confidence[keep], keypoints)

        return detect


DETECTOR = OnnxDetector()


def decode_outputs(
    values: Sequence[Floats],
    height: int,
    width: int,
    metadata: Mapping[str, str],
    *,
    masked: bool = False,
    path: Path = Path("model"),
) -> tuple[Floats, Floats, Floats | None]:
    """Return boxes [N, 4] (corners, in pixels of the input), confidence [N] and key points [N, K, 3] or None.

    Raises DataError if the shapes are none of the layouts above.
    """
    shapes = [list(value.shape) for value in values]
    values = [value[0] for value in values if value.ndim == 3 and value.shape[0] == 1]
    size = np.array([width, height] * 2, np.float32)
    if len(values) == 2:
        boxes, logits = sorted(values, key=lambda value: value.shape[1] != 4)
        queries = len(boxes)
        if boxes.shape == (queries, 4) and len(logits) == queries:
            if masked or queries == 100:
                return _corners(boxes) * size, _softmax(logits)[:, :-1].max(axis=1), None
            if queries == 300:
                return _corners(boxes) * size, (1 / (1 + np.exp(-logits))).max(axis=1), None
    if len(values) == 1:
        rows = values[0]
        points = _keypoint_shape(metadata)
        if rows.shape[0] < rows.shape[1] and rows.shape[0] > 4:
            rows = rows.T
            classes = rows.shape[1] - 4 - points[0] * points[1]
            if classes > 0:
                keypoints = _keypoints(rows[:, 4 + classes :], points)
                return _corners(rows[:, :4]), rows[:, 4 : 4 + classes].max(axis=1), keypoints
        elif len(rows) == 300 and rows.shape[1] > 4 and float(rows[:, :4].max(initial=0)) <= 1.5:
            return _corners(rows[:, :4]) * size, rows[:, 4:].max(axis=1), None
        elif rows.shape[1] == 6 and len(rows) <= 1000:
            return rows[:, :4], rows[:, 4], None
        elif rows.shape[1] > 5:
            return _corners(rows[:, :4]), rows[:, 4] * rows[:, 5:].max(axis=1), None
    raise DataError(
        f"{path}: its outputs have the shapes {shapes}, which is none of YOLO v5/v8/v11, RT-DETR or DETR. "
        "Export the detection model again with batch size 1, or give boxes as a file."
    )


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except (ImportError, RuntimeError, OSError) as err:
        raise DataError(
            f"{path}: ONNX files need onnxruntime, not importable ({err}): pip install 'etholake[detect]'."
        ) from err
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: has more than {MAX_BYTES >> 30} GiB; no detector needs so much.")
        content = path.read_bytes()
    except OSError as err:
        raise DataError(f"{path}: cannot be read: {err.strerror or err}.") from err
    if _EXTERNAL in content:
        raise DataError(f"{path}: keeps its weights in other files. Export it as one file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = (
        1  # one video one task: tasks run beside each other
    )
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime has a class of its own for each kind of damage
        raise DataError(f"{path}: is no ONNX model that can be run ({str(err)[:200]}).") from err


def _letterbox(frame: Pixels, height: int, width: int) -> tuple[Pixels, float]:
    """Return the frame in the upper left corner of a gray canvas, and the factor by which it was resized."""
    from PIL import Image

    scale = min(height / frame.shape[0], width / frame.shape[1])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[: size[1], : size[0]] = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
    return canvas, scale


def _corners(centre_size: Floats) -> Floats:
    half = centre_size[:, 2:4] / 2
    return np.concatenate([centre_size[:, :2] - half, centre_size[:, :2] + half], axis=1)


def _softmax(logits: Floats) -> Floats:
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    share: Floats = exponent / exponent.sum(axis=1, keepdims=True)
    return share


def _keypoint_shape(metadata: Mapping[str, str]) -> tuple[int, int]:
    """Return (points, values a point) as Ultralytics writes it: ``[17, 3]``; (0, 0) for a detector of boxes."""
    try:
        points, values = ast.literal_eval(metadata.get("kpt_shape", "[0, 0]"))
        return int(points), int(values)
    except (ValueError, SyntaxError, TypeError):
        return 0, 0


def _keypoints(values: Floats, shape: tuple[int, int]) -> Floats | None:
    if not shape[0] or shape[1] not in {2, 3}:
        return None
    points = values.reshape(len(values), *shape)
    return points if shape[1] == 3 else np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
