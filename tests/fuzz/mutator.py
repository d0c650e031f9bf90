"""Mutated raw files: a valid small file of each kind, spoilt in its values, its schema, its text or its bytes.

`mutant(seed)` is a pure function: the seed alone remakes a file, here and on any other machine.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etholake.contract import RAW_ANNOTATION_COLUMNS, RAW_METADATA_COLUMNS, RAW_TRACKING_COLUMNS, arrow_type

__all__ = ["VIDEO", "Mutant", "csv_text", "metadata_csv", "mutant", "odd_cells", "parquet", "tracks"]

VIDEO = 2  # the video whose file is mutated; videos 1 and 3 have good ones


@dataclass(frozen=True)
class Mutant:
    """One mutated file: its kind, what was done to it, and its bytes."""

    seed: int
    kind: str  # tracking, annotation or metadata
    steps: tuple[str, ...]
    content: bytes

    @property
    def only_values(self) -> bool:
        """Nothing but values was changed: the file itself is as its layout asks for."""
        return all(step.startswith("value ") for step in self.steps)


def mutant(seed: int) -> Mutant:
    """The mutated file of a seed: one to three mutations, those of the bytes last."""
    rng = random.Random(seed)
    kind = rng.choice(["tracking", "tracking", "annotation", "metadata"])
    return (_mutated_csv if kind == "metadata" else _mutated_parquet)(rng, seed, kind)


# --- good files -------------------------------------------------------------------------------------------
def tracks(frames: int = 12, mice: int = 2) -> dict[str, list[Any]]:
    """Mice that walk along x = frame, y = 10 x mouse, three parts each."""
    keys = [
        (f, m, p) for f in range(frames) for m in range(1, mice + 1) for p in ("ear_left", "nose", "tail_base")
    ]
    return {
        "video_frame": [f for f, _, _ in keys],
        "mouse_id": [m for _, m, _ in keys],
        "bodypart": [p for _, _, p in keys],
        "x": [float(f) for f, _, _ in keys],
        "y": [10.0 * m for _, m, _ in keys],
    }


def _events() -> dict[str, list[Any]]:
    rows = [(1, 2, "attack", 0, 3), (1, 2, "attack", 5, 5), (1, 1, "rear", 2, 9), (2, 1, "sniff", 9, 40)] * 5
    return {
        name: list(column) for name, column in zip(RAW_ANNOTATION_COLUMNS, zip(*rows, strict=True), strict=True)
    }


def metadata_csv(videos: int = 3) -> list[list[str]]:
    """Header and rows of a good metadata csv."""
    good = {
        "lab_id": "Lab", "mouse1_strain": "C57", "mouse2_strain": "CD1", "frames_per_second": "30.0",
        "video_duration_sec": "10", "pix_per_cm_approx": "16.0", "video_width_pix": "640",
        "video_height_pix": "480", "body_parts_tracked": '["ear_left", "nose", "tail_base"]',
        "behaviors_labeled": '["mouse1,mouse2,attack", "mouse1,self,rear"]', "tracking_method": "DeepLabCut",
    }  # fmt: skip
    rows = [good | {"video_id": str(n + 1)} for n in range(videos)]
    return [list(RAW_METADATA_COLUMNS), *([row.get(c, "") for c in RAW_METADATA_COLUMNS] for row in rows)]


def csv_text(rows: list[list[str]], **dialect: Any) -> str:
    """Rows of cells as the text of a csv."""
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue()


def odd_cells(
    columns: Iterable[str] = RAW_METADATA_COLUMNS, cells: Iterable[str] = ()
) -> Iterator[tuple[str, str, bytes]]:
    """(column, cell, csv) of every odd cell in every column of a good metadata csv."""
    for column, cell in itertools.product(columns, list(cells) or _CELLS):
        rows = metadata_csv()
        rows[VIDEO][RAW_METADATA_COLUMNS.index(column)] = cell
        yield column, cell, csv_text(rows).encode()


def parquet(table: pa.Table, **options: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


# --- Parquet ----------------------------------------------------------------------------------------------
def _mutated_parquet(rng: random.Random, seed: int, kind: str) -> Mutant:
    data, layout = (tracks(), RAW_TRACKING_COLUMNS) if kind == "tracking" else (_events(), RAW_ANNOTATION_COLUMNS)
    steps: list[str] = []
    levels = rng.choice(
        [("value",), ("schema",), ("bytes",), ("value", "schema"), ("value", "bytes"), ("schema",) * 2]
    )
    for _ in range(rng.randint(1, 3) if "value" in levels else 0):
        steps.append(_mutate_values(rng, data))
    columns = [(name, _typed(data[name], arrow_type(type_))) for name, type_ in layout.items()]
    for _ in range(levels.count("schema")):
        steps.append(_mutate_schema(rng, columns))
    options = {
        "compression": rng.choice(["none", "snappy", "zstd", "gzip"]), "use_dictionary": rng.random() < 0.5,
        "row_group_size": rng.choice([1, 7, 20, 1000]), "version": rng.choice(["1.0", "2.4", "2.6"]),
        "data_page_version": rng.choice(["1.0", "2.0"]), "write_statistics": rng.random() < 0.5,
        "store_schema": rng.random() < 0.7,
    }  # fmt: skip
    names = [name for name, _ in columns]
    try:
        content = parquet(pa.Table.from_arrays([array for _, array in columns], names), **options)
    except (pa.ArrowException, ValueError) as err:  # some types have no Parquet form: then the file stays empty
        content = b""
        steps.append(f"bytes nothing, because {type(err).__name__}")
    for _ in range(rng.randint(1, 3) if "bytes" in levels else 0):
        content, step = _mutate_bytes(rng, content)
        steps.append(step)
    return Mutant(seed, kind, tuple(steps), content)


def _typed(values: list[Any], type_: pa.DataType) -> pa.Array:
    """The values in their layout's type, or in a wider one where a mutation put in what that cannot hold."""
    if pa.types.is_string(type_):
        return pa.array(values, type_)
    wider = {pa.int8(): pa.int64(), pa.int32(): pa.int64(), pa.float32(): pa.float64()}
    for attempt in (type_, wider.get(type_, type_)):
        try:
            return pa.array(values, attempt)
        except (pa.ArrowException, OverflowError, TypeError):
            continue
    return pa.array([None if v is None else float(v) for v in values], pa.float64())


