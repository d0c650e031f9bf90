"""Read videos of the curated zone as requests to a model: metadata rows, tracks of one video, a Parquet body.

Used by `serve` (one short clip) and `predict` (a whole split). One video is in memory at a time: a lab's files
hold many videos, and only the row groups of the wanted one are read.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from etholake import aws
from etholake.errors import DataError
from etholake.generations import identity
from etholake.lake import Lake
from etholake.objects import read_object
from etholake.settings import Settings
from etholake.stages.state import open_lake
from etholake.storage import split_uri

__all__ = ["REQUEST_COLUMNS", "REQUEST_TYPE", "Videos", "request_body"]

REQUEST_TYPE = "application/x-parquet"
METADATA_KEY = b"etholake"
REQUEST_COLUMNS = ("video_frame", "mouse_id", "bodypart", "x", "y", "x_cm", "y_cm", "is_imputed", "z")
# Columns of the metadata that a model needs besides the tracks.
METADATA_FIELDS = (
    "video_id", "lab_id", "frames_per_second", "pix_per_cm_approx", "video_width_pix", "video_height_pix",
    "arena_width_cm", "arena_height_cm", "behaviors_labeled", "n_mice", "min_likelihood", "species",
)  # fmt: skip


def request_body(row: Mapping[str, Any], table: Any) -> bytes:
    """Return one video's rows as Parquet, with its metadata as JSON in the schema's. Pure."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {name: row.get(name) for name in METADATA_FIELDS}
    labelled = table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(labelled, sink, compression="zstd")
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class Videos:
    """The videos of one split in the curated zone."""

    settings: Settings
    split: str

    @cached_property
    def lake(self) -> Lake:
        """Return the lake of the settings."""
        return open_lake(self.settings)

    @cached_property
    def rows(self) -> dict[int, dict[str, Any]]:
        """Return the metadata of every video that has tracking, by id, sorted; `behaviors_labeled` are repaired.

        Raises DataError if the split's metadata have not been curated.
        """
        import pyarrow.parquet as pq

        uris = self.lake.current_files(f"metadata_{self.split}")
        if not uris:
            raise DataError(f"Table metadata_{self.split} has no data in the curated zone: run `make etl` first.")
        rows: dict[int, dict[str, Any]] = {}
        for uri in uris:
            body = io.BytesIO(read_object(self.lake.s3, uri))
            table = pq.read_table(body, columns=[*METADATA_FIELDS, "has_tracking"])
            rows |= {row["video_id"]: row for row in table.to_pylist() if row["has_tracking"]}
        return dict(sorted(rows.items()))

    def states(self, labs: Iterable[str]) -> dict[str, str | None]:
        """Return the identity of the metadata and of each lab's tracks, for a fingerprint of results."""
        pointers = {
            lab: self.lake.current("tracking_curated", {"split": self.split, "lab_id": lab}) for lab in labs
        }
        pointers["metadata"] = self.lake.current(f"metadata_{self.split}")
        return {name: identity(pointer) for name, pointer in pointers.items()}

    def tracks(self, video_id: int, frames: int | None = None, columns: Sequence[str] = REQUEST_COLUMNS) -> Any:
        """Return the curated rows of one video as an Arrow table, or of its first `frames`. May be empty."""
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        lab = self.rows[video_id]["lab_id"]
        uris = self.lake.current_files("tracking_curated", {"split": self.split, "lab_id": lab})
        paths = ["/".join(split_uri(uri)) for uri in uris]
        if not paths:
            return ds.dataset([]).to_table()
        dataset = ds.dataset(paths, filesystem=self._files, format="parquet")
        table = dataset.to_table(columns=list(columns), filter=ds.field("video_id") == video_id)
        if frames is not None and table.num_rows:
            first = pc.min(table["video_frame"]).as_py()
            table = table.filter(pc.less(table["video_frame"], first + frames))
        return table

    @cached_property
    def _files(self) -> Any:
        """Return Arrow's S3 at the endpoint of the target."""
        from pyarrow import fs

        credentials = aws.session(self.settings).get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
        return fs.S3FileSystem(
            region=self.settings.region,
            endpoint_override=aws.endpoint(self.settings, "s3") or _endpoint_of_environment(),
            access_key=frozen.access_key if frozen else None,
            secret_key=frozen.secret_key if frozen else None,
            session_token=frozen.token if frozen else None,
        )


def _endpoint_of_environment() -> str | None:
    """Return S3's endpoint inside a job. boto3 reads these variables by itself, Arrow does not."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
