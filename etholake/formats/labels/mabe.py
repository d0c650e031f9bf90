"""Read annotations of MABe 2025: a Parquet file a video, animals by number, half-open frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etholake.contract import MAX_BOUTS, RAW_ANNOTATION_COLUMNS
from etholake.errors import DataError, raise_collected
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark
from etholake.formats.labels.clock import MAX_FRAMES
from etholake.formats.labels.reading import quietly, safe_name
from etholake.storage import read_rows

__all__ = ["FORMAT"]


class MabeAnnotation(LabelFormat):
    """MABe 2025 annotation of one video."""

    name = "mabe2025_annotation"
    title = "MABe 2025 annotation"
    suffixes = (".parquet",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the Parquet file has the columns of `train_annotation`."""
        columns = _columns(path)
        if set(RAW_ANNOTATION_COLUMNS) <= columns:
            return Detection(1.0, f"it has the columns {', '.join(RAW_ANNOTATION_COLUMNS)}")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file; animals are called by their number. The video is the file's name."""
        import pyarrow as pa

        del options  # every row has both ends
        missing = set(RAW_ANNOTATION_COLUMNS) - _columns(path)
        if missing:
            raise DataError(f"{path}: a MABe annotation lacks the columns {', '.join(sorted(missing))}.")
        try:
            rows = read_rows(path, list(RAW_ANNOTATION_COLUMNS), MAX_BOUTS).to_pylist()
        except DataError as err:
            raise DataError(f"{path}: {err}") from err
        except (OSError, pa.ArrowException) as err:
            raise DataError(f"{path}: cannot be read as Parquet: {err}.") from err
        problems = [text for number, row in enumerate(rows) if (text := _problem(row, number))]
        raise_collected(DataError, f"{path}: rows that are no bout", problems[:20])
        bouts = [
            Bout(
                r["action"], r["start_frame"], r["stop_frame"], str(r["agent_id"]), str(r["target_id"]), line=i + 1
            )
            for i, r in enumerate(rows)
        ]
        animals = sorted(
            {name for b in bouts for name in (b.agent, str(b.target))}, key=lambda name: (len(name), name)
        )
        text = "the file does not say which actions were looked for; train.csv does (behaviors_labeled)"
        yield LabelRecording(
            safe_name(path.stem),
            tuple(bouts),
            tuple(dict.fromkeys(bout.action for bout in bouts)),
            "frame",
            animals=tuple(animals),
            remarks=(Remark("assumed", text, path),),
        )


def _problem(row: dict[str, object], number: int) -> str:
    start, stop = row["start_frame"], row["stop_frame"]
    if not isinstance(row["action"], str) or row["agent_id"] is None or row["target_id"] is None:
        return f"row {number}: agent, target and action must be given, but got {row}"
    if not isinstance(start, int) or not isinstance(stop, int) or not 0 <= start <= stop <= MAX_FRAMES:
        return f"row {number}: expected 0 <= start_frame <= stop_frame, but got {start} and {stop}"
    return ""


def _columns(path: Path) -> set[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as err:
        raise DataError(f"{path}: cannot be read as Parquet: {err}.") from err


FORMAT = MabeAnnotation()
