"""List the formats that can be imported. Other distributions add theirs as entry points of `etholake.formats`.

Adding a format is one module and one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etholake.formats.base import Detection, Format, LabelFormat, PoseFormat
from etholake.plugins import Registry

__all__ = ["FORMATS", "detect"]

FORMATS: Registry[PoseFormat | LabelFormat] = Registry(
    "etholake.formats",
    "format",
    {},
)


def detect(path: Path) -> Iterator[tuple[PoseFormat | LabelFormat, Detection]]:
    """Yield the formats that recognise a file, the most certain first; a file may hold pose and labels."""
    detections: list[tuple[PoseFormat | LabelFormat, Detection]] = []
    for item in FORMATS:
        if _suffix_fits(item, path) and (detection := item.detect(path)):
            detections.append((item, detection))
    yield from sorted(detections, key=lambda pair: -pair[1].confidence)


def _suffix_fits(item: Format, path: Path) -> bool:
    return path.name.lower().endswith(item.suffixes)
