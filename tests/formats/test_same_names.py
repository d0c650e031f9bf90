"""Files of one name in several folders, and names that are the same but for how they are encoded."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import pytest
from lab_folder import boris_csv, boris_project, deeplabcut_csv, walk_xy
from pose_twins import sleap_analysis

from etholake.formats.facts import PoseFacts
from etholake.formats.matching import Candidate, best_match
from etholake.formats.planning import make_plan
from etholake.stages.lake.import_folder import ImportOptions, run

PARTS, BOUT = ("nose", "neck", "tail_base"), (1.0, 2.0, "m1", "attack")


def candidates(*folders: str) -> list[Candidate]:
    return [Candidate(f"{folder}/day1.csv", folder, ("day1.csv",)) for folder in folders]


@pytest.mark.parametrize(
    ("named", "folder", "folders", "chosen"),
    [
        ("D:\\mice\\cage2\\day1.mp4", ".", ("cage1", "cage2"), "cage2"),  # one project for all cages
        ("/data/tracks/cage1/day1.mp4", ".", ("tracks/cage1", "old/cage1"), "tracks/cage1"),
        ("day1.mp4", "cage1/labels", ("cage1", "cage2"), "cage1"),
        ("day1.mp4", "labels/cage2", ("tracks/cage1", "tracks/cage2"), "tracks/cage2"),
        ("day1.mp4", ".", (".", "old"), "."),
        ("day1.mp4", "old", (".", "old"), "old"),
        ("day1.mp4", "labels", ("cage1", "cage2"), None),
        ("/elsewhere/cage3/day1.mp4", ".", ("cage1", "cage2"), None),
    ],
)
def test_of_equal_names_the_nearest_folder_is_meant(
    named: str, folder: str, folders: tuple[str, ...], chosen: str | None
) -> None:
    match = best_match([named], ["labels.boris"], folder, candidates(*folders))
    assert match.key == (None if chosen is None else f"{chosen}/day1.csv")
    assert ("several have it" in match.how) == (chosen is None)


def test_a_part_of_a_name_ends_where_a_word_ends() -> None:
    """`tag1` is a part of `tag1_top`, and neither of `tag12` nor of `tag1ü`."""
    names = [Candidate(name, ".", (name,)) for name in ("tag12", "tag1ü", "tag1_top")]
    assert best_match([], ["tag1"], ".", names).key == "tag1_top"


def test_accents_of_a_mac_and_of_windows_are_the_same(tmp_path: Path) -> None:
    """A Mac writes `ä` of a file's name as `a` with a mark; BORIS on Windows keeps one letter."""
    name = "Käfig ü"
    lab = tmp_path / "lab"
    deeplabcut_csv(lab / f"{unicodedata.normalize('NFD', name)}.csv", walk_xy(120, 2, 3), PARTS, ("ö", "Ä"))
    boris_csv(lab / "labels" / "x.csv", f"{name}.mp4", [(1.0, 2.0, "ä", "attack"), (1.0, 2.0, "ü", "attack")])
    run(lab, tmp_path / "data", ImportOptions())
    report = json.loads((tmp_path / "data" / "imports" / "lab" / "report.json").read_text())
    assert report["bouts"] == {"in": 2, "written": 2, "left_out": {}}
    guesses = " ".join(entry["text"] for entry in report["assumed"])
    assert "animal 'ä' → 2: a guess: 'Ä' of the tracks" in guesses
    assert "animal 'ü' → each: not known which animal this is" in guesses


