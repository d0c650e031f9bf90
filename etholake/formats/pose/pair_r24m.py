"""Read Pair-R24M's `markerDataset.csv`: two rats with twelve markers in three dimensions.

Columns are `absolutePosition_an<rat>_<marker>_<axis>` in millimetres, with z upwards; `goodFrame_an<rat>` says
whether the markers of a frame can be trusted. The layout is that of the published data set; no file of it was
at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Detection, PoseFormat, PoseRecording, ReadOptions, Remark
from etholake.formats.dialect import dialect_of, own_name
from etholake.formats.pose.number_table import read_numbers
from etholake.formats.pose.points import make_recording, unique
from etholake.formats.reading import head_rows, header_rows, reading

__all__ = ["FORMAT", "PairR24M"]

COLUMN = re.compile(r"absolutePosition_(an\d+)_(.+)_([xyz])")
FPS = 30.0  # of the published videos


class PairR24M(PoseFormat):
    """The markers of one session of Pair-R24M."""

    name = "pair_r24m_csv"
    title = "Pair-R24M csv"
    suffixes = (".csv",)

    def detect(self, path: Path) -> Detection | None:
        """Return a detection if there are columns of absolute positions of animals."""
        header = (head_rows(path, 1) or [[]])[0]
        if any(COLUMN.fullmatch(name) for name in header):
            return Detection(1.0, "it has columns 'absolutePosition_an…'")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[PoseRecording]:  # noqa: ARG002
        """Yield the session; its name is that of the folder, because all files have the same name."""
        with reading(path, self.title):
            dialect = dialect_of(path)
            header = (header_rows(path, 1, dialect) or [[]])[0]
            matches = {at: match for at, name in enumerate(header) if (match := COLUMN.fullmatch(name))}
            animals = unique([match[1] for match in matches.values()])
            parts = unique([match[2] for match in matches.values()])
            place = {match.groups(): number for number, match in enumerate(matches.values())}
            lacking = [
                (animal, part, axis)
                for animal in animals
                for part in parts
                for axis in "xyz"
                if (animal, part, axis) not in place
            ]
            if lacking:
                raise DataError(f"{path}: lacks the column absolutePosition_{'_'.join(lacking[0])}.")
            good = [at for at, name in enumerate(header) if re.fullmatch(r"goodFrame_an\d+", name)]
            wanted = [*matches, *good]
            table = read_numbers(path, skip_rows=1, index_columns=0, names=header, dialect=dialect, wanted=wanted)
            order = [place[animal, part, axis] for animal in animals for part in parts for axis in "xyz"]
            N = len(table.values)
            xyz = table.values[:, order].reshape(N, len(animals), len(parts), 3)
            bad = np.zeros(xyz.shape[:3], np.bool_)
            for number, at in enumerate(good):
                animal = header[at].rpartition("_")[2]
                if animal in animals:
                    bad[:, animals.index(animal)] |= (table.values[:, len(matches) + number] == 0)[:, None]
            yield make_recording(
                path,
                path.parent.name if own_name(path) == "markerDataset" else own_name(path),
                np.arange(N),
                xyz,
                animals,
                parts,
                missing={"goodFrame is 0": bad},
                remarks=[Remark("assumed", "millimetres and 30 frames a second, as published", path)],
                unit="mm",
                fps=FPS,
            )


FORMAT = PairR24M()
