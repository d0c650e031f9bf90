"""Small files in the layout of each pose format, with values that can be checked by hand.

Points of twins are `x = 100·animal + 10·part + frame`, `y = x + 0.5` unless a twin says otherwise.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SCORER = "DLC_resnet50_testNov30shuffle1_1000"


def grid(frames: int, animals: int, parts: int) -> np.ndarray:
    """Return x and y [frames, animals, parts, 2]."""
    f, a, p = np.ogrid[:frames, :animals, :parts]
    x = (100.0 * a + 10.0 * p + f) * np.ones((frames, animals, parts))
    return np.stack([x, x + 0.5], -1)


def dlc_frame(frames: int = 5, *, animals: bool = True) -> pd.DataFrame:
    xy = grid(frames, 2 if animals else 1, 2)
    values = np.concatenate([xy, np.full((*xy.shape[:3], 1), 0.9)], -1).reshape(frames, -1)
    levels = [[SCORER], ["m1", "m2"], ["nose", "tail"], ["x", "y", "likelihood"]]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    if not animals:
        del levels[1], names[1]
    return pd.DataFrame(values, columns=pd.MultiIndex.from_product(levels, names=names))


def dlc_csv(folder: Path) -> Path:
    path = folder / f"clip{SCORER}.csv"
    dlc_frame().to_csv(path)
    return path


def dlc_single_csv(folder: Path) -> Path:
    path = folder / f"solo{SCORER}_filtered.csv"
    dlc_frame(animals=False).to_csv(path)
    return path


def dlc_labelled_csv(folder: Path) -> Path:
    path = folder / "CollectedData_me.csv"
    rows = [
        "scorer,,,me,me,me,me,me,me",
        "individuals,,,m1,m1,m1,m1,single,single",
        "bodyparts,,,nose,nose,tail,tail,corner,corner",
        "coords,,,x,y,x,y,x,y",
        "labeled-data,clip,img0007.png,1,2,3,4,5,6",
        "labeled-data,clip,img0003.png,7,8,,,9,10",
        "labeled-data,clip,img0100.png,,,,",
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def dlc_h5_fixed(folder: Path) -> Path:
    path = folder / f"clip{SCORER}.h5"
    dlc_frame().to_hdf(path, key="df_with_missing", mode="w")
    return path


def dlc_h5_table(folder: Path) -> Path:
    path = folder / f"clip_t{SCORER}.h5"
    dlc_frame().to_hdf(path, key="any_key", format="table", mode="w")
    return path


def dlc_h5_labelled(folder: Path) -> Path:
    path = folder / "CollectedData_me.h5"
    frame = dlc_frame(3, animals=False)
    images = [("labeled-data", "clip", f"img{number:03d}.png") for number in (4, 9, 2)]
    frame.index = pd.MultiIndex.from_tuples(images)
    frame.to_hdf(path, key="keypoints", mode="w")
    return path


SKELETON = {
    "nodes": [{"name": "tail"}, {"name": "nose"}],
    "skeletons": [{"nodes": [{"id": 1}, {"id": 0}], "links": []}],
}


def sleap_slp(folder: Path, name: str = "clip.slp", format_id: float | None = 1.2, user: bool = True) -> Path:
    """Write three labelled frames (0, 5, 89,999) of two tracks; a user's instance replaces one in frame 5."""
    path = folder / name
    rows, points, predicted, scored = [], [], [], []
    frames = []
    for number, frame in enumerate((0, 5, 89_999)):
        start = len(rows)
        for track in (0, 1):
            at = len(scored)
            scored += [(100 * track + 10 * part + frame, 100 * track + 10 * part + frame + 0.5) for part in (0, 1)]
            rows.append((len(rows), 1, number, 0, track, -1, 0.9, at, at + 2, 0.0))
        if user and frame == 5:
            points += [(-1.0, -2.0), (-3.0, -4.0)]
            rows.append((len(rows), 0, number, 0, 1, start + 1, 0.0, 0, 2, 0.0))
        frames.append((number, 0, frame, start, len(rows)))
    predicted = [(x, y, True, False, 0.75) for x, y in scored]
    instance = [
        ("instance_id", "<i8"), ("instance_type", "u1"), ("frame_id", "<u8"), ("skeleton", "<u4"),
        ("track", "<i4"),
        ("from_predicted", "<i8"), ("score", "<f4"), ("point_id_start", "<u8"), ("point_id_end", "<u8"),
        ("tracking_score", "<f4"),
    ]  # fmt: skip
    point = [("x", "<f8"), ("y", "<f8"), ("visible", "?"), ("complete", "?")]
    frame_type = [(n, "<u8") for n in ("frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end")]
    video = {"backend": {"filename": "C:\\videos\\clip.mp4", "shape": [90_000, 480, 640, 1]}}
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        if format_id is not None:
            group.attrs["format_id"] = format_id
        group.attrs["json"] = np.bytes_(json.dumps(SKELETON))
        file["frames"] = np.array(frames, frame_type)
        file["instances"] = np.array(rows, instance)
        file["points"] = np.array([(x, y, True, True) for x, y in points], point)
        file["pred_points"] = np.array(predicted, [*point, ("score", "<f8")])
        file["tracks_json"] = np.array([b'[0, "a"]', b'[0, "b"]'])
        file["videos_json"] = np.array([json.dumps(video).encode()])
    return path


