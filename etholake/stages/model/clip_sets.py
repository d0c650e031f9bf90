"""Choose the set of clips that a training reads, and find the one that a trained model was trained on."""

from __future__ import annotations

from etholake.errors import DataError, UsageError, suggestion
from etholake.lake import Lake
from etholake.models.archive import stored_metas
from etholake.models.registry import resolve

__all__ = ["clip_set_of_archive", "clip_set_to_fine_tune", "clip_set_to_train", "reads_clips"]


def reads_clips(config_name: str) -> bool:
    """Return whether a configuration, or one of a list ``a,b``, reads pixels. Raises UsageError for none."""
    return any(getattr(resolve(name)[1], "reads_clips", False) for name in config_name.split(","))


def clip_set_to_train(lake: Lake, config_name: str, named: str = "") -> str:
    """Return the set of clips that a training of a configuration reads; "" if it reads none.

    `named` is the set that the user wants; without one it is the lake's only set.

    Raises
    ------
    DataError
        The lake has no clips.
    UsageError
        The set does not exist, several do and none is named, or one is named for a configuration of tracks.
    """
    return _chosen(lake, f"configuration '{config_name}'", reads_clips(config_name), named)


def clip_set_to_fine_tune(lake: Lake, base: bytes, named: str = "") -> str:
    """Return the set of clips for a training that goes on from the model in an archive; "" for one of tracks.

    Without `named` it is the set that the model was trained on. Raises as `clip_set_to_train`.
    """
    own = clip_set_of_archive(base)
    return _chosen(lake, "model of --from", bool(own), named or own)


def _chosen(lake: Lake, reader: str, reads: bool, named: str) -> str:
    if not reads:
        if named:
            raise UsageError(f"The {reader} reads tracks and no clips: leave --clips out.")
        return ""
    sets = sorted({keys["clip_set"] for keys in lake.partitions("clips")})
    if not sets:
        raise DataError(
            f"The {reader} reads pixels, and the lake has no clips: ingest videos and make clips with "
            "`etholake clips`."
        )
    if named and named not in sets:
        raise UsageError(f"The lake has no set of clips '{named}'. {suggestion(named, sets)}")
    if not named and len(sets) > 1:
        raise UsageError(f"The lake has several sets of clips: name one with --clips: {', '.join(sets)}.")
    return named or sets[0]


def clip_set_of_archive(archive: bytes) -> str:
    """Return the set of clips that a model, or one of those it combines, was trained on; "" if none was."""
    return next((str(meta["clips"]["clip_set"]) for meta in stored_metas(archive) if "clips" in meta), "")
