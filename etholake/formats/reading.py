"""Help all readers: turn low-level errors into DataError, names of videos, text of unknown encoding."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from etholake.errors import DataError, EtholakeError
from etholake.formats.base import Detection
from etholake.formats.dialect import Dialect, decoded_head, opened, own_name
from etholake.formats.labels.reading import rows_of, video_name

__all__ = ["file_name", "head_rows", "header_rows", "quiet", "reading", "video_stem"]

T = TypeVar("T")
MAX_HEADER = 64 << 20  # characters of one line of a header


@contextmanager
def reading(path: Path, title: str) -> Iterator[None]:
    """Turn every error of a parser into DataError with the file's name.

    A damaged file makes h5py, zipfile, json and numpy raise almost any exception, so all of them are caught.
    """
    try:
        yield
    except DataError as err:
        if str(path) in str(err):
            raise
        raise DataError(f"{path}: {err}") from err
    except EtholakeError:
        raise
    except MemoryError as err:
        raise DataError(f"{path}: there is not enough memory to read this {title} file.") from err
    except Exception as err:
        reason = " ".join(str(err).split())[:300]
        raise DataError(
            f"{path}: cannot be read as {title}: {type(err).__name__}: {reason}. "
            "The file is damaged or incomplete: export it again."
        ) from err


def quiet(detect: Callable[[T, Path], Detection | None]) -> Callable[[T, Path], Detection | None]:
    """Wrap a format's `detect` so that bad content is no detection, whatever a parser raises."""

    @wraps(detect)
    def wrapped(self: T, path: Path) -> Detection | None:
        try:
            return detect(self, path)
        except Exception:
            return None

    return wrapped


def head_rows(path: Path, count: int) -> list[list[str]]:
    """Return at most `count` rows of a text table in any dialect; [] if it is none."""
    try:
        return list(islice(rows_of(decoded_head(path)), count))
    except csv.Error:
        return []


def header_rows(path: Path, count: int, dialect: Dialect) -> list[list[str]]:
    """Return the first `count` rows of a text table; a row is one line. The rows end before one that is no csv."""
    rows: list[list[str]] = []
    with io.TextIOWrapper(opened(path), dialect.encoding, errors="replace", newline="") as file:
        lines = [file.readline(MAX_HEADER) for _ in range(dialect.skip + count)]
    reader = csv.reader(lines[dialect.skip :], delimiter=dialect.delimiter)
    with suppress(csv.Error):  # a cell that is longer than any name
        rows.extend(islice(reader, count))
    return rows


def file_name(text: str) -> str:
    """Return the last component of a path of any system; "" if there is none that can be a name."""
    name = PureWindowsPath("".join(char for char in text if char.isprintable())).name.strip()
    return "" if name in ("", ".", "..") else name


def video_stem(text: str, fallback: Path) -> str:
    """Return the name of a video without folder and suffix, else that of the file which names it.

    The rule is the labels' one, so that poses and labels of a video get the same name.
    """
    name = file_name(text)
    return video_name(name) if name else own_name(fallback)
