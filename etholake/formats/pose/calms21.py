"""Read CalMS21 (json and npy) and MARS' json: two mice, seven parts, `keypoints` as (frame, mouse, xy, part).

CalMS21's json holds many recordings under annotators; MARS' json is one recording. The npy is a pickle of the
same: it is read without running it, and only if asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.dialect import decoded_head
from etholake.formats.inert_pickle import PickledCall, to_array
from etholake.formats.pose.npy_pickle import head_texts, read_object
from etholake.formats.pose.points import at_least_one, make_recording
from etholake.formats.reading import reading

__all__ = ["CALMS21_JSON", "CALMS21_NPY", "MARS_JSON", "PARTS"]

PARTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail_base")
MICE = ("resident", "intruder")
FPS = 30.0  # of CalMS21 as published
SIZE = (1024, 570)  # of CalMS21's videos as published
KEYS = frozenset({"keypoints", "scores", "annotations", "metadata"})  # of a sequence
SEQUENCE = re.compile(  # {annotator or, in task 3, behaviour: {sequence: {one of its keys in any order
    r'\s*\{\s*"([^"]{1,200})"\s*:\s*\{\s*"[^"]{1,400}"\s*:\s*\{\s*"(?:keypoints|scores|annotations|metadata)"\s*:'
)
MARS_KEYS = re.compile(
    r'\s*\{\s*(?:"\w+"\s*:\s*(?:"[^"]{0,200}"|[\d.]+)\s*,\s*){0,9}"(keypoints|scores|bbox|bscores)"\s*:\s*\['
)


class Calms21Json(PoseFormat):
    """A json file of the data set CalMS21."""

    name = "calms21_json"
    title = "CalMS21 json"
    suffixes = (".json",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file begins with a group of sequences."""
        if match := SEQUENCE.match(decoded_head(path, 4096)):
            return Detection(1.0, f"its group '{match[1]}' holds CalMS21's sequences")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield one recording a video; each is in the file once an annotator, with the same points."""
        with reading(path, self.title):
            yield from at_least_one(path, _recordings(path, load_json(path)))


class Calms21Npy(PoseFormat):
    """An npy file of CalMS21, as its own converter makes it from json."""

    name = "calms21_npy"
    title = "CalMS21 npy"
    suffixes = (".npy",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the pickled texts at the beginning are CalMS21's. Nothing is unpickled."""
        texts = head_texts(path)
        first = next((at for at, item in enumerate(texts) if item in KEYS), 0)
        if first < 2 or "sequences" in texts[:first]:  # MABe 2022 has one group of that name
            return None
        return Detection(1.0, f"its group '{texts[first - 2]}' holds CalMS21's sequences")

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield one recording a video. Raises DataError unless `options.unpickle` is set."""
        with reading(path, self.title):
            yield from at_least_one(path, _recordings(path, read_object(path, options)))


class MarsJson(PoseFormat):
    """A json file of MARS: the pose of one video."""

    name = "mars_json"
    title = "MARS json"
    suffixes = (".json",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file begins with one of MARS' keys."""
        match = MARS_KEYS.match(decoded_head(path, 4096))
        return Detection(0.9, f"it begins with MARS' '{match[1]}'") if match else None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the recording."""
        with reading(path, self.title):
            name = re.sub(r"_pose_(top|front)_v\d+.*$", "", path.stem)
            yield _recording(path, name, load_json(path), None, None)


def load_json(path: Path) -> Any:
    """Return the value of a json file; NaN is a number here, because pose files use it for missing points."""
    with path.open("rb") as file:
        return json.load(file)


def _recordings(path: Path, annotators: Any) -> Iterator[PoseRecording]:
    if not isinstance(annotators, Mapping):
        raise DataError(f"{path}: expected annotators with recordings, but got {type(annotators).__name__}.")
    done: set[str] = set()
    for sequences in annotators.values():
        for name, sequence in sequences.items():
            if name in done:
                continue
            done.add(str(name))
            yield _recording(path, str(name).rsplit("/", 1)[-1], sequence, FPS, SIZE)


def _recording(
    path: Path, name: str, sequence: Any, fps: float | None, size: tuple[int, int] | None
) -> PoseRecording:
    keypoints = _array(path, name, sequence, "keypoints")
    if keypoints.ndim != 4 or keypoints.shape[1:] != (len(MICE), 2, len(PARTS)):
        raise DataError(
            f"{path}, '{name}': keypoints are {keypoints.shape}, expected (frames, 2 mice, x and y, 7 parts)."
        )
    scores = _array(path, name, sequence, "scores") if "scores" in sequence else None
    if scores is not None and scores.shape != (len(keypoints), len(MICE), len(PARTS)):
        raise DataError(f"{path}, '{name}': scores are {scores.shape}, which does not fit the keypoints.")
    metadata = sequence.get("metadata") if isinstance(sequence.get("metadata"), Mapping) else {}
    rate = metadata.get("fps") or metadata.get("frame_rate")
    return make_recording(
        path,
        name,
        np.arange(len(keypoints)),
        keypoints.transpose(0, 1, 3, 2),
        MICE,
        PARTS,
        likelihood=scores,
        fps=float(rate) if isinstance(rate, int | float) and rate > 0 else fps,
        size=size,
    )


def _array(path: Path, name: str, sequence: Any, key: str) -> npt.NDArray[np.float32]:
    if not isinstance(sequence, Mapping) or key not in sequence:
        raise DataError(f"{path}, '{name}': has no '{key}'.")
    value = sequence[key]
    if not isinstance(value, list | PickledCall):
        raise DataError(f"{path}, '{name}': '{key}' is {type(value).__name__}, expected an array of numbers.")
    array = np.asarray(value, np.float32) if isinstance(value, list) else to_array(value)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}, '{name}': '{key}' holds {array.dtype}, expected numbers.")
    return array.astype(np.float32)


CALMS21_JSON, CALMS21_NPY, MARS_JSON = Calms21Json(), Calms21Npy(), MarsJson()
