"""Read HDF5 files of unknown origin: nothing outside the file is opened, and declared sizes are checked first.

External links, external storage and virtual datasets can name any file of the machine: they are refused. A dataset
may declare terabytes that are not there: the size is compared with what is stored before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError

if TYPE_CHECKING:
    import h5py

__all__ = [
    "CompressionError",
    "attribute",
    "children",
    "is_hdf5",
    "node",
    "open_hdf5",
    "read",
    "strings",
    "text",
    "walk",
]

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_BYTES = 8 << 30  # one dataset; an hour of four animals with twelve parts takes 0.12 GB
FREE_BYTES = 64 << 20  # below this size the declared shape is believed
MAX_RATIO = 1100  # DEFLATE compresses at most 1032-fold
MAX_NODES, MAX_DEPTH, MAX_STRINGS = 20_000, 12, 1_000_000


class CompressionError(DataError):
    """A dataset is packed by a filter that h5py does not have, such as the blosc of PyTables."""


def is_hdf5(path: Path) -> bool:
    """Return whether a file has HDF5's signature (at its start, or after MATLAB's block of 512 bytes)."""
    try:
        with path.open("rb") as file:
            for offset in (0, 512, 1024, 2048):
                file.seek(offset)
                if file.read(8) == MAGIC:
                    return True
    except OSError:
        pass
    return False


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises DataError if it is no HDF5 file; wrap the use in `etholake.formats.reading.reading` for the other
    errors.
    """
    import h5py

    if not is_hdf5(path):
        raise DataError(f"{path}: is no HDF5 file: it does not have HDF5's signature. Export it again.")
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as err:
        raise DataError(f"{path}: is a damaged or incomplete HDF5 file ({err}). Export it again.") from err
    with file:
        yield file


def node(group: h5py.Group, name: str, depth: int = 0) -> h5py.Group | h5py.Dataset | None:
    """Return the object of a path within the file, None if there is none.

    Soft links are followed within the file. Raises DataError for a link that leads to another file.
    """
    import h5py

    current: Any = group.file if name.startswith("/") else group
    for part in name.strip("/").split("/"):
        if not isinstance(current, h5py.Group):
            return None
        link = current.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.SoftLink):
            current = node(current, str(link.path), depth + 1) if depth < MAX_DEPTH else None
        elif isinstance(link, h5py.HardLink):
            current = current[part]
        else:
            raise DataError(
                f"{group.file.filename}: '{part}' is a link to another file, which is not opened. "
                "Copy the data into this file (h5copy, h5repack)."
            )
    return current


def children(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Yield name and object of a group's members in the file's order; links to other files are left out."""
    for count, name in enumerate(group):
        if count >= MAX_NODES:
            raise DataError(f"{group.file.filename}: '{group.name}' has more than {MAX_NODES} members.")
        try:
            child = node(group, name)
        except DataError:
            continue
        if child is not None:
            yield name, child


def walk(group: h5py.Group, depth: int = 0) -> Iterator[h5py.Group]:
    """Yield a group and all groups below it, each once, at most MAX_DEPTH deep."""
    seen: set[Any] = set()
    stack: list[tuple[h5py.Group, int]] = [(group, depth)]
    while stack:
        current, level = stack.pop()
        key = current.id.__hash__()
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MAX_NODES:
            raise DataError(f"{group.file.filename}: has more than {MAX_NODES} groups.")
        yield current
        if level < MAX_DEPTH:
            stack += [(child, level + 1) for _, child in reversed(list(children(current))) if _is_group(child)]


def read(group: h5py.Group, name: str, kinds: str = "biuf") -> npt.NDArray[Any]:
    """Return a dataset of numbers as it is stored.

    Raises DataError if it is missing, has another kind of values, lies in another file, or declares more than is
    stored.
    """
    dataset = _dataset(group, name)
    if dataset.dtype.kind not in kinds:
        raise DataError(f"{_place(dataset)}: holds {dataset.dtype}, but numbers are expected.")
    array: npt.NDArray[Any] = dataset[()]
    return np.asarray(array)


def strings(group: h5py.Group, name: str) -> tuple[str, ...]:
    """Return a dataset of texts (one, or a list) as str."""
    dataset = _dataset(group, name)
    if dataset.size == 0:
        return ()
    if dataset.dtype.kind not in "SUO" or dataset.size > MAX_STRINGS:
        raise DataError(f"{_place(dataset)}: holds {dataset.dtype} {dataset.shape}, but names are expected.")
    return tuple(text(value) for value in np.asarray(dataset[()], dtype=object).reshape(-1))


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Return an attribute, None if there is none or it is empty."""
    import h5py

    if name not in item.attrs:
        return None
    value = item.attrs[name]
    return None if isinstance(value, h5py.Empty) else value


def text(value: Any) -> str:
    """Return a text of any of the types in which h5py and numpy give it."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _is_group(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Group)


def _place(item: Any) -> str:
    return f"{item.file.filename}, {item.name}"


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    import h5py

    dataset = node(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{group.file.filename}: has no dataset '{name}' in '{group.name}'.")
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{_place(dataset)}: its values lie in another file, which is not opened. Use h5repack.")
    if dataset.shape is None:
        raise DataError(f"{_place(dataset)}: is empty.")
    packing = dataset.id.get_create_plist()
    for number in range(packing.get_nfilters()):
        code, *_, filter_name = packing.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            raise CompressionError(
                f"{_place(dataset)}: is compressed by '{text(filter_name) or code}', which cannot be read here. "
                "Write the file again with zlib: `ptrepack --complib zlib --complevel 1 OLD.h5 NEW.h5`."
            )
    itemsize = max(dataset.dtype.itemsize, 1)
    size = int(np.prod(dataset.shape, dtype=object)) * itemsize
    chunk = int(np.prod(dataset.chunks, dtype=object)) * itemsize if dataset.chunks else 0
    if size > MAX_BYTES or chunk > MAX_BYTES // 4:
        raise DataError(f"{_place(dataset)}: declares {max(size, chunk) / 1e9:.1f} GB, more than can be read.")
    if max(size, chunk) > max(FREE_BYTES, MAX_RATIO * dataset.id.get_storage_size()):
        raise DataError(
            f"{_place(dataset)}: declares {dataset.shape}, but only {dataset.id.get_storage_size()} bytes are "
            "stored. The file is damaged or incomplete."
        )
    return dataset
