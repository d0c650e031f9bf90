"""Read the one object in an npy file that is a pickle, without running it."""

from __future__ import annotations

import mmap
import pickletools
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import ReadOptions
from etholake.formats.inert_pickle import loads, to_array

__all__ = ["head_texts", "read_object"]

HEAD_BYTES = 1 << 16
HEAD_STEPS = 400


def _data_offset(file: Any) -> int:
    """Return where the pickle begins. Raises ValueError if this is no npy file of one object."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.kind != "O" or shape != ():
        raise ValueError(f"the array holds {dtype} {shape}, expected one object")
    return int(file.tell())


def head_texts(path: Path) -> list[str]:
    """Return the first texts of a pickled npy file as far as its beginning shows them; [] for another file."""
    import io

    texts: list[str] = []
    try:
        with path.open("rb") as file:
            head = io.BytesIO(file.read(HEAD_BYTES))
        head.seek(_data_offset(head))
        for opcode, argument, _ in islice(pickletools.genops(head), HEAD_STEPS):
            if "UNICODE" in opcode.name:
                texts.append(str(argument))
    except Exception:
        return texts
    return texts


def read_object(path: Path, options: ReadOptions) -> Any:
    """Return the object of an npy file; calls in it are data (`etholake.formats.inert_pickle`).

    Raises DataError unless `options.unpickle` is set.
    """
    if not options.unpickle:
        raise DataError(
            f"{path}: is a pickle. Etholake reads it without running it, but only if you ask for it: "
            "give --unpickle (ReadOptions(unpickle=True))."
        )
    with path.open("rb") as file:
        offset = _data_offset(file)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            mapped.seek(offset)
            return to_array(loads(mapped)).reshape(-1)[0]  # type: ignore[arg-type]
