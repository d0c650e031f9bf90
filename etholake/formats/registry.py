"""List the formats that can be imported. Other distributions add theirs as entry points of `etholake.formats`.

Adding a format is one module and one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etholake.formats.base import Detection, Format, LabelFormat, PoseFormat
from etholake.plugins import Registry

__all__ = ["FORMATS", "detect"]

PACKED = (".csv.gz", ".tsv.gz", ".txt.gz")  # read as the table that they hold
FORMATS: Registry[PoseFormat | LabelFormat] = Registry(
    "etholake.formats",
    "format",
    {
        # labels
        "boris_project": "etholake.formats.labels.boris_project:FORMAT",
        "boris_tabular": "etholake.formats.labels.boris_table:TABULAR",
        "boris_aggregated": "etholake.formats.labels.boris_table:AGGREGATED",
        "caltech_annot": "etholake.formats.labels.caltech:BENTO",
        "caltech_annotator": "etholake.formats.labels.caltech:ANNOTATOR",
        "calms21_annotations": "etholake.formats.labels.calms21:FORMAT",
        "calms21_annotations_npy": "etholake.formats.labels.calms21:NPY",
        "deepethogram": "etholake.formats.labels.deepethogram:FORMAT",
        "ethovision_manual": "etholake.formats.labels.ethovision:MANUAL",
        "ethovision_raw": "etholake.formats.labels.ethovision:RAW",
        "framewise_csv": "etholake.formats.labels.framewise_csv:FORMAT",
        "interval_csv": "etholake.formats.labels.interval_csv:FORMAT",
        "jabs_annotations": "etholake.formats.labels.jabs:FORMAT",
        "mabe2025_annotation": "etholake.formats.labels.mabe:FORMAT",
        "mabe22_annotations": "etholake.formats.labels.mabe22:FORMAT",
        "nwb_intervals": "etholake.formats.labels.nwb_intervals:FORMAT",
        "simba_targets": "etholake.formats.labels.simba:FORMAT",
        "trial_prediction": "etholake.formats.labels.prediction:FORMAT",
        # poses
        "alphatracker_json": "etholake.formats.pose.alphatracker:FORMAT",
        "calms21_json": "etholake.formats.pose.calms21:CALMS21_JSON",
        "calms21_npy": "etholake.formats.pose.calms21:CALMS21_NPY",
        "deeplabcut_csv": "etholake.formats.pose.deeplabcut_csv:FORMAT",
        "deeplabcut_h5": "etholake.formats.pose.deeplabcut_h5:FORMAT",
        "ethovision_tracks": "etholake.formats.pose.ethovision:FORMAT",
        "jabs_pose": "etholake.formats.pose.jabs:FORMAT",
        "leap_mat": "etholake.formats.pose.leap:FORMAT",
        "mabe2025_parquet": "etholake.formats.pose.mabe2025:FORMAT",
        "mabe22_npy": "etholake.formats.pose.mabe22:FORMAT",
        "mars_json": "etholake.formats.pose.calms21:MARS_JSON",
        "movement_netcdf": "etholake.formats.pose.movement:FORMAT",
        "nwb_pose": "etholake.formats.pose.nwb:FORMAT",
        "pair_r24m_csv": "etholake.formats.pose.pair_r24m:FORMAT",
        "sbea_mat": "etholake.formats.pose.sbea:FORMAT",
        "simba_csv": "etholake.formats.pose.simba:FORMAT",
        "sleap_analysis": "etholake.formats.pose.sleap_analysis:FORMAT",
        "sleap_csv": "etholake.formats.pose.sleap_csv:FORMAT",
        "sleap_slp": "etholake.formats.pose.sleap_slp:FORMAT",
    },
)


def detect(path: Path) -> Iterator[tuple[PoseFormat | LabelFormat, Detection]]:
    """Yield the formats that recognise a file, the most certain first; a file may hold pose and labels."""
    if not path.is_file():  # a named pipe would block its reader for ever
        return
    detections: list[tuple[PoseFormat | LabelFormat, Detection]] = []
    for item in FORMATS:
        if _suffix_fits(item, path) and (detection := item.detect(path)):
            detections.append((item, detection))
    yield from sorted(detections, key=lambda pair: -pair[1].confidence)


def _suffix_fits(item: Format, path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(item.suffixes) or (
        name.endswith(PACKED) and name.removesuffix(".gz").endswith(item.suffixes)
    )
