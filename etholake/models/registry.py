"""Model families by name, and the names that ``--config`` accepts.

A configuration's name is ``family:preset`` (``cnn_transformer:small``), ``family`` (its default preset), or
``preset`` alone (``small``): the preset of the first family that has one of that name, Etholake's own families
first.

A distribution declares its own family in the entry-point group `etholake.models`; `FAMILIES.register` adds one for
this process only. See docs/adr/0007-model-families.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etholake.errors import UsageError, suggestion
from etholake.models.family import ModelFamily
from etholake.plugins import Registry

__all__ = ["FAMILIES", "config_names", "family_names", "resolve"]

# To add a family to Etholake: a folder beside this file, and a line here.
FAMILIES: Registry[ModelFamily[Any]] = Registry(
    "etholake.models",
    "model family",
    {
        "cnn_transformer": "etholake.models.cnn_transformer.family:FAMILY",
        "boosted": "etholake.models.boosted.family:FAMILY",
        "tcn": "etholake.models.tcn.family:FAMILY",
        "cnn_lstm": "etholake.models.cnn_lstm.family:FAMILY",
        "pose_bert": "etholake.models.pose_bert.family:FAMILY",
        "cnn3d": "etholake.models.cnn3d.family:FAMILY",
        "video_pose": "etholake.models.video_pose.family:FAMILY",
        "crop_sequence": "etholake.models.crop_sequence.family:FAMILY",
        "multitask": "etholake.models.multitask.family:FAMILY",
        "slowfast": "etholake.models.slowfast.family:FAMILY",
        "ensemble": "etholake.models.ensemble.family:FAMILY",
        "stacking": "etholake.models.stacking.family:FAMILY",
    },
)


def family_names() -> tuple[str, ...]:
    """Return the names of the families that can be trained by a configuration."""
    return tuple(family.name for family in FAMILIES if family.presets)


def config_names() -> tuple[str, ...]:
    """Return the short names that ``--config`` accepts: presets first, then families."""
    presets = [preset for family in FAMILIES for preset in family.presets]
    return tuple(dict.fromkeys([*presets, *family_names()]))


def resolve(name: str, overrides: Mapping[str, Any] | None = None) -> tuple[ModelFamily[Any], Any]:
    """Return the family and the configuration that a name means, with fields replaced.

    Raises UsageError for an unknown name (the message lists all names and the nearest) or field.
    """
    family_name, separator, preset = name.partition(":")
    if separator:
        family = _trainable(family_name)
        if family is None:
            raise UsageError(
                f"There is no model family '{family_name}'. {suggestion(family_name, family_names())}"
            )
        return family, family.configured(preset, overrides)
    if family := _trainable(name):
        return family, family.configured(family.default, overrides)
    for family in FAMILIES:
        if name in family.presets:
            return family, family.configured(name, overrides)
    raise UsageError(f"There is no model configuration '{name}'. {suggestion(name, config_names())}")


def _trainable(name: str) -> ModelFamily[Any] | None:
    """Return the family of a name; None if there is none, or it has no configuration."""
    family = FAMILIES.get(name) if name in FAMILIES.names() else None
    return family if family and family.presets else None
