"""Ingest while something goes wrong: lines that drop, files that change or vanish, kill -9, lost folders."""

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_ingest import a_track, expected, objects

from etholake import aws
from etholake.errors import AwsError, DataError, UsageError
from etholake.settings import Settings
from etholake.stages.lake import ingest
from etholake.stages.lake.ingest import checksum_cache, lock, upload
from etholake.stages.lake.ingest.threads import each

MB = 1_000_000


def a_large_track(data: Path, size: int = 3 * MB) -> Path:
    """Write a track of about `size` bytes: more than is read whole, sent as one body."""
    path = a_track(data).with_name("77.parquet")
    write_large(path, size, seed=1)
    return path


def write_large(path: Path, size: int, seed: int) -> None:
    x = pa.array([random.Random(seed).random()] * (size // 8), pa.float64())
    names = pa.array(["nose"] * len(x)).dictionary_encode()
    zeros = pa.array([0] * len(x), pa.int32())
    table = pa.table({"video_frame": zeros, "mouse_id": zeros, "bodypart": names, "x": x, "y": zeros})
    pq.write_table(table, path, use_dictionary=["video_frame", "mouse_id", "bodypart", "y"], compression="none")


def manifest(settings: Settings) -> dict[str, Any]:
    body = aws.client(settings, "s3").get_object(Bucket=settings.bucket, Key=ingest.MANIFEST)["Body"].read()
    return dict(json.loads(body))


def assert_manifest_is_true(settings: Settings) -> None:
    """Every entry about an object holds for the bytes that are there."""
    there = objects(settings)
    for key, entry in manifest(settings).items():
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(there[key]).hexdigest(), len(there[key])), key


# --- the line ---------------------------------------------------------------------------------------------
def test_a_line_that_drops_in_mid_upload_is_taken_up_again(
    lake: Settings, through: Settings, line: Any, data: Path
) -> None:
    path, drops = a_large_track(data), []

    def drop_twice(piece: bytes) -> bool:
        if len(piece) > 60_000 and len(drops) < 2:
            drops.append(piece)
            return False
        return True

    line.on_request = drop_twice
    result = ingest.run(through, data)
    assert len(drops) == 2
    assert result.details["uploaded"] == 13
    assert objects(lake) == expected(data)
    assert path.read_bytes() in objects(lake).values()
    assert_manifest_is_true(lake)


@pytest.mark.slow
def test_a_line_that_keeps_dropping_is_an_error_that_names_the_file(
    lake: Settings, through: Settings, line: Any, data: Path
) -> None:
    path = a_large_track(data)
    line.on_request = lambda piece: len(piece) < 60_000  # small files pass
    with pytest.raises(AwsError, match=rf"run the same command again \(1\)(?s:.*){path}"):
        ingest.run(through, data)
    assert len(objects(lake)) == 12
    assert len(manifest(lake)) == 12, "what is there is written down"
    result = ingest.run(lake, data)
    assert (result.details["uploaded"], result.details["unchanged"]) == (1, 12)
    assert objects(lake) == expected(data)


@pytest.mark.slow
def test_if_s3_is_gone_ingest_gives_up_soon(lake: Settings, through: Settings, line: Any, data: Path) -> None:
    track = a_track(data)
    for number in range(1000, 1100):
        shutil.copy(track, track.with_name(f"{number}.parquet"))
    line.on_request = lambda piece: b"ingest-lock" in piece or not piece.startswith(b"PUT")
    began = time.monotonic()
    with pytest.raises(AwsError, match=r"others: not tried, since 10 in a row got no answer"):
        ingest.run(through, data)
    assert time.monotonic() - began < 90
    assert ingest.run(lake, data).details["uploaded"] == 112


# --- files that change ------------------------------------------------------------------------------------
def change(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"other bytes")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100_000)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(100_000))


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes()[::-1])
    path.with_name("new").replace(path)


