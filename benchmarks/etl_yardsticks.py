"""Yardsticks for the curation job in `benchmarks/etl.py`: the same result by Spark SQL and by Polars.

Both read the same raw files and write the contract's columns of `tracking_curated`, zstd, one folder a lab. Both
are written as an expert of that tool would: one sort of the rows by track, `lag`/`shift` for the velocity, and
missing points made from the few gaps alone, not from a grid of all frames. Neither quarantines, balances or
summarises: they get files without bad rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RawVideo", "by_polars", "by_spark_sql"]


@dataclass(frozen=True)
class RawVideo:
    """One raw file and what its metadata say: the centre in px."""

    path: Path
    split: str
    lab_id: str
    video_id: int
    fps: float
    pix_per_cm: float
    centre: tuple[float, float]


# --- Spark SQL --------------------------------------------------------------------------------------------
_POINTS = """
SELECT v.video_id, v.split, v.lab_id, v.fps, v.scale, v.cx, v.cy,
       r.video_frame AS f, r.mouse_id, r.bodypart, r.x, r.y
FROM raw AS r
JOIN videos AS v ON r.name = v.name
WHERE r.video_frame >= 0 AND r.mouse_id BETWEEN 1 AND 127 AND trim(r.bodypart) <> ''
  AND r.x IS NOT NULL AND r.y IS NOT NULL AND NOT isnan(r.x) AND NOT isnan(r.y)
"""
_LAGGED = """
SELECT *,
       lag(f) OVER track AS f0, lag(x) OVER track AS x0, lag(y) OVER track AS y0, lead(f) OVER track AS f1
FROM points
WINDOW track AS (PARTITION BY video_id, mouse_id, bodypart ORDER BY f)
"""
# The few rows beside a gap, with the frames that they may fill: forward, else backward.
_CANDIDATES = """
SELECT *, explode(concat(
    if(f1 IS NULL OR f1 > f + 1, sequence(f + 1, least(f + {gap}, coalesce(f1 - 1, f + {gap}))), array()),
    if((f0 IS NULL AND f > 0) OR f0 + {gap} + 1 <= f - 1,
       sequence(greatest(f - {gap}, coalesce(f0 + {gap} + 1, 0), 0), f - 1), array())
)) AS g
FROM lagged
WHERE f1 IS NULL OR f1 > f + 1 OR (f0 IS NULL AND f > 0) OR f0 + {gap} + 1 <= f - 1
"""
_CURATED = """
WITH wanted AS (
    SELECT DISTINCT video_id, mouse_id, g FROM candidates
),

present AS (
    SELECT /*+ BROADCAST(w) */ DISTINCT w.video_id, w.mouse_id, w.g
    FROM points AS p JOIN wanted AS w ON p.video_id = w.video_id AND p.mouse_id = w.mouse_id AND p.f = w.g
),

together AS (
    SELECT video_id, split, lab_id, f, mouse_id, bodypart, x, y, cx, cy, scale, false AS is_imputed,
           CASE WHEN f - f0 <= {gap} THEN (CAST(x AS double) - x0) / scale * fps / (f - f0) END AS vx,
           CASE WHEN f - f0 <= {gap} THEN (CAST(y AS double) - y0) / scale * fps / (f - f0) END AS vy
    FROM lagged
    UNION ALL
    SELECT /*+ BROADCAST(s) */
           c.video_id, c.split, c.lab_id, c.g, c.mouse_id, c.bodypart, c.x, c.y, c.cx, c.cy, c.scale,
           true, null, null
    FROM candidates AS c JOIN present AS s ON c.video_id = s.video_id AND c.mouse_id = s.mouse_id AND c.g = s.g
)

SELECT video_id, CAST(f AS int) AS video_frame, mouse_id, bodypart, x, y,
       CAST((x - cx) / scale AS float) AS x_cm, CAST((y - cy) / scale AS float) AS y_cm,
       CAST(vx AS float) AS vx, CAST(vy AS float) AS vy, CAST(sqrt(vx * vx + vy * vy) AS float) AS speed,
       is_imputed, split, lab_id