def sleap_analysis(folder: Path, name: str = "labels.000_clip.analysis.h5", dims: bool = False) -> Path:
    """Write 4 frames, 2 tracks, 2 nodes; track b is absent in frame 3. With `dims` in the standard order."""
    path = folder / name
    xy = grid(4, 2, 2)
    xy[3, 1] = np.nan
    occupancy = np.isfinite(xy[..., 0]).all(-1).astype("u1")
    with h5py.File(path, "w") as file:
        if dims:
            file["tracks"] = xy
            file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
        else:
            file["tracks"] = xy.transpose(1, 3, 2, 0)
        file["track_occupancy"] = occupancy
        file["track_names"] = np.array([b"a", b"b"])
        file["node_names"] = np.array([b"nose", b"tail"])
    return path


def sleap_csv(folder: Path) -> Path:
    path = folder / "labels.000_clip.analysis.csv"
    path.write_text(
        "track,frame_idx,instance.score,nose.x,nose.y,nose.score,tail.x,tail.y,tail.score\n"
        "a,3,0.9,1,2,0.5,3,4,0.25\nb,3,0.9,5,6,0.5,,,\na,8,0.9,7,8,0.5,9,10,1\n"
    )
    return path


def jabs(folder: Path, version: int = 5, name: str | None = None) -> Path:
    """Write 3 frames with 3 slots; the animal in slot s has identity s + 1, slot 2 is masked."""
    path = folder / (name or f"clip_pose_est_v{version}.h5")
    N, S, P = 3, 3, 12
    yx = np.zeros((N, S, P, 2), np.uint16)
    yx[..., 0], yx[..., 1] = 40 + np.arange(P), 10 + np.arange(S)[:, None]
    confidence = np.full((N, S, P), 0.5, np.float32)
    yx[1, 0, 4], confidence[1, 0, 4] = 0, 0
    with h5py.File(path, "w") as file:
        group = file.create_group("poseest")
        if version == 2:
            group["points"], group["confidence"] = yx[:, 0], confidence[:, 0]
            return path
        group["points"], group["confidence"] = yx, confidence
        group["instance_count"] = np.full(N, 2, np.uint8)
        group["instance_track_id"] = np.array([[7, 8, 0], [7, 8, 0], [9, 8, 0]], np.uint32)
        group.attrs["version"] = np.array([3, 0])  # whatever it is: the attribute lies
        if version >= 4:
            group["instance_embed_id"] = np.tile(np.array([2, 1, 0], np.uint32), (N, 1))
            group["id_mask"] = np.tile(np.array([False, False, True]), (N, 1))
        if version >= 5:
            group.attrs["cm_per_pixel"] = 0.05
            file["static_objects/corners"] = np.zeros((4, 2), np.uint16)
        if version >= 6:
            group["seg_data"] = np.zeros((N, S, 1, 1, 2), np.int32)
        if version >= 7:
            file.create_group("dynamic_objects")
        if version >= 8:
            group["bbox"] = np.zeros((N, S, 2, 2), np.float32)
    return path


