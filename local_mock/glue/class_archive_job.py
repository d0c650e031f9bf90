"""The Spark job whose classes go into the archive (see `class_archive`): what jobs commonly do, on a few rows.

Run: ``python class_archive_job.py FOLDER``, an empty folder for its files.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession, functions


def main(folder: Path) -> None:
    """Compute, write and read a little by RDDs, data frames and SQL."""
    os.nice(5)  # real jobs go first
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.parallelize(range(4), 2).map(lambda n: (n % 2, n)).reduceByKey(max).collect()
    rows = spark.createDataFrame([(1, "a", 0.5), (2, "b", None)], "n int, lab string, x double")
    rows.write.partitionBy("lab").parquet((folder / "rows").as_uri())
    back = spark.read.parquet((folder / "rows").as_uri())
    back.groupBy("lab").agg(functions.sum("x"), functions.count("*")).orderBy("lab").collect()
    back.write.option("header", True).csv((folder / "text").as_uri())
    spark.read.option("header", True).csv((folder / "text").as_uri()).createOrReplaceTempView("text")
    spark.sql("SELECT n, count(*) FROM text JOIN (SELECT 1 AS one) ON n = one GROUP BY n").collect()
    gateway = spark.sparkContext._gateway
    spark.stop()
    # The JVM writes the archive at its end, and would be killed if this process ended before it.
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
