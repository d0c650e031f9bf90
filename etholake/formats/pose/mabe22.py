"""Read MABe 2022's mouse triplets (npy): three mice, twelve parts, `keypoints` as (frame, mouse, part, xy).

The file is a pickle of {"sequences": {name: {"keypoints": …}}, "vocabulary": …, "task_type": …}; one of the
task types is spelled "Continious". Missing points are (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions
from etholake.formats.inert_pickle import to_array
from etholake.formats.pose.jabs import PARTS
from etholake.formats.pose.npy_pickle import head_texts, read_object
from etholake.formats.pose.points import at_least_one, make_recording
from etholake.formats.reading import reading

__all__ = ["FORMAT", "FPS", "Mabe22", "read_content"]

MICE, FPS, SIZE = 3, 30.0, (850, 850)


class Mabe22(PoseFormat):
    """An npy file of MABe 2022's mouse triplets."""

    name = "mabe22_npy"
    title = "MABe 2022 npy"
    suffixes = (".npy",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the pickled texts at the beginning are MABe 2022's. Nothing is unpickled."""
        texts = head_texts(path)
        if "sequences" in texts and "keypoints" in texts:
            return Detection(1.0, "it is a pickle with 'sequences' of 'keypoints'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:
        """Yield one recording a sequence. Raises DataError unless `options.unpickle` is set."""
        with reading(path, self.title):
            sequences = read_content(path, options)["sequences"]
            yield from at_least_one(path, (_recording(path, str(name), item) for name, item in sequences.items()))


def read_content(path: Path, options: ReadOptions) -> Mapping[str, Any]:
    """Return the whole file; its `sequences` are a mapping. Raises DataError unless `options.unpickle` is set."""
    content = read_object(path, options)
    if not isinstance(content, Mapping) or not isinstance(content.get("sequences"), Mapping):
        raise DataError(f"{path}: expected 'sequences' with recordings.")
    return content


def _recording(path: Path, name: str, sequence: Any) -> PoseRecording:
    keypoints = to_array(sequence["keypoints"])
    if keypoints.ndim != 4 or keypoints.shape[1:] != (MICE, len(PARTS), 2) or keypoints.dtype.kind not in "iuf":
        raise DataError(f"{path}, '{name}': keypoints are {keypoints.shape}, expected (frames, 3, 12, 2).")
    return make_recording(
        path,
        name,
        np.arange(len(keypoints)),
        keypoints,
        [f"mouse{number + 1}" for number in range(MICE)],
        PARTS,
        missing={"0, 0": (keypoints == 0).all(-1)},
        fps=FPS,
        size=SIZE,
    )


FORMAT = Mabe22()
