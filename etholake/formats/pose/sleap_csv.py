"""Read SLEAP's analysis csv files: one row an instance, only where there is one.

Scores may be missing: scripts that write the layout often leave out `instance.score` or those of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import dialect_of
from etholake.formats.pose.number_table import read_numbers
from etholake.formats.pose.points import make_recording, rank_within, unique
from etholake.formats.pose.sleap_analysis import analysis_video
from etholake.formats.reading import head_rows, header_rows, reading

__all__ = ["FORMAT", "SleapCsv"]

FIRST = ["track", "frame_idx"]
INSTANCE_SCORES = ("instance.score", "tracking_score")


class SleapCsv(PoseFormat):
    """An analysis csv file of SLEAP."""

    name = "sleap_csv"
    title = "SLEAP analysis csv"
    suffixes = (".csv",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the header is SLEAP's."""
        header = (head_rows(path, 1) or [[]])[0]
        if header[:2] == FIRST and any(name.endswith(".x") for name in header[2:]):
            return Detection(1.0, "its header begins with track, frame_idx")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the instances of the video."""
        with reading(path, self.title):
            dialect = dialect_of(path)
            header = (header_rows(path, 1, dialect) or [[]])[0]
            columns = [name for name in header[2:] if name not in INSTANCE_SCORES]
            parts = unique([name.rpartition(".")[0] for name in columns])
            places = [f"{part}.{what}" for part in parts for what in "xy"]
            scores = [f"{part}.score" for part in parts]
            if sorted(columns) not in (sorted(places), sorted(places + scores)):
                raise DataError(
                    f"{path}: expected the columns x and y of each node, and its score either for all or for none."
                )
            table = read_numbers(path, skip_rows=1, index_columns=1, names=header[1:], dialect=dialect)
            rows, P = len(table.values), len(parts)
            numbers = table.values[:, 0]
            if rows and not (
                np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all() and numbers.min() >= 0
            ):
                raise DataError(f"{path}: the column frame_idx holds values that are no frame numbers.")
            frames, at = np.unique(numbers.astype(np.int64), return_inverse=True)
            animals, slot, remarks = _animals(path, table.index[0], at)
            if len(np.unique(at * max(len(animals), 1) + slot)) < rows:
                raise DataError(f"{path}: one track has two instances in the same frame. Correct it in SLEAP.")
            has_scores = len(columns) > len(places)
            xyz = np.full((len(frames), len(animals), P, 2), np.nan, np.float32)
            likelihood = np.full(xyz.shape[:3], np.nan, np.float32) if has_scores else None
            present = np.zeros(xyz.shape[:2], np.bool_)
            xyz[at, slot] = table.values[:, [header.index(name) - 1 for name in places]].reshape(rows, P, 2)
            present[at, slot] = True
            if likelihood is not None:
                likelihood[at, slot] = table.values[:, [header.index(name) - 1 for name in scores]]
            yield make_recording(
                path,
                analysis_video(path),
                frames,
                xyz,
                animals,
                parts,
                likelihood=likelihood,
                missing={"no instance in the frame": np.broadcast_to(~present[..., None], xyz.shape[:3])},
                remarks=remarks,
            )


def _animals(
    path: Path, tracks: list[str], at: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64], list[Remark]]:
    """Return the animals' names and the animal of each row; without tracks the order within a frame."""
    if any(tracks):
        names = unique([track or "untracked" for track in tracks])
        number_of = {name: number for number, name in enumerate(names)}
        return names, np.array([number_of[track or "untracked"] for track in tracks], np.int64), []
    slot = rank_within(at)
    names = tuple(f"instance{number + 1}" for number in range(int(slot.max(initial=-1)) + 1))
    note = Remark("assumed", "there are no tracks: the order of instances within a frame is the animal", path)
    return names, slot, [note] if len(names) > 1 else []


FORMAT = SleapCsv()
