"""Test that exported labels, read again, are the same frame for frame, for random labels and frame rates."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etholake.errors import UsageError
from etholake.formats.base import Bout, LabelRecording, ReadOptions, ScoredSpan
from etholake.formats.export.base import prepared
from etholake.formats.export.registry import EXPORTERS
from etholake.formats.labels.clock import in_frames
from etholake.formats.registry import FORMATS, detect

READERS = {
    "annot": "caltech_annot", "boris": "boris_project", "csv": "interval_csv", "ethovision-like": "ethovision_raw",
    "jabs": "jabs_annotations", "mabe": "mabe2025_annotation", "nwb": "nwb_intervals", "simba": "simba_targets",
}  # fmt: skip
FRAMES = 400
RATES = st.one_of(
    st.integers(10, 120).map(float),
    st.sampled_from([29.97, 30000 / 1001, 59.94, 119.88, 14.985, 12.5]),
    st.floats(10, 120).map(lambda fps: round(fps, 3)),
)


@st.composite
def recordings(draw: st.DrawFn) -> LabelRecording:
    """Return labels of numbered mice, some overlapping, touching or towards oneself."""
    mice = [f"mouse{n}" for n in range(1, draw(st.integers(2, 3)))] or ["mouse1"]
    bouts = []
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, FRAMES - 1))
        stop = draw(st.integers(start + 1, FRAMES))
        action = draw(
            st.sampled_from(["attack", "Social Sniff", "rear-up", "größe", "a_b", "annotation framerate: 5"])
        )
        bouts.append(Bout(action, start, stop, draw(st.sampled_from(mice)), draw(st.sampled_from(mice))))
    name = draw(st.sampled_from(["video 1", "12", "pair.cam-2", "Ratte ä", "day;2", "a  b"]))
    actions = tuple(dict.fromkeys(b.action for b in bouts))
    return LabelRecording(name, tuple(bouts), actions, "frame", fps=draw(RATES), frame_count=FRAMES)


def frame_sets(recording: LabelRecording) -> dict[tuple[str, str, str | None], set[int]]:
    sets: dict[tuple[str, str, str | None], set[int]] = {}
    for b in recording.bouts:
        sets.setdefault((b.agent, b.target, b.action), set()).update(range(int(b.start), int(b.stop)))  # type: ignore[arg-type]
    return sets


def round_trip(target: str, recording: LabelRecording, folder: Path) -> LabelRecording:
    (path,) = EXPORTERS.get(target).write(prepared([recording]), folder)
    assert [item.name for item, _ in detect(path) if item.kind == "labels"] == [READERS[target]]
    (read,) = FORMATS.get(READERS[target]).read(path, ReadOptions())
    return in_frames(read, read.fps or recording.fps)  # type: ignore[arg-type]


def check(target: str, recording: LabelRecording) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = round_trip(target, recording, Path(folder))
    expected = frame_sets(recording)
    if target == "mabe":  # animals have numbers there
        expected = {(a[5:], str(t)[5:], action): frames for (a, t, action), frames in expected.items()}
    assert frame_sets(read) == expected
    assert read.name == recording.name


@pytest.mark.parametrize("target", sorted(READERS.keys() - {"nwb"}))
def test_round_trips_are_identities(target: str) -> None:
    @given(recordings())
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def run(recording: LabelRecording) -> None:
        check(target, recording)

    run()


def test_round_trip_of_nwb() -> None:
    pytest.importorskip("pynwb")

    @given(recordings())
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def run(recording: LabelRecording) -> None:
        check("nwb", recording)

    run()


def test_every_target_has_its_round_trip() -> None:
    assert set(EXPORTERS.names()) == set(READERS)
    assert all(EXPORTERS.get(name).name == name for name in READERS)


@pytest.mark.parametrize("target", sorted(READERS.keys() - {"mabe"}))
def test_labels_without_animals_make_the_trip(target: str, tmp_path: Path) -> None:
    if target == "nwb":
        pytest.importorskip("pynwb")
    recording = LabelRecording("v", (Bout("rear", 2, 5),), ("rear",), "frame", fps=25.0, frame_count=10)
    read = round_trip(target, recording, tmp_path)
    agent = "0" if target == "jabs" else ""  # JABS has no labels without an identity
    assert frame_sets(read) == {(agent, None, "rear"): {2, 3, 4}}


@pytest.mark.parametrize("target", ["jabs", "ethovision-like"])
def test_what_nobody_looked_at_stays_unlabelled(target: str, tmp_path: Path) -> None:
    scored = (ScoredSpan("rear", 0, 4), ScoredSpan("rear", 6, 9))
    recording = LabelRecording("v", (Bout("rear", 2, 4),), ("rear",), "frame", scored, fps=10.0, frame_count=10)
    read = round_trip(target, recording, tmp_path)
    covered = {f for s in read.scored or () for f in range(int(s.start), int(s.stop or 0))}
    assert covered == {0, 1, 2, 3, 6, 7, 8}


def test_names_that_a_tool_cannot_keep_are_refused(tmp_path: Path) -> None:
    recording = LabelRecording("v", (Bout("a__b", 2, 5),), ("a__b",), "frame", fps=25.0, frame_count=10)
    with pytest.raises(UsageError, match="cannot be told from 'a__b'"):
        EXPORTERS.get("simba").write(prepared([recording]), tmp_path)
    probable = replace(recording, bouts=(), vocabulary=("Probability_attack",))
    with pytest.raises(UsageError, match=r"SimBA cannot hold columns called \['Probability_attack'\]"):
        EXPORTERS.get("simba").write(prepared([probable]), tmp_path)
    (path,) = EXPORTERS.get("boris").write(prepared([recording]), tmp_path)
    assert path.is_file()
    with pytest.raises(UsageError, match=r"MABe numbers its animals .*(?s:.)*'a__b' of ''"):
        EXPORTERS.get("mabe").write(prepared([recording]), tmp_path)
    with pytest.raises(UsageError, match="two recordings are called 'v'"):
        prepared([recording, recording])
    with pytest.raises(UsageError, match="control characters or outer blanks"):
        prepared([replace(recording, vocabulary=("x\ny",))])
    with pytest.raises(UsageError, match="BORIS counts in seconds, but video 'v' has no frames per second"):
        EXPORTERS.get("boris").write(prepared([replace(recording, fps=None)]), tmp_path)


def test_an_export_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    recording = LabelRecording("../../evil", (Bout("rear", 2, 5),), ("rear",), "frame", fps=25.0)
    (path,) = EXPORTERS.get("annot").write(prepared([recording]), folder)
    assert path.parent == folder
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_two_videos_never_share_a_file(tmp_path: Path) -> None:
    both = [LabelRecording(n, (Bout("rear", 2, 5),), ("rear",), "frame", fps=25.0) for n in ("cage1/v", "cage1_v")]
    with pytest.raises(UsageError, match=r"'cage1/v' and 'cage1_v' would both be cage1_v\.annot"):
        EXPORTERS.get("annot").write(prepared(both), tmp_path)
