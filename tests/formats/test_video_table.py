"""SimBA's video_info.csv: frames per second and px/mm of videos, by their names."""

import json
from pathlib import Path

import pytest
from lab_folder import deeplabcut_csv, walk_xy

from etholake.errors import DataError
from etholake.formats.video_table import VideoDetails, is_video_table, read_video_table
from etholake.stages.lake.import_folder import ImportOptions, run

HEADER = "Video,fps,Resolution_width,Resolution_height,Distance_in_mm,pixels/mm"
PARTS = ("nose", "neck", "tail_base")


def table(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def imported(lab: Path, out: Path, **options: float) -> tuple[dict[str, tuple[float | None, float | None]], dict]:
    run(lab, out, ImportOptions(**options))  # type: ignore[arg-type]
    report = json.loads((out / "imports" / "lab" / "report.json").read_text())
    return {v["name"]: (v["fps"], v["pix_per_cm"]) for v in report["videos"]}, report


def test_rows_are_read_and_numbers_that_cannot_be_are_none(tmp_path: Path) -> None:
    path = table(
        tmp_path / "v.csv", "a,25,800,600,300,2.5", "b,0,800,600,300,None", ",25,,,,1", "c,1e9,,,,-1", "d"
    )
    assert is_video_table(path)
    assert list(read_video_table(path)) == [
        VideoDetails("a", 25.0, 25.0), VideoDetails("b", None, None), VideoDetails("c", None, None),
        VideoDetails("d", None, None),
    ]  # fmt: skip
    other = tmp_path / "other.csv"
    other.write_text("Video,fps\na,25\n")
    assert not is_video_table(other)
    with pytest.raises(DataError, match="expected the columns Video, fps and pixels/mm"):
        list(read_video_table(other))


def test_a_video_takes_its_rate_and_scale_from_its_row(tmp_path: Path) -> None:
    lab, out = tmp_path / "lab", tmp_path / "data"
    for name in ("Mouse1", "mouse2"):
        deeplabcut_csv(lab / "csv" / f"{name}.csv", walk_xy(60, 2, 3), PARTS, ("m1", "m2"))
    path = table(lab / "logs" / "video_info.csv", "mouse1,25,800,600,300,2.5", "elsewhere,30,800,600,300,3")
    videos, report = imported(lab, out)
    assert videos == {"Mouse1": (25.0, 25.0), "mouse2": (None, None)}
    texts = [entry["text"] for entry in report["assumed"]]
    assert "video 'Mouse1' has 25 frames/s and 25 px/cm, as the row 'mouse1' of video_info says" in texts
    [row] = [row for row in report["files"] if row["what it is"] == "SimBA video_info"]
    assert (row["file"], row["matched"]) == ("logs/video_info.csv", "fps or px/cm of 'Mouse1'")
    assert "Frames per second of 'mouse2'" in " ".join(report["needed"])
    assert imported(lab, out)[0] == videos  # the mapping says so now
    table(path, "mouse1,25,800,600,300,2.5", "mouse2,30,800,600,300,4", "mouse2,30,800,600,300,5")
    again, _ = imported(lab, tmp_path / "again", fps=50)
    assert again == {"Mouse1": (50.0, 25.0), "mouse2": (50.0, None)}  # two rows of a name say nothing
