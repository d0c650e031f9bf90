"""`etholake import` on generated folders: one command, an edited mapping, what is redone, what is refused."""

import csv
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from lab_folder import boris_csv, boris_project, deeplabcut_csv, video_file, walk_xy

from etholake import cli
from etholake.errors import DataError, UsageError
from etholake.result import StageResult
from etholake.stages.lake.import_folder import ImportOptions, run

PARTS, ANIMALS = ("snout", "leftear", "tailbase"), ("mus1", "mus2")
BOUTS = [(1.0, 2.0, "mouse 1", "Social Interaction"), (2.5, 3.0, "", "Social Interaction")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lab's folder: two DeepLabCut csvs with the videos' names in a project, one video file."""
    at = tmp_path / "My lab"
    for name in ("m1", "m2"):
        scorer = "DLC_resnet50_openfieldMay7shuffle1_500000"
        deeplabcut_csv(at / "dlc" / f"{name}{scorer}.csv", walk_xy(120, 2, 3), PARTS, ANIMALS)
    boris_project(
        at / "labels.boris",
        {"first": ("/somewhere/m1.avi", BOUTS), "second": ("C:\\videos\\m2.mp4", BOUTS[:1])},
        behaviours=("Social Interaction",),
        subjects=("mouse 1",),
    )
    video_file(at / "videos" / "m1.mp4", 121, 30)
    return at


@pytest.fixture
def imported(folder: Path, tmp_path: Path) -> Callable[..., StageResult]:
    return lambda **options: run(folder, tmp_path / "data", ImportOptions(**options))


def metadata(out: Path, split: str = "train") -> dict[str, dict[str, str]]:
    with (out / f"{split}.csv").open(newline="") as file:
        return {row["video_name"]: row for row in csv.DictReader(file)}


def rows(out: Path, kind: str, number: str) -> list[dict]:
    (path,) = out.glob(f"train_{kind}/*/{number}.parquet")
    return pq.read_table(path).to_pylist()


def edit(out: Path, old: str, new: str) -> None:
    (path,) = out.glob("imports/*/mapping.toml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_one_command_and_no_editing(folder: Path, imported: Callable[..., StageResult], tmp_path: Path) -> None:
    result = imported()
    out = tmp_path / "data"
    videos = metadata(out)
    assert videos.keys() == {"m1", "m2"}
    row = videos["m1"]
    # The second video says no fps itself: the labels' 30 frames/s are those of its video.
    assert [v["frames_per_second"] for v in videos.values()] == ["30.0", "30.0"]
    assert (row["lab_id"], row["video_width_pix"], row["video_height_pix"]) == ("My_lab", "64", "48")
    assert (row["video_duration_sec"], videos["m2"]["video_duration_sec"]) == ("4.0333", "4.0")
    assert json.loads(row["body_parts_tracked"]) == ["ear_left", "nose", "tail_base"]
    assert json.loads(row["behaviors_labeled"]) == [
        "mouse1,mouse2,social interaction", "mouse2,mouse1,social interaction",
    ]  # fmt: skip
    assert json.loads(videos["m2"]["behaviors_labeled"]) == ["mouse1,mouse2,social interaction"]
    assert (row["mouse1_id"], row["mouse2_id"]) == ANIMALS
    tracking = rows(out, "tracking", row["video_id"])
    assert len(tracking) == 120 * 2 * 3
    assert tracking[0] == {
        "video_frame": 0, "mouse_id": 1, "bodypart": "nose", "x": 100.0, "y": 50.0,
        "likelihood": pytest.approx(0.99),
    }  # fmt: skip
    assert [tuple(r.values()) for r in rows(out, "annotation", row["video_id"])] == [
        (1, 2, "social interaction", 30, 60),
        (1, 2, "social interaction", 75, 90), (2, 1, "social interaction", 75, 90),
    ]  # fmt: skip
    report = json.loads((out / "imports" / "My_lab" / "report.json").read_text())
    assert report["points"] == {"in": 1440, "written": 1440, "left_out": {}}
    assert report["bouts"] == {"in": 3, "written": 3, "left_out": {}}
    assumed = " ".join(entry["text"] for entry in report["assumed"])
    for text in (
        "'snout' → nose", "1 bouts do not say who does it to whom", "the video has 121 frames, the tracks 120",
    ):  # fmt: skip
        assert text in assumed
    assert (out / "imports" / "My_lab" / "report.md").read_text().startswith("# Import of")
    assert result.status == "done"
    assert result.details["errors"] == []


def test_a_second_run_changes_nothing_and_an_edit_redoes_what_it_concerns(
    imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    imported()
    out = tmp_path / "data"

    def contents() -> dict[str, tuple[bytes, int]]:
        files = (path for path in out.rglob("*") if path.is_file())
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files if p.name not in {"state.json"}}

    before = contents()
    result = imported()
    assert (result.status, result.details["redone"]) == ("unchanged", 0)
    changed = {path for path, content in contents().items() if before.get(path, (b"",))[0] != content[0]}
    assert changed == set()
    edit(out, 'tailbase = "tail_base"', 'tailbase = ""')
    result = imported()
    assert result.details["redone"] == 2
    assert result.details["points"]["left_out"] == {"part left out by the mapping": 480}
    edit(out, "[videos.m2]\n", "[videos.m2]\nfps = 25.0\n")
    result = imported()
    assert (result.status, result.details["redone"]) == ("done", 1)
    assert [v["frames_per_second"] for v in metadata(out).values()] == ["30.0", "25.0"]
    assert 'tailbase = ""' in next(out.glob("imports/*/mapping.toml")).read_text()


def test_options_are_kept_in_the_mapping(imported: Callable[..., StageResult], tmp_path: Path) -> None:
    imported(fps=50.0, lab="L2")
    out = tmp_path / "data"
    assert {v["frames_per_second"] for v in metadata(out).values()} == {"50.0"}
    result = imported()
    assert result.status == "unchanged"
    assert (out / "train_tracking" / "L2").is_dir()
    imported(lab="L3")
    assert not list((out / "train_tracking" / "L2").iterdir())
    assert {v["lab_id"] for v in metadata(out).values()} == {"L3"}


def test_a_changed_new_or_removed_file_is_followed(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    imported()
    out = tmp_path / "data"
    deeplabcut_csv(folder / "dlc" / "m3.csv", walk_xy(10, 1, 2), ("nose", "paw"))
    boris_csv(
        folder / "m3.csv.txt", "m3.mp4", []
    )  # no label file by its suffix: recognised or not, never an error
    result = imported(fps=30.0)
    assert metadata(out).keys() == {"m1", "m2", "m3"}
    assert len(rows(out, "tracking", metadata(out)["m3"]["video_id"])) == 20
    (folder / "dlc" / "m3.csv").unlink()
    result = imported()
    assert metadata(out).keys() == {"m1", "m2"}
    assert "dlc/m3.csv is not there" in result.details["errors"][0]
    assert len(list(out.glob("train_tracking/*/*.parquet"))) == 2


def test_a_bad_file_never_stops_the_others(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = folder / "dlc" / "brokenDLC_resnet50_xMay7shuffle1_500000.csv"
    deeplabcut_csv(bad, walk_xy(5, 1, 1), ("nose",))
    bad.write_text(bad.read_text() + "5,1.0,oops,0.9\n")
    boris_csv(folder / "odd.csv", "m1.avi", [(1, 2, "", "x")])
    (folder / "odd.csv").write_text((folder / "odd.csv").read_text().replace(",STOP", ",START"))
    out = tmp_path / "data"
    code = cli.main(["import", str(folder), "--out", str(out), "--json"])
    captured = capsys.readouterr()
    assert code == 1
    details = json.loads(captured.out)
    assert [name for name in metadata(out)] == ["m1", "m2"]
    assert len(details["errors"]) == 2
    assert "brokenDLC" in captured.err
    assert "oops" in captured.err
    assert "odd.csv" in captured.err
    assert "--unpaired" in captured.err
    assert cli.main(["import", str(folder), "--out", str(out), "--unpaired", "drop", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["errors"]) == 1


def test_other_imports_and_the_rows_of_others_stay(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "train.csv").write_text("lab_id,video_id,frames_per_second,own_column\nOther,5,25,kept\n")
    deeplabcut_csv(tmp_path / "second" / "5.csv", walk_xy(10, 1, 1), ("nose",))
    imported()
    run(tmp_path / "second", out, ImportOptions(fps=10.0))
    with (out / "train.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(r["lab_id"], r["video_name"], r["own_column"]) for r in table] == [
        ("Other", "", "kept"), *sorted([("My_lab", "m1", ""), ("My_lab", "m2", "")], key=lambda r: next(
            int(t["video_id"]) for t in table if t["video_name"] == r[1])), ("second", "5", ""),
    ]  # fmt: skip
    assert table[-1]["video_id"] != "5"  # taken by another lab's video
    assert len({r["video_id"] for r in table}) == 4


def test_links_out_of_the_folder_are_not_followed(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    outside = deeplabcut_csv(tmp_path / "outside" / "secret.csv", walk_xy(5, 1, 1), ("nose",))
    (folder / "secret.csv").symlink_to(outside)
    (folder / "away").symlink_to(outside.parent)
    (folder / "m4.csv").symlink_to(folder / "dlc" / "m1DLC_resnet50_openfieldMay7shuffle1_500000.csv")
    result = imported()
    assert metadata(tmp_path / "data").keys() == {"m1", "m2", "m4"}
    left = {Path(str(e["file"])).name: e["text"] for e in result.details["left_out"]}
    assert "leads out of the folder" in left["secret.csv"]
    assert "not followed" in left["away"]


def test_a_name_that_is_no_text_is_left_out_with_a_remark(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    deeplabcut_csv(folder / "odd\udcff.csv", walk_xy(5, 1, 1), ("nose",))
    result = imported()
    assert metadata(tmp_path / "data").keys() == {"m1", "m2"}
    assert any("no valid text" in entry["text"] for entry in result.details["left_out"])


def test_a_csv_beside_its_h5_twin_is_one_video(folder: Path, tmp_path: Path) -> None:
    raw = folder / "dlc" / "m1DLC_resnet50_openfieldMay7shuffle1_500000.csv"
    smooth = raw.with_name(raw.stem + "_filtered.csv")
    smooth.write_text(raw.read_text())
    result = run(folder, tmp_path / "data")
    assert metadata(tmp_path / "data").keys() == {"m1", "m2"}
    assert result.details["points"] == {
        "in": 2160, "written": 1440, "left_out": {"another file of the same video": 720},
    }  # fmt: skip
    (video,) = (v for v in result.details["videos"] if v["name"] == "m1")
    assert video["pose"].endswith("_filtered.csv")


def test_px_per_cm_from_a_body_or_the_arena(imported: Callable[..., StageResult], tmp_path: Path) -> None:
    result = imported()
    assert any(text.startswith("Pixels per cm of 'm1', 'm2'") for text in result.details["needed"])
    out = tmp_path / "data"
    edit(out, "# body_length_cm =", "body_length_cm = 8.0 #")
    edit(out, "# body_parts =", 'body_parts = ["snout", "tailbase"] #')
    imported()
    assert {v["pix_per_cm_approx"] for v in metadata(out).values()} == {"2.5"}  # 20 px from snout to tail base
    for old, new in (("width_cm =", 40), ("left_px =", 10), ("right_px =", 210)):
        edit(out, f"# {old}", f"{old} {new} #")
    imported()
    assert {v["pix_per_cm_approx"] for v in metadata(out).values()} == {"5.0"}
    assert {v["arena_width_cm"] for v in metadata(out).values()} == {"40.0"}


def test_animals_beyond_four_are_written_and_described(tmp_path: Path) -> None:
    names = [f"fly {i}" for i in range(1, 6)]
    deeplabcut_csv(tmp_path / "lab" / "five.csv", walk_xy(10, 5, 1), ("wing tip",), names)
    out = tmp_path / "data"
    result = run(tmp_path / "lab", out, ImportOptions(fps=30.0))
    row = metadata(out)["five"]
    assert [row[f"mouse{n}_id"] for n in range(1, 6)] == names
    assert {r["mouse_id"] for r in rows(out, "tracking", row["video_id"])} == {1, 2, 3, 4, 5}
    assert result.details["points"] == {"in": 50, "written": 50, "left_out": {}}
    edit(out, '"fly 5" = 5', '"fly 5" = 0')
    result = run(tmp_path / "lab", out)
    assert result.details["points"] == {
        "in": 50, "written": 40, "left_out": {"animal left out by the mapping": 10},
    }  # fmt: skip


def test_unlabelled_videos_of_the_test_split_ask_for_every_action(
    imported: Callable[..., StageResult], folder: Path, tmp_path: Path
) -> None:
    deeplabcut_csv(folder / "new.csv", walk_xy(10, 2, 3), PARTS, ANIMALS)
    imported(fps=30.0)
    out = tmp_path / "data"
    edit(out, 'pose = "new.csv"\nlabels = []\nvideo = ""\nsplit = "train"', 'pose = "new.csv"\nsplit = "test"')
    imported()
    assert metadata(out).keys() == {"m1", "m2"}
    row = metadata(out, "test")["new"]
    assert json.loads(row["behaviors_labeled"]) == [
        "mouse1,mouse2,social interaction", "mouse2,mouse1,social interaction",
    ]  # fmt: skip
    assert (out / "test_tracking" / "My_lab" / f"{row['video_id']}.parquet").is_file()
    assert not (out / "train_tracking" / "My_lab" / f"{row['video_id']}.parquet").exists()


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", str(folder), "--out", str(tmp_path / "data"), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "DeepLabCut csv" in text
    assert "video 'm1' (the file names its video 'm1')" in text
    assert "nothing was written: 2 videos" in text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lab": "../up"}, "--lab names a folder: at most 64 letters, digits"),
        ({"name": "a/b"}, "--name names a folder"),
        ({"fps": -1.0}, "--fps must be a number above 0"),
        ({"min_likelihood": float("nan")}, "--min-likelihood must lie between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(folder: Path, tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(folder, tmp_path / "data", ImportOptions(**options))


def test_a_folder_without_tracks_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"No file of tracks was recognised in .*1 files \(\.txt\)"):
        run(tmp_path / "lab", tmp_path / "data")
    with pytest.raises(DataError, match="is not a folder"):
        run(tmp_path / "nowhere", tmp_path / "data")


def test_the_name_of_an_import_belongs_to_one_folder(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    imported()
    deeplabcut_csv(tmp_path / "elsewhere" / "My lab" / "x.csv", walk_xy(5, 1, 1), ("nose",))
    with pytest.raises(UsageError, match="give this folder a name of its own"):
        run(tmp_path / "elsewhere" / "My lab", tmp_path / "data")


def test_a_mapping_that_is_wrong_says_where(imported: Callable[..., StageResult], tmp_path: Path) -> None:
    imported()
    edit(tmp_path / "data", "mus2 = 2", 'mus2 = "two"')
    with pytest.raises(DataError, match=r"mapping\.toml cannot be used.*\n.*\[animals\]: mus2 must be a number"):
        imported()


def test_one_import_at_a_time_writes_to_a_folder(
    imported: Callable[..., StageResult], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    (out / "imports").mkdir(parents=True)
    descriptor = os.open(out, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match=r"Another import is writing to .*data: wait until it has ended"):
        imported()
    assert run(folder, out, ImportOptions(dry_run=True)).status == "unchanged"
    os.close(descriptor)
    assert imported().status == "done"


def test_a_refused_import_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    with pytest.raises(DataError, match="No file of tracks was recognised"):
        run(tmp_path / "lab", tmp_path / "new" / "data")
    assert not (tmp_path / "new" / "data").exists()


def test_missing_points_have_no_row_and_are_never_zero(tmp_path: Path) -> None:
    xy = walk_xy(10, 1, 2)
    xy[3:5, 0, 1] = np.nan
    likelihood = np.full((10, 1, 2), 0.9)
    likelihood[7, 0, 0] = 0.1
    deeplabcut_csv(tmp_path / "lab" / "v.csv", xy, ("nose", "paw"), likelihood=likelihood)
    result = run(tmp_path / "lab", tmp_path / "data", ImportOptions(fps=30.0, min_likelihood=0.5))
    assert result.details["points"]["in"] == 20
    assert result.details["points"]["written"] == 18
    assert "1 of 18 points have a likelihood below 0.5: they are written" in str(result.details)
    assert metadata(tmp_path / "data")["v"]["min_likelihood"] == "0.5"
    table = rows(tmp_path / "data", "tracking", metadata(tmp_path / "data")["v"]["video_id"])
    assert len(table) == 18
    assert all(row["x"] != 0 and row["y"] != 0 for row in table)


def test_unique_parts_of_deeplabcut_are_no_animal_that_behaves(tmp_path: Path) -> None:
    """Two corners of the arena beside one mouse: its actions are its own, not towards the corners."""
    path = deeplabcut_csv(
        tmp_path / "lab" / "m1DLC_resnet50_xMay7shuffle1_5.csv",
        walk_xy(60, 2, 2),
        ("nose", "tail"),
        ("mus1", "single"),
    )
    boris_csv(tmp_path / "lab" / "m1.csv", "m1.mp4", [(0.5, 1.0, "", "sniff wall")])
    run(path.parent, tmp_path / "data")
    (row,) = metadata(tmp_path / "data").values()
    assert json.loads(row["behaviors_labeled"]) == ["mouse1,self,sniff wall"]
    assert len(rows(tmp_path / "data", "tracking", row["video_id"])) == 60 * 2 * 2


def simba_csv(path: Path, header: str, row: str, imported: bool = False) -> None:
    """Write 30 frames of one mouse in a stage of a SimBA project."""
    columns = ",".join(f"{part}_{mark}" for part in ("Nose", "Center", "Tail_base") for mark in "xyp")
    top = "".join("," + ",".join(["IMPORTED_POSE"] * 9) + "\n" for _ in range(2)) if imported else ""
    path.parent.mkdir(parents=True)
    lines = (f"{t},1,2,0.9,3,4,0.9,5,6,0.9{row}" for t in range(30))
    path.write_text(f"{top},{columns}{header}\n" + "\n".join(lines) + "\n")


def test_the_stages_of_a_simba_project_are_one_video(tmp_path: Path) -> None:
    """Its labels are the annotations, not what a classifier made of them."""
    project = tmp_path / "project_folder"
    simba_csv(project / "csv" / "input_csv" / "Video1.csv", "", "", imported=True)
    simba_csv(project / "csv" / "targets_inserted" / "Video1.csv", ",Attack", ",1")
    simba_csv(project / "csv" / "machine_results" / "Video1.csv", ",Probability_Attack,Attack", ",0.2,0")
    video_file(project / "videos" / "Video1.mp4", 30, 25)
    report = run(project, tmp_path / "data").details
    (video,) = report["videos"]
    assert (video["name"], video["pose"], video["video"], video["labels"]) == (
        "Video1", "csv/targets_inserted/Video1.csv", "videos/Video1.mp4", ["csv/targets_inserted/Video1.csv"],
    )  # fmt: skip
    assert video["behaviors_labeled"] == '["mouse1,self,attack"]'
    assert report["points"] == {
        "in": 270, "written": 90, "left_out": {"another file of the same video": 180},
    }  # fmt: skip
    assert any("results of a classifier" in entry["text"] for entry in report["left_out"])


def test_files_that_hold_nothing_are_named_with_the_reason(
    folder: Path, imported: Callable[..., StageResult], tmp_path: Path
) -> None:
    """An empty file, a cloud's placeholder and a half copied h5 are no files 'of another kind'."""
    (folder / "m3.csv").touch()
    (folder / "m4.h5").write_bytes(bytes(5000))
    (folder / "m5.slp").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(5000))
    (folder / "scores.xlsx").write_bytes(b"PK\x03\x04" + bytes(5000))
    (folder / "~$scores.xlsx").write_bytes(bytes(165))  # Excel's own, while the workbook is open
    with h5py.File(folder / "features.h5", "w") as file:
        file["anything"] = [1, 2, 3]
    result = imported()
    assert [e["text"] for e in result.details["left_out"]] == [
        "the file is empty: was it copied or downloaded whole?"
    ]
    assert len(result.details["errors"]) == 3
    damaged = "m5.slp: is a damaged or incomplete HDF5 file"
    for part in ("m4.h5: is no HDF5 file", damaged, "scores.xlsx: expected an xlsx workbook, but it cannot be"):
        assert any(part in error for error in result.details["errors"])
    assert result.details["not_recognised"] == ["features.h5", "~$scores.xlsx"]
    assert metadata(tmp_path / "data").keys() == {"m1", "m2"}


def test_what_an_import_wrote_is_no_input_of_another_one(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written into .* itself: name another --out"):
        run(folder, folder / "dlc" / "..")
    first = run(folder, folder / "data")
    second = run(folder, folder / "data again")
    assert second.details["points"] == first.details["points"]
    assert [e["text"] for e in second.details["left_out"]] == ["the folder holds what an earlier import wrote"]
