"""Facts about pose formats that are easily got wrong, each with a value that is checked by hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pose_twins as twins  # type: ignore[import-not-found]
import pytest

from etholake.errors import DataError
from etholake.formats.base import PoseRecording, ReadOptions
from etholake.formats.registry import FORMATS


def read(name: str, path: Path, **options: object) -> list[PoseRecording]:
    return list(FORMATS.get(name).read(path, ReadOptions(**options)))  # type: ignore[arg-type]


def only(name: str, path: Path, **options: object) -> PoseRecording:
    (recording,) = read(name, path, **options)
    return recording


def point(recording: PoseRecording, frame: int, animal: str, part: str) -> list[float]:
    at = recording.frames.tolist().index(frame)
    place = recording.animals.index(animal), recording.parts.index(part)
    return recording.xyz[at, *place].tolist()  # type: ignore[no-any-return]


def texts(recording: PoseRecording) -> str:
    return "\n".join(remark.text for remark in recording.remarks)


# DeepLabCut


@pytest.mark.parametrize("twin", ["dlc_csv", "dlc_h5_fixed", "dlc_h5_table"])
def test_deeplabcut_of_two_animals(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    recording = only(name, write(tmp_path))
    assert recording.animals == ("m1", "m2")
    assert recording.parts == ("nose", "tail")
    assert recording.frames.tolist() == [0, 1, 2, 3, 4]
    assert point(recording, 3, "m2", "tail") == [113.0, 113.5]
    assert recording.likelihood is not None
    assert recording.likelihood.dtype == np.float32
    assert recording.likelihood[3, 1, 1] == np.float32(0.9)
    assert recording.name.startswith("clip")
    assert "DLC" not in recording.name


def test_a_deeplabcut_csv_without_individuals_is_one_animal(tmp_path: Path) -> None:
    recording = only("deeplabcut_csv", twins.dlc_single_csv(tmp_path))
    assert recording.animals == ("animal",)
    assert recording.name == "solo"
    assert recording.missing == {"0, 0 with likelihood 0": 0} or not recording.missing


def test_parts_keep_the_files_order_and_an_animal_may_lack_parts(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text(
        "scorer,s,s,s,s,s,s\nindividuals,b,b,a,a,a,a\nbodyparts,tail,tail,nose,nose,ear,ear\ncoords,x,y,x,y,x,y\n"
        "0,1,2,3,4,5,6\n"
    )
    recording = only("deeplabcut_csv", path)
    assert recording.animals == ("b", "a")
    assert recording.parts == ("tail", "nose", "ear")
    assert point(recording, 0, "a", "nose") == [3, 4]
    assert np.isnan(point(recording, 0, "b", "nose")).all()
    assert recording.missing == {"the animal has no such part": 3}


def test_labelled_images_are_sparse_frames_and_short_rows_are_empty(tmp_path: Path) -> None:
    recording = only("deeplabcut_csv", twins.dlc_labelled_csv(tmp_path))
    assert recording.name == "clip"
    assert recording.frames.tolist() == [3, 7, 100]
    assert recording.animals == ("m1", "single")
    assert point(recording, 7, "m1", "tail") == [3, 4]
    assert point(recording, 3, "single", "corner") == [9, 10]
    assert recording.missing["the animal has no such part"] == 9
    assert recording.missing["empty in the file"] == 1 + 3
    assert "belong to no animal" in texts(recording)


def test_labelled_images_of_an_h5_with_three_index_levels(tmp_path: Path) -> None:
    recording = only("deeplabcut_h5", twins.dlc_h5_labelled(tmp_path))
    assert recording.frames.tolist() == [2, 4, 9]
    assert point(recording, 4, "animal", "tail") == [10.0, 10.5]
    assert point(recording, 2, "animal", "tail") == [12.0, 12.5]


def test_labelled_images_of_two_videos_are_two_recordings(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData.csv"
    path.write_text(
        "scorer,s,s\nbodyparts,nose,nose\ncoords,x,y\n"
        "labeled-data/one/img01.png,1,2\nlabeled-data\\two\\img02.png,3,4\n"
    )
    assert [(r.name, r.frames.tolist()) for r in read("deeplabcut_csv", path)] == [("one", [1]), ("two", [2])]


def test_zero_with_likelihood_zero_is_missing_but_a_real_zero_is_not(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text(
        "scorer,s,s,s\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,0,0,0\n1,0,0,0.8\n2,,,\n3,1,,0.5\n"
    )
    recording = only("deeplabcut_csv", path)
    assert recording.missing == {"0, 0 with likelihood 0": 1, "empty in the file": 2}
    assert point(recording, 1, "animal", "nose") == [0, 0]
    assert np.isnan(point(recording, 3, "animal", "nose")).all()


def test_three_dimensions_keep_z(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product(
        [["s"], ["nose"], ["x", "y", "z"]], names=["scorer", "bodyparts", "coords"]
    )
    path = tmp_path / "clip_DLC_3D.h5"
    pd.DataFrame([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]], columns=columns).to_hdf(path, key="df_with_missing")
    recording = only("deeplabcut_h5", path)
    assert point(recording, 0, "animal", "nose") == [1, 2, 3]
    assert recording.likelihood is None
    assert recording.name == "clip"
    assert "three-dimensional" in texts(recording)


def test_columns_of_an_h5_in_blocks_of_several_types_keep_their_places(tmp_path: Path) -> None:
    frame = twins.dlc_frame(animals=False)
    frame = frame.astype({column: "float32" for column in frame.columns if column[-1] == "likelihood"})
    for kind in ("fixed", "table"):
        path = tmp_path / f"{kind}.h5"
        frame.to_hdf(path, key="k", format=kind)  # type: ignore[call-overload]
        recording = only("deeplabcut_h5", path)
        assert recording.parts == ("nose", "tail")
        assert point(recording, 2, "animal", "tail") == [12.0, 12.5]


def test_several_tables_need_a_key(tmp_path: Path) -> None:
    path = tmp_path / "clip.h5"
    twins.dlc_frame().to_hdf(path, key="one")
    twins.dlc_frame(2).to_hdf(path, key="two")
    with pytest.raises(DataError, match="expected one table, but got 2: one, two"):
        read("deeplabcut_h5", path)
    assert len(only("deeplabcut_h5", path, key="two").frames) == 2
    with pytest.raises(DataError, match=r"has no table 'tow'\. Did you mean 'two'"):
        read("deeplabcut_h5", path, key="tow")


def test_names_with_the_animal_are_split_and_said(tmp_path: Path) -> None:
    def csv(*parts: str) -> Path:
        path = tmp_path / f"{'-'.join(parts)}.csv"
        names = [name for part in parts for name in (part, part)]
        cells = ",".join(map(str, range(len(names))))
        path.write_text(
            f"scorer,{','.join('s' for _ in names)}\nbodyparts,{','.join(names)}\n"
            f"coords,{','.join('xy'[n % 2] for n in range(len(names)))}\n0,{cells}\n"
        )
        return path

    path = csv("B_Nose", "B_Ear", "B_Tail", "W_Nose", "W_Ear", "W_Tail")
    recording = only("deeplabcut_csv", path)
    assert (recording.animals, recording.parts) == (("B", "W"), ("Nose", "Ear", "Tail"))
    assert point(recording, 0, "W", "Ear") == [8, 9]
    assert "prefix of the body parts' names is the animal: B, W" in texts(recording)
    assert only("deeplabcut_csv", path, split_names=False).animals == ("animal",)
    sides = csv("left_ear", "left_paw", "left_hip", "right_ear", "right_paw", "right_hip")
    assert only("deeplabcut_csv", sides).animals == ("animal",)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("0,1,2,3\n1,4,5\n", r"line 5: expected 4 cells, but got 3"),
        ("0,1,2,3\n1,4,abc,6\n", r"line 5, column 'nose y': 'abc' is no number"),
        (
            "0,1,2,3\n0,4,5,6\n",
            r"frame numbers must increase from 0, but row 1 of the data has 0 and the next one 0",
        ),
        ("x,1,2,3\n", r"line 4: the first column is 'x', which is no frame number"),
        ("0.5,1,2,3\n", r"the first column holds numbers that are no frame numbers"),
        ("", r"holds no tracks \(0 frames"),
    ],
)
def test_a_bad_deeplabcut_csv_names_line_and_column(body: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text("scorer,s,s,s\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n" + body)
    with pytest.raises(DataError, match=message):
        read("deeplabcut_csv", path)


def test_two_columns_of_the_same_point_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    path.write_text("scorer,s,s,t\nbodyparts,nose,nose,nose\ncoords,x,y,x\n0,1,2,3\n")
    with pytest.raises(DataError, match="columns 1 and 3 are both 'x' of 'nose'"):
        read("deeplabcut_csv", path)


# SLEAP


def test_slp_is_sparse_a_user_wins_and_the_skeleton_orders_the_nodes(tmp_path: Path) -> None:
    recording = only("sleap_slp", twins.sleap_slp(tmp_path))
    assert recording.frames.tolist() == [0, 5, 89_999]
    assert recording.xyz.shape == (3, 2, 2, 2)
    assert (recording.animals, recording.parts) == (("a", "b"), ("nose", "tail"))
    assert point(recording, 0, "b", "tail") == [110, 110.5]
    assert point(recording, 5, "b", "nose") == [-1, -2]
    assert recording.likelihood is not None
    assert recording.likelihood[0, 0, 0] == 0.75
    assert np.isnan(recording.likelihood[1, 1]).all()
    assert (recording.name, recording.video, recording.size, recording.frame_count) == (
        "clip",
        "clip.mp4",
        (640, 480),
        90_000,
    )
    assert "1 predicted instances are replaced" in texts(recording)


@pytest.mark.parametrize(("format_id", "shift"), [(None, 0.5), (1.0, 0.5), (1.1, 0.0), (1.2, 0.0)])
def test_slp_before_format_1_1_is_shifted_by_half_a_pixel(
    format_id: float | None, shift: float, tmp_path: Path
) -> None:
    recording = only("sleap_slp", twins.sleap_slp(tmp_path, format_id=format_id))
    assert point(recording, 0, "a", "tail") == [10 - shift, 10.5 - shift]


def test_slp_without_tracks_counts_the_instances_of_a_frame(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path, user=False)
    with h5py.File(path, "r+") as file:
        rows = file["instances"][:]
        rows["track"] = -1
        file["instances"][:] = rows
    recording = only("sleap_slp", path)
    assert recording.animals == ("instance1", "instance2")
    assert point(recording, 5, "instance2", "nose") == [105, 105.5]
    assert "there are no tracks" in texts(recording)


def test_a_point_that_is_not_visible_is_missing(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path, user=False)
    with h5py.File(path, "r+") as file:
        rows = file["pred_points"][:]
        rows["visible"][0] = False
        file["pred_points"][:] = rows
    recording = only("sleap_slp", path)
    assert recording.missing == {"not visible": 1}


@pytest.mark.parametrize("dims", [False, True])
def test_analysis_dims_first_else_track_xy_node_frame(dims: bool, tmp_path: Path) -> None:
    recording = only("sleap_analysis", twins.sleap_analysis(tmp_path, dims=dims))
    assert recording.name == "clip"
    assert point(recording, 2, "b", "tail") == [112, 112.5]
    assert recording.missing == {"no instance in the frame": 2}


def test_analysis_with_as_many_tracks_as_frames_reads_occupancy_as_frame_track(tmp_path: Path) -> None:
    path = tmp_path / "clip.analysis.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = np.where(np.eye(2).reshape(2, 1, 1, 2) > 0, np.nan, 1.0) * np.ones((2, 2, 1, 2))
        file["track_occupancy"] = np.array([[0, 1], [1, 0]], "u1")  # frame 0: only track 1
        file["track_names"], file["node_names"] = np.array([b"a", b"b"]), np.array([b"nose"])
    recording = only("sleap_analysis", path)
    assert recording.missing == {"no instance in the frame": 2}


def test_sleap_csv_holds_only_the_frames_with_instances(tmp_path: Path) -> None:
    recording = only("sleap_csv", twins.sleap_csv(tmp_path))
    assert recording.frames.tolist() == [3, 8]
    assert recording.animals == ("a", "b")
    assert point(recording, 8, "a", "tail") == [9, 10]
    assert recording.missing == {"no instance in the frame": 2, "empty in the file": 1}


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
