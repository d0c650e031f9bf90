"""Help all readers: turn low-level errors into DataError, names of videos, text of unknown encoding."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from etholake.errors import DataError, EtholakeError
from etholake.formats.base import Detection
from etholake.formats.labels.reading import video_name

__all__ = ["file_name", "head_rows", "head_text", "quiet", "reading", "text_encoding", "video_stem"]

T = TypeVar("T")
HEAD_BYTES = 1 << 17  # a DeepLabCut header of 8 animals with 30 parts takes about 40 kB


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


def text_encoding(head: bytes) -> str:
    """Return the encoding that a byte-order mark tells, else UTF-8."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig"


def head_text(path: Path, size: int = HEAD_BYTES) -> str:
    """Return the beginning of a text file; "" if it is binary or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(size)
    except OSError:
        return ""
    encoding = text_encoding(head)
    if encoding == "utf-8-sig" and b"\0" in head:
        return ""
    return head.decode(encoding, errors="replace")


def head_rows(path: Path, count: int, delimiter: str = ",") -> list[list[str]]:
    """Return at most `count` rows of a csv file; [] if it is none."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head_text(path), newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) == count:
                break
    except csv.Error:
        return []
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
    return video_name(name) if name else fallback.stem
