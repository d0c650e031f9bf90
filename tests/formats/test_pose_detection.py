"""Each pose file is recognised as exactly what it is, from its content: twins, foreign tables, real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pose_twins as twins  # type: ignore[import-not-found]
import pytest
from shared_files import FORMATS_FOLDER, needs_real_files  # type: ignore[import-not-found]

from etholake.formats.registry import FORMATS, detect


def pose_formats(path: Path) -> list[str]:
    return [item.name for item, detection in detect(path) if item.kind == "pose" and detection.confidence > 0]


@pytest.mark.parametrize("twin", sorted(twins.TWINS))
def test_a_twin_is_recognised_as_one_format(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    assert pose_formats(write(tmp_path)) == [name]


@pytest.mark.parametrize("twin", sorted(twins.TWINS))
def test_another_name_changes_nothing(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    path = write(tmp_path)
    assert pose_formats(path.rename(path.with_name(f"renamed{path.suffix}"))) == [name]


FOREIGN = {
    "boris.csv": "Observation id,DLC1,,\n,,,\nMedia file(s),,,\n"
    "Time,Media file path,Subject,Behavior\n1.5,a.avi,m,aa\n",
    "annotations.csv": "Frame,Action\n0,0\n1,0\n",
    "features.csv": "frame,speed_x,speed_y\n0,1,2\n",
    "numbers.csv": "0,1,2\n1,2,3\n",
    "empty.csv": "",
    "binary.csv": "\0\1\2",
    "project.json": json.dumps({"version": "2.0.0", "skeletons": [], "videos": []}),
    "boris.json": json.dumps({"time_format": "hh:mm:ss", "observations": {}}),
    "list.json": "[1, 2]",
    "text.h5": "not HDF5",
    "text.nwb": "not HDF5",
    "text.npy": "not numpy",
    "text.mat": "not MATLAB",
    "text.parquet": "not Parquet",
    "text.nc": "not netCDF",
}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_foreign_files_are_no_pose(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FOREIGN[name])
    assert pose_formats(path) == []


def test_other_tables_of_the_same_containers_are_no_pose(tmp_path: Path) -> None:
    pd.DataFrame({"speed": [1.0, 2.0]}).to_hdf(tmp_path / "features.h5", key="df")
    np.save(tmp_path / "numbers.npy", np.zeros((3, 3)))
    pd.DataFrame({"agent_id": [1], "action": ["sniff"]}).to_parquet(tmp_path / "labels.parquet")
    twins.mat_file(tmp_path / "other.mat", twins.mat_array("speed", np.zeros((2, 2))))
    for path in tmp_path.iterdir():
        assert pose_formats(path) == []


REAL = {
    "amadeusgpt/EGS8X2MN4SSUGFWAV976.h5": "deeplabcut_h5",
    "amadeusgpt/more/BrownHorseinShadow_gt.h5": "deeplabcut_h5",
    "amadeusgpt/more/keypoints_3d_short.h5": "deeplabcut_h5",
    "deepof/testDLC_csv_table.csv": "deeplabcut_csv",
    "deepof/testDLC_csv_table_madlc.csv": "deeplabcut_csv",
    "deepof/testDLC_csv_table_multi.csv": "deeplabcut_csv",
    "deepof/testDLC_h5_table_multi.h5": "deeplabcut_h5",
    "deepof/testDLC_sleap.analysis.h5": "sleap_analysis",
    "deepof/testDLC_sleap.slp": "sleap_slp",
    "deepof/testDLC_square_arena.h5": "deeplabcut_h5",
    "ethome/dlc/e3v813a-20210610T122332-122642DLC_dlcrnetms5_pilot_studySep24shuffle1_100000_el_filtered.csv": (
        "deeplabcut_csv"
    ),
    "ethome/more/openfield_dlc_inference_example.csv": "deeplabcut_csv",
    "ethome/more/openfield_dlc_inference_example_missingdata.csv": "deeplabcut_csv",
    "ethome/more/openfield_dlc_inference_example_three.csv": "deeplabcut_csv",
    "ethome/sample_nwb_.nwb": "nwb_pose",
    "jabs/more/identity_with_no_data_pose_est_v3.h5": "jabs_pose",
    "jabs/sample_pose_est_v2.h5": "jabs_pose",
    "jabs/sample_pose_est_v3.h5": "jabs_pose",
    "jabs/sample_pose_est_v5.h5": "jabs_pose",
    "ndx-pose/0.1.1_poseestimation_no_cameras.nwb": "nwb_pose",
    "ndx-pose/0.1.1_poseestimation_nodes_edges.nwb": "nwb_pose",
    "ndx-pose/0.3.0_poseestimation_one_camera.nwb": "nwb_pose",
    "ndx-pose/0.3.0_poseestimation_two_cameras.nwb": "nwb_pose",
    "sleap/analysis_example/predictions.analysis.h5": "sleap_analysis",
    "sleap/analysis_example/predictions.slp": "sleap_slp",
    "sleap/hdf5_format_v1/centered_pair_predictions.h5": "sleap_slp",
    "sleap/hdf5_format_v1/centered_pair_predictions.slp": "sleap_slp",
    "sleap/hdf5_format_v1/small_robot.000_small_robot_3_frame.analysis.h5": "sleap_analysis",
    "sleap/tests_data/tests/data/alphatracker/at_testdata.json": "alphatracker_json",
    "sleap/tests_data/tests/data/csv_format/minimal_instance.000_centered_pair_low_quality.analysis.csv": (
        "sleap_csv"
    ),
    "sleap/tests_data/tests/data/mat/labels.mat": "leap_mat",
}  # fmt: skip
PREFIXES = {
    "prj_mouse_pain/shortened_": {".csv": "deeplabcut_csv", ".h5": "deeplabcut_h5"},
    "sleap/tests_data/tests/data/dlc": {".csv": "deeplabcut_csv"},
}


@needs_real_files
def test_every_real_file_is_recognised_as_what_it_is_and_no_other_file_is_a_pose() -> None:
    wrong = {}
    for path in sorted(FORMATS_FOLDER.rglob("*")):
        name = path.relative_to(FORMATS_FOLDER).as_posix()
        expected = REAL.get(name)
        for prefix, by_suffix in PREFIXES.items():
            if name.startswith(prefix):
                expected = by_suffix.get(path.suffix)
        if path.is_file() and pose_formats(path) != ([expected] if expected else []):
            wrong[name] = pose_formats(path)
    assert not wrong


def test_the_registry_holds_every_format_under_its_own_name() -> None:
    for item in FORMATS:
        assert FORMATS.get(item.name) is item
        assert item.title
        assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in item.suffixes)
