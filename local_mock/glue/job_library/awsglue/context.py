"""`GlueContext`: makes dynamic frames of S3 and of the catalog, and writes them.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-glue-context.html
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from . import sinks, sources
from .dynamicframe import DynamicFrame
from .refusal import refuse

__all__ = ["GlueContext"]


class GlueContext:
    """The session of Spark with Glue's readers and writers."""

    def __init__(self, sparkContext: Any = None, **options: Any) -> None:
        from pyspark.sql import SparkSession

        if options:
            raise refuse(f"the option {sorted(options)[0]!r} of GlueContext")
        self.spark_session = SparkSession.builder.getOrCreate()
        self._sc = sparkContext or self.spark_session.sparkContext
        self.create_dynamic_frame, self.create_data_frame = (
            _Reader(self, DynamicFrame.fromDF),
            _Reader(self, _frame),
        )
        self.write_dynamic_frame, self.write_data_frame = _Writer(self), _Writer(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(self.spark_session, name):  # on Glue it is an SQLContext
            return getattr(self.spark_session, name)
        raise refuse(f"GlueContext.{name}")

    @property
    def sparkSession(self) -> Any:
        """Return the session of Spark."""
        return self.spark_session

    def get_logger(self) -> logging.Logger:
        """Return a logger of the job."""
        return logging.getLogger("GlueLogger")

    def create_dynamic_frame_from_rdd(
        self, data: Any, name: str, schema: Any = None, sample_ratio: Any = None, transformation_ctx: str = ""
    ) -> Any:
        """Return the dynamic frame of an RDD."""
        return self.create_dynamic_frame.from_rdd(data, name, schema, sample_ratio)

    def create_dynamic_frame_from_catalog(self, *arguments: Any, **named: Any) -> Any:
        """Return the dynamic frame of a table."""
        return self.create_dynamic_frame.from_catalog(*arguments, **named)

    def create_dynamic_frame_from_options(self, *arguments: Any, **named: Any) -> Any:
        """Return the dynamic frame of objects in S3."""
        return self.create_dynamic_frame.from_options(*arguments, **named)

    def write_dynamic_frame_from_catalog(self, *arguments: Any, **named: Any) -> Any:
        """Write a dynamic frame into the location of a table."""
        return self.write_dynamic_frame.from_catalog(*arguments, **named)

    def write_dynamic_frame_from_options(self, *arguments: Any, **named: Any) -> Any:
        """Write a dynamic frame to S3."""
        return self.write_dynamic_frame.from_options(*arguments, **named)


def _frame(frame: Any, glue_context: Any, name: str) -> Any:
    return frame


class _Reader:
    """`create_dynamic_frame` and `create_data_frame`."""

    def __init__(self, glue_context: GlueContext, make: Any) -> None:
        self._context, self._make = glue_context, make

    def __getattr__(self, name: str) -> Any:
        raise refuse(f"create_dynamic_frame.{name}")

    def from_rdd(self, data: Any, name: str, schema: Any = None, sampleRatio: Any = None) -> Any:
        """Return the frame of an RDD."""
        made = self._context.spark_session.createDataFrame(data, schema, sampleRatio)
        return self._make(made, self._context, name)

    def from_options(
        self,
        connection_type: str,
        connection_options: Mapping[str, Any] | None = None,
        format: str | None = None,
        format_options: Mapping[str, Any] | None = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
    ) -> Any:
        """Return the frame of objects in S3."""
        if push_down_predicate:
            raise refuse("push_down_predicate of from_options")
        made = sources.from_options(
            self._context.spark_session, connection_type, connection_options or {}, format, format_options or {},
            transformation_ctx,
        )  # fmt: skip
        return self._make(made, self._context, transformation_ctx)

    def from_catalog(
        self,
        database: str | None = None,
        table_name: str | None = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Mapping[str, Any] | None = None,
        catalog_id: str | None = None,
        *,
        name_space: str = "",
    ) -> Any:
        """Return the frame of a table of the catalog."""
        table = sources.table_of(database or name_space, str(table_name), catalog_id)
        made = sources.from_catalog(
            self._context.spark_session, table, push_down_predicate, additional_options or {}, transformation_ctx
        )
        return self._make(made, self._context, table["Name"])


class _Writer:
    """`write_dynamic_frame` and `write_data_frame`."""

    def __init__(self, glue_context: GlueContext) -> None:
        self._context = glue_context

    def __getattr__(self, name: str) -> Any:
        raise refuse(f"write_dynamic_frame.{name}")

    def from_options(
        self,
        frame: Any,
        connection_type: str,
        connection_options: Mapping[str, Any] | None = None,
        format: str | None = None,
        format_options: Mapping[str, Any] | None = None,
        transformation_ctx: str = "",
    ) -> Any:
        """Write a frame to S3; return it."""
        sinks.to_options(_data(frame), connection_type, connection_options or {}, format, format_options or {})
        return frame

    def from_catalog(
        self,
        frame: Any,
        database: str | None = None,
        table_name: str | None = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Mapping[str, Any] | None = None,
        catalog_id: str | None = None,
        *,
        name_space: str = "",
    ) -> Any:
        """Write a frame into the location of a table; return it."""
        table = sources.table_of(database or name_space, str(table_name), catalog_id)
        sinks.to_catalog(_data(frame), table, additional_options or {})
        return frame


def _data(frame: Any) -> Any:
    return frame.toDF() if isinstance(frame, DynamicFrame) else frame
