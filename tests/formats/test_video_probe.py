"""Video files: rates as exact fractions, counted frames, rotation; hostile files; the map to a pose's frames."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from shared_files import FORMATS_FOLDER, needs_real_files  # type: ignore[import-not-found]

from etholake.errors import DataError
from etholake.formats import video
from etholake.formats.registry import detect


def write(
    path: Path,
    rate: Fraction = Fraction(25),
    frames: int = 7,
    size: tuple[int, int] = (64, 48),
    times: list[int] | None = None,
) -> Path:
    """Write a video; with `times` (milliseconds of each frame) of a varying rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 30 * number % 256, np.uint8))
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mkv"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001)])
def test_rate_frames_and_size_of_each_container(suffix: str, rate: Fraction, tmp_path: Path) -> None:
    info = video.probe(write(tmp_path / f"clip{suffix}", rate))
    assert info.fps == rate
    assert (info.frames, info.codec, (info.width, info.height)) == (7, "mpeg4", (64, 48))
    assert info.declared_frames in (7, None)
    assert info.duration_s == pytest.approx(float(7 / rate), abs=0.002)
    assert not info.variable_rate
    assert info.start_s == 0
    assert info.bytes == (tmp_path / f"clip{suffix}").stat().st_size


def test_a_varying_rate_is_seen(tmp_path: Path) -> None:
    info = video.probe(write(tmp_path / "clip.mkv", Fraction(10), 6, times=[0, 100, 200, 500, 600, 1500]))
    assert info.variable_rate
    assert info.frames == 6


def test_a_truncated_mp4_is_an_error_or_tells_both_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", frames=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert video.probe(path).frames < 40
    whole = write(tmp_path / "clip.mp4", frames=40)  # its index lies at the end
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot be read as mp4 or mov"):
        video.probe(whole)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
def test_a_playlist_or_text_is_no_video(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no mp4, mov, avi or mkv video"):
        video.probe(path)


def test_a_playlist_behind_a_video_signature_opens_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    write(secret)
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x08free" + f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode())
    with pytest.raises(DataError, match="cannot be read as mp4 or mov"):
        video.probe(path)


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"was not read within 0\.001 s"):
        video.probe(write(tmp_path / "clip.mp4"), timeout_s=0.001)


def test_a_crash_of_the_library_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(DataError, match="ended with signal 11 on this file"):
        video.probe(write(tmp_path / "clip.mp4"))


def test_modules_in_the_current_folder_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "av.py").write_text("import pathlib; pathlib.Path('imported').touch()")
    path = write(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    assert video.probe(path).frames == 7
    assert not (tmp_path / "imported").exists()


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    pipe = tmp_path / "clip.csv"
    os.mkfifo(pipe)
    assert list(detect(pipe)) == []
    assert video.container_of(pipe) is None


@pytest.mark.slow
def test_mutations_of_videos_end_in_an_answer_or_data_error(tmp_path: Path) -> None:
    chance = random.Random(5)
    for suffix in (".mp4", ".avi", ".mkv"):
        data = write(tmp_path / f"clip{suffix}").read_bytes()
        for number in range(5):
            changed = bytearray(data)
            for _ in range(8):
                changed[chance.randrange(16, len(data))] = chance.randrange(256)
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(changed[: chance.randrange(100, len(data))] if number % 2 else changed)
            with contextlib.suppress(DataError):
                assert video.probe(path, timeout_s=30).frames > 0


@pytest.mark.parametrize(
    ("video_frames", "frames", "kind", "difference"),
    [
        (1800, range(1800), "equal", 0),
        (1801, range(1800), "off-by-one", -1),
        (1799, range(1800), "off-by-one", 1),
        (1080, range(360), "offset", -720),
        (300, range(360), "offset", 60),
        (None, range(360), "unknown", None),
        (90_000, [5, 400, 89_999], "equal", 0),
        (80_000, [5, 400, 89_999], "offset", 10_000),
        (10, [], "offset", -10),
    ],
)
def test_the_map_of_frames(video_frames: int | None, frames: list[int], kind: str, difference: int | None) -> None:
    answer = video.frame_map(video_frames, np.array(frames, np.int64))
    assert (answer.kind, answer.difference) == (kind, difference)
    assert answer.text


@needs_real_files
def test_real_videos() -> None:
    expected = {
        "amadeusgpt/EGS8X2MN4SSUGFWAV976.mp4": (1801, Fraction(30), (512, 512)),
        "amadeusgpt/more/dummy_maushaus.mp4": (5, Fraction(30), (800, 600)),
        "sleap/analysis_example/20190128_113421.120s.mp4": (3000, Fraction(25), (1024, 1024)),
        "sleap/hdf5_format_v1/centered_pair_low_quality.mp4": (1100, Fraction(15), (384, 384)),
        "amadeusgpt/more/BrownHorseinShadow.mp4": (308, Fraction(24), (288, 162)),
    }
    for name, (frames, fps, size) in expected.items():
        info = video.probe(FORMATS_FOLDER / name)
        assert (info.frames, info.fps, info.shown_size) == (frames, fps, size)
    assert (
        video.frame_map(1801, np.arange(1800)).text
        == "1800 pose frames, 1801 video frames: the video is one longer"
    )
