"""Facts about the other pose formats that are easily got wrong, each with a value that is checked by hand.

Those of DeepLabCut and SLEAP have files of their own.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pose_twins as twins  # type: ignore[import-not-found]
import pytest
from pose_reading import only, point, read, texts  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats.base import ReadOptions
from etholake.formats.labels.clock import in_frames
from etholake.formats.registry import FORMATS

# JABS


def test_jabs_points_are_y_x_and_identities_are_one_based(tmp_path: Path) -> None:
    recording = only("jabs_pose", twins.jabs(tmp_path, 5))
    assert recording.animals == ("0", "1")
    assert point(recording, 0, "1", "nose") == [10, 40]  # slot 0 has identity 2
    assert point(recording, 0, "0", "tip_tail") == [11, 51]
    assert recording.missing == {"0, 0 with confidence 0": 1}
    assert recording.pix_per_cm == pytest.approx(20)
    assert recording.name == "clip"


@pytest.mark.parametrize(
    ("name", "version", "detected"),
    [("clip_pose_est_v5.h5", 5, 5), ("clip.h5", 5, 5), ("clip.h5", 4, 4), ("clip.h5", 3, 3), ("clip.h5", 8, 8)],
)
def test_jabs_version_by_name_then_datasets_never_the_lying_attribute(
    name: str, version: int, detected: int, tmp_path: Path
) -> None:
    detection = FORMATS.get("jabs_pose").detect(twins.jabs(tmp_path, version, name))
    assert detection is not None
    assert detection.reason.endswith(f"version {detected}")


def test_jabs_v3_joins_fragments_as_jabs_does(tmp_path: Path) -> None:
    """Tracks 7 and 8, then 9 takes the identity that 7 left: two animals, not three."""
    recording = only("jabs_pose", twins.jabs(tmp_path, 3))
    assert recording.animals == ("0", "1")
    assert point(recording, 2, "0", "nose") == [10, 40]
    assert "3 fragments of tracks are joined to 2 animals" in texts(recording)


def test_jabs_v2_is_one_animal(tmp_path: Path) -> None:
    recording = only("jabs_pose", twins.jabs(tmp_path, 2))
    assert recording.xyz.shape == (3, 1, 12, 2)
    assert point(recording, 0, "0", "left_ear") == [10, 41]


# NWB


def test_nwb_series_parts_and_units(tmp_path: Path) -> None:
    recording = only("nwb_pose", twins.nwb(tmp_path))
    assert recording.animals == ("m1", "m2")
    assert recording.parts == ("tail", "nose")  # the skeleton's order
    assert point(recording, 2, "m2", "tail") == pytest.approx([0.112, 0.1125])
    assert (recording.unit, recording.fps, recording.size) == ("m", pytest.approx(25), (640, 480))
    assert (recording.name, recording.video) == ("clip", "clip.mp4")
    assert "other cameras too: other.mp4" in texts(recording)


def test_nwb_rate_or_timestamps_or_timestamps_that_count_frames(tmp_path: Path) -> None:
    assert only("nwb_pose", twins.nwb(tmp_path, "rate.nwb", "rate")).fps == 25
    counted = only("nwb_pose", twins.nwb(tmp_path, "count.nwb", "frames"))
    assert counted.fps is None
    assert counted.frames.tolist() == [0, 1, 2, 3]
    assert "timestamps count frames" in texts(counted)


def test_nwb_a_rate_of_one_counts_frames(tmp_path: Path) -> None:
    """sleap-io writes it for videos whose rate it does not know."""
    path = twins.nwb(tmp_path, "rate.nwb", "rate")
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, item: item.attrs.modify("rate", 1.0) if "rate" in item.attrs else None)
    recording = only("nwb_pose", path)
    assert recording.fps is None
    assert "timestamps count frames" in texts(recording)


def test_nwb_points_and_intervals_of_one_session_have_one_clock(tmp_path: Path) -> None:
    """The points start at 12.5 s of the session: what is labelled from 13.5 s on is second 1 of the video."""
    path = twins.nwb(tmp_path)
    with h5py.File(path, "r+") as file:
        for name in ("m1/nose", "m1/tail", "m2/nose", "m2/tail"):
            file[f"processing/behavior/{name}/timestamps"][:] += 12.5
        table = file.create_group("intervals/behaviour")
        table.attrs["neurodata_type"] = "TimeIntervals"
        table["start_time"], table["stop_time"], table["label"] = [13.5], [14.0], ["attack"]
    recording = only("nwb_pose", path)
    assert (recording.frames.tolist(), recording.fps) == ([0, 1, 2, 3], 25.0)
    assert "start at 12.5 s of the session, which is taken for frame 0" in texts(recording)
    (labels,) = FORMATS.get("nwb_intervals").read(path, ReadOptions())
    assert [(bout.start, bout.stop) for bout in in_frames(labels, 25.0).bouts] == [(25, 38)]


def test_nwb_a_gap_in_the_timestamps_is_a_gap_in_the_frames(tmp_path: Path) -> None:
    path = twins.nwb(tmp_path)
    with h5py.File(path, "r+") as file:
        for animal in ("m1", "m2"):
            for part in ("nose", "tail"):
                file[f"processing/behavior/{animal}/{part}/timestamps"][:] = [0, 0.033, 0.067, 0.167]
    recording = only("nwb_pose", path)
    assert recording.frames.tolist() == [0, 1, 2, 5]
    assert recording.fps == pytest.approx(29.94, abs=0.01)


def test_nwb_series_that_name_their_animal(tmp_path: Path) -> None:
    path = twins.nwb(tmp_path, per_animal=False)
    with h5py.File(path, "r+") as file:
        group = file["processing/behavior/PoseEstimation"]
        for part in ("nose", "tail"):
            group.move(part, f"ind1_{part}")
            group[f"ind1_{part}"].attrs["description"] = f"Keypoint {part} from individual ind1."
    recording = only("nwb_pose", path)
    assert (recording.animals, set(recording.parts)) == (("ind1",), {"nose", "tail"})


# the others


def test_calms21_is_frame_mouse_xy_part(tmp_path: Path) -> None:
    first, second = read("calms21_json", twins.calms21(tmp_path))
    assert (first.name, second.name) == ("mouse071_task1_annotator1", "mouse072_task1_annotator1")
    assert point(first, 2, "intruder", "tail_base") == [162, 162.5]
    assert first.fps == 30


def test_calms21_npy_is_read_without_pickle_only_if_asked(tmp_path: Path) -> None:
    path = twins.calms21_npy(tmp_path)
    with pytest.raises(DataError, match="only if you ask for it: give --unpickle"):
        read("calms21_npy", path)
    assert point(only("calms21_npy", path, unpickle=True), 1, "intruder", "nose") == [101, 101.5]


def test_mars_json(tmp_path: Path) -> None:
    recording = only("mars_json", twins.mars(tmp_path))
    assert recording.name == "clip"
    assert point(recording, 0, "resident", "neck") == [30, 30.5]


def test_mabe22_is_frame_mouse_part_xy_and_zero_is_missing(tmp_path: Path) -> None:
    path = twins.mabe22(tmp_path)
    with pytest.raises(DataError, match="is a pickle"):
        read("mabe22_npy", path)
    recording = only("mabe22_npy", path, unpickle=True)
    assert recording.name == "abc"
    assert point(recording, 2, "mouse2", "left_ear") == [112, 112.5]
    assert recording.missing == {"0, 0": 1}


@pytest.mark.parametrize("plural", [True, False])
@pytest.mark.parametrize("unit", ["seconds", "frames"])
def test_movement_in_singular_and_plural_seconds_and_frames(plural: bool, unit: str, tmp_path: Path) -> None:
    recording = only("movement_netcdf", twins.movement(tmp_path, plural, unit))
    assert recording.frames.tolist() == [2, 3, 4, 5]
    assert point(recording, 4, "m2", "tail") == [112, 112.5]
    assert recording.fps == 10


def test_simba_numbers_its_animals_and_writes_zero_for_missing(tmp_path: Path) -> None:
    recording = only("simba_csv", twins.simba(tmp_path))
    assert (recording.animals, recording.parts) == (("1", "2"), ("Nose", "Center", "Tail"))
    assert point(recording, 2, "2", "Tail") == [122, 122.5]
    assert recording.missing == {"0, 0 with likelihood 0": 1}
    imported = only("simba_csv", twins.simba_imported(tmp_path))
    assert (imported.animals, point(imported, 1, "animal", "Tail")) == (("animal",), [10, 11])


def test_pair_r24m_leaves_out_bad_frames(tmp_path: Path) -> None:
    folder = tmp_path / "20210101_SR1_SR2"
    folder.mkdir()
    recording = only("pair_r24m_csv", twins.pair_r24m(folder))
    assert (recording.name, recording.unit) == ("20210101_SR1_SR2", "mm")
    assert point(recording, 0, "an2", "SpineM") == [9, 10, 11]
    assert recording.missing == {"goodFrame is 0": 2}


def test_sbea_animals_follow_each_other_in_columns(tmp_path: Path) -> None:
    recording = only("sbea_mat", twins.sbea(tmp_path))
    assert (recording.name, recording.animals) == ("rec11-A1A2-20220803", ("A1", "A2"))
    assert point(recording, 1, "A2", "nose") == [144, 145, 146]
    assert recording.xyz.shape == (2, 2, 16, 3)


def test_mabe2025_rows_in_any_order_and_absent_rows(tmp_path: Path) -> None:
    recording = only("mabe2025_parquet", twins.mabe2025(tmp_path))
    assert (recording.name, recording.animals, recording.frames.tolist()) == ("4711", ("1", "2"), [0, 3])
    assert point(recording, 3, "1", "nose") == [1, 5]
    assert recording.missing == {"no row": 4, "empty in the file": 1}


def test_alphatracker_boxes_are_animals(tmp_path: Path) -> None:
    recording = only("alphatracker_json", twins.alphatracker(tmp_path))
    assert recording.frames.tolist() == [2, 4]
    assert recording.missing == {"no instance in the frame": 2}
    assert point(recording, 4, "instance2", "point2") == [2, 3]


def test_ethovision_turns_y_and_finds_the_rate_of_a_rounded_clock(tmp_path: Path) -> None:
    recording = only("ethovision_tracks", twins.ethovision_txt(tmp_path))
    assert (recording.name, recording.animals, recording.parts) == ("clip", ("Subject 1",), ("center", "nose"))
    assert (recording.fps, recording.unit, recording.video) == (pytest.approx(15), "cm", "clip.mpg")
    assert recording.frames.tolist() == [0, 1, 2, 3]
    assert point(recording, 2, "Subject 1", "center") == [2, 4.5]
    assert point(recording, 0, "Subject 1", "nose") == [7.5, -3.25]
    assert recording.missing == {"'-' or no sample in the file": 1}


def test_ethovision_sheets_of_one_video_are_its_animals(tmp_path: Path) -> None:
    recording = only("ethovision_tracks", twins.ethovision_xlsx(tmp_path))
    assert recording.animals == ("Subject 1", "Subject 2")
    assert point(recording, 1, "Subject 2", "center") == [101, 3.5]


@pytest.mark.parametrize("twin", sorted(twins.TWINS))
def test_points_in_are_points_written_plus_points_left_out(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    for recording in read(name, write(tmp_path), unpickle=True):
        absent = ~np.isfinite(recording.xyz[..., :2]).all(-1)
        assert int(absent.sum()) == sum(recording.missing.values())
        assert recording.xyz.dtype == np.float32
        assert np.isnan(recording.xyz[absent]).all()


def test_jabs_objects_and_outlines_are_left_out_with_a_line(tmp_path: Path) -> None:
    path = twins.jabs(tmp_path)
    with h5py.File(path, "r+") as file:
        file["poseest/seg_data"] = np.zeros((1, 1, 1, 1, 2), np.int32)
    assert "objects (corners) and outlines (seg_data) of the file are not read" in texts(only("jabs_pose", path))
    assert "not read" not in texts(only("jabs_pose", twins.jabs(tmp_path, 4)))
