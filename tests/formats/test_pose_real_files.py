"""Readers on real files of the tools, with values that were read off with the tools' own libraries or by eye."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared_files import FORMATS_FOLDER, needs_real_files  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats.base import PoseRecording, ReadOptions
from etholake.formats.registry import detect

pytestmark = needs_real_files
MICE_DLC = (
    "ethome/dlc/e3v813a-20210610T122332-122642DLC_dlcrnetms5_pilot_studySep24shuffle1_100000_el_filtered.csv"
)
PAIN = (
    "prj_mouse_pain/shortened_2023-10-25_CFA_010_267M_tracking"
    "DLC_resnet50_pawtracking_comparisionMay7shuffle1_500000"
)
SLEAP_TESTS = "sleap/tests_data/tests/data"


def read(name: str) -> PoseRecording:
    path = FORMATS_FOLDER / name
    (item, _), *_ = [pair for pair in detect(path) if pair[0].kind == "pose"]
    (recording,) = item.read(path, ReadOptions())
    assert isinstance(recording, PoseRecording)
    return recording


@pytest.mark.parametrize(
    "name",
    [
        MICE_DLC,
        f"{PAIN}.h5",
        "amadeusgpt/EGS8X2MN4SSUGFWAV976.h5",
        "amadeusgpt/more/keypoints_3d_short.h5",
        "deepof/testDLC_csv_table.csv",
        "deepof/testDLC_csv_table_madlc.csv",
        "deepof/testDLC_h5_table_multi.h5",
        "deepof/testDLC_square_arena.h5",
        "ethome/more/openfield_dlc_inference_example_missingdata.csv",
        "ethome/more/openfield_dlc_inference_example_three.csv",
    ],
)
def test_deeplabcut_equals_pandas(name: str) -> None:
    """Every value that is not missing by a rule of ours is pandas' own, whatever the columns' order."""
    path = FORMATS_FOLDER / name
    if path.suffix == ".h5":
        frame = pd.read_hdf(path)
    else:
        rows = 4 if "individuals" in path.read_text()[:20_000] else 3
        frame = pd.read_csv(path, header=list(range(rows)), index_col=0)
    recording = read(name)
    values = np.asarray(frame, dtype=np.float32)
    labels = [tuple(map(str, column)) for column in frame.columns]
    depth = recording.xyz.shape[-1]
    assert len(recording.frames) == len(frame)
    for animal, animal_name in enumerate(recording.animals):
        for part, part_name in enumerate(recording.parts):
            at = [
                number
                for number, label in enumerate(labels)
                if label[-2] in (part_name, f"{animal_name}_{part_name}")
                and (len(label) == 3 or label[1] == animal_name)
                and label[-1] in "xyz"
            ]
            assert len(at) == depth
            ours, theirs = recording.xyz[:, animal, part], values[:, at]
            missing = np.isnan(ours).any(-1)
            np.testing.assert_array_equal(ours[~missing], theirs[~missing])
            assert (np.isnan(theirs[missing]).any(-1) | (theirs[missing] == 0).all(-1)).all()


def test_two_mice_of_deeplabcut() -> None:
    recording = read(MICE_DLC)
    assert recording.name == "e3v813a-20210610T122332-122642"
    assert recording.animals == ("adult", "juvenile")
    assert recording.xyz.shape == (5700, 2, 7, 2)
    assert recording.xyz[0, 0, 0].tolist() == pytest.approx([606.248, 718.07], abs=1e-3)


def test_csv_and_h5_of_the_same_tracks_are_equal() -> None:
    csv, h5 = read(f"{PAIN}.csv"), read(f"{PAIN}.h5")
    assert (
        (csv.name, csv.parts) == (h5.name, h5.parts) == ("shortened_2023-10-25_CFA_010_267M_tracking", csv.parts)
    )
    np.testing.assert_allclose(csv.xyz, h5.xyz, rtol=1e-6)


def test_madlc_zeros_are_missing() -> None:
    recording = read("deepof/testDLC_csv_table_madlc.csv")
    assert recording.missing == {"0, 0 with likelihood 0": 679}
    assert np.isnan(recording.xyz[0, 0, recording.parts.index("Left_ear")]).all()


def test_deepof_prefixes_are_animals() -> None:
    for name in ("deepof/testDLC_csv_table_multi.csv", "deepof/testDLC_h5_table_multi.h5"):
        recording = read(name)
        assert (recording.animals, len(recording.parts)) == (("B", "W"), 14)


def test_labelled_horse() -> None:
    recording = read("amadeusgpt/more/BrownHorseinShadow_gt.h5")
    assert recording.name == "BrownHorseinShadow"
    assert recording.frames[[0, -1]].tolist() == [50, 357]
    assert recording.missing["empty in the file"] / (308 * 22) == pytest.approx(0.31, abs=0.01)


@pytest.mark.parametrize("name", ["CollectedData_LM.csv", "maudlc_testdata.csv", "maudlc_testdata_v2.csv"])
def test_labelled_images_with_unique_parts(name: str) -> None:
    recording = read(f"{SLEAP_TESTS}/dlc/labeled-data/video/{name}")
    assert recording.animals == ("Animal1", "Animal2", "single")
    assert recording.parts == ("A", "B", "C", "D", "E")
    assert recording.frames.tolist() == [0, 1, 2, 3]
    assert recording.xyz[1, 2, 3].tolist() == [22, 23]


def test_sleap_h5_and_slp_agree_on_the_first_point() -> None:
    slp = read("sleap/analysis_example/predictions.slp")
    analysis = read("sleap/analysis_example/predictions.analysis.h5")
    assert slp.xyz[0, 0, 0].tolist() == pytest.approx([756.8068, 240.4859], abs=1e-4)
    assert slp.parts == analysis.parts
    np.testing.assert_allclose(slp.xyz, analysis.xyz, rtol=1e-6)
    assert slp.video == "20190128_113421.120s.mp4"


def test_sleap_old_and_new_format_differ_by_half_a_pixel() -> None:
    old = read("sleap/hdf5_format_v1/centered_pair_predictions.h5")
    new = read("sleap/hdf5_format_v1/centered_pair_predictions.slp")
    assert old.animals == new.animals
    assert len(new.animals) == 27
    np.testing.assert_allclose(old.xyz + 0.5, new.xyz, rtol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("sleap_io") is None, reason="sleap-io is not installed")
@pytest.mark.parametrize(
    "name", ["analysis_example/predictions.slp", "hdf5_format_v1/centered_pair_predictions.slp"]
)
def test_slp_equals_sleap_io(name: str) -> None:
    import sleap_io  # type: ignore[import-not-found]

    labels = sleap_io.load_slp(str(FORMATS_FOLDER / "sleap" / name))
    recording = read(f"sleap/{name}")
    theirs = labels.numpy()
    assert [track.name for track in labels.tracks] == list(recording.animals)
    np.testing.assert_allclose(recording.xyz, theirs[recording.frames][..., :2].astype(np.float32), rtol=1e-6)


def test_analysis_without_track_names() -> None:
    recording = read("sleap/hdf5_format_v1/small_robot.000_small_robot_3_frame.analysis.h5")
    assert (recording.name, recording.animals) == ("small_robot_3_frame", ("track_0",))


def test_jabs_v5_whose_attribute_says_3() -> None:
    recording = read("jabs/sample_pose_est_v5.h5")
    assert recording.animals == ("0", "1", "2")
    assert recording.xyz[3, 0, 0].tolist() == [307, 98]
    assert recording.xyz[3, 1, 0].tolist() == [517, 759]
    assert recording.pix_per_cm == pytest.approx(1 / 0.073341824)
    valid = {0: 1747, 1: 1800, 2: 1782}
    for animal, count in valid.items():
        assert int(np.isfinite(recording.xyz[:, animal, :, 0]).any(-1).sum()) <= count
    assert "52 instances to which JABS gave no identity" in {remark.text for remark in recording.remarks}


def test_jabs_v3_fragments_become_as_many_animals_as_slots() -> None:
    recording = read("jabs/sample_pose_est_v3.h5")
    assert len(recording.animals) == 5
    assert any("232 fragments of tracks are joined to 5 animals" in remark.text for remark in recording.remarks)
    placed = int(np.isfinite(recording.likelihood).any(-1).sum()) if recording.likelihood is not None else 0
    left_out = [int(r.text.split()[0]) for r in recording.remarks if r.kind == "left-out"]
    assert placed + sum(left_out) == 16 * 2 + 1251 * 3 + 532 * 4 + 5


def test_nwb_that_counts_frames_and_names_its_animal() -> None:
    recording = read("ethome/sample_nwb_.nwb")
    assert (recording.animals, recording.parts) == (("ind1",), ("snout", "leftear", "rightear", "tailbase"))
    assert recording.xyz[0, 0, 0].tolist() == pytest.approx([77.29780579, 88.87557983])
    assert (recording.fps, recording.frames[-1], recording.size) == (None, 2329, None)


def test_nwb_of_two_cameras_that_ndx_pose_refuses() -> None:
    recording = read("ndx-pose/0.3.0_poseestimation_two_cameras.nwb")
    assert recording.parts == ("front_left_paw", "front_right_paw")
    assert recording.xyz[0, 0].tolist() == [
        pytest.approx([0.63696169, 0.26978671]),
        pytest.approx([0.68844673, 0.38892142]),
    ]
    assert (recording.video, recording.size) == ("camera1.mp4", (640, 480))


def test_nwb_with_three_coordinates_in_one_series_only() -> None:
    recording = read("ndx-pose/0.1.1_poseestimation_nodes_edges.nwb")
    assert recording.xyz.shape == (100, 1, 2, 3)
    assert np.isfinite(recording.xyz[..., :2]).all()
    assert np.isnan(recording.xyz[:, 0, 1, 2]).all()


def test_nwb_without_series_is_refused() -> None:
    with pytest.raises(DataError, match="holds no PoseEstimationSeries"):
        read("ndx-pose/0.1.1_poseestimation_no_cameras.nwb")


@pytest.mark.slow
def test_nwb_equals_pynwb_where_it_reads_the_file() -> None:
    pynwb = pytest.importorskip("pynwb")
    pytest.importorskip("ndx_pose")
    path = FORMATS_FOLDER / "ndx-pose/0.3.0_poseestimation_one_camera.nwb"
    recording = read("ndx-pose/0.3.0_poseestimation_one_camera.nwb")
    with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as source:
        series = source.read().processing["behavior"]["PoseEstimation"].pose_estimation_series
        for part, name in enumerate(recording.parts):
            np.testing.assert_allclose(recording.xyz[:, 0, part], series[name].data[:], rtol=1e-6)


def test_leap_labels() -> None:
    recording = read(f"{SLEAP_TESTS}/mat/labels.mat")
    assert recording.parts == ("head", "neck", "tailBase", "tailTip", "earL", "earR")
    assert len(recording.frames) == 43
    assert recording.xyz[0, 0, 0].tolist() == pytest.approx([114.37306, 63.461918])


def test_the_pickle_beside_a_deeplabcut_file_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = Path.open

    def spy(self: Path, *args: object, **kwargs: object) -> object:
        opened.append(self.name)
        return original(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", spy)
    for path in sorted((FORMATS_FOLDER / "prj_mouse_pain").iterdir()):
        for item, _ in detect(path):
            if item.kind == "pose":
                list(item.read(path, ReadOptions()))
    assert opened
    assert not [name for name in opened if name.endswith(".pickle")]
