"""`DynamicFrame`: a data frame of Spark with Glue's methods. One schema, no choice types.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-dynamic-frame.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .refusal import check_options, refuse

__all__ = ["DynamicFrame", "DynamicFrameCollection"]

# Glue's types: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-types.html
_TYPES = {
    "string": "string", "int": "int", "integer": "int", "long": "bigint", "bigint": "bigint", "short": "smallint",
    "smallint": "smallint", "byte": "tinyint", "tinyint": "tinyint", "float": "float", "double": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "binary": "binary", "decimal": "decimal(10,2)",
}  # fmt: skip
_WATCHING = ("info", "stageThreshold", "totalThreshold")
_DECIMAL = re.compile(r"decimal\(\d+,\s*\d+\)")


def spark_type(name: str) -> str:
    """Return Spark's name of a type of Glue. Raises NotImplementedError."""
    kind = _TYPES.get(name.lower()) or (name if _DECIMAL.fullmatch(name.lower()) else None)
    if kind is None:
        raise refuse(f"the type {name!r}")
    return kind


def path_of(name: str) -> str:
    """Return a column's name as Spark reads it: dots lead into structures, unless the name is in backticks."""
    return name if name.startswith("`") else ".".join(f"`{part}`" for part in name.split("."))


class DynamicFrame:
    """A data frame with the context that made it."""

    def __init__(self, frame: Any, glue_ctx: Any, name: str = "") -> None:
        self._frame, self.glue_ctx, self.name = frame, glue_ctx, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise refuse(f"DynamicFrame.{name}")

    @classmethod
    def fromDF(cls, dataframe: Any, glue_ctx: Any, name: str = "") -> DynamicFrame:
        """Return the dynamic frame of a data frame."""
        return cls(dataframe, glue_ctx, name)

    def toDF(self, options: Any = None) -> Any:
        """Return the data frame."""
        if options:
            raise refuse("the options of toDF, which project choice types")
        return self._frame

    def _with(self, frame: Any, more: Mapping[str, Any]) -> DynamicFrame:
        """Return another frame of this one's context; `more` are the arguments that only watch over errors."""
        check_options(more, _WATCHING, "a transform")
        return DynamicFrame(frame, self.glue_ctx, self.name)

    # --- what is in it ----------------------------------------------------------------------------------------
    def count(self) -> int:
        """Return the number of records."""
        return int(self._frame.count())

    def printSchema(self) -> None:
        """Print the schema, as Spark does."""
        self._frame.printSchema()

    def show(self, num_rows: int = 20) -> None:
        """Print records as JSON, one a line."""
        for line in self._frame.limit(num_rows).toJSON().collect():
            print(line)

    def getNumPartitions(self) -> int:
        """Return the number of Spark's partitions."""
        return int(self._frame.rdd.getNumPartitions())

    def errorsCount(self) -> int:
        """Return 0: a record that cannot be read fails the job here."""
        return 0

    # --- columns ----------------------------------------------------------------------------------------------
    def _check(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._frame.select(path_of(path))  # Spark raises AnalysisException for a name that is not there

    def select_fields(self, paths: Sequence[str], transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the columns of these names; names that are not there are left out, as on Glue."""
        if nested := [path for path in paths if "." in path and not path.startswith("`")]:
            raise refuse(f"select_fields of the nested field {nested[0]!r}")
        wanted = [path.strip("`") for path in paths]
        return self._with(
            self._frame.select(*(path_of(f"`{p}`") for p in wanted if p in self._frame.columns)), more
        )

    def drop_fields(self, paths: Sequence[str], transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the frame without the columns of these names."""
        if nested := [path for path in paths if "." in path and not path.startswith("`")]:
            raise refuse(f"drop_fields of the nested field {nested[0]!r}")
        return self._with(self._frame.drop(*(path.strip("`") for path in paths)), more)

    def rename_field(self, oldName: str, newName: str, transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the frame with a column of another name."""
        if any("." in name and not name.startswith("`") for name in (oldName, newName)):
            raise refuse("rename_field of nested fields")
        return self._with(self._frame.withColumnRenamed(oldName.strip("`"), newName.strip("`")), more)

    def apply_mapping(
        self, mappings: Sequence[Any], case_sensitive: bool = False, transformation_ctx: str = "", **more: Any
    ) -> DynamicFrame:
        """Return the columns that the mappings name: (source, its type, target, its type), or (source, target).

        A source that is not there is left out, as on Glue; a dot leads into a structure.
        """
        from pyspark.errors import AnalysisException
        from pyspark.sql.functions import col

        chosen = []
        for mapping in mappings:
            source, target, kind = _mapping(mapping)
            if "." in target and not target.startswith("`"):
                raise refuse(f"the nested target {target!r} of a mapping")
            try:
                self._check([source])
            except AnalysisException:
                continue
            column = col(path_of(source))
            chosen.append((column.cast(spark_type(kind)) if kind else column).alias(target.strip("`")))
        return self._with(self._frame.select(*chosen), more)

    applyMapping = apply_mapping

    def resolveChoice(
        self,
        specs: Sequence[tuple[str, str]] | None = None,
        choice: str = "",
        transformation_ctx: str = "",
        **more: Any,
    ) -> DynamicFrame:
        """Return the frame with columns cast (``cast:<type>``): the other actions are for choice types."""
        if choice:
            raise refuse(f"resolveChoice with {choice!r} for all columns: there are no choice types here")
        frame = self._frame
        for path, action in specs or []:
            verb, _, kind = action.partition(":")
            if verb != "cast" or "." in path or path.strip("`") not in frame.columns:
                raise refuse(f"resolveChoice of {path!r} by {action!r}: there are no choice types here")
            frame = frame.withColumn(path.strip("`"), frame[path_of(path)].cast(spark_type(kind)))
        return self._with(frame, more)

    # --- records ----------------------------------------------------------------------------------------------
    def filter(
        self, f: Callable[[Mapping[str, Any]], bool], transformation_ctx: str = "", **more: Any
    ) -> DynamicFrame:
        """Return the records for which a Python function of the record is true."""
        frame, session = self._frame, self._frame.sparkSession
        kept = frame.rdd.filter(lambda row: bool(f(row.asDict(recursive=True))))
        return self._with(session.createDataFrame(kept, frame.schema), more)

    def map(self, f: Callable[[dict[str, Any]], Any], transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the records that a Python function makes of the records; their schema is inferred by Spark."""
        frame, session = self._frame, self._frame.sparkSession
        made = frame.rdd.map(lambda row: f(row.asDict(recursive=True)))
        return self._with(session.createDataFrame(made, samplingRatio=1.0), more)

    def join(
        self,
        paths1: Sequence[str],
        paths2: Sequence[str],
        frame2: DynamicFrame,
        transformation_ctx: str = "",
        **more: Any,
    ) -> DynamicFrame:
        """Return the inner join on equal values of the paths. Raises for columns that both frames have."""
        left, right = self._frame, frame2.toDF()
        if shared := sorted(set(left.columns) & set(right.columns)):
            raise refuse(f"a join of frames that both have the column {shared[0]!r}: rename one")
        conditions = [left[path_of(a)] == right[path_of(b)] for a, b in zip(paths1, paths2, strict=True)]
        return self._with(left.join(right, conditions), more)

    def union(self, other_frame: DynamicFrame, transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the records of both frames; columns are joined by name."""
        return self._with(self._frame.unionByName(other_frame.toDF(), allowMissingColumns=True), more)

    def repartition(self, num_partitions: int, transformation_ctx: str = "", **more: Any) -> DynamicFrame:
        """Return the frame in so many of Spark's partitions."""
        return self._with(self._frame.repartition(num_partitions), more)

    def coalesce(
        self, num_partitions: int, shuffle: bool = False, transformation_ctx: str = "", **more: Any
    ) -> DynamicFrame:
        """Return the frame in at most so many of Spark's partitions."""
        frame = self._frame
        return self._with(frame.repartition(num_partitions) if shuffle else frame.coalesce(num_partitions), more)


def _mapping(mapping: Any) -> tuple[str, str, str]:
    """Return (source, target, type of the target or "")."""
    if len(mapping) == 4:
        return mapping[0], mapping[2], mapping[3]
    if len(mapping) == 2:
        return mapping[0], mapping[1], ""
    raise ValueError(f"A mapping has 4 members (source, type, target, type) or 2 (source, target): {mapping!r}.")


class DynamicFrameCollection:
    """Frames by name."""

    def __init__(self, dynamic_frames: Mapping[str, DynamicFrame], glue_ctx: Any) -> None:
        self._frames, self.glue_ctx = dict(dynamic_frames), glue_ctx

    def __getitem__(self, key: str) -> DynamicFrame:
        return self._frames[key]

    def __len__(self) -> int:
        return len(self._frames)

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._frames.keys()

    def select(self, key: str, transformation_ctx: str = "") -> DynamicFrame:
        """Return the frame of a name."""
        return self._frames[key]
