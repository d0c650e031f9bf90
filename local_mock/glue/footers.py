"""Columns and rows of files, of Parquet from the footers: side by side, and again only where the ETag changed.

Not here: `local_mock.athena.footers`, which also needs row groups and statistics and keeps them per path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from local_mock.data import DataAccess, ObjectInfo
from local_mock.errors import LocalMockError
from local_mock.glue.classify import SAMPLE_BYTES, classify_text
from local_mock.glue.schema import columns_of

__all__ = ["CrawlStopped", "FileFacts", "Footers"]

_CHUNK = 256  # files between two looks at `stopped`; also what is in flight at most
_THREADS = 8


class CrawlStopped(Exception):  # noqa: N818 - not an error: someone asked for it
    """The crawl was asked to stop."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts that a crawl needs of one version of a file. `problem` is a sentence, '' if it is readable."""

    etag: str
    columns: Mapping[str, str]
    rows: int
    problem: str = ""
    kind: str = "parquet"  # or csv, json
    settings: tuple[tuple[str, str], ...] = ()  # of text: see `classify.TextFacts`


_NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


class Footers:
    """The footers of one crawler's files. It holds the files of its last `read`, and equal schemas once."""

    def __init__(self) -> None:
        self._known: dict[str, FileFacts] = {}
        self.opened = 0  # files that the last `read` had to open

    def read(self, data: DataAccess, infos: Sequence[ObjectInfo], stopped: Callable[[], bool]) -> list[FileFacts]:
        """Return a footer for each object, in order. Raises CrawlStopped when `stopped` says so."""
        before, schemas = self._known, {tuple(f.columns.items()): f.columns for f in self._known.values()}
        facts = [before.get(info.uri) for info in infos]
        stale = [n for n, info in enumerate(infos) if (earlier := facts[n]) is None or earlier.etag != info.etag]
        with ThreadPoolExecutor(min(_THREADS, 2 * (os.cpu_count() or 1)), thread_name_prefix="footer") as pool:
            for start in range(0, max(1, len(stale)), _CHUNK):
                if stopped():
                    raise CrawlStopped
                chunk = stale[start : start + _CHUNK]
                for number, footer in zip(chunk, pool.map(lambda n: _open(data, infos[n]), chunk), strict=True):
                    columns = schemas.setdefault(tuple(footer.columns.items()), footer.columns)
                    facts[number] = replace(footer, columns=columns)
        footers = [footer for footer in facts if footer is not None]
        self.opened = len(stale)
        self._known = {info.uri: footer for info, footer in zip(infos, footers, strict=True)}
        return footers


def _open(data: DataAccess, info: ObjectInfo) -> FileFacts:
    if info.size == 0:
        return FileFacts(info.etag, _NO_COLUMNS, 0, f"{info.uri} is empty (0 bytes).")
    try:
        if not info.key.endswith(".parquet") and (text := _text(data, info)) is not None:
            return text
        metadata = pq.read_metadata(data.seekable(info))
        return FileFacts(info.etag, columns_of(metadata.schema.to_arrow_schema()), metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError) as err:  # FileNotFoundError: gone since it was listed
        # What the operating system or S3 refused may pass: the ETag "" makes the next crawl look again.
        etag = "" if isinstance(err, OSError) else info.etag
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        return FileFacts(etag, _NO_COLUMNS, 0, f"{info.uri} is no readable Parquet file: {reason}")
    except LocalMockError as err:
        return FileFacts("", _NO_COLUMNS, 0, f"{info.uri} could not be read: {err}")


def _text(data: DataAccess, info: ObjectInfo) -> FileFacts | None:
    """Return the facts of a file that does not begin as Parquet does, None for one that does."""
    source = data.seekable(info)
    with source.open("rb") if isinstance(source, Path) else source as stream:
        head = stream.read(SAMPLE_BYTES)
    if head[:4] == b"PAR1":
        return None
    try:
        text = classify_text(head, is_whole=len(head) == info.size)
    except ValueError as err:
        return FileFacts(info.etag, _NO_COLUMNS, 0, f"{info.uri} is no readable Parquet, CSV or JSON file: {err}.")
    settings = tuple(sorted(text.settings.items()))
    return FileFacts(info.etag, MappingProxyType(text.columns), text.rows, "", text.kind, settings)