_INTS = (
    None,
    -1,
    0,
    5,
    2**31 - 2,
    2**31 - 1,
    2**31,
    2_000_000_000,
    -(2**31),
    2**53,
    2**62,
    2**63 - 1,
    -(2**62),
    -(2**63),
)
_FLOATS = (None, math.nan, math.inf, -math.inf, 1e39, -3.4e38, 3.5e38, 5e-324, -0.0, 1e308)
_TEXTS = (
    None, "", " ", "\t", "\u00a0", "nose\x00", "ñ" * 300, "🐭", "x" * 100_000, "'; DROP TABLE", "a\nb",
    "\ufeffnose",
)  # fmt: skip
_FRACTIONS = (0.5, math.nan, math.inf, -math.inf, 1e300, -1e300, 2.0**31)


def _mutate_values(rng: random.Random, data: dict[str, list[Any]]) -> str:
    """One column's values, or the rows as a whole; every column keeps the same length."""
    name = rng.choice(list(data))
    values, n = data[name], len(data[name])
    text = name in {"bodypart", "action"}
    pool = _TEXTS if text else _FLOATS if name in {"x", "y"} else _INTS

    def every(change: Callable[[list[Any]], Any]) -> None:
        for column in data.values():
            column[:] = change(column)

    def many() -> None:
        """Rows that are like the first but for a value of their own in this column."""
        own = [f"part{i:03d}" if text else i for i in range(300)]
        for other, column in data.items():
            column.extend(own if other == name else (column[:1] or [None]) * len(own))

    def each(change: Callable[[int, Any], Any]) -> None:
        values[:] = [change(i, value) for i, value in enumerate(values)]

    one, again, order = rng.choice(pool), rng.randint(0, n), rng.sample(range(n), n)
    changes: dict[str, Callable[[], Any]] = {
        "some": lambda: each(lambda _, v: rng.choice(pool) if rng.random() < 0.2 else v),
        "all": lambda: each(lambda *_: one),
        "distinct": lambda: each(lambda i, v: f"{v}{i}" if text else i * 1_000_003),
        "fractions": lambda: text or each(lambda _, v: rng.choice(_FRACTIONS) if rng.random() < 0.3 else v),
        "no rows": lambda: every(lambda column: []),
        "one row": lambda: every(lambda column: column[:1]),
        "twice": lambda: every(lambda column: column + column[:again]),
        "shuffle": lambda: every(lambda column: [column[i] for i in order]),
        "many": many,
    }
    action = rng.choice(["some", "some", *changes])
    changes[action]()
    return f"value {action} of {name}"


