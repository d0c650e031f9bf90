"""Boxes from a file of Ultralytics (``.pt``). The library is AGPL: a user installs it, Etholake never requires it.

A ``.pt`` file runs code of its author when it is loaded; use files that you trust, or export them to ONNX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.video.boxes.base import Detections

__all__ = ["DETECTOR", "UltralyticsDetector"]


@dataclass(frozen=True)
class UltralyticsDetector:
    """Detector of Ultralytics' own files; brings key points if the model is one of poses."""

    name: str = "ultralytics"

    def load(self, path: Path) -> Callable[[npt.NDArray[np.uint8]], Detections]:
        """Return a function from a frame to its detections. Raises DataError if library or file cannot be used."""
        try:
            from ultralytics import YOLO
        except (ImportError, RuntimeError, OSError) as err:  # a torchvision that does not fit torch raises others
            raise DataError(
                f"{path}: needs the library ultralytics (AGPL), which cannot be imported ({type(err).__name__}: "
                f"{str(err)[:200]}). Install it yourself, or export the model to ONNX and give onnx:FILE."
            ) from err
        if not path.is_file():
            raise DataError(f"{path}: is no file.")  # YOLO() would download a model of that name
        try:
            model = YOLO(str(path))
        except Exception as err:  # whatever the file's own code raises
            raise DataError(f"{path}: cannot be loaded ({type(err).__name__}: {str(err)[:200]}).") from err

        def detect(frame: npt.NDArray[np.uint8]) -> Detections:
            result = model.predict(frame[..., ::-1], verbose=False)[0]
            order = np.argsort(-result.boxes.conf.cpu().numpy(), kind="stable")
            keypoints = getattr(result, "keypoints", None)
            return Detections(
                result.boxes.xyxy.cpu().numpy().astype(np.float32)[order],
                result.boxes.conf.cpu().numpy().astype(np.float32)[order],
                None if keypoints is None else keypoints.data.cpu().numpy().astype(np.float32)[order],
            )

        return detect


DETECTOR = UltralyticsDetector()
