"""Read behaviours that stand as intervals in an NWB file: a `TimeIntervals` table with a column of labels.

Read with h5py alone, without following links out of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.labels.reading import number_at, quietly, safe_name
from etholake.formats.pose.nwb import start_of

__all__ = ["FORMAT"]

_LABELS = ("label", "action", "behavior", "behaviour", "labels", "tags")
_MAX_ROWS = 5_000_000
_MAX_GROUPS = 10_000
_STANDARD = frozenset({"trials", "epochs", "invalid_times"})


class NwbIntervals(LabelFormat):
    """NWB time intervals with behaviours."""

    name = "nwb_intervals"
    title = "NWB behaviour intervals"
    suffixes = (".nwb",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the file has a table of intervals with labels."""
        import h5py

        with h5py.File(path, "r") as file:
            return Detection(0.9, "it has a TimeIntervals table with labels") if _tables(file) else None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield one recording a table. Times are seconds of the session."""
        del options  # every interval has both ends
        import h5py

        try:
            with h5py.File(path, "r") as file:
                tables = _tables(file)
                if not tables:
                    raise DataError(f"{path}: there is no TimeIntervals table with labels in it.")
                start = start_of(file)
                yield from [_recording(path, name, table, start) for name, table in tables.items()]
        except DataError:
            raise
        except Exception as err:  # a damaged file makes h5py raise almost anything
            raise DataError(f"{path}: cannot be read as NWB: {err}.") from err


def _tables(file: Any) -> dict[str, Any]:
    """Return {path: group} of the tables of intervals that have labels; links are not followed."""
    import h5py

    tables: dict[str, Any] = {}
    waiting = [file]
    count = 0
    while waiting and count < _MAX_GROUPS:
        group = waiting.pop()
        for name in group:
            count += 1
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group[name]
            if not isinstance(item, h5py.Group) or count > _MAX_GROUPS:
                continue
            if _text(item.attrs.get("neurodata_type", "")) == "TimeIntervals" and name not in _STANDARD:
                if _label(item):
                    tables[str(item.name)] = item
            elif item.name.count("/") < 6:
                waiting.append(item)
    return dict(sorted(tables.items()))


def _label(table: Any) -> str | None:
    return next(
        (name for name in _LABELS if name in table and "start_time" in table and "stop_time" in table), None
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _column(path: Path, table: Any, name: str) -> list[Any]:
    import h5py

    item = table.get(name) if isinstance(table.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(item, h5py.Dataset) or item.ndim != 1 or item.external:
        raise DataError(f"{path}: the column '{name}' of {table.name} must be a dataset of one dimension.")
    if item.shape[0] > _MAX_ROWS:
        raise DataError(f"{path}: {table.name} declares {item.shape[0]:,} rows, more than any table of bouts has.")
    values: list[Any] = item[()].tolist()
    return values


def _recording(path: Path, name: str, table: Any, start_s: float) -> LabelRecording:
    label = _label(table) or _LABELS[0]
    starts, stops = ([number_at(v, path, c) for v in _column(path, table, c)] for c in ("start_time", "stop_time"))
    columns = {c: [_text(v) for v in _column(path, table, c)] for c in (label, "agent", "target") if c in table}
    if {len(stops), *map(len, columns.values())} != {len(starts)}:
        raise DataError(f"{path}: the columns of {name} have different lengths.")
    bouts = []
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if stop < start:
            raise DataError(f"{path}: row {i} of {name} stops at {stop:g} s, before its start at {start:g} s.")
        agent, target = (columns[c][i] if c in columns else "" for c in ("agent", "target"))
        bouts.append(Bout(columns[label][i], start, stop, agent, target or None))
    animals = [animal for bout in bouts for animal in (bout.agent, bout.target) if animal]
    text = f"the intervals of {name} are seconds of the session, in which the video starts at {start_s:g} s"
    return LabelRecording(
        safe_name(path.stem),
        tuple(sorted(bouts, key=lambda bout: bout.start)),
        tuple(dict.fromkeys(bout.action for bout in bouts)),
        "second",
        animals=tuple(dict.fromkeys(animals)),
        offset_s=-start_s,
        remarks=(Remark("assumed", text, path),),
    )


FORMAT = NwbIntervals()