def nwb(folder: Path, name: str = "clip.nwb", clock: str = "seconds", per_animal: bool = True) -> Path:
    """Write two animals with two parts, metres after the conversion; nodes in another order than the series."""
    path = folder / name
    xy = grid(4, 2, 2)
    with h5py.File(path, "w") as file:
        file.attrs["neurodata_type"] = "NWBFile"
        module = file.create_group("processing/behavior")
        skeleton = file.create_group("processing/behavior/Skeletons/subject")
        skeleton.attrs["neurodata_type"] = "Skeleton"
        skeleton["nodes"] = np.array([b"tail", b"nose"])
        for animal, label in enumerate(("m1", "m2") if per_animal else ("PoseEstimation",)):
            group = module.create_group(label)
            group.attrs["neurodata_type"] = "PoseEstimation"
            group["original_videos"] = np.array([b"clip.mp4", b"other.mp4"])
            group["dimensions"] = np.array([[640, 480]], np.uint16)
            group["skeleton"] = h5py.SoftLink("/processing/behavior/Skeletons/subject")
            for part, node in enumerate(("nose", "tail")):
                series = group.create_group(node)
                series.attrs["neurodata_type"] = "PoseEstimationSeries"
                series["data"] = xy[:, animal, part]
                series["data"].attrs.update({"conversion": 0.001, "unit": "meters"})
                series["confidence"] = np.full(4, 0.5)
                if clock == "rate":
                    series["starting_time"] = 0.0
                    series["starting_time"].attrs["rate"] = 25.0
                else:
                    series["timestamps"] = np.arange(4) * (0.04 if clock == "seconds" else 1.0)
    return path


def calms21(folder: Path) -> Path:
    """Write two recordings; x of mouse m, part p, frame f is 100·m + 10·p + f."""
    path = folder / "calms21_task1_test.json"
    xy = grid(3, 2, 7).transpose(0, 1, 3, 2)
    sequence = {"keypoints": xy.tolist(), "scores": np.full((3, 2, 7), 0.5).tolist(), "annotations": [0, 1, 1]}
    names = ("task1/test/mouse071_task1_annotator1", "task1/test/mouse072_task1_annotator1")
    path.write_text(json.dumps({"annotator-id_0": dict.fromkeys(names, sequence)}))
    return path


def calms21_npy(folder: Path) -> Path:
    path = folder / "calms21_task1_test.npy"
    xy = grid(3, 2, 7).transpose(0, 1, 3, 2)
    sequence = {"keypoints": xy, "scores": np.full((3, 2, 7), 0.5), "annotations": np.array([0, 1, 1])}
    np.save(path, {"annotator-id_0": {"task1/test/mouse071": sequence}}, allow_pickle=True)  # type: ignore[arg-type]
    return path


def mars(folder: Path) -> Path:
    path = folder / "clip_pose_top_v1_8.json"
    xy = grid(3, 2, 7).transpose(0, 1, 3, 2)
    path.write_text(json.dumps({"keypoints": xy.tolist(), "scores": np.full((3, 2, 7), 0.5).tolist()}))
    return path


def mabe22(folder: Path) -> Path:
    path = folder / "user_train.npy"
    keypoints = grid(3, 3, 12)
    keypoints[1, 2, 3] = 0
    keypoints[0, 0, 0] = (5, 6)  # the grid's own point is (0, 0.5)
    data = {
        "sequences": {"abc": {"keypoints": keypoints.astype(np.float32), "annotations": np.zeros((2, 3))}},
        "vocabulary": ["chases", "lights"],
        "task_type": ["Discrete", "Continious"],
    }
    np.save(path, data, allow_pickle=True)  # type: ignore[arg-type]
    return path


def movement(folder: Path, plural: bool = True, unit: str = "seconds", name: str = "clip.nc") -> Path:
    """Write 4 frames from frame 2 on, at 10 frames a second."""
    path = folder / name
    end = "s" if plural else ""
    xy = grid(4, 2, 2)
    with h5py.File(path, "w") as file:
        scales = {
            "time": np.arange(2, 6) / 10 if unit == "seconds" else np.arange(2, 6),
            "space": np.array([b"x", b"y"]),
            f"keypoint{end}": np.array([b"nose", b"tail"]),
            f"individual{end}": np.array([b"m1", b"m2"]),
        }
        for key, values in scales.items():
            file[key] = values
            file[key].make_scale(key)
        file["position"] = xy.transpose(0, 3, 2, 1)
        file["confidence"] = np.full((4, 2, 2), 0.5)
        for key, dims in (
            ("position", list(scales)),
            ("confidence", ["time", f"keypoint{end}", f"individual{end}"]),
        ):
            for at, dim in enumerate(dims):
                file[key].dims[at].attach_scale(file[dim])
        file.attrs.update({"fps": 10.0, "time_unit": unit, "source_software": "DeepLabCut", "ds_type": "poses"})
    return path


