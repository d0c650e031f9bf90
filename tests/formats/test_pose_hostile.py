"""Damaged and hostile pose files end in DataError: no crash, no hang, nothing read outside, nothing run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pose_twins as twins  # type: ignore[import-not-found]
import pytest

from etholake.errors import DataError
from etholake.formats import inert_pickle
from etholake.formats.base import ReadOptions
from etholake.formats.registry import FORMATS

CHILD = Path(__file__).with_name("pose_fuzz_child.py")
MUTATIONS = int(os.environ.get("POSE_FUZZ_MUTATIONS", "20"))
SEED = int(os.environ.get("POSE_FUZZ_SEED", "20261130"))


def read(name: str, path: Path, **options: object) -> None:
    for _ in FORMATS.get(name).read(path, ReadOptions(**options)):  # type: ignore[arg-type]
        pass


@pytest.mark.slow
def test_mutations_of_every_twin_end_in_data_error(tmp_path: Path) -> None:
    """Each format is read in a child, because a C library may crash; two children run at once."""
    failures = []
    jobs = []
    for twin, (name, write) in sorted(twins.TWINS.items()):
        folder = tmp_path / twin
        (folder / "mutated").mkdir(parents=True)
        command = [sys.executable, str(CHILD), name, str(write(folder)), str(SEED), str(MUTATIONS)]
        jobs.append((twin, [*command, str(folder / "mutated")]))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    while jobs:
        batch, jobs = jobs[:2], jobs[2:]
        children = [
            (
                twin,
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
                ),
            )
            for twin, command in batch
        ]
        for twin, child in children:
            output, errors = child.communicate(timeout=240)
            if child.returncode or "done" not in output:
                failures.append(
                    f"{twin}, mutation {output.split()[-1:]}, status {child.returncode}: {errors[-1500:]}"
                )
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("twin", sorted(twins.TWINS))
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"{" * 100_000, b"[" * 100_000]
)
def test_files_that_are_nothing(twin: str, content: bytes, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    path = write(tmp_path)
    path.write_bytes(content)
    assert FORMATS.get(name).detect(path) is None
    with pytest.raises(DataError, match=r".+"):
        read(name, path, unpickle=True)


# HDF5


def _replaced(path: Path, name: str, make: Callable[[h5py.File, str], None]) -> Path:
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file, name)
    return path


def _outside(folder: Path) -> Path:
    other = folder / "outside.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((3, 3, 12, 2), np.uint16)
    return other


def test_an_external_link_is_not_followed(tmp_path: Path) -> None:
    other = _outside(tmp_path)

    def link(file: h5py.File, name: str) -> None:
        file[name] = h5py.ExternalLink(str(other), "/secret")

    path = _replaced(twins.jabs(tmp_path), "poseest/points", link)
    with pytest.raises(DataError, match="'points' is a link to another file, which is not opened"):
        read("jabs_pose", path)
    assert FORMATS.get("jabs_pose").detect(path) is None


def test_a_soft_link_through_an_external_one_is_not_followed(tmp_path: Path) -> None:
    other = _outside(tmp_path)

    def link(file: h5py.File, name: str) -> None:
        file["away"] = h5py.ExternalLink(str(other), "/")
        file[name] = h5py.SoftLink("/away/secret")

    path = _replaced(twins.jabs(tmp_path), "poseest/points", link)
    with pytest.raises(DataError, match="'away' is a link to another file"):
        read("jabs_pose", path)


def test_a_circle_of_soft_links_ends(tmp_path: Path) -> None:
    def link(file: h5py.File, name: str) -> None:
        file[name] = h5py.SoftLink("/round")
        file["round"] = h5py.SoftLink(f"/{name}")

    path = _replaced(twins.jabs(tmp_path), "poseest/points", link)
    with pytest.raises(DataError, match="has no dataset 'poseest/points'"):
        read("jabs_pose", path)


def test_a_circle_of_groups_ends(tmp_path: Path) -> None:
    path = twins.nwb(tmp_path)
    with h5py.File(path, "r+") as file:
        file["processing/behavior/again"] = file["processing"]
    read("nwb_pose", path)


def test_a_virtual_dataset_is_refused(tmp_path: Path) -> None:
    other = _outside(tmp_path)

    def virtual(file: h5py.File, name: str) -> None:
        layout = h5py.VirtualLayout((3, 3, 12, 2), np.uint16)
        layout[...] = h5py.VirtualSource(str(other), "secret", (3, 3, 12, 2))
        file.create_virtual_dataset(name, layout)

    path = _replaced(twins.jabs(tmp_path), "poseest/points", virtual)
    with pytest.raises(DataError, match="its values lie in another file"):
        read("jabs_pose", path)


def test_external_storage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.bin").write_bytes(b"\1" * 10_000)

    def external(file: h5py.File, name: str) -> None:
        file.create_dataset(name, (3, 3, 12, 2), np.uint16, external=[(str(tmp_path / "raw.bin"), 0, 432)])

    path = _replaced(twins.jabs(tmp_path), "poseest/points", external)
    with pytest.raises(DataError, match="its values lie in another file"):
        read("jabs_pose", path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1 << 40, 3, 12, 2), "more than can be read"), ((2_000_000, 3, 12, 2), "but only 0 bytes are stored")],
)
def test_a_huge_declared_shape_is_refused_before_memory_is_taken(
    shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    def huge(file: h5py.File, name: str) -> None:
        file.create_dataset(name, shape, np.uint16, chunks=(1000, 3, 12, 2), compression="gzip")

    path = _replaced(twins.jabs(tmp_path), "poseest/points", huge)
    with pytest.raises(DataError, match=message):
        read("jabs_pose", path)


def test_a_video_name_with_a_path_becomes_a_plain_name(tmp_path: Path) -> None:
    path = twins.sleap_slp(tmp_path)
    for name in ("../../etc/passwd", "..\\..\\x\\evil.mp4", "..", "/", "a\0b\n.mp4"):
        with h5py.File(path, "r+") as file:
            del file["videos_json"]
            file["videos_json"] = np.array([json.dumps({"backend": {"filename": name}}).encode()])
        (recording,) = FORMATS.get("sleap_slp").read(path, ReadOptions())
        assert recording.name
        assert not set(recording.name) & set("/\\\0\n")
        assert recording.name not in (".", "..")


def test_a_recording_name_with_a_path_becomes_a_plain_name(tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    for name in ("../../etc/passwd", "..\\..\\evil", "..", "a\0b"):
        data = {"sequences": {name: {"keypoints": np.ones((2, 3, 12, 2))}}}
        np.save(path, data, allow_pickle=True)  # type: ignore[arg-type]
        (recording,) = FORMATS.get("mabe22_npy").read(path, ReadOptions(unpickle=True))
        assert recording.name in ("passwd", "evil", "train", "ab")


def test_slp_tables_that_point_beyond_each_other_are_refused(tmp_path: Path) -> None:
    for table, field, value, message in (
        ("frames", "instance_id_end", 10**9, "refers to instances that are not in the file"),
        ("instances", "point_id_start", 10**9, "another number of points"),
        ("instances", "track", 99, "has a track that is not in the file"),
        ("frames", "frame_idx", 2**63, r"frame numbers|cannot be read"),
    ):
        path = twins.sleap_slp(tmp_path)
        with h5py.File(path, "r+") as file:
            rows = file[table][:]
            rows[field][-1] = value
            file[table][:] = rows
        with pytest.raises(DataError, match=message):
            read("sleap_slp", path)


# pickles


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.marker), "w"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_not_run(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "run"
    value = inert_pickle.loads(pickle.dumps({"a": [1, 2.5, "x", None, True, (3,)], "b": Evil(marker)}, protocol))
    assert value["a"] == [1, 2.5, "x", None, True, (3,)]
    assert isinstance(value["b"], inert_pickle.PickledCall)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)),
                                   np.array([["a", "bc"]], object), np.array(["a", "bc"]), np.float32(2.5),
                                   np.arange(3, dtype=">i4")])  # fmt: skip
def test_arrays_come_out_of_a_pickle_as_numpy_reads_them(array: np.ndarray, protocol: int) -> None:
    value = inert_pickle.to_array(inert_pickle.loads(pickle.dumps(array, protocol)))
    np.testing.assert_array_equal(value, array)


def test_an_evil_object_in_an_npy_file_is_not_run(tmp_path: Path) -> None:
    marker, path = tmp_path / "run", tmp_path / "evil.npy"
    data = {"sequences": {"a": {"keypoints": Evil(marker)}}}
    np.save(path, data, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is not run"):
        read("mabe22_npy", path, unpickle=True)
    FORMATS.get("mabe22_npy").detect(path)
    assert not marker.exists()


@pytest.mark.parametrize("twin", ["dlc_h5_fixed", "dlc_h5_table"])
def test_an_evil_pickle_in_a_deeplabcut_h5_is_not_run(twin: str, tmp_path: Path) -> None:
    """`pandas.read_hdf` would run it; here it is a column name that is none."""
    marker = tmp_path / "run"
    path = twins.TWINS[twin][1](tmp_path)
    evil = pickle.dumps([(Evil(marker),)], protocol=0)
    with h5py.File(path, "r+") as file:
        if twin == "dlc_h5_table":
            file["any_key/table"].attrs["values_block_0_kind"] = np.bytes_(evil)
            file["any_key"].attrs["non_index_axes"] = np.bytes_(evil)
        else:
            del file["df_with_missing/axis0_level0"]
            kind = h5py.vlen_dtype(np.uint8)
            level = file.create_dataset("df_with_missing/axis0_level0", (1,), kind)
            level[0] = np.frombuffer(pickle.dumps(Evil(marker)), np.uint8)
            level.attrs["PSEUDOATOM"] = np.bytes_(b"object")
    with pytest.raises(DataError, match=r"pickle|cannot be read|do not fit"):
        read("deeplabcut_h5", path)
    FORMATS.get("deeplabcut_h5").detect(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "data", [b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"abc.", b"\x80\x04B\xff\xff\xff\x7fa."]
)
def test_a_pickle_with_a_huge_declared_length(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        inert_pickle.loads(data)


def test_a_pickle_with_a_huge_memo_number_takes_no_memory() -> None:
    assert inert_pickle.loads(b"\x80\x04Nr\xff\xff\xff\xff.") is None


# json, mat, csv


@pytest.mark.parametrize("depth", [5_000, 200_000])
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("calms21_json", '{"annotator-id_0": {"a": {"keypoints": '),
        ("mars_json", '{"keypoints": '),
        ("alphatracker_json", '[{"annotations": '),
    ],
)
def test_deep_json(name: str, start: str, depth: int, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text(start + "[" * depth)
    with pytest.raises(DataError, match="cannot be read as"):
        read(name, path)


def test_json_of_other_shapes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    for value in (
        {"keypoints": [[1, 2], [3]]},
        {"keypoints": {}},
        {"keypoints": [[[[1e400]]]]},
        {"keypoints": "x"},
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(DataError, match=str(path)):
            read("mars_json", path)


def test_a_mat_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    zeros = twins.mat_array("coords3d", np.zeros((30_000, 96)))
    bomb = zlib.compress(zeros, 9)
    assert len(zeros) / len(bomb) > 500
    lying = bytearray(zeros[:4096])
    lying[4:8] = (1 << 31).to_bytes(4, "little")
    path = twins.mat_file(tmp_path / "bomb.mat", bytes(lying))
    with pytest.raises(DataError, match=r"more than .* can hold"):
        read("sbea_mat", path)


def test_a_mat_variable_of_another_length_than_it_declares(tmp_path: Path) -> None:
    short = bytearray(twins.mat_array("coords3d", np.zeros((2, 96))))
    short[4:8] = (len(short) + 800).to_bytes(4, "little")
    with pytest.raises(DataError, match="another length than it declares"):
        read("sbea_mat", twins.mat_file(tmp_path / "short.mat", bytes(short)))


def test_a_csv_with_one_enormous_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.csv"
    header = "scorer,s,s\nbodyparts,nose,nose\ncoords,x,y\n"
    path.write_text(f"{header}0,{'9' * 20_000_000},1\n")
    (recording,) = FORMATS.get("deeplabcut_csv").read(path, ReadOptions())
    assert recording.missing == {"infinite": 1}
    path.write_text(f"{header}0,{'x' * 20_000_000},1\n")
    with pytest.raises(DataError, match=r"line 4"):
        read("deeplabcut_csv", path)


@pytest.mark.slow
def test_an_xlsx_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    path = twins.ethovision_xlsx(tmp_path)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as book,
        book.open("xl/media/bomb.bin", "w") as part,
    ):
        for _ in range(520):
            part.write(bytes(1 << 20))
    assert path.stat().st_size < 5 << 20
    assert FORMATS.get("ethovision_tracks").detect(path) is None
    with pytest.raises(DataError, match="would unpack to"):
        read("ethovision_tracks", path)
