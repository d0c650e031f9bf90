"""Out-of-fold predictions of a training job into the lake: its `output.tar.gz` → a partition of `out_of_fold`."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from etholake import aws
from etholake.errors import AwsError
from etholake.lake import Lake, generation_prefix, identity, new_generation
from etholake.settings import Settings

__all__ = ["TABLE", "store"]

TABLE, FILE = "out_of_fold", "out_of_fold.parquet"


def store(settings: Settings, run_id: str, output_uri: str, fingerprint: str) -> int:
    """Commit the job's file as the partition `run_id`; returns its rows. The file never lies in memory as a whole.

    Raises AwsError if the job left no such file.
    """
    import pyarrow.parquet as pq

    s3 = aws.client(settings, "s3")
    lake = Lake(s3, aws.client(settings, "glue"), settings.bucket, settings.database)
    partition = {"run_id": run_id}
    with tempfile.TemporaryDirectory(prefix="etholake-oof-") as temporary:
        archive, file = Path(temporary) / "output.tar.gz", Path(temporary) / FILE
        bucket, _, key = output_uri.removeprefix("s3://").partition("/")
        s3.download_file(bucket, key, str(archive))
        try:
            with tarfile.open(archive) as content:
                content.extract(FILE, temporary, filter="data")
            rows = pq.ParquetFile(file).metadata.num_rows
        except (tarfile.TarError, KeyError, OSError) as err:
            raise AwsError(f"The training job left no {FILE} in {output_uri}: {err}.") from err
        before = lake.current(TABLE, partition)
        if identity(before) != fingerprint:
            generation = new_generation(fingerprint)
            s3.upload_file(
                str(file), settings.bucket, generation_prefix(TABLE, partition, generation) + "part-00000.parquet"
            )
            lake.commit(TABLE, partition, generation, fingerprint, {"rows": rows}, before)
    return int(rows)
