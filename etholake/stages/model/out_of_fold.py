"""Out-of-fold predictions in the lake: a training job's `output.tar.gz` → a partition of the table, and back."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etholake import aws
from etholake.errors import AwsError, DataError, UsageError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores, joined
from etholake.lake import Lake, generation_prefix, identity, new_generation
from etholake.models.archive import read_meta
from etholake.settings import Settings
from etholake.stages.model import models
from etholake.stages.state import load_state

__all__ = ["TABLE", "decisions", "read", "run_of", "store"]

TABLE, FILE = "out_of_fold", "out_of_fold.parquet"


def store(settings: Settings, run_id: str, output_uri: str, fingerprint: str) -> int:
    """Commit the job's file as the partition `run_id`; returns its rows. The file never lies in memory as a whole.

    Raises AwsError if the job left no such file.
    """
    import pyarrow.parquet as pq

    lake, partition = _lake(settings), {"run_id": run_id}
    with tempfile.TemporaryDirectory(prefix="etholake-oof-") as temporary:
        archive, file = Path(temporary) / "output.tar.gz", Path(temporary) / FILE
        _download(settings, output_uri, archive)
        try:
            with tarfile.open(archive) as content:
                content.extract(FILE, temporary, filter="data")
            rows = pq.ParquetFile(file).metadata.num_rows
        except (tarfile.TarError, KeyError, OSError) as err:
            raise AwsError(f"The training job left no {FILE} in {output_uri}: {err}.") from err
        before = lake.current(TABLE, partition)
        if identity(before) != fingerprint:
            generation = new_generation(fingerprint)
            aws.client(settings, "s3").upload_file(
                str(file), settings.bucket, generation_prefix(TABLE, partition, generation) + "part-00000.parquet"
            )
            lake.commit(TABLE, partition, generation, fingerprint, {"rows": rows}, before)
    return int(rows)


def run_of(settings: Settings, run: str) -> str:
    """The partition that is meant: a training job's name, or `current` for the newest model's.

    Raises UsageError if that model was not cross-validated, or the lake has no such partition.
    """
    if run == models.CURRENT:
        details = load_state(settings, "train").get("details") or {}
        if "out_of_fold_rows" not in details:
            raise UsageError(
                "The newest model has no out-of-fold predictions: train with --folds 5, or name a job that has."
            )
        run = str(details["job_name"])
    if _lake(settings).current(TABLE, {"run_id": run}) is None:
        there = sorted(partition["run_id"] for partition in _lake(settings).partitions(TABLE))
        raise UsageError(
            f"There are no out-of-fold predictions of '{run}'; there are: {', '.join(there) or 'none'}."
        )
    return run


def read(settings: Settings, run_id: str, videos: Collection[int] | None = None) -> list[PairScores]:
    """Probabilities of a partition, one entry a (video, agent, target); of some videos, or of all (None).

    The rows lie in memory a row group at a time.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from etholake.training.oof import from_table

    pairs: list[PairScores] = []
    with _files(settings, run_id) as files:
        for file in files:
            source = pq.ParquetFile(file)
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                if videos is not None:
                    table = table.filter(pc.is_in(table["video_id"], pa.array(sorted(videos), pa.int64())))
                pairs += from_table(table)
    return joined(pairs)


def decisions(settings: Settings, run_id: str) -> PostProcessing:
    """How the model of that training job decides. Raises DataError if the job left no model."""
    client = aws.client(settings, "sagemaker")
    try:
        uri = client.describe_training_job(TrainingJobName=run_id)["ModelArtifacts"]["S3ModelArtifacts"]
    except (client.exceptions.ClientError, KeyError) as err:
        raise DataError(f"The model of training job '{run_id}' cannot be found: {err}.") from err
    with models.unpacked(settings, uri) as folder:
        return read_meta(folder).decisions


@contextmanager
def _files(settings: Settings, run_id: str) -> Iterator[Sequence[Path]]:
    """Copies of the partition's files."""
    with tempfile.TemporaryDirectory(prefix="etholake-oof-") as temporary:
        copies = []
        for k, uri in enumerate(_lake(settings).current_files(TABLE, {"run_id": run_id})):
            copies.append(Path(temporary) / f"{k}.parquet")
            _download(settings, uri, copies[-1])
        yield copies


def _download(settings: Settings, uri: str, to: Path) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    aws.client(settings, "s3").download_file(bucket, key, str(to))


def _lake(settings: Settings) -> Lake:
    return Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
