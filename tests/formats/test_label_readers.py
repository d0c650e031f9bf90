"""Facts about other tools' label files that are easily got wrong, each with a value that was worked out "
"by hand."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import label_twins as twins
import pose_twins
import pytest
from shared_files import FORMATS_FOLDER, needs_real_files

from etholake.errors import DataError
from etholake.formats.base import LabelRecording, ReadOptions
from etholake.formats.labels.clock import in_frames
from etholake.formats.labels.prediction import FORMAT as TRIAL
from etholake.formats.registry import FORMATS, detect

REAL, real = FORMATS_FOLDER, needs_real_files


def read(path: Path, **options: Any) -> list[LabelRecording]:
    """Read a file as the one label format that recognises it."""
    formats = [item for item, _ in detect(path) if item.kind == "labels"]
    assert len(formats) == 1, [item.name for item in formats]
    return list(formats[0].read(path, ReadOptions(**options)))  # type: ignore[arg-type]


def frames(recording: LabelRecording, fps: float | None = None) -> list[tuple[str, float, float]]:
    return [(b.action, b.start, b.stop) for b in in_frames(recording, fps).bouts]


@pytest.mark.parametrize("twin", twins.TWINS)
def test_each_twin_is_claimed_by_one_label_format(twin: str, tmp_path: Path) -> None:
    name, write = twins.TWINS[twin]
    path = write(tmp_path)
    claims = [item.name for item, _ in detect(path) if item.kind == "labels"]
    assert claims == [name]
    assert list(FORMATS.get(name).read(path, ReadOptions()))


@pytest.mark.parametrize("twin", sorted(pose_twins.TWINS))
def test_label_formats_claim_no_pose_but_of_files_that_hold_both(twin: str, tmp_path: Path) -> None:
    both = {"calms21": ["calms21_annotations"], "simba": ["simba_targets"]}
    both |= {"calms21_npy": ["calms21_annotations_npy"], "mabe22": ["mabe22_annotations"]}
    both |= {"ethovision_txt": ["ethovision_raw"], "ethovision_xlsx": ["ethovision_raw"]}
    path = pose_twins.TWINS[twin][1](tmp_path)
    assert [item.name for item, _ in detect(path) if item.kind == "labels"] == both.get(twin, [])


@real
def test_label_formats_claim_only_label_files_of_the_real_ones() -> None:
    claims = {
        str(path.relative_to(REAL)): item.name
        for path in sorted(REAL.rglob("*"))
        if path.is_file()
        for item, _ in detect(path)
        if item.kind == "labels"
    }
    expected = {f"ethome/boris/{p.name}": "boris_tabular" for p in (REAL / "ethome" / "boris").glob("*.csv")}
    multiple = "ethome/boris/multiple_behaviors/e3v813a-20210610T120637-121213_reencode_multiple_behaviors.csv"
    pain = "prj_mouse_pain/prediction_shortened_2023-10-25_CFA_010_267M_tracking.mp4_"
    assert claims == {
        **expected,
        multiple: "boris_tabular",
        "ethome/more/test-multi-behaviors.boris": "boris_project",
        "ethome/more/test-simultaneous-events.csv": "boris_tabular",
        **{f"{pain}{k}.csv": "trial_prediction" for k in (1, 2, 3)},
    }


@real
def test_a_boris_project_and_its_tabular_twin_agree_exactly() -> None:
    project = in_frames(read(REAL / "ethome/more/test-multi-behaviors.boris")[0])
    table = in_frames(read(REAL / "ethome/more/test-simultaneous-events.csv")[0])
    facts = [
        (r.name, r.annotator, r.fps, r.frame_count, [(b.action, b.start, b.stop, b.agent) for b in r.bouts])
        for r in (project, table)
    ]
    assert facts[0] == facts[1]
    # 9.955 s · 30 = 298.65, 11.256 · 30 = 337.68; 26.605 · 30 = 798.15, 31.705 · 30 = 951.15
    assert frames(project)[:2] == [("mm", 299, 338), ("mm", 798, 951)]


@real
def test_a_real_boris_log_equals_the_prepared_annotation() -> None:
    """`real/` holds the same log, prepared by other hands with round(start * fps) and round(stop * fps)."""
    import pyarrow.parquet as pq

    rows = pq.read_table(REAL.parent / "real/train_annotation/EthomePair/122332.parquet").to_pylist()
    recording = read(REAL / "ethome/boris/e3v813a-20210610T122332-122642_reencode.csv")[0]
    assert [(s, e) for _, s, e in frames(recording)] == [(r["start_frame"], r["stop_frame"]) for r in rows]


@real
def test_trials_of_one_class_lie_behind_each_other() -> None:
    folder = REAL / "prj_mouse_pain"
    bouts = [bout for path in sorted(folder.glob("prediction_*.csv")) for bout in read(path)[0].bouts]
    assert [(b.action, b.start, b.stop) for b in bouts] == [("0", 0, 360), ("0", 360, 720), ("0", 720, 1080)]


def test_a_short_trial_and_one_of_one_class_are_reported(tmp_path: Path) -> None:
    whole = read(twins.prediction(tmp_path, 1, "01"))[0]
    assert whole.exclusive
    assert [remark.kind for remark in whole.remarks] == ["assumed"]
    short = tmp_path / "prediction_pair.mp4_3.csv"
    short.write_text("\n".join(["Frame,Action", *(f"{t},2" for t in range(345))]))
    (recording,) = read(short)
    assert [(b.action, b.start, b.stop) for b in recording.bouts] == [("2", 720, 1065)]
    notes = [remark.text for remark in recording.remarks if remark.kind == "note"]
    assert notes == [
        "trial 3 has 345 of 360 frames: the rest is unlabelled",
        "every frame of trial 3 is of action 2: is that so, or did the classifier fail?",
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["0,1", "2,1"], "line 3: expected frame 1 and its action"),
        (["0,1", "1,"], "line 3: expected frame 1 and its action"),
        ([], "the trial has no frame"),
        ([f"{t},1" for t in range(361)], "a trial has 360 frames, but the file has 361 rows"),
    ],
)
def test_an_invalid_trial_is_refused(rows: list[str], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "prediction_pair.mp4_1.csv"
    path.write_text("\n".join(["Frame,Action", *rows]) + "\n")
    with pytest.raises(DataError, match=rf"prediction_pair\.mp4_1\.csv.*{reason}"):
        list(TRIAL.read(path, ReadOptions()))


def test_boris_events_alternate_within_subject_code_and_modifier(tmp_path: Path) -> None:
    events = [
        [1.0, "a", "attack", "", ""],
        [1.2, "b", "attack", "", ""],
        [1.5, "a", "attack", "hard", ""],
        [2.0, "a", "attack", "", ""],
        [2.5, "a", "attack", "hard", ""],
        [3.0, "b", "attack", "", ""],
    ]
    bouts = read(twins.boris(tmp_path, events))[0].bouts
    assert [(b.agent, b.modifiers, b.start, b.stop) for b in bouts] == [
        ("a", (), 1.0, 2.0),
        ("b", (), 1.2, 3.0),
        ("a", ("hard",), 1.5, 2.5),
    ]


def test_an_exclusive_stop_a_millisecond_early_loses_no_frame(tmp_path: Path) -> None:
    events = [[1.0, "m", "attack", "", ""], [1.999, "m", "attack", "", ""],
              [2.0, "m", "sniff", "", ""], [3.0, "m", "sniff", "", ""]]  # fmt: skip
    # 1.999 s · 30 = 59.97: rounded down it would be 59, and frame 59 would belong to nobody
    assert frames(read(twins.boris(tmp_path, events))[0]) == [("attack", 30, 60), ("sniff", 60, 90)]


def test_a_compressed_boris_project_is_read_as_the_plain_one(tmp_path: Path) -> None:
    plain = twins.boris(tmp_path)
    packed = tmp_path / "Project.BORIS.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [item.name for item, _ in detect(packed)] == ["boris_project"]
    assert read(packed) == read(plain)


def test_the_time_offset_is_taken_off(tmp_path: Path) -> None:
    events = [[12.0, "m", "attack", "", ""], [13.0, "m", "attack", "", ""]]
    assert frames(read(twins.boris(tmp_path, events, offset=10.0))[0]) == [("attack", 60, 90)]
    rows = "12.0,p.mp4,60,30,m,attack,,,START\n13.0,p.mp4,60,30,m,attack,,,STOP\n"
    assert frames(read(twins.boris_old(tmp_path, rows, offset="10.0"))[0]) == [("attack", 60, 90)]


def test_queued_media_are_taken_apart(tmp_path: Path) -> None:
    """a.mp4 (10 s at 30) and b.mp4 (at 25) run on one clock: 9 s to 12 s is 270:300 of a and 0:50 of b."""
    events = [[9.0, "m", "attack", "", ""], [12.0, "m", "attack", "", ""],
              [14.0, "m", "sniff", "", ""], [15.0, "m", "sniff", "", ""]]  # fmt: skip
    path = twins.boris(tmp_path, events, files={"1": ["C:\\v\\a.mp4", "/v/b.mp4"], "2": ["/v/side.mp4"]},
                       lengths={"C:\\v\\a.mp4": 10.0, "/v/b.mp4": 20.0},
                       fps={"C:\\v\\a.mp4": "30.0", "/v/b.mp4": "25"})  # fmt: skip
    first, second = read(path)
    assert (first.name, first.fps, first.frame_count, frames(first)) == ("a", 30.0, 300, [("attack", 270, 300)])
    assert (second.name, frames(second)) == ("b", [("attack", 0, 50), ("sniff", 100, 125)])
    assert any("cut at its border" in remark.text for remark in first.remarks)


def test_text_of_several_media_has_a_rate_for_each(tmp_path: Path) -> None:
    path = twins.boris_new(tmp_path, [("attack", "START", 11.0), ("attack", "STOP", 12.0)],
                           source="player #1:a.mp4;b.mp4|player #2:side.mp4", length="10.000;20.000|30.000",
                           fps="30.000;25.000|50.000")  # fmt: skip
    first, second = read(path)
    assert (first.name, first.fps, first.bouts) == ("a", 30.0, ())
    assert (second.name, second.fps, frames(second)) == ("b", 25.0, [("attack", 25, 50)])


def test_queued_media_of_unknown_length_are_refused(tmp_path: Path) -> None:
    path = twins.boris_new(tmp_path, source="player #1:a.mp4;b.mp4", length="", fps="30")
    with pytest.raises(DataError, match=r"2 media are queued on one clock, but the length of a\.mp4"):
        read(path)


UNPAIRED = [[1.0, "mouse", "attack", "", ""], [2.0, "mouse", "attack", "", ""], [3.0, "mouse", "attack", "", ""]]


def test_unpaired_events_are_an_error_with_place_subject_and_behaviour(tmp_path: Path) -> None:
    path = twins.boris(tmp_path, UNPAIRED)
    with pytest.raises(
        DataError, match=r"(?s)project\.boris.*event 3: .*subject 'mouse', behaviour 'attack' at 3 s"
    ) as e:
        read(path)
    assert "--unpaired drop" in str(e.value)
    rows = "1.0,p.mp4,60,30,m,attack,,,START\n2.0,p.mp4,60,30,m,sniff,,,STOP\n"
    with pytest.raises(
        DataError, match=r"(?s)line 17: .*'attack' at 1 s has no stop\n.*line 18: .*'sniff' at 2 s has no st"
    ):
        read(twins.boris_old(tmp_path, rows))


def test_unpaired_events_are_dropped_or_last_until_the_end_if_asked(tmp_path: Path) -> None:
    path = twins.boris(tmp_path, UNPAIRED)
    dropped = read(path, unpaired="drop")[0]
    assert frames(dropped) == [("attack", 30, 60)]
    assert [(s.action, s.agent, s.start, s.stop) for s in dropped.unknown] == [("attack", "mouse", 3.0, None)]
    (remark,) = [r for r in dropped.remarks if r.kind == "left-out"]
    assert remark.text.endswith("it is left out, and the time from 3 s to the end is unlabelled for the behaviour")
    assert any("has 3 events, an odd number" in r.text for r in dropped.remarks)
    lasting = read(path, unpaired="until-end")[0]
    assert frames(lasting) == [("attack", 30, 60), ("attack", 90, 1800)]  # 60 s at 30 frames/s
    assert [r.kind for r in lasting.remarks if "until the end" in r.text] == ["assumed"]


def test_a_start_while_the_state_is_on_is_unpaired(tmp_path: Path) -> None:
    rows = "".join(f"{t},p.mp4,60,30,m,attack,,,{s}\n" for t, s in [(1, "START"), (2, "START"), (3, "STOP")])
    with pytest.raises(DataError, match=r"(?s)\(1\).*line 17: "):
        read(twins.boris_old(tmp_path, rows))


def test_a_dropped_event_is_unknown_from_its_start_to_the_next_event_or_from_the_one_before_its_stop(
    tmp_path: Path,
) -> None:
    log = [(1, "STOP"), (2, "START"), (3, "STOP"), (4, "STOP"), (5, "START"), (6, "START"), (7, "STOP")]
    rows = "".join(f"{t},p.mp4,60,30,m,attack,,,{status}\n" for t, status in log)
    (recording,) = read(twins.boris_old(tmp_path, rows), unpaired="drop")
    assert frames(recording) == [("attack", 60, 90), ("attack", 180, 210)]
    assert [(s.start, s.stop) for s in recording.unknown] == [(-math.inf, 1), (3, 4), (5, 6)]
    assert [(s.start, s.stop) for s in in_frames(recording).unknown] == [(0, 30), (90, 120), (150, 180)]


def test_an_unknown_span_of_queued_media_is_that_of_its_video(tmp_path: Path) -> None:
    path = twins.boris_new(tmp_path, [("attack", "START", 1.0)], source="player #1:a.mp4;b.mp4",
                           length="10.000;20.000", fps="30.000;25.000")  # fmt: skip
    first, second = read(path, unpaired="drop")
    assert [[(s.start, s.stop) for s in r.unknown] for r in (first, second)] == [[(1.0, None)], [(-9.0, None)]]


def test_a_bout_until_an_unknown_end_needs_the_video(tmp_path: Path) -> None:
    recording = read(twins.ethovision_manual(tmp_path, last="point event"), unpaired="until-end")[0]
    assert recording.bouts[0].stop == math.inf
    with pytest.raises(DataError, match="lasts until the video's end, whose frame is unknown"):
        in_frames(recording, 30)


def test_point_events_become_a_frame_only_if_asked(tmp_path: Path) -> None:
    events = [[5.01, "mouse", "jump", "", ""], [6.0, "mouse", "jump", "", ""]]
    left_out = read(twins.boris(tmp_path, events))[0]
    assert left_out.bouts == ()
    assert left_out.vocabulary == ("attack", "sniff")  # its frames are not frames without a jump
    assert next(r.text for r in left_out.remarks if r.kind == "left-out").endswith("left out: 2 of 'jump'")
    kept = read(twins.boris(tmp_path, events), point_events="one-frame")[0]
    assert frames(kept) == [("jump", 150, 151), ("jump", 180, 181)]
    assert kept.vocabulary == ("attack", "sniff", "jump")


def test_point_events_that_are_left_out_are_not_negatives_of_a_table(tmp_path: Path) -> None:
    assert read(twins.boris_aggregated(tmp_path))[0].vocabulary == ("attack",)
    assert read(twins.ethovision_manual(tmp_path, last="point event"), unpaired="drop")[0].vocabulary == ()


def test_a_boris_export_of_a_video_with_a_semicolon_in_its_name_is_no_queue(tmp_path: Path) -> None:
    rows = "1.0,day;1.mp4,60.0,30.0,mouse,attack,,,START\n2.0,day;1.mp4,60.0,30.0,mouse,attack,,,STOP\n"
    path = twins.boris_old(tmp_path, rows)
    path.write_text(path.read_text().replace("/videos/pair.mp4", "day;1.mp4"))
    assert [(r.name, len(r.bouts)) for r in read(path)] == [("day;1", 1)]


def test_boris_observations_of_pictures_do_not_stop_those_of_videos(tmp_path: Path) -> None:
    path = twins.boris(tmp_path)
    project = json.loads(path.read_text())
    pictures = {"type": "IMAGES", "file": {}, "events": [["NA", "mouse", "attack", "", "", 30, "img.png"]]}
    project["observations"] = {"shots": pictures, **project["observations"]}
    path.write_text(json.dumps(project))
    (recording,) = read(path)
    assert frames(recording) == [("attack", 30, 60)]
    assert [r.text for r in recording.remarks if r.kind == "left-out"] == [
        "observation 'shots' was scored on single pictures, which have no clock: its events are left out"
    ]
    project["observations"] = {"shots": pictures}
    path.write_text(json.dumps(project))
    with pytest.raises(DataError, match=r"'shots' was scored on single pictures, .*: export it from BORIS"):
        read(path)


def test_aggregated_rows_are_bouts_in_any_order(tmp_path: Path) -> None:
    recording = read(twins.boris_aggregated(tmp_path), point_events="one-frame")[0]
    assert frames(recording) == [("attack", 30, 60), ("attack", 60, 90), ("jump", 150, 151)]


def test_annot_frames_count_from_one_and_include_both_ends(tmp_path: Path) -> None:
    recording = read(twins.annot(tmp_path, "1\t10\t999\n15\t15\t0\n"))[0]
    assert frames(recording) == [("attack", 0, 10), ("attack", 14, 15)]
    assert (recording.vocabulary, recording.name, recording.fps) == (("attack", "mount"), "pair", 30.0)
    assert {(s.action, s.start, s.stop) for s in recording.scored or ()} == {("attack", 0, 300), ("mount", 0, 300)}


def test_a_fraction_anywhere_makes_the_whole_annot_file_seconds(tmp_path: Path) -> None:
    """Bento divides its frame numbers by the rate: second 1 is frame number 30, index 29; 2.5 s is number 75."""
    recording = read(twins.annot(tmp_path, "1\t2\t1\n2.1\t2.5\t0.4\n"))[0]
    assert frames(recording) == [("attack", 29, 60), ("attack", 62, 75)]
    with pytest.raises(DataError, match="'Annotation framerate' is missing"):
        read(twins.annot(tmp_path, "1\t2.5\t1\n", fps=""))


def test_annot_channels_overlap(tmp_path: Path) -> None:
    channels = "Ch2----------\n>mount\nStart\t Stop\t Duration\n5\t20\t1\n\n"
    bouts = read(twins.annot(tmp_path, channels=channels))[0].bouts
    assert [(b.action, b.start, b.stop, b.modifiers) for b in bouts] == [
        ("attack", 0, 10, ("Ch1",)),
        ("mount", 4, 20, ("Ch2",)),
    ]


def test_the_old_annotator_has_streams_and_inclusive_ends(tmp_path: Path) -> None:
    recording = read(twins.annotator(tmp_path))[0]
    assert recording.name == "12"
    assert [(b.action, b.start, b.stop, b.modifiers) for b in recording.bouts] == [
        ("base", 0, 943, ("S1",)),
        ("base", 0, 1000, ("S2",)),
        ("aggression", 943, 1000, ("S1",)),
    ]


@pytest.mark.parametrize("twin", [twins.ethovision_raw, twins.ethovision_xlsx])
def test_ethovision_raw(twin: Any, tmp_path: Path) -> None:
    """Sample 15 of a 15 Hz clock is written 1.000, sample 16 as 1.067: grooming is 1 s to 2 s, frames 30 to 60."""
    recording = read(twin(tmp_path))[0]
    assert (recording.name, recording.fps) == ("trial 1", 15.0)
    grooming = [b for b in recording.bouts if b.action == "Grooming" and b.agent == "Subject 1"]
    assert [(b.start, b.stop) for b in grooming] == [(1.0, 2.0)]
    assert ("Grooming", 30, 60) in frames(recording, 30)
    mobile = [s for s in recording.scored or () if s.action.startswith("Mobility") and s.agent == "Subject 1"]
    in_samples = [(round(s.start * 15), round((s.stop or 0) * 15)) for s in mobile]
    assert in_samples == [(0, 5), (7, 45)]  # "-" is unlabelled, not absent
    assert "X center" not in recording.vocabulary
    assert "Result 1" not in recording.vocabulary


def test_ethovision_manual(tmp_path: Path) -> None:
    recording = read(twins.ethovision_manual(tmp_path))[0]
    assert [(b.action, b.agent) for b in recording.bouts] == [("Rearing", "Subject 1")]
    assert frames(recording, 29.97) == [("Rearing", 30, 45)]
    with pytest.raises(DataError, match="neither the file nor its video says how many frames a second"):
        in_frames(recording)


def test_jabs_ends_are_inclusive_and_false_is_a_negative(tmp_path: Path) -> None:
    recording = read(twins.jabs(tmp_path))[0]
    assert [(b.action, b.start, b.stop, b.agent) for b in recording.bouts] == [("Walking", 25, 51, "1")]
    assert [(s.start, s.stop) for s in recording.scored or ()] == [(25, 51), (60, 61)]  # all else is unlabelled


def test_deepethogram_minus_one_is_unlabelled(tmp_path: Path) -> None:
    recording = read(twins.deepethogram(tmp_path))[0]
    assert (recording.name, recording.vocabulary, frames(recording)) == (
        "pair", ("groom",), [("groom", 1, 3), ("groom", 4, 5)]
    )  # fmt: skip
    assert [(s.start, s.stop) for s in recording.scored or ()] == [(0, 3), (4, 5)]


def test_simba_labels_are_the_last_binary_columns(tmp_path: Path) -> None:
    recording = read(twins.simba(tmp_path))[0]
    assert (recording.vocabulary, frames(recording)) == (("attack", "sniffing"), [("attack", 2, 4)])


def test_calms21_classes_are_named_by_the_vocabulary(tmp_path: Path) -> None:
    recording = read(twins.calms21(tmp_path))[0]
    assert frames(recording) == [("attack", 1, 3), ("investigation", 3, 4)]
    assert (recording.name, recording.bouts[0].agent, recording.bouts[0].target) == (
        "mouse001",
        "resident",
        "intruder",
    )


def test_framewise_rows_that_are_missing_are_unlabelled(tmp_path: Path) -> None:
    recording = read(twins.framewise_csv(tmp_path))[0]
    assert frames(recording) == [("attack", 1, 3), ("rear", 2, 3), ("attack", 4, 5)]
    spans = {a: [(s.start, s.stop) for s in recording.scored or () if s.action == a] for a in ("attack", "rear")}
    assert spans == {"attack": [(0, 3), (4, 5)], "rear": [(2, 3), (4, 5)]}


def test_bare_starts_are_seconds_if_one_has_a_fraction(tmp_path: Path) -> None:
    whole = twins.written(tmp_path / "a.csv", "behavior,start,end\nrear,1,2\n")
    half = twins.written(tmp_path / "b.csv", "behavior;start;end\nrear;1;2\nrear;3;3.5\n")
    assert read(whole)[0].time_unit == "frame"
    assert (read(half)[0].time_unit, frames(read(half)[0], 10)) == ("second", [("rear", 10, 20), ("rear", 30, 35)])


def test_a_bout_without_a_frame_is_left_out_with_a_remark(tmp_path: Path) -> None:
    events = [[1.0, "m", "attack", "", ""], [1.01, "m", "attack", "", ""]]
    recording = in_frames(read(twins.boris(tmp_path, events))[0])
    assert recording.bouts == ()
    assert [r.text for r in recording.remarks if r.kind == "left-out"] == [
        "'attack' from 1 to 1.01 seconds of 'pair' covers no frame of the video"
    ]


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    content = json.loads(twins.jabs(tmp_path).read_text())
    for file, name in {
        "../../etc/passwd": "passwd",
        "..\\..\\x.avi": "x",
        "..": "unnamed",
        "a\x00b.avi": "a_b",
    }.items():
        path = twins.written(tmp_path / "j.json", json.dumps({**content, "file": file}))
        assert read(path)[0].name == name
