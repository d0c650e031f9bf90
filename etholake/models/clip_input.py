"""The clips that a network of pixels was trained on: another recipe shows it other pictures, and is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.errors import ContractError, DataError, UsageError
from etholake.models.archive import META
from etholake.video.recipe import ClipRecipe

if TYPE_CHECKING:
    from etholake.dataset.labelled import LabelledVideo
    from etholake.dataset.pose_tracks import PoseTracks

__all__ = ["ClipInput", "clip_input_of"]

# Fields of a recipe that decide what a single crop looks like; windows are cut anew.
ENFORCED = ("crop_size", "pad_ratio", "border", "smoothing")


@dataclass(frozen=True)
class ClipInput:
    """The set of clips of a training, and its recipe."""

    clip_set: str
    recipe: ClipRecipe

    @classmethod
    def of(cls, videos: Sequence[LabelledVideo]) -> ClipInput:
        """Return the clips of training videos. Raises DataError for a video without."""
        sources = [video.tracks.clips for video in videos]
        first = sources[0]
        if first is None or None in sources:
            raise DataError(
                "The training data have no clips, and this configuration reads pixels: prepare clips with "
                "`etholake clips`."
            )
        return cls(first.clip_set, first.recipe)

    def check(self, tracks: PoseTracks) -> None:
        """Raise DataError unless a video has clips that look as those of the training."""
        if tracks.clips is None:
            raise DataError(
                f"Video {tracks.video_id} has no clips, and this model reads pixels. Give the video itself "
                "(`etholake predict --video`), or make its clips with `etholake clips`."
            )
        own, other = self.recipe.as_dict(), tracks.clips.recipe.as_dict()
        if changed := [name for name in ENFORCED if own[name] != other[name]]:
            named = ", ".join(f"{name} {other[name]} instead of {own[name]}" for name in changed)
            raise DataError(
                f"The clips of video {tracks.video_id} were made with {named}. Make them with the recipe of the "
                f"model (`etholake explain` shows it)."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the set and its recipe as JSON."""
        return {"clip_set": self.clip_set, "recipe": self.recipe.as_dict()}

    @classmethod
    def from_meta(cls, folder: Path, meta: Mapping[str, Any]) -> ClipInput:
        """Read what a stored model keeps. Raises ContractError for anything else."""
        try:
            return cls(str(meta["clips"]["clip_set"]), ClipRecipe.from_dict(meta["clips"]["recipe"]))
        except (KeyError, TypeError, UsageError) as err:
            raise ContractError(f"{folder / META} does not say which clips the model reads: {err}.") from err


def clip_input_of(folder: Path) -> ClipInput | None:
    """Return the clips that a stored model, or one of those it combines, was trained on; None for tracks alone."""
    for path in sorted(folder.rglob(META)):
        meta = json.loads(path.read_text(encoding="utf-8"))
        if "clips" in meta:
            return ClipInput.from_meta(path.parent, meta)
    return None
