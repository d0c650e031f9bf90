"""Store and read out-of-fold predictions: a training job's `output.tar.gz` becomes a partition of the table."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etholake import aws
from etholake.errors import AwsError, DataError, UsageError, suggestion
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores, joined
from etholake.generations import generation_prefix, identity, new_generation
from etholake.models.archive import read_meta
from etholake.settings import Settings
from etholake.stages.model import models
from etholake.stages.model.model_names import CURRENT
from etholake.stages.state import load_state, open_lake
from etholake.storage import split_uri

__all__ = ["TABLE", "post_processing", "read", "run_of", "store"]

TABLE, FILE = "out_of_fold", "out_of_fold.parquet"


def store(settings: Settings, run_id: str, output_uri: str, fingerprint: str) -> int:
    """Commit the job's file as the partition `run_id`; return its rows. The file is never in memory as a whole.

    Raises AwsError if the job left no such file.
    """
    import pyarrow.parquet as pq

    lake, partition = open_lake(settings), {"run_id": run_id}
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
    """Return the partition that `run` names: a training job, or `current` for the newest model's job.

    Raises UsageError if that model was not cross-validated, or the lake has no such partition.
    """
    if run == CURRENT:
        details = load_state(settings, "train").get("details") or {}
        if "out_of_fold_rows" not in details:
            raise UsageError(
                "The newest model has no out-of-fold predictions: train with --folds 5, or name a job that has."
            )
        run = str(details["job_name"])
    if open_lake(settings).current(TABLE, {"run_id": run}) is None:
        runs = [partition["run_id"] for partition in open_lake(settings).partitions(TABLE)]
        raise UsageError(f"There are no out-of-fold predictions of '{run}'. {suggestion(run, runs)}")
    return run


def read(settings: Settings, run_id: str, videos: Collection[int] | None = None) -> list[PairScores]:
    """Return the probabilities of a partition, one entry for each (video, agent, target).

    `videos` None reads all videos. The rows are in memory one row group at a time.
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


def post_processing(settings: Settings, run_id: str) -> PostProcessing:
    """Return the post-processing of the model of that training job. Raises DataError if it left no model."""
    client = aws.client(settings, "sagemaker")
    try:
        uri = client.describe_training_job(TrainingJobName=run_id)["ModelArtifacts"]["S3ModelArtifacts"]
    except (client.exceptions.ClientError, KeyError) as err:
        raise DataError(f"The model of training job '{run_id}' cannot be found: {err}.") from err
    with models.unpacked(settings, uri) as folder:
        return read_meta(folder).post_processing


@contextmanager
def _files(settings: Settings, run_id: str) -> Iterator[Sequence[Path]]:
    """Give local copies of the partition's files for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="etholake-oof-") as temporary:
        copies = []
        for k, uri in enumerate(open_lake(settings).current_files(TABLE, {"run_id": run_id})):
            copies.append(Path(temporary) / f"{k}.parquet")
            _download(settings, uri, copies[-1])
        yield copies


def _download(settings: Settings, uri: str, to: Path) -> None:
    bucket, key = split_uri(uri)
    aws.client(settings, "s3").download_file(bucket, key, str(to))