def simba(folder: Path) -> Path:
    path = folder / "clip_targets.csv"
    names = [f"{part}_{animal}" for animal in (1, 2) for part in ("Nose", "Center", "Tail")]
    columns = [f"{name}_{mark}" for name in names for mark in "xyp"]
    xy = grid(3, 2, 3)
    rows = np.concatenate([xy, np.full((3, 2, 3, 1), 0.9)], -1).reshape(3, -1)
    rows[1, 3:6] = 0  # Center_1 of frame 1: what SimBA writes for a missing point
    frame = pd.DataFrame(rows, columns=columns)
    frame["Movement_mouse_1"], frame["Attack"] = 1.5, [0, 1, 1]
    frame.to_csv(path)
    return path


def simba_imported(folder: Path) -> Path:
    path = folder / "clip_input.csv"
    columns = [f"{part}_{mark}" for part in ("Nose", "Tail") for mark in "xyp"]
    frame = pd.DataFrame(np.arange(1.0, 13.0).reshape(2, 6), columns=columns)
    frame.columns = pd.MultiIndex.from_tuples([("IMPORTED_POSE", "IMPORTED_POSE", column) for column in columns])
    frame.to_csv(path)
    return path


def pair_r24m(folder: Path) -> Path:
    path = folder / "markerDataset.csv"
    names = [f"absolutePosition_{a}_{p}_{c}" for a in ("an1", "an2") for p in ("HeadF", "SpineM") for c in "xyz"]
    frame = pd.DataFrame(np.arange(24.0).reshape(2, 12), columns=names)
    frame.insert(0, "goodFrame_an2", [1, 0])
    frame.insert(0, "goodFrame_an1", [1, 1])
    frame.to_csv(path, index=False)
    return path


def mat_element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def mat_array(name: str, values: np.ndarray) -> bytes:
    body = mat_element(6, struct.pack("<II", 6, 0)) + mat_element(5, np.array(values.shape, "<i4").tobytes())
    body += mat_element(1, name.encode()) + mat_element(9, values.astype("<f8").tobytes(order="F"))
    return mat_element(14, body)


def mat_texts(name: str, rows: list[str]) -> bytes:
    letters = np.array([list(row) for row in rows])
    codes = np.vectorize(ord)(letters).astype("<u2")
    body = mat_element(6, struct.pack("<II", 4, 0)) + mat_element(5, np.array(codes.shape, "<i4").tobytes())
    body += mat_element(1, name.encode()) + mat_element(4, codes.tobytes(order="F"))
    return mat_element(14, body)


def mat_file(path: Path, *variables: bytes, compressed: bool = True) -> Path:
    header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x01IM"
    packed = [struct.pack("<II", 15, len(z)) + z for z in map(zlib.compress, variables)]
    path.write_bytes(header + b"".join(packed if compressed else variables))
    return path


def sbea(folder: Path) -> Path:
    path = folder / "rec11-A1A2-20220803-id3d.mat"
    values = np.arange(2 * 96, dtype=float).reshape(2, 96)
    return mat_file(path, mat_array("coords3d", values), mat_texts("name3d", ["A1", "A2"]))


def mabe2025(folder: Path) -> Path:
    path = folder / "4711.parquet"
    table = pa.table(
        {
            "video_frame": pa.array([3, 0, 0, 3], pa.int32()),
            "mouse_id": pa.array([1, 2, 1, 2], pa.int8()),
            "bodypart": ["nose", "nose", "tail_base", "tail_base"],
            "x": pa.array([1.0, 2.0, 3.0, None], pa.float32()),
            "y": pa.array([5.0, 6.0, 7.0, 8.0], pa.float32()),
        }
    )
    pq.write_table(table, path)
    return path


