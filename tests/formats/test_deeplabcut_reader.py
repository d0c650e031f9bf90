"""Facts about DeepLabCut's files that are easily got wrong, each with a value that is checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pose_twins as twins  # type: ignore[import-not-found]
import pytest
from pose_reading import only, point, read, texts  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats.registry import FORMATS


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


def test_each_of_several_tables_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.h5"
    twins.dlc_frame().to_hdf(path, key="one")
    twins.dlc_frame(2).to_hdf(path, key="two")
    pd.DataFrame({"a": [1.0]}).to_hdf(path, key="settings")
    assert [(r.name, len(r.frames)) for r in read("deeplabcut_h5", path)] == [("clip_one", 5), ("clip_two", 2)]


def test_an_h5_with_only_a_header_says_that_it_holds_no_tracks(tmp_path: Path) -> None:
    twins.dlc_frame().iloc[:0].to_hdf(tmp_path / "clip.h5", key="df_with_missing")
    with pytest.raises(DataError, match="holds no tracks"):
        read("deeplabcut_h5", tmp_path / "clip.h5")


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


def test_rows_of_empty_cells_at_the_end_are_no_frames(tmp_path: Path) -> None:
    """A spreadsheet saves them; one in between is an error, since its frame is unknown."""
    header = "scorer,s,s,,\nbodyparts,nose,nose,,\ncoords,x,y,,\n"
    path = tmp_path / "clip.csv"
    path.write_text(header + "0,1,2,,\n1,3,4,,\n,,,,\n,,,,\n")
    assert only("deeplabcut_csv", path).frames.tolist() == [0, 1]
    path.write_text(header + "0,1,2,,\n,,,,\n1,3,4,,\n")
    with pytest.raises(DataError, match="line 5: the first column is ''"):
        read("deeplabcut_csv", path)


def test_whole_numbers_that_pandas_holds_as_floats_are_frames(tmp_path: Path) -> None:
    frame = twins.dlc_frame()
    frame.index = frame.index.astype("float64") + 10
    for kind in ("fixed", "table"):
        path = tmp_path / f"clip_{kind}DLC_resnet50_xMay7shuffle1_5.h5"
        frame.to_hdf(path, key="k", format=kind)  # type: ignore[call-overload]
        recording = only("deeplabcut_h5", path)
        assert (recording.name, recording.frames.tolist()) == (f"clip_{kind}", [10, 11, 12, 13, 14])


def test_a_table_in_a_compression_of_pytables_says_how_to_unpack_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.h5"
    twins.dlc_frame().to_hdf(path, key="k", complevel=5, complib="blosc")
    assert FORMATS.get("deeplabcut_h5").detect(path) is not None
    with pytest.raises(DataError, match=r"is compressed by 'blosc', which cannot be read here.*ptrepack"):
        read("deeplabcut_h5", path)