def test_one_project_labels_the_videos_of_two_cages(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    for cage in ("cage1", "cage2"):
        deeplabcut_csv(lab / cage / "day1.csv", walk_xy(120, 2, 3), PARTS, ("m1", "m2"))
    observations = {
        "a": ("D:\\x\\cage1\\day1.mp4", [BOUT]),
        "b": ("/x/cage2/day1.mp4", [BOUT, (2.5, 3.0, *BOUT[2:])]),
    }
    boris_project(lab / "all.boris", observations, behaviours=("attack",), subjects=("m1",))
    run(lab, tmp_path / "data", ImportOptions())
    report = json.loads((tmp_path / "data" / "imports" / "lab" / "report.json").read_text())
    assert {video["name"]: video["bouts"]["written"] for video in report["videos"]} == {
        "cage1/day1": 1, "cage2/day1": 2,
    }  # fmt: skip


def test_a_file_with_only_a_header_has_a_line_in_the_report(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    deeplabcut_csv(lab / "m1.csv", walk_xy(30, 2, 3), PARTS, ("m1", "m2"))
    columns = "Observation id,Subject,Behavior,Behavior type,Time,Media file name,FPS (frame/s)"
    with (lab / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerow(columns.split(","))
    run(lab, tmp_path / "data", ImportOptions(fps=30))
    report = json.loads((tmp_path / "data" / "imports" / "lab" / "report.json").read_text())
    assert [(e["file"], e["text"]) for e in report["notes"] if "holds no" in e["text"]] == [
        ("log.csv", "holds no labelled bout (BORIS tabular events)")
    ]
    assert {"file": "log.csv", "what it is": "BORIS tabular events", "matched": "no: it is empty"} in report[
        "files"
    ]


@pytest.mark.parametrize(
    ("deeplabcut", "sleap", "videos", "words"),
    [
        ("dlc", "sleap", 1, "dlc/clip.csv: 36 points are not used: sleap/clip.analysis.h5 holds the tracks"),
        (".", ".", 1, "clip.csv: 36 points are not used: clip.analysis.h5 holds the tracks of the same video"),
        ("day1/DLC results", "day1/SLEAP", 1, "holds the tracks of the same video"),
        (
            "cage1",
            "cage2",
            2,
            "cage1/clip.csv: is taken for another video than cage2/clip.analysis.h5, though name",
        ),
        ("day1/dlc", "day2/sleap", 2, "is taken for another video than"),
    ],
)
def test_a_video_that_two_tools_have_tracked_is_one_video(
    deeplabcut: str, sleap: str, videos: int, words: str, tmp_path: Path
) -> None:
    """SLEAP's parts have names of their own; of the folders only names of tools say nothing of the recording."""
    lab = tmp_path / "lab"
    (lab / sleap).mkdir(parents=True)
    sleap_analysis(lab / sleap, "clip.analysis.h5")
    deeplabcut_csv(lab / deeplabcut / "clip.csv", walk_xy(6, 2, 3), ("snout", "neck", "tail_base"), ("m1", "m2"))
    run(lab, tmp_path / "data", ImportOptions(fps=30))
    report = json.loads((tmp_path / "data" / "imports" / "lab" / "report.json").read_text())
    assert len(report["videos"]) == videos
    sentences = [f"{entry['file']}: {entry['text']}" for kind in ("assumed", "left_out") for entry in report[kind]]
    assert any(words in text for text in sentences), sentences


@pytest.mark.parametrize(
    ("own", "folders", "chosen"),
    [
        ("2024-01-05_day1.csv", ("2024-01-05", "2024-01-06 (again)"), "2024-01-05"),
        ("day1 cage2 scored.csv", ("cage1", "cage2"), "cage2"),
        ("day1_cage22.csv", ("cage1", "cage2"), None),
        ("day1.csv", ("day1", "cage2"), None),  # its own name tells nothing of the folder
        ("a_b_day1.csv", ("a/x", "a/b"), "a/b"),
        ("a_b_day1.csv", ("a", "b"), None),
    ],
)
def test_a_name_may_hold_that_of_the_folder(own: str, folders: tuple[str, ...], chosen: str | None) -> None:
    match = best_match([], [own], "labels", candidates(*folders))
    assert match.key == (None if chosen is None else f"{chosen}/day1.csv")
    assert match.assumed == (chosen is not None)


def facts(file: str, tool: str, frames: int, last: int, animals: int = 2) -> PoseFacts:
    names = tuple("abcd"[:animals])
    return PoseFacts(
        file, 0, False, tool, tool, "clip", frames, 0, last, names, ("nose",), frames * animals, {}, 2, True, "px",
        30.0, None, None, None, "clip.mp4",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dense", "last", "animals", "videos"),
    [
        ("clip.csv", 90_049, 2, 1),  # the sample ends before the video
        ("clip.analysis.h5", 89_999, 3, 1),  # and may show one animal less
        ("clip.csv", 80_000, 2, 2),  # the video ends before the sample: another one
        ("other/clip.csv", 90_049, 2, 2),
        ("labels.predictions.slp", 90_049, 2, 1),  # of the same tool, by the video that both name
    ],
)
def test_frames_labelled_for_a_training_are_no_second_video(
    dense: str, last: int, animals: int, videos: int
) -> None:
    """A SLEAP project holds the frames that a person labelled, beside the tracks that came of it."""
    tool = "sleap_slp" if dense.endswith(".slp") else "another"
    sample, tracks = facts("clip.slp", "sleap_slp", 400, 89_999), facts(dense, tool, last + 1, last, animals)
    plan = make_plan("/lab", "lab", [sample, tracks], [], [])
    assert len(plan.mapping.videos) == videos
    assert plan.twins == ({dense: ["clip.slp"]} if videos == 1 else {})


def test_a_deeplabcut_project_is_its_videos(tmp_path: Path) -> None:
    """`labeled-data/clip` holds frames of `videos/clip`, which the labels name."""
    lab = tmp_path / "project"
    name = "clipDLC_resnet50_testMay7shuffle1_500.csv"
    deeplabcut_csv(lab / "videos" / name, walk_xy(120, 2, 2), PARTS[:2], ("m1", "m2"))
    (lab / "labeled-data" / "clip").mkdir(parents=True)
    rows = [
        "scorer,,,me,me,me,me",
        "individuals,,,m1,m1,m2,m2",
        "bodyparts,,,nose,nose,nose,nose",
        "coords,,,x,y,x,y",
    ]
    rows += [f"labeled-data,clip,img{n:03d}.png,1,2,3,4" for n in (7, 50, 101)]
    (lab / "labeled-data" / "clip" / "CollectedData_me.csv").write_text("\n".join(rows) + "\n")
    boris_csv(lab / "boris.csv", "clip.mp4", [BOUT])
    run(lab, tmp_path / "data", ImportOptions())
    report = json.loads((tmp_path / "data" / "imports" / "project" / "report.json").read_text())
    assert [(video["name"], video["bouts"]["written"]) for video in report["videos"]] == [("clip", 1)]
    assert any("CollectedData_me.csv" in entry["file"] for entry in report["left_out"])
