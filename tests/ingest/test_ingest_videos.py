"""Videos in the raw zone: bytes as received, refused or reported if they cannot be one; a cut upload goes on."""

import shutil
from pathlib import Path

import pytest

from etholake import aws
from etholake.errors import DataError
from etholake.settings import Settings
from etholake.stages.lake import ingest
from etholake.stages.lake.ingest import upload
from etholake.video.encode import video_writer

MB = 1_000_000


def a_video(path: Path) -> Path:
    import numpy as np

    with video_writer(path, 25, 32, 32) as writer:
        writer.write(np.zeros((32, 32), np.uint8))
    return path


def videos_of(lake: Settings) -> dict[str, int]:
    pages = aws.client(lake, "s3").list_objects_v2(Bucket=lake.bucket, Prefix="raw-zone/videos/")
    return {item["Key"]: item["Size"] for item in pages.get("Contents", [])}


def test_videos_go_to_the_raw_zone_as_they_are(lake: Settings, data: Path) -> None:
    path = a_video(data / "videos" / "SimLab" / "17.MP4")
    (data / "videos" / "SimLab" / "18.avi").write_bytes(b"no video at all")
    (data / "videos" / "SimLab" / "notes.txt").write_text("a stray")
    result = ingest.run(lake, data)
    key = "raw-zone/videos/lab_id=SimLab/17.mp4"
    assert set(videos_of(lake)) == {key, key.replace("17.mp4", "18.avi")}
    assert aws.client(lake, "s3").get_object(Bucket=lake.bucket, Key=key)["Body"].read() == path.read_bytes()
    bad = result.details["bad_files"]
    assert any("18.avi has the signature of no mp4" in text for text in bad)
    assert any("notes.txt was not ingested: expected <lab>/<number of the video>.mp4" in text for text in bad)
    assert ingest.run(lake, data).status == "unchanged"
    shutil.rmtree(data / "videos")
    ingest.run(lake, data)
    assert videos_of(lake) == {}


def test_a_further_camera_is_a_film_of_its_video(lake: Settings, data: Path) -> None:
    folder = data / "videos" / "SimLab"
    for name in ("17.mp4", "17.side.mp4", "17.2nd.mp4"):
        a_video(folder / "x.mp4").rename(folder / name)
    result = ingest.run(lake, data)
    assert {key.rpartition("/")[2] for key in videos_of(lake)} == {"17.mp4", "17.side.mp4"}
    assert any(
        "17.2nd.mp4 was not ingested" in text and "<number>.<further camera>.mp4" in text
        for text in result.details["bad_files"]
    ), "the name of a camera begins with a letter"
    a_video(data / "videos" / "OtherLab" / "17.side.mp4")
    with pytest.raises(DataError, match=r"(?s)One video id in several labs.*any video 17: OtherLab, SimLab"):
        ingest.run(lake, data)


def test_two_files_of_one_video_are_refused(lake: Settings, data: Path) -> None:
    for name in ("17.mp4", "17.mkv"):
        a_video(data / "videos" / "SimLab" / "x.mp4").rename(data / "videos" / "SimLab" / name)
    with pytest.raises(DataError, match=r"17\.mp4: is a second file of video 17, beside 17\.mkv; keep one"):
        ingest.run(lake, data)


def test_an_upload_that_was_cut_off_goes_on(lake: Settings, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MULTIPART_BYTES", 6 * MB)
    monkeypatch.setattr(upload, "PART_BYTES", 5 << 20)
    path = a_video(data / "videos" / "SimLab" / "17.mp4")
    path.write_bytes(path.read_bytes() + bytes(range(256)) * (18 * MB // 256))
    s3, read, sent = aws.client(lake, "s3"), upload.read, []
    s3.meta.events.register("before-call.s3.UploadPart", lambda **_: sent.append(True))

    def cut(*arguments: object) -> bytes:
        if len(sent) == 2:
            raise KeyboardInterrupt
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(upload, "read", cut)
    with pytest.raises(KeyboardInterrupt):
        ingest.run(lake, data)
    monkeypatch.setattr(upload, "read", read)
    sent.clear()
    ingest.run(lake, data)
    assert len(sent) == 2, "of four parts the first two were there"
    key = "raw-zone/videos/lab_id=SimLab/17.mp4"
    assert s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read() == path.read_bytes()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=lake.bucket)
    assert s3.list_objects_v2(Bucket=lake.bucket, Prefix="state-zone/uploads/")["KeyCount"] == 0
