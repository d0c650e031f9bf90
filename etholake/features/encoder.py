"""The interface of input encoders: what turns tracks into numbers for a model, by name and version.

A stored model keeps its encoder's `description`; `Encoder.check` refuses a model whose encoder has changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.contract import UNIFIED_PARTS
from etholake.errors import ContractError

if TYPE_CHECKING:
    from torch import Tensor

    from etholake.dataset.clip_batch import ClipBatch
    from etholake.dataset.pose_tracks import PoseTracks
    from etholake.dataset.windows import MouseTracks, Tracks, Window

__all__ = ["Encoder", "Table", "TableEncoder", "WindowEncoder"]

Table = dict[str, npt.NDArray[np.float32]]  # name of a feature -> values [T] on the frames at 30 Hz


class Encoder(ABC):
    """Base class of all encoders.

    Attributes
    ----------
    name
        The name in the registry, in configurations and in stored models.
    version
        Raise it with every change of the numbers: models of another version are refused.
    reads_clips
        Whether it reads pixels: then a video needs clips beside its tracks.
    """

    name: str
    version: int
    reads_clips: bool = False

    def description(self) -> dict[str, Any]:
        """Return what a stored model keeps of its encoder, as JSON."""
        return {"name": self.name, "version": self.version}

    def check(self, stored: Mapping[str, Any], model: str) -> None:
        """Raise ContractError unless a model was trained on what this encoder computes.

        `stored` is the `description` that was kept; `model` says in messages where the model is.
        """
        if stored.get("version") != self.version:
            raise ContractError(
                f"The model in {model} was trained on {self.name} version {stored.get('version')}; this code "
                f"computes version {self.version}. Train it again, or use the Etholake version that made it."
            )
        own = self.description()
        if stored != own:
            names = set(stored.get("names", ())) ^ set(own.get("names", ()))
            raise ContractError(
                f"The model in {model} has other features than this code: {sorted(names) or 'their order'}. "
                "Train it again."
            )


class WindowEncoder(Encoder):
    """Computes features of a batch of windows on its device; used by networks.

    `names` are the F features in the order of the last axis; empty for an encoder of clips.
    """

    names: tuple[str, ...]

    @abstractmethod
    def __call__(self, windows: Tracks | MouseTracks) -> Tensor | ClipBatch:
        """Return features [B, T, F], float32, finite, where 0 stands for a missing value; or clips."""

    def check_tracks(self, tracks: PoseTracks) -> None:
        """Raise DataError for tracks that the encoder cannot read."""

    def gather(self, windows: Sequence[Window], length: int) -> Tracks:
        """Copy what the encoder reads of windows of `length` frames out of their videos."""
        from etholake.dataset.windows import gather

        return gather(windows, length)

    def gather_by_mouse(self, windows: Sequence[Window], length: int) -> MouseTracks:
        """Copy as `gather`; the tracks of an animal that several windows share are read once."""
        from etholake.dataset.windows import gather_by_mouse

        return gather_by_mouse(windows, length)

    def notes(self, tracks: PoseTracks, pairs: Iterable[tuple[int, int]]) -> list[str]:  # noqa: ARG002
        """Return sentences on parts of a video for which pairs (agent, target) of animals have no input."""
        return []

    def description(self) -> dict[str, Any]:
        """Return name and version, the names of the features, and the body parts they are computed from."""
        return {**super().description(), "names": list(self.names), "parts": list(UNIFIED_PARTS)}


class TableEncoder(Encoder):
    """Computes named columns of a whole video, or a part of one, in numpy; used by trees.

    `context_s` is how far the features of a frame look to either side, in seconds.
    """

    context_s: float

    @abstractmethod
    def table(self, tracks: PoseTracks, agent: int, target: int) -> Table:
        """Return the columns of a pair, NaN where nothing is known.

        `agent` and `target` are positions on the animal axis of `xy_TMK2`; they are equal for a self action.
        """
