"""Transforms: classes with `apply`, each a method of `DynamicFrame` under another name."""

from __future__ import annotations

from typing import Any

from .dynamicframe import DynamicFrame, DynamicFrameCollection
from .refusal import refuse

__all__ = [
    "ApplyMapping", "Coalesce", "DropFields", "Filter", "Join", "Map", "RenameField", "Repartition",
    "ResolveChoice", "SelectFields", "SelectFromCollection", "Union",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise refuse(f"the transform {name}")


class GlueTransform:
    """A transform that is the method `method` of the frame that it is given."""

    method = ""

    @classmethod
    def apply(cls, frame: DynamicFrame, *arguments: Any, **named: Any) -> DynamicFrame:
        """Return the transformed frame."""
        made: DynamicFrame = getattr(frame, cls.method)(*arguments, **named)
        return made

    def __call__(self, frame: DynamicFrame, *arguments: Any, **named: Any) -> DynamicFrame:
        return self.apply(frame, *arguments, **named)


class ApplyMapping(GlueTransform):
    """Choose, rename and cast columns."""

    method = "apply_mapping"


class Coalesce(GlueTransform):
    """Bring a frame into fewer of Spark's partitions."""

    method = "coalesce"


class DropFields(GlueTransform):
    """Leave columns out."""

    method = "drop_fields"


class Filter(GlueTransform):
    """Keep the records for which a function is true."""

    method = "filter"


class Map(GlueTransform):
    """Make a record of each record."""

    method = "map"


class RenameField(GlueTransform):
    """Give a column another name."""

    method = "rename_field"


class Repartition(GlueTransform):
    """Bring a frame into so many of Spark's partitions."""

    method = "repartition"


class ResolveChoice(GlueTransform):
    """Cast columns."""

    method = "resolveChoice"


class SelectFields(GlueTransform):
    """Choose columns."""

    method = "select_fields"


class Join:
    """Join two frames on equal values."""

    @classmethod
    def apply(
        cls, frame1: DynamicFrame, frame2: DynamicFrame, keys1: Any, keys2: Any, **named: Any
    ) -> DynamicFrame:
        """Return the inner join."""
        return frame1.join(keys1, keys2, frame2, **named)


class Union:
    """Put the records of two frames together."""

    @classmethod
    def apply(cls, frame1: DynamicFrame, frame2: DynamicFrame, **named: Any) -> DynamicFrame:
        """Return the records of both."""
        return frame1.union(frame2, **named)


class SelectFromCollection:
    """Choose a frame of a collection."""

    @classmethod
    def apply(cls, dfc: DynamicFrameCollection, key: str, transformation_ctx: str = "") -> DynamicFrame:
        """Return the frame of a name."""
        return dfc.select(key)