@pytest.mark.parametrize("disturb", [change, shrink, grow, replace])
@pytest.mark.parametrize("parts", [False, True])
def test_a_file_that_changes_while_it_is_sent(
    lake: Settings,
    through: Settings,
    line: Any,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    disturb: Callable[[Path], None],
    parts: bool,
) -> None:
    """The client has read the file for the checksum and waits to send it: it is changed then."""
    if parts:
        monkeypatch.setattr(upload, "MULTIPART_BYTES", 6 * MB)
        monkeypatch.setattr(upload, "PART_BYTES", 5 << 20)
    path, done = a_large_track(data, 16 * MB if parts else 3 * MB), []
    sign = b"77.parquet?uploads" if parts else b"77.parquet "

    def disturb_once(piece: bytes) -> bool:
        if not done and sign in piece.partition(b"\r\n")[0]:
            done.append(True)
            disturb(path)
        return True

    line.on_request = disturb_once
    result = ingest.run(through, data)
    assert done
    assert objects(lake) == expected(data), "what the file is now"
    assert result.details["uploaded"] == 13
    assert_manifest_is_true(lake)
    assert ingest.run(lake, data).status == "unchanged"
    assert "Uploads" not in aws.client(lake, "s3").list_multipart_uploads(Bucket=lake.bucket)


def test_a_small_file_that_changes_while_it_is_sent_goes_next_time(
    lake: Settings, through: Settings, line: Any, data: Path
) -> None:
    path = a_track(data)
    before, done = path.read_bytes(), []

    def disturb_once(piece: bytes) -> bool:
        if (
            not done
            and f"tracking/lab_id%3D{path.parent.name}/{path.name} ".encode() in piece.partition(b"\r\n")[0]
        ):
            done.append(True)
            change(path)
        return True

    line.on_request = disturb_once
    ingest.run(through, data)
    assert done
    assert before in objects(lake).values(), "the bytes that were read"
    assert_manifest_is_true(lake)
    assert ingest.run(lake, data).details["uploaded"] == 1
    assert objects(lake) == expected(data)


def test_a_file_that_never_rests_is_reported_and_not_claimed(
    lake: Settings, through: Settings, line: Any, data: Path
) -> None:
    path = a_large_track(data)

    def disturb_always(piece: bytes) -> bool:
        if b"77.parquet " in piece.partition(b"\r\n")[0]:
            grow(path)
        return True

    line.on_request = disturb_always
    result = ingest.run(through, data)
    assert any("77.parquet changed while it was read, 3 times" in bad for bad in result.details["bad_files"])
    assert not any("77.parquet" in key for key in manifest(lake))
    assert_manifest_is_true(lake)
    assert ingest.run(lake, data).details["uploaded"] == 1
    assert objects(lake) == expected(data)


@pytest.mark.parametrize("large", [False, True])
def test_a_file_that_vanishes_is_reported_and_its_object_goes_next_time(
    lake: Settings, through: Settings, line: Any, data: Path, large: bool
) -> None:
    """A small one before it is read; a large one, which is open then, while it is sent."""
    one = dataclasses.replace(through, ingest_threads=1)
    path = a_large_track(data) if large else sorted((data / "train_tracking").glob("*/*.parquet"))[-1]

    def unlink_when_sent(piece: bytes) -> bool:
        if b"77.parquet " in piece.partition(b"\r\n")[0]:
            path.unlink(missing_ok=True)
        return True

    line.on_request = unlink_when_sent
    result = ingest.run(one, data, lambda *_: None if large else path.unlink(missing_ok=True))
    assert [f"{path} cannot be read (No such file or directory)" in b for b in result.details["bad_files"]] == [
        True
    ]
    assert_manifest_is_true(lake)
    ingest.run(lake, data)
    assert objects(lake) == expected(data)


# --- kill -9 ----------------------------------------------------------------------------------------------
INGEST = """
import sys
from pathlib import Path
from etholake.settings import Settings
from etholake.stages.lake import ingest
at = Settings(port=int(sys.argv[1]), bucket=sys.argv[2], state_dir=sys.argv[3])
print("begins", flush=True)
ingest.run(at, Path(sys.argv[4]))
"""


