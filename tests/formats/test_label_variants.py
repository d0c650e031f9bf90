"""Variants of label files that labs' tools and scripts write, each with values that were worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import label_twins as twins
import numpy as np
import openpyxl
import pose_twins  # type: ignore[import-not-found]
import pytest
from pose_reading import only, point  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats.base import LabelRecording, ReadOptions
from etholake.formats.labels.clock import in_frames
from etholake.formats.registry import detect


def read(path: Path, name: str, **options: Any) -> LabelRecording:
    """Read the one recording of a file as the label format `name`, which must be the only one to recognise it."""
    formats = [item for item, _ in detect(path) if item.kind == "labels"]
    assert [item.name for item in formats] == [name]
    (recording,) = formats[0].read(path, ReadOptions(**options))
    assert isinstance(recording, LabelRecording)
    return recording


def bouts(recording: LabelRecording) -> list[tuple[str, float, float]]:
    return [(bout.action, bout.start, bout.stop) for bout in recording.bouts]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("Behavior;Start;End\nattack;0,5;1,5\n", "second", ("attack", 0.5, 1.5)),
        ("Tier;Verhalten;Beginn;Ende\nA;Putzen;0,5;1,5\n", "second", ("Putzen", 0.5, 1.5)),
        ("Comportement;Début (s);Durée (s)\ntoilettage;2;1,5\n", "second", ("toilettage", 2.0, 3.5)),
        ("comportamento;inizio;fine\nfuga;10;20\n", "frame", ("fuga", 10.0, 20.0)),
        ("behavior,onset,duration\nattack,0.5,1.0\n", "second", ("attack", 0.5, 1.5)),
        ("behavior,onset,offset\nattack,1,3\n", "second", ("attack", 1, 3)),
        ("Behaviour,Start (frame),Duration (frames)\nattack,10,5\n", "frame", ("attack", 10, 15)),
        ("Label,Begin,End\nattack,1,10\n", "frame", ("attack", 1, 10)),
        ("Event,From,To\nattack,00:01:02,00:01:03\n", "second", ("attack", 62, 63)),
        ("Behavior,start_time,end_time\nattack,00:00:01.5,00:02.5\n", "second",
         ("attack", 1.5, 2.5)),
        ("action\tstart frame\tstop frame\nattack\t3\t7\n", "frame", ("attack", 3, 7)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".csv", ".TXT"])
def test_intervals(text: str, unit: str, expected: tuple[str, float, float], suffix: str, tmp_path: Path) -> None:
    recording = read(twins.written(tmp_path / f"pair{suffix}", text), "interval_csv")
    assert recording.time_unit == unit
    assert bouts(recording) == [expected]


def test_intervals_of_videos_of_one_name_in_two_folders_stay_apart(tmp_path: Path) -> None:
    """The first two rows are of one video, with and without its suffix."""
    text = "video,start_s,stop_s,action\ncage1/v.mp4,1,2,a\ncage1/v,3,4,a\ncage2/v.mp4,5,6,a\nw.mp4,7,8,a\n"
    path = twins.written(tmp_path / "all.csv", text)
    (item,) = [item for item, _ in detect(path) if item.kind == "labels"]
    recordings = [(r.name, r.media, len(r.bouts)) for r in item.read(path, ReadOptions())]
    assert recordings == [("v", ("cage1/v",), 2), ("v", ("cage2/v",), 1), ("w", (), 1)]


def test_intervals_of_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Action", "Start", "Stop"], ["attack", 0.25, 1.75]):
        book.active.append(row)
    book.save(tmp_path / "pair.xlsx")
    assert bouts(read(tmp_path / "pair.xlsx", "interval_csv")) == [("attack", 0.25, 1.75)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attack,rear,Frame\n1,0,0\n1,0,1\n0,1,2\n", [("attack", 0, 2), ("rear", 2, 3)]),
        ("Frame;attack\n0;WAHR\n1;FALSCH\n", [("attack", 0, 1)]),
        ("frame,attack\n0,FAUX\n1,VRAI\n", [("attack", 1, 2)]),
        ("frame,attack\n0,True\n1,False\n2,True\n", [("attack", 0, 1), ("attack", 2, 3)]),
        (",frame,attack\n0,10,1\n1,11,0\n", [("attack", 10, 11)]),
        ("frame,time,attack\n0,0.000,0\n1,0.033,1\n", [("attack", 1, 2)]),
        ("frame_number;attack\n0,0;1,0\n1,0;0,0\n", [("attack", 0, 1)]),
        ("frame,attack\n3,1\n4,1\n7,1\n", [("attack", 3, 5), ("attack", 7, 8)]),
    ],
)
def test_frame_wise_tables(text: str, expected: list[tuple[str, float, float]], tmp_path: Path) -> None:
    assert bouts(read(twins.written(tmp_path / "pair.csv", text), "framewise_csv")) == expected


def test_a_frame_wise_table_with_times_is_in_seconds(tmp_path: Path) -> None:
    """At 30 samples a second rounded to milliseconds, the samples 1 and 2 are 1/30 to 3/30 s."""
    text = "Time (s),attack\n0.000,0\n0.033,1\n0.067,1\n0.100,0\n"
    recording = read(twins.written(tmp_path / "pair.csv", text), "framewise_csv")
    assert recording.fps is None  # the samples need not be the video's frames
    assert bouts(in_frames(recording, fps=60)) == [("attack", 2, 6)]


def test_a_table_that_starts_at_frame_1_says_so(tmp_path: Path) -> None:
    recording = read(twins.written(tmp_path / "pair.csv", "frame,behavior\n1,attack\n2,none\n"), "framewise_csv")
    assert bouts(recording) == [("attack", 1, 2)]
    assert any("the first row is frame 1" in remark.text for remark in recording.remarks)


def test_two_distant_rows_need_no_memory_for_what_is_between(tmp_path: Path) -> None:
    rows = "\n".join(f"{9_000_000 * t},1" for t in range(200))
    recording = read(twins.written(tmp_path / "pair.csv", f"frame,attack\n{rows}\n"), "framewise_csv")
    assert bouts(recording)[-1] == ("attack", 1_791_000_000, 1_791_000_001)


@pytest.mark.parametrize(
    "text", ["background,groom\n1,0\n0,1\n-1,-1\n", "index,background,groom\n0,1,0\n1,0,1\n2,-1,-1\n"]
)
def test_deepethogram_labels_without_pandas_index(text: str, tmp_path: Path) -> None:
    recording = read(twins.written(tmp_path / "pair_labels.csv", text), "deepethogram")
    assert bouts(recording) == [("groom", 1, 2)]
    assert [(span.start, span.stop) for span in recording.scored or ()] == [(0, 2)]


SIMBA = ",Nose_x,Nose_y,Nose_p,Ear_x,Ear_y,Ear_p,Dist,Probability_Attack,Attack,Probability_Rear,Rear"
SIMBA_ROWS = ("0,1,2,0.9,3,4,0.8,5.5,0.1,0,0.9,1", "1,1,2,0.9,3,4,0.8,5.5,0.8,1,0.2,0")


def test_simba_machine_results_hold_all_classifiers(tmp_path: Path) -> None:
    path = twins.written(tmp_path / "pair.csv", "\n".join([SIMBA, *SIMBA_ROWS]))
    assert bouts(read(path, "simba_targets")) == [("Rear", 0, 1), ("Attack", 1, 2)]


def test_simba_tables_without_an_index_hold_tracks_and_labels(tmp_path: Path) -> None:
    rows = [row.partition(",")[2] for row in (SIMBA, *SIMBA_ROWS)]
    path = twins.written(tmp_path / "pair.csv", "\n".join(rows))
    assert point(only("simba_csv", path), 1, "animal", "Ear") == [3, 4]
    assert bouts(read(path, "simba_targets")) == [("Rear", 0, 1), ("Attack", 1, 2)]


def test_simba_tables_with_deeplabcuts_row_names_are_simbas(tmp_path: Path) -> None:
    mark = "IMPORTED_POSE,IMPORTED_POSE,IMPORTED_POSE"
    text = f"scorer,{mark}\nbodyparts,{mark}\ncoords,Nose_x,Nose_y,Nose_p\n0,1,2,0.9\n"
    path = twins.written(tmp_path / "pair.csv", text)
    assert [item.name for item, _ in detect(path)] == ["simba_csv"]
    assert point(only("simba_csv", path), 0, "animal", "Nose") == [1, 2]


def test_boris_fps_and_length_with_decimal_commas_are_kept(tmp_path: Path) -> None:
    rows = [("attack", "START", 1.0), ("attack", "STOP", 2.5)]
    path = twins.boris_new(tmp_path, rows, length="60,5", fps="29,97")
    recording = read(path, "boris_tabular")
    assert (recording.fps, recording.frame_count) == (29.97, 1813)  # 60.5 s · 29.97 = 1813.2


def test_a_boris_observation_of_an_interval_leaves_the_rest_unlabelled(tmp_path: Path) -> None:
    path = twins.boris(tmp_path)
    project = json.loads(path.read_text())
    (observation,) = project["observations"].values()
    observation["observation time interval"] = [10.0, 20.0]
    path.write_text(json.dumps(project))
    recording = read(path, "boris_project")
    assert recording.observed == (10, 20)
    assert in_frames(recording, fps=30).observed == (300, 600)
    observation["observation time interval"] = [20.0, 10.0]
    path.write_text(json.dumps(project))
    with pytest.raises(DataError, match=r"observation time interval of observation .* runs from 20 to 10 s"):
        read(path, "boris_project")


def test_annot_seconds_with_decimal_commas(tmp_path: Path) -> None:
    """0.5 s is frame 15 (from 1) at 30 frames/s and 1.5 s frame 45, which belongs to the bout."""
    recording = read(twins.annot(tmp_path, "0,5\t1,5\t1,0\n"), "caltech_annot")
    assert [(b.start, b.stop) for b in recording.bouts] == [(14, 45)]


def test_jabs_annotations_with_labels_first_and_longer_than_the_head(tmp_path: Path) -> None:
    blocks = [{"start": 20 * i, "end": 20 * i + 9, "present": True} for i in range(3000)]
    content = {"labels": {"0": {"Walk": blocks}}, "num_frames": 60_000, "file": "pair.avi"}
    path = twins.written(tmp_path / "pair.json", json.dumps(content, indent=2))
    recording = read(path, "jabs_annotations")
    assert (recording.name, len(recording.bouts), recording.bouts[-1].stop) == ("pair", 3000, 59_990)


def test_calms21_is_known_by_its_sequences_whatever_comes_first(tmp_path: Path) -> None:
    """Task 3 groups sequences by behaviour; another writer puts thousands of annotations before the keypoints."""
    sequence = json.loads(twins.calms21(tmp_path).read_text())
    (name, content), *_ = next(iter(sequence.values())).items()
    content["annotations"] *= 3000
    content["keypoints"] *= 3000
    content["scores"] = [[[1.0] * 7] * 2] * len(content["keypoints"])
    reordered = {key: content[key] for key in ("annotations", "metadata", "scores", "keypoints") if key in content}
    path = twins.written(tmp_path / "task3.json", json.dumps({"approach": {name: reordered}}))
    assert {item.name for item, _ in detect(path)} == {"calms21_json", "calms21_annotations"}
    assert read(path, "calms21_annotations").frame_count == len(content["keypoints"])


def test_an_ethovision_header_in_another_language_is_known_by_its_clocks_unit(tmp_path: Path) -> None:
    path = twins.ethovision_raw(tmp_path)
    text = path.read_text(encoding="utf-16").replace("Number of header lines:", "Nombre de lignes d'en-t\u00eate:")
    recording = read(twins.written(path, text, "utf-16"), "ethovision_raw")
    assert ("Grooming", 1.0, 2.0) in bouts(recording)  # samples 15 to 30 at 15 Hz
    other = text.replace('"s";"s"', '"m";"m"')
    assert list(detect(twins.written(path, other, "utf-16"))) == []


def test_german_ethovision_tracks_have_their_video_and_decimal_commas(tmp_path: Path) -> None:
    path = pose_twins.ethovision_txt(tmp_path)
    words = {
        "Number of header lines:": "Anzahl der Kopfzeilen:", "Video file": "Videodatei", "X center": "X-Mitte",
        "Y center": "Y-Mitte", "X nose": "X-Nase", "Y nose": "Y-Nase", "Trial time": "Versuchszeit",
        "Recording time": "Aufzeichnungszeit", "Subject name": "Tier", "-4.5": "-4,5",
        "-2.5": "-2,5", "3.25": "3,25", "7.5": "7,5", "0.": "0,",
    }  # fmt: skip
    text = path.read_text(encoding="utf-16")
    for english, german in words.items():
        text = text.replace(english, german)
    path.write_text(text, encoding="utf-16")
    assert [b[0] for b in bouts(read(path, "ethovision_raw"))] == ["Rearing", "Rearing"]
    recording = only("ethovision_tracks", path)
    assert (recording.name, recording.video, recording.parts) == ("clip", "clip.mpg", ("mitte", "nase"))
    assert point(recording, 2, "animal", "mitte") == [2, 4.5]
    assert point(recording, 2, "animal", "nase") == [7.5, -3.25]


def test_annotations_of_an_npy_are_read_as_those_of_its_json(tmp_path: Path) -> None:
    """They were left out without a word: of task 3, too, whose groups are behaviours and not annotators."""
    path = twins.calms21(tmp_path)
    content = json.loads(path.read_text())
    expected = read(path, "calms21_annotations")
    for number, group in enumerate(("annotator-id_0", "approach")):
        arrays = {
            name: {k: v if k == "metadata" else np.array(v) for k, v in sequence.items()}
            for name, sequence in content["annotator-id_0"].items()
        }
        npy = tmp_path / f"{number}.npy"
        np.save(npy, {group: arrays}, allow_pickle=True)  # type: ignore[arg-type]
        recording = read(npy, "calms21_annotations_npy", unpickle=True)
        assert (recording.bouts, recording.scored) == (expected.bouts, expected.scored)
        with pytest.raises(DataError, match="give --unpickle"):
            read(npy, "calms21_annotations_npy")


def test_mabe22_tasks_of_0_and_1_are_actions(tmp_path: Path) -> None:
    nan = float("nan")
    annotations = np.array([[0, 1, 1, nan], [1, 1, 0, 0], [0.5, 1, 0, 0]])
    sequence = {"keypoints": np.ones((4, 3, 12, 2), np.float32), "annotations": annotations}
    data = {"sequences": {"abc": sequence}, "vocabulary": ("chases", "lights", "age")}
    np.save(tmp_path / "user_train.npy", data, allow_pickle=True)  # type: ignore[arg-type]
    recording = read(tmp_path / "user_train.npy", "mabe22_annotations", unpickle=True)
    assert bouts(recording) == [("lights", 0, 2), ("chases", 1, 3)]
    assert [(s.action, s.start, s.stop) for s in recording.scored or ()] == [("chases", 0, 3), ("lights", 0, 4)]
    assert [r.text for r in recording.remarks if r.kind == "left-out"] == [
        "the tasks age hold other values than 0 and 1, and are no actions"
    ]


def test_a_subject_of_ethovision_in_two_arenas_is_two_animals_of_the_tracks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for arena, rear in (("Arena 1", 10), ("Arena 2", 20)):
        sheet = book.create_sheet(f"Track-{arena}-Subject 1")
        for row in (
            ["Number of header lines:", 7], ["Video file", "v.mp4"], ["Arena name", arena], ["Subject name", "S"],
            [""],
            ["Recording time", "X nose", "Y nose", "Rearing"], ["s", "cm", "cm", ""],
            *([k / 10, 1.0, 2.0, int(rear <= k < rear + 5)] for k in range(40)),
        ):  # fmt: skip
            sheet.append(row)
    book.save(tmp_path / "raw.xlsx")
    recording = read(tmp_path / "raw.xlsx", "ethovision_raw")
    assert [(b.agent, b.start, b.stop) for b in recording.bouts] == [
        ("Arena 1 S", 1.0, 1.5),
        ("Arena 2 S", 2.0, 2.5),
    ]
    assert only("ethovision_tracks", tmp_path / "raw.xlsx").animals == recording.animals