_TYPES: tuple[pa.DataType, ...] = (
    pa.int8(), pa.int16(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float16(),
    pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
    pa.large_binary(), pa.binary_view(), pa.binary(4), pa.decimal128(9, 2), pa.decimal128(38, 10),
    pa.decimal256(50, 3), pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("us", "UTC"),
    pa.time32("ms"), pa.time64("ns"), pa.duration("ms"), pa.null(),
)  # fmt: skip
_NAMES = ("X", "x ", "x.y", "", "video_frame.x", "ñ", "n" * 5000, "mouse_id", "x", "likelihood", "\x00", "a`b")


def _nested(array: pa.Array) -> Iterator[Callable[[], pa.Array]]:
    n = len(array)
    yield lambda: pa.ListArray.from_arrays(pa.array(range(n + 1), pa.int32()), array)
    yield lambda: pa.LargeListArray.from_arrays(pa.array(range(n + 1), pa.int64()), array)
    yield lambda: pa.FixedSizeListArray.from_arrays(array, 1)
    yield lambda: pa.StructArray.from_arrays([array, array], ["x", "y"])
    yield lambda: pa.MapArray.from_arrays(pa.array(range(n + 1), pa.int32()), pa.array(["k"] * n), array)
    yield array.dictionary_encode
    yield lambda: array.cast(pa.large_string()).dictionary_encode()
    yield lambda: pa.array(["same"] * n).dictionary_encode()
    yield lambda: pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int8()), pa.array([None], pa.string()))


def _retyped(rng: random.Random, array: pa.Array) -> pa.Array:
    """The values in another type: cast, else as text, else all null."""
    if rng.random() < 0.35:
        try:
            return rng.choice(list(_nested(array)))()
        except (pa.ArrowException, ValueError):
            return array
    type_ = rng.choice(_TYPES)
    for attempt in (lambda: array.cast(type_, safe=False), lambda: array.cast(pa.string()).cast(type_)):
        try:
            return attempt()
        except (pa.ArrowException, ValueError):
            continue
    return pa.nulls(len(array), type_)


def _mutate_schema(rng: random.Random, columns: list[tuple[str, pa.Array]]) -> str:
    i = rng.randrange(len(columns))
    name, array = columns[i]
    action = rng.choice(
        ["retype"] * 5 + ["rename", "drop", "double", "add", "add many", "swap", "shuffle", "nest"]
    )
    if action == "retype":
        columns[i] = (name, _retyped(rng, array))
        return f"schema retype {name} to {columns[i][1].type}"
    if action == "rename":
        columns[i] = (rng.choice(_NAMES), array)
    elif action == "drop" and len(columns) > 1:
        del columns[i]
    elif action == "double":
        columns.insert(rng.randrange(len(columns)), (name, array))
    elif action == "add":
        columns.append((rng.choice(_NAMES), _retyped(rng, array)))
    elif action == "add many":
        columns += [(f"extra{n}", array) for n in range(200)]
    elif action == "swap":
        j = rng.randrange(len(columns))
        columns[i], columns[j] = (columns[j][0], array), (name, columns[j][1])
    elif action == "nest":
        columns[i] = (rng.choice(["position", name]), pa.StructArray.from_arrays([array], [name]))
    else:
        rng.shuffle(columns)
    return f"schema {action} {name}"