def alphatracker(folder: Path) -> Path:
    path = folder / "train.json"
    face = {"class": "Face", "height": 3.0, "width": 3.0, "x": 1.0, "y": 1.0}
    points = [{"class": "point", "x": 1.0 + n, "y": 2.0 + n} for n in range(2)]
    images = [{"annotations": [face, *points], "class": "image", "filename": f"img{n:03d}.png"} for n in (4, 2)]
    images[0]["annotations"] = [face, *points, face, *points]
    path.write_text(json.dumps(images, indent=4))
    return path


def ethovision_rows(subject: str, arena: str, shift: float = 0.0) -> list[list[str]]:
    """Return a sheet at 15 samples a second, rounded to milliseconds; the nose is missing in the second sample."""
    times = ["0.000", "0.067", "0.133", "0.200"]
    header = [
        ["Number of header lines:", "8"],
        ["Video file", "D:\\videos\\clip.mpg"],
        ["Arena name", arena],
        ["Subject name", subject],
        ["Trial name", "Trial 1"],
        [""],
        ["Trial time", "Recording time", "X center", "Y center", "X nose", "Y nose", "Rearing"],
        ["s", "s", "cm", "cm", "cm", "cm", ""],
    ]
    rows = [
        [
            time,
            time,
            f"{at + shift}",
            f"{-2.5 - at}",
            "-" if at == 1 else "7.5",
            "-" if at == 1 else "3.25",
            f"{at % 2}",
        ]
        for at, time in enumerate(times)
    ]
    return header + rows


def ethovision_txt(folder: Path) -> Path:
    path = folder / "Raw data-Trial 1.txt"
    rows = ethovision_rows("Subject 1", "Arena 1")
    path.write_text("\n".join(";".join(f'"{cell}"' for cell in row) for row in rows), encoding="utf-16")
    return path


def ethovision_xlsx(folder: Path) -> Path:
    import openpyxl

    path = folder / "Raw data.xlsx"
    book = openpyxl.Workbook()
    book.remove(book.active)
    for subject in ("Subject 1", "Subject 2"):
        sheet = book.create_sheet(f"Track-Arena 1-{subject}")
        for row in ethovision_rows(subject, "Arena 1", 100.0 * (subject == "Subject 2")):
            sheet.append(row)
    book.save(path)
    return path


TWINS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "dlc_csv": ("deeplabcut_csv", dlc_csv),
    "dlc_single_csv": ("deeplabcut_csv", dlc_single_csv),
    "dlc_labelled_csv": ("deeplabcut_csv", dlc_labelled_csv),
    "dlc_h5_fixed": ("deeplabcut_h5", dlc_h5_fixed),
    "dlc_h5_table": ("deeplabcut_h5", dlc_h5_table),
    "dlc_h5_labelled": ("deeplabcut_h5", dlc_h5_labelled),
    "ethovision_txt": ("ethovision_tracks", ethovision_txt),
    "ethovision_xlsx": ("ethovision_tracks", ethovision_xlsx),
    "sleap_slp": ("sleap_slp", sleap_slp),
    "sleap_analysis": ("sleap_analysis", sleap_analysis),
    "sleap_csv": ("sleap_csv", sleap_csv),
    "jabs_v2": ("jabs_pose", lambda folder: jabs(folder, 2)),
    "jabs_v3": ("jabs_pose", lambda folder: jabs(folder, 3)),
    "jabs_v5": ("jabs_pose", jabs),
    "jabs_v8": ("jabs_pose", lambda folder: jabs(folder, 8)),
    "nwb": ("nwb_pose", nwb),
    "calms21": ("calms21_json", calms21),
    "calms21_npy": ("calms21_npy", calms21_npy),
    "mars": ("mars_json", mars),
    "mabe22": ("mabe22_npy", mabe22),
    "movement": ("movement_netcdf", movement),
    "simba": ("simba_csv", simba),
    "simba_imported": ("simba_csv", simba_imported),
    "pair_r24m": ("pair_r24m_csv", pair_r24m),
    "sbea": ("sbea_mat", sbea),
    "mabe2025": ("mabe2025_parquet", mabe2025),
    "alphatracker": ("alphatracker_json", alphatracker),
}