FROM together
"""


def by_spark_sql(spark: Any, videos: Sequence[RawVideo], out: Path, max_gap: int) -> None:
    """Curate with Spark SQL, with a `lag` window partitioned by video, mouse and part."""
    from pyspark.sql import functions as sql

    rows = [(str(v.path), v.video_id, v.split, v.lab_id, v.fps, v.pix_per_cm, *v.centre) for v in videos]
    columns = (
        "name string, video_id long, split string, lab_id string, fps double, scale double, cx double, cy double"
    )
    spark.createDataFrame(rows, columns).createOrReplaceTempView("videos")
    raw = spark.read.parquet(*(str(v.path) for v in videos))
    # file:/a/b.parquet or file:///a/b.parquet -> /a/b.parquet
    raw.withColumn("name", sql.regexp_replace(sql.input_file_name(), "^file:/+", "/")).createOrReplaceTempView(
        "raw"
    )
    spark.sql(_POINTS).createOrReplaceTempView("points")
    spark.sql(_LAGGED).createOrReplaceTempView("lagged")
    candidates = spark.sql(_CANDIDATES.format(gap=max_gap)).persist()  # few; without it the window runs once more
    candidates.createOrReplaceTempView("candidates")
    order = ("video_id", "mouse_id", "bodypart", "video_frame")
    made = spark.sql(_CURATED.format(gap=max_gap)).repartition("split", "lab_id", "video_id")
    made.sortWithinPartitions("split", "lab_id", *order).write.mode("overwrite").partitionBy(
        "split", "lab_id"
    ).option("compression", "zstd").parquet(str(out))


# --- Polars -----------------------------------------------------------------------------------------------
def by_polars(units: Mapping[Path, Sequence[RawVideo]], max_gap: int, row_group: int) -> None:
    """Curate with Polars in one process (all cores): the videos of each output file, one after the other."""
    import polars as pl

    for out, videos in units.items():
        out.parent.mkdir(parents=True, exist_ok=True)
        made = [_polars_video(video, max_gap) for video in videos]
        pl.concat(made).write_parquet(
            out, compression="zstd", compression_level=1, row_group_size=row_group, statistics=True
        )


def _polars_video(video: RawVideo, gap: int) -> Any:
    import polars as pl

    points = pl.read_parquet(video.path, columns=["video_frame", "mouse_id", "bodypart", "x", "y"]).filter(
        (pl.col("video_frame") >= 0)
        & pl.col("mouse_id").is_between(1, 4)
        & (pl.col("bodypart").str.len_bytes() > 0)
        & pl.col("x").is_finite()
        & pl.col("y").is_finite()
    )
    parts = points["bodypart"].unique().sort()
    enum = pl.Enum(parts)
    points = points.with_columns(pl.col("bodypart").cast(enum))
    track = pl.col("mouse_id").cast(pl.Int64) * len(parts) + pl.col("bodypart").to_physical().cast(pl.Int64)
    frame = pl.col("video_frame").cast(pl.Int64)
    points = points.with_columns(key=track * 2**32 + frame).sort("key")
    same_before = (pl.col("key").shift(1) // 2**32) == (pl.col("key") // 2**32)
    same_after = (pl.col("key").shift(-1) // 2**32) == (pl.col("key") // 2**32)
    points = points.with_columns(
        before=pl.when(same_before).then(pl.col("video_frame").shift(1)),
        after=pl.when(same_after).then(pl.col("video_frame").shift(-1)),
    )
    step = pl.col("video_frame") - pl.col("before")
    factor = pl.when(step <= gap).then(video.fps / (video.pix_per_cm * step))
    x, y = (pl.col(name).cast(pl.Float64) for name in ("x", "y"))
    points = points.with_columns(vx=(x - x.shift(1)) * factor, vy=(y - y.shift(1)) * factor)
    filled = _polars_filled(points, gap)
    columns = ["key", "video_frame", "mouse_id", "bodypart", "x", "y", "vx", "vy", "is_imputed"]
    measured = points.with_columns(is_imputed=pl.lit(False)).select(columns)
    both = measured.merge_sorted(filled.select(columns), key="key") if filled.height else measured
    return both.select(
        pl.lit(video.video_id, pl.Int64).alias("video_id"),
        "video_frame", "mouse_id", pl.col("bodypart").cast(pl.String), "x", "y",
        ((pl.col("x").cast(pl.Float64) - video.centre[0]) / video.pix_per_cm).cast(pl.Float32).alias("x_cm"),
        ((pl.col("y").cast(pl.Float64) - video.centre[1]) / video.pix_per_cm).cast(pl.Float32).alias("y_cm"),
        pl.col("vx").cast(pl.Float32), pl.col("vy").cast(pl.Float32),
        (pl.col("vx") ** 2 + pl.col("vy") ** 2).sqrt().cast(pl.Float32).alias("speed"),
        "is_imputed",
    )  # fmt: skip


def _polars_filled(points: Any, gap: int) -> Any:
    """Return the imputed rows: candidates from the edges of gaps, where the mouse is there at all."""
    import polars as pl

    f, before, after = (pl.col(name).cast(pl.Int64) for name in ("video_frame", "before", "after"))
    forward = points.filter(after.is_null() | (after > f + 1)).with_columns(
        g=pl.int_ranges(f + 1, pl.min_horizontal(f + gap, after.fill_null(f + gap + 1) - 1) + 1)
    )
    first = pl.max_horizontal(f - gap, before.fill_null(-gap - 1) + gap + 1, pl.lit(0, pl.Int64))
    backward = points.filter((before.is_null() & (f > 0)) | (before + gap + 1 <= f - 1)).with_columns(
        g=pl.int_ranges(first, f)
    )
    candidates = pl.concat([forward, backward]).explode("g").drop_nulls("g")
    present = points.select("mouse_id", g=f)
    candidates = candidates.join(present, on=["mouse_id", "g"], how="semi")
    return candidates.with_columns(
        key=pl.col("key") // 2**32 * 2**32 + pl.col("g"),
        video_frame=pl.col("g").cast(pl.Int32),
        vx=pl.lit(None, pl.Float64),
        vy=pl.lit(None, pl.Float64),
        is_imputed=pl.lit(True),
    ).sort("key")