# --- bytes ------------------------------------------------------------------------------------------------
def _mutate_bytes(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    body = bytearray(content)
    n = len(body)
    action = rng.choice(["flip", "flip", "flip footer", "truncate", "insert", "zero", "swap", "append", "replace"])
    at = rng.randrange(n) if n else 0
    size = rng.choice([1, 2, 8, 64, 1000])
    if action == "flip":
        for _ in range(min(size, n)):
            body[rng.randrange(n)] ^= 1 << rng.randrange(8)
    elif action == "flip footer":
        for _ in range(min(size, n, 8)):
            body[-1 - rng.randrange(min(n, 600))] ^= 1 << rng.randrange(8)
    elif action == "truncate":
        del body[at:]
    elif action == "insert":
        body[at:at] = rng.randbytes(size)
    elif action == "zero":
        body[at : at + size] = bytes(min(size, n - at))
    elif action == "swap":
        body[at : at + size], body[:size] = body[:size], body[at : at + size]
    elif action == "append":
        body += rng.choice([rng.randbytes(size), bytes(body), b"PAR1", b"\n", b'"'])
    else:
        body = bytearray(
            rng.choice([b"", b"PAR1", b"PAR1PAR1", bytes(2000), b"video_frame,x\n1,2\n", b"\x1f\x8b\x08"])
        )
    return bytes(body), f"bytes {action}"


# --- csv --------------------------------------------------------------------------------------------------
_CELLS = (
    "", " ", "nan", "NaN", "None", "null", "inf", "-inf", "1e308", "-1", "0", "0.0", "1e-320", "1e400", "1_0", "٣",
    "30,0", "thirty", "2147483648", "9007199254740993", "99999999999999999999", "1e300", "x" * 70_000,
    "y" * 200_000,
    "ñ🐭", "\x00", "a\nb", '"', "'", "[]", "{}", "[1]", "[[" * 40_000, '["nose"', '["\\ud800"]', "['nose',]",
    '["mouse1,mouse9,attack"]', "[\"'mouse1','mouse2','sniff'\"]", '["mouse1,self,\\udfff"]', '["a,b,c", ""]',
    json.dumps([f"mouse1,mouse2,act{n}" for n in range(500)]), "\u202eLab", "Lab/../x", "\ud7ff", "=1+1",
)  # fmt: skip
_HEADERS = ("", "lab_id", "video_id", "(surplus cells)", "Lab_ID", " lab_id", "ñ")


def _mutated_csv(rng: random.Random, seed: int, kind: str) -> Mutant:
    rows = metadata_csv()
    steps = []
    for _ in range(rng.randint(1, 5)):
        steps.append(_mutate_cells(rng, rows))
    dialect = {
        "delimiter": rng.choice([",", ",", ",", ",", ";", "\t"]),
        "lineterminator": rng.choice(["\n", "\r\n", "\r"]),
        "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }  # fmt: skip
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(rows)
    content = out.getvalue().encode(
        rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp437"]), "replace"
    )
    for _ in range(rng.choice([0, 0, 1, 2])):
        content, step = _mutate_bytes(rng, content)
        steps.append(step)
    return Mutant(seed, kind, tuple(steps), content)


def _mutate_cells(rng: random.Random, rows: list[list[str]]) -> str:
    """One cell, row or column of the text; header and rows may end up with different lengths."""
    i = rng.randrange(max(len(rows[0]), 1)) if rows else 0
    row = rng.choice(rows[1:] or rows or [[]])
    changes: dict[str, Callable[[], Any]] = {
        "cell": lambda: row.__setitem__(slice(i, i + 1), [rng.choice(_CELLS)]),
        "drop": lambda: [each.__delitem__(slice(i, i + 1)) for each in rows],
        "double": lambda: [each.insert(i, "".join(each[i : i + 1])) for each in rows],
        "name": lambda: rows and rows[0].__setitem__(slice(i, i + 1), [rng.choice(_HEADERS)]),
        "add": lambda: [each.append(rng.choice(_CELLS) if each is not rows[0] else "comment") for each in rows],
        "index": lambda: [each.insert(0, str(n - 1) if n else "") for n, each in enumerate(rows)],
        "long": lambda: row.extend(["more"] * rng.randint(1, 3)),
        "short": lambda: row.__delitem__(slice(i, None)),
        "repeat": lambda: rows.append(list(row)),
        "blank row": lambda: rows.insert(rng.randint(0, len(rows)), []),
        "empty": lambda: rows.__delitem__(slice(rng.choice([0, 1]), None)),
    }
    action = rng.choice(["cell"] * 6 + list(changes))
    changes[action]()
    return f"csv {action}"
