"""Read the annotations of CalMS21 (JSON of MARS): one number a frame, named by the sequence's vocabulary.

The pose in the same files is another format's (`etholake.formats.pose`). The resident is the one that acts: the
challenge annotates the resident's behaviour towards the intruder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.inert_pickle import PickledCall, to_array
from etholake.formats.labels.onehot import bouts_of
from etholake.formats.labels.reading import read_json, safe_name
from etholake.formats.pose.calms21 import CALMS21_JSON, CALMS21_NPY
from etholake.formats.pose.npy_pickle import read_object

__all__ = ["FORMAT", "NPY", "OTHER", "annotation_of", "sequences"]

OTHER = "other"
RESIDENT, INTRUDER = "resident", "intruder"
MAX_BYTES = 8 * 2**30  # the training file of task 1 has some 500 MB
FPS = 30.0


class CalMS21(LabelFormat):
    """CalMS21 annotations."""

    name = "calms21_annotations"
    title = "CalMS21 annotations (MARS)"
    suffixes = (".json",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file begins with a group of sequences; they need no annotations."""
        return CALMS21_JSON.detect(path)

    def content(self, path: Path, options: ReadOptions) -> object:
        """Return the groups of sequences."""
        del options  # JSON needs no leave
        return read_json(path, MAX_BYTES)

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a sequence and annotator; sequences without annotations have none."""
        for annotator, name, sequence in _sequences(path, self.content(path, options)):
            if "annotations" not in sequence:
                continue
            states_T, vocabulary = annotation_of(path, name, sequence)
            bouts: list[Bout] = []
            actions = [action for action in vocabulary if action != OTHER]
            for action in actions:
                bouts += bouts_of((states_T == vocabulary[action]).astype(np.int8), action, RESIDENT, INTRUDER)
            text = f"'{OTHER}' is where no other action is; {len(states_T):,} frames at {FPS:g} frames/s"
            yield LabelRecording(
                safe_name(name.rpartition("/")[2]),
                tuple(sorted(bouts, key=lambda bout: bout.start)),
                tuple(actions),
                "frame",
                scored=tuple(ScoredSpan(action, 0, len(states_T), RESIDENT) for action in actions),
                animals=(RESIDENT, INTRUDER),
                annotator=annotator,
                fps=FPS,
                frame_count=len(states_T),
                remarks=(Remark("assumed", text, path),),
            )


class CalMS21Npy(CalMS21):
    """CalMS21 annotations in an npy file, as the data set's own converter makes it from JSON."""

    name = "calms21_annotations_npy"
    suffixes = (".npy",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the pickled texts at the beginning are CalMS21's. Nothing is unpickled."""
        return CALMS21_NPY.detect(path)

    def content(self, path: Path, options: ReadOptions) -> object:
        """Return the groups of sequences. Raises DataError unless `options.unpickle` is set."""
        return read_object(path, options)


def sequences(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (annotator, sequence's name, its content) of a CalMS21 JSON. Raises DataError for others."""
    yield from _sequences(path, read_json(path, MAX_BYTES))


def _sequences(path: Path, content: object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    if not isinstance(content, dict):
        raise DataError(f"{path}: a CalMS21 file is a JSON object of annotators, but this is none.")
    for annotator, group in content.items():
        if not isinstance(group, dict):
            raise DataError(f"{path}: annotator '{annotator[:60]}' must hold sequences by name.")
        for name, sequence in group.items():
            if not isinstance(sequence, dict):
                raise DataError(
                    f"{path}: sequence '{name[:60]}' must be an object with keypoints and annotations."
                )
            yield annotator, name, sequence


def annotation_of(path: Path, name: str, sequence: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, int]]:
    """Return (class of each frame, int64 [T]; {action: class}) of a sequence.

    Raises
    ------
    DataError
        The vocabulary is missing, or a frame has a class that it does not name.
    """
    metadata = sequence.get("metadata")
    vocabulary = metadata.get("vocab") if isinstance(metadata, dict) else None
    if isinstance(vocabulary, list):
        vocabulary = {str(action): i for i, action in enumerate(vocabulary)}
    if not isinstance(vocabulary, dict) or not all(isinstance(v, int) for v in vocabulary.values()):
        raise DataError(
            f"{path}: sequence '{name[:60]}' has no vocabulary (metadata.vocab), so its classes have no name."
        )
    values = sequence.get("annotations")
    if isinstance(values, PickledCall):
        values = to_array(values).tolist()
    if not isinstance(values, list) or not all(isinstance(v, int) and v in vocabulary.values() for v in values):
        raise DataError(
            f"{path}: the annotations of sequence '{name[:60]}' must be one class a frame, of "
            f"{sorted(vocabulary.values())}."
        )
    return np.array(values, dtype=np.int64), {str(key): value for key, value in vocabulary.items()}


FORMAT, NPY = CalMS21(), CalMS21Npy()
