"""Read the annotations of MABe 2022 (npy): for each sequence one row of frames a task, named by the vocabulary.

The npy is a pickle: it is read without running it, and only if asked for. Who acts is not in the file. A task
whose frames are not 0, 1 or NaN (not labelled) is a measurement and no behaviour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.inert_pickle import PickledCall, to_array
from etholake.formats.labels.onehot import UNLABELLED, bouts_of, spans_of
from etholake.formats.labels.reading import safe_name
from etholake.formats.pose.mabe22 import FORMAT as POSE
from etholake.formats.pose.mabe22 import FPS, read_content
from etholake.formats.reading import reading

__all__ = ["FORMAT"]


class Mabe22Annotations(LabelFormat):
    """MABe 2022 annotations."""

    name = "mabe22_annotations"
    title = "MABe 2022 annotations"
    suffixes = (".npy",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file is MABe 2022's; files without annotations yield none."""
        return POSE.detect(path)

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a sequence with annotations. Raises DataError unless `options.unpickle` is set."""
        with reading(path, self.title):
            content = read_content(path, options)
            annotated = {
                name: sequence["annotations"]
                for name, sequence in content["sequences"].items()
                if isinstance(sequence, Mapping) and sequence.get("annotations") is not None
            }
            names = _names(path, content.get("vocabulary")) if annotated else []
            for name, annotations in annotated.items():
                yield _recording(path, str(name), annotations, names)


def _names(path: Path, vocabulary: Any) -> list[str]:
    if isinstance(vocabulary, PickledCall):
        vocabulary = to_array(vocabulary).tolist()
    if not isinstance(vocabulary, list | tuple) or not vocabulary:
        raise DataError(f"{path}: has annotations, but no 'vocabulary' that names their rows.")
    return [str(name) for name in vocabulary]


def _recording(path: Path, name: str, annotations: Any, names: list[str]) -> LabelRecording:
    rows = to_array(annotations) if isinstance(annotations, PickledCall) else np.asarray(annotations)
    if rows.ndim != 2 or len(rows) != len(names) or rows.dtype.kind not in "biuf":
        raise DataError(f"{path}, '{name}': annotations are {rows.shape}, expected ({len(names)} tasks, frames).")
    bouts: list[Bout] = []
    scored: list[ScoredSpan] = []
    others = []
    for task, values_T in zip(names, rows.astype(np.float64), strict=True):
        is_missing_T = np.isnan(values_T)
        if not np.isin(values_T[~is_missing_T], (0, 1)).all():
            others.append(task)
            continue
        states_T = np.where(is_missing_T, UNLABELLED, values_T).astype(np.int8)
        bouts += bouts_of(states_T, task)
        scored += spans_of(states_T, task)
    actions = [task for task in names if task not in others]
    remarks = []
    if actions:
        text = f"the tasks {', '.join(actions)} are taken as actions"
        remarks.append(Remark("assumed", text, path, remedy="leave others out in the mapping's actions"))
    if others:
        text = f"the tasks {', '.join(others)} hold other values than 0 and 1, and are no actions"
        remarks.append(Remark("left-out", text, path))
    return LabelRecording(
        safe_name(name),
        tuple(sorted(bouts, key=lambda bout: bout.start)),
        tuple(actions),
        "frame",
        scored=tuple(scored),
        fps=FPS,
        frame_count=rows.shape[1],
        remarks=tuple(remarks),
    )


FORMAT = Mabe22Annotations()
