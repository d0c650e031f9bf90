"""Read mutations of one pose file in this process, which may be killed by a fault of a C library.

    python pose_fuzz_child.py FORMAT FILE SEED COUNT FOLDER

Prints the number of each mutation before it is read, and "done N ok M" at the end. Any exception but DataError
ends it with a traceback.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
from pathlib import Path

from etholake.errors import DataError
from etholake.formats.base import ReadOptions
from etholake.formats.registry import FORMATS

SECONDS = 20  # of one mutation
MEMORY = 6 << 30


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the data cut off, with flipped bits, overwritten, repeated, or with a large number in it."""
    kind = chance.randrange(5)
    at = chance.randrange(max(len(data), 1))
    if kind == 0:
        return data[:at]
    changed = bytearray(data)
    if kind == 1:
        for _ in range(chance.randrange(1, 20)):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        length = chance.randrange(1, 64)
        changed[at : at + length] = chance.randbytes(length)
    elif kind == 3:
        length = chance.randrange(1, 512)
        changed[at:at] = changed[at : at + length]
    else:
        changed[at : at + 8] = chance.choice(
            [b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff" * 2, b"\0\0\0\x10\0\0\0\0"]
        )
    return bytes(changed)


def main(name: str, file: Path, seed: int, count: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data, item, chance, read = file.read_bytes(), FORMATS.get(name), random.Random(seed), 0
    path = folder / file.name
    for number in range(count):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        path.write_bytes(mutated(data, chance))
        signal.alarm(SECONDS)
        item.detect(path)
        try:
            for _ in item.read(path, ReadOptions(unpickle=True)):
                read += 1
        except DataError as err:
            if str(path) not in str(err):
                raise AssertionError("the message does not name the file") from err
    sys.stdout.write(f"done {count} ok {read}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