def start(settings: Settings, data: Path) -> subprocess.Popen[bytes]:
    arguments = [str(settings.port), settings.bucket, settings.state_dir, str(data)]
    process = subprocess.Popen([sys.executable, "-c", INGEST, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_the_next_run_makes_the_raw_zone_equal_the_folder(
    lake: Settings, data: Path, seed: int
) -> None:
    """Five times: some files are written again, some go, the ingest is killed; every object is a whole file."""
    moment = random.Random(seed)
    track = a_track(data)
    ever: dict[str, set[bytes]] = {}
    a_large_track(data, 20 * MB)
    for number in range(1000, 1150):
        shutil.copy(track, track.with_name(f"{number}.parquet"))
    killed = 0
    for turn in range(5):
        videos = sorted(track.parent.glob("1*.parquet"))
        for path in moment.sample(videos, 20):
            path.write_bytes(path.read_bytes() + bytes([turn]))
        for path in moment.sample(videos, 3):
            path.unlink()
        for key, content in expected(data).items():
            ever.setdefault(key, set()).add(content)
        process = start(lake, data)
        time.sleep(moment.uniform(0.0, 1.2))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        there = objects(lake)
        assert all(content in ever[key] for key, content in there.items())
    assert killed, "at least one was killed"
    ingest.run(lake, data)
    assert objects(lake) == expected(data)
    assert_manifest_is_true(lake)
    assert ingest.run(lake, data).status == "unchanged"


# --- folders out of reach ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["train_tracking", "train_tracking/{lab}"])
def test_a_folder_out_of_reach_is_an_error_and_nothing_is_removed(lake: Settings, data: Path, name: str) -> None:
    """A share that is not mounted must not empty the raw zone."""
    ingest.run(lake, data)
    before = objects(lake)
    folder = data / name.format(lab=a_track(data).parent.name)
    shutil.rmtree(folder)
    folder.symlink_to(data / "not-mounted")
    with pytest.raises(DataError, match=rf"cannot be read(?s:.*){folder}"):
        ingest.run(lake, data)
    assert objects(lake) == before


def test_an_object_whose_file_is_gone_but_that_others_wrote_since_stays(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    gone = a_track(data)
    key = next(k for k in objects(lake) if k.endswith(f"_tracking/lab_id={gone.parent.name}/{gone.name}"))
    gone.unlink()
    aws.client(lake, "s3").put_object(Bucket=lake.bucket, Key=key, Body=b"theirs")
    assert ingest.run(lake, data).details["removed"] == 0
    assert objects(lake)[key] == b"theirs"


# --- what is remembered -----------------------------------------------------------------------------------
def test_what_was_found_in_a_file_is_remembered_until_it_changes(
    lake: Settings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksum_cache, "_TICK_NS", 0)
    ingest.run(lake, data)
    cache = Path(lake.state_dir) / "ingest-checksums.json"
    content = json.loads(cache.read_text())
    assert len(content["files"]) == 12
    path = a_track(data)
    key = next(f.key for f in ingest.list_folder(data) if f.path == path)
    content["files"][key][-1] = [" says the cache."]
    cache.write_text(json.dumps(content))
    assert ingest.run(lake, data).details["bad_files"] == [f"{path} says the cache."]
    path.touch()
    assert ingest.run(lake, data).details["bad_files"] == []


@pytest.mark.parametrize("content", ['{"files": 3}', "[1]", '{"checks": 1}', "{}", "\x00"])
def test_a_cache_of_another_shape_is_made_again(lake: Settings, data: Path, content: str) -> None:
    cache = Path(lake.state_dir) / "ingest-checksums.json"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(content)
    assert ingest.run(lake, data).details["uploaded"] == 12
    assert len(json.loads(cache.read_text())) == 3


def test_a_file_that_was_just_written_is_read_again_next_time(lake: Settings, data: Path) -> None:
    """Its times could not tell a change within the same tick of the clock."""
    path = a_track(data)
    soon = time.time() + 60  # however long the ingest takes, to it the file was just written
    os.utime(path, (soon, soon))
    ingest.run(lake, data)
    files = json.loads((Path(lake.state_dir) / "ingest-checksums.json").read_text())["files"]
    assert not any(key.endswith(f"_tracking/lab_id={path.parent.name}/{path.name}") for key in files)


def test_lists_of_others_keep_their_dates(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    listed = aws.client(lake, "s3").list_objects_v2(Bucket=lake.bucket)["Contents"]
    assert all("LastModified" in item for item in listed)


# --- memory -----------------------------------------------------------------------------------------------
# Not `ru_maxrss`: it would count the memory of this process, which starts the other.
PEAK = INGEST + "print(int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1024)\n"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_size_of_files(lake: Settings, data: Path) -> None:
    """0.4 GB, one file in parts and eight in one piece each: what is held is a part, and a block a thread."""

    def peak_mib() -> int:
        arguments = [str(lake.port), lake.bucket, lake.state_dir, str(data)]
        made = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], stdout=subprocess.PIPE, check=True, text=True
        )
        return int(made.stdout.split()[-1])

    small = peak_mib()
    for number in range(9):
        with a_track(data).with_name(f"{100 + number}.parquet").open("wb") as file:
            file.truncate(130 * MB if number == 0 else 35 * MB)  # sparse, and not Parquet: it goes all the same
    large = peak_mib()
    assert large - small < 100, f"{small} MiB, with 0.4 GB {large} MiB"


def test_work_in_threads_queues_nothing_and_stops_when_it_is_closed() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.001)
        return item

    results = each(4, work, range(100_000))
    first = [next(results) for _ in range(10)]
    results.close()
    assert len(first) == 10
    assert len(begun) < 100
    assert sorted(each(4, work, list(range(50)))) == list(range(50))
    assert list(each(4, work, [])) == []


def test_what_a_thread_raises_is_raised_here() -> None:
    def fail(item: int) -> int:
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 7"):
        list(each(4, fail, [7]))


# --- two at once, and another folder ------------------------------------------------------------------------
def test_of_two_runs_at_once_one_works_and_the_other_is_told(lake: Settings, data: Path) -> None:
    s3 = aws.client(lake, "s3")
    with lock.held(s3, lake.bucket):
        before = objects(lake)
        with pytest.raises(AwsError, match=rf"Another ingest \(process {os.getpid()} on .* has changed nothing"):
            ingest.run(lake, data)
        assert objects(lake) == before
    assert ingest.run(lake, data).status == "done"
    assert_manifest_is_true(lake)


def test_the_lock_of_a_killed_run_hinders_nobody(lake: Settings, data: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    body = json.dumps({"token": "t", "host": socket.gethostname(), "pid": ended.pid}).encode()
    aws.client(lake, "s3").put_object(Bucket=lake.bucket, Key=lock.KEY, Body=body)
    assert ingest.run(lake, data).status == "done"


def test_another_folder_is_asked_about_before_the_first_ones_files_go(
    lake: Settings, data: Path, tmp_path: Path
) -> None:
    ingest.run(lake, data)
    before = objects(lake)
    other = tmp_path / "other"
    (other / "train_tracking" / "Elsewhere").mkdir(parents=True)
    shutil.copyfile(a_track(data), other / "train_tracking" / "Elsewhere" / "9.parquet")
    (other / "train.csv").write_text(
        "lab_id,video_id,frames_per_second,video_duration_sec\nElsewhere,9,30,1\n", encoding="utf-8"
    )
    asked: list[list[str]] = []
    with pytest.raises(UsageError, match="Give --replace to remove them"):
        ingest.run(lake, other, confirm_removal=lambda keys: bool(asked.append(keys)))
    assert len(asked[0]) >= len(before) // 2
    assert objects(lake) == before
    assert ingest.run(lake, other, confirm_removal=lambda _: True).details["removed"] >= len(asked[0]) - 1
