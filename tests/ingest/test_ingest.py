"""Stage ingest against a running mock: bytes as received, incremental, resumable, bad files reported."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake import aws
from etholake.contract import RAW_ZONE, raw_key
from etholake.errors import AwsError, DataError
from etholake.settings import Settings
from etholake.stages.lake import ingest
from etholake.stages.lake.ingest import lock


def objects(settings: Settings) -> dict[str, bytes]:
    s3 = aws.client(settings, "s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    own = {ingest.MANIFEST, lock.KEY}
    return {k: s3.get_object(Bucket=settings.bucket, Key=k)["Body"].read() for k in keys if k not in own}


def expected(data: Path) -> dict[str, bytes]:
    return {file.key: file.path.read_bytes() for file in ingest.list_folder(data)}


def a_track(data: Path) -> Path:
    return sorted((data / "train_tracking").glob("*/*.parquet"))[0]


# --- what is uploaded -------------------------------------------------------------------------------------
def test_the_raw_zone_holds_the_bytes_under_hive_keys(lake: Settings, data: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = ingest.run(lake, data, lambda done, total, _: seen.append((done, total)))
    keys = objects(lake)
    assert keys == expected(data)
    assert len(keys) == 12
    track = a_track(data)
    assert keys[raw_key("train", "tracking", track.parent.name, track.stem)] == track.read_bytes()
    assert keys[raw_key("train", "metadata")] == (data / "train.csv").read_bytes()
    assert (result.status, result.details["uploaded"], result.details["bad_files"]) == ("done", 12, [])
    assert result.details["bytes"] == sum(map(len, keys.values()))
    assert seen == [(n, 12) for n in range(1, 13)]


def test_an_unchanged_folder_is_left_alone(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    again = ingest.run(lake, data)
    assert again.status == "unchanged"
    assert "all 12 files are in the raw zone with the same checksum" in again.summary
    a_track(data).touch()  # a new time, the same bytes
    assert ingest.run(lake, data).status == "unchanged"


def test_only_what_changed_is_uploaded(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    track = a_track(data)
    changed = bytearray(track.read_bytes())
    changed[20] ^= 1  # of the same size
    track.write_bytes(changed)
    result = ingest.run(lake, data)
    assert (result.details["uploaded"], result.details["unchanged"]) == (1, 11)
    assert objects(lake) == expected(data)


def test_what_is_gone_from_the_folder_goes_and_what_is_not_ours_stays(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    stranger = f"{RAW_ZONE}/train_tracking/lab_id=Other/5.parquet"
    aws.client(lake, "s3").put_object(Bucket=lake.bucket, Key=stranger, Body=b"theirs")
    a_track(data).unlink()
    result = ingest.run(lake, data)
    assert result.status == "done"
    assert "1 removed that are gone from the folder" in result.summary
    assert objects(lake) == expected(data) | {stranger: b"theirs"}


# --- after a failure --------------------------------------------------------------------------------------
def test_a_run_that_broke_off_goes_on_with_the_rest(lake: Settings, data: Path) -> None:
    """The manifest is written last: what lies there without one is known by the checksum it carries."""
    ingest.run(lake, data)
    keys = sorted(objects(lake))
    for key in [ingest.MANIFEST, *keys[:7]]:
        aws.client(lake, "s3").delete_object(Bucket=lake.bucket, Key=key)
    result = ingest.run(lake, data)
    assert (result.details["uploaded"], result.details["unchanged"]) == (7, 5)
    assert objects(lake) == expected(data)


def test_what_a_broken_run_left_and_the_folder_lost_is_removed(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    aws.client(lake, "s3").delete_object(Bucket=lake.bucket, Key=ingest.MANIFEST)
    a_track(data).unlink()
    assert ingest.run(lake, data).details["removed"] == 1
    assert objects(lake) == expected(data)


def test_an_object_that_others_overwrote_is_put_right(lake: Settings, data: Path) -> None:
    """The other content has the same size: the manifest alone would not notice."""
    ingest.run(lake, data)
    track = a_track(data)
    key = raw_key("train", "tracking", track.parent.name, track.stem)
    body = bytes(len(track.read_bytes()))
    aws.client(lake, "s3").put_object(Bucket=lake.bucket, Key=key, Body=body)
    assert ingest.run(lake, data).details["uploaded"] == 1
    assert objects(lake) == expected(data)


def test_a_lost_cache_or_manifest_costs_no_upload(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    (Path(lake.state_dir) / "ingest-checksums.json").write_text("{ not json")
    aws.client(lake, "s3").put_object(Bucket=lake.bucket, Key=ingest.MANIFEST, Body=b"rubbish")
    result = ingest.run(lake, data)
    assert (result.status, result.details["uploaded"]) == ("unchanged", 0)


def test_a_bucket_that_is_not_there_is_named(lake: Settings, data: Path) -> None:
    missing = dataclasses.replace(lake, bucket="no-such-bucket-here")
    with pytest.raises(
        AwsError, match="Bucket 'no-such-bucket-here' is not there on target mock: run `make deploy`"
    ):
        ingest.run(missing, data)


# --- bad files --------------------------------------------------------------------------------------------
def test_bad_files_are_uploaded_as_received_and_all_reported(lake: Settings, data: Path) -> None:
    folder = a_track(data).parent
    good = pq.read_table(a_track(data))
    whole = a_track(data).read_bytes()
    (folder / "1.parquet").write_bytes(b"")
    (folder / "2.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(good.drop(["y"]), folder / "3.parquet")
    pq.write_table(good.append_column("score", good["x"]), folder / "4.parquet")
    pq.write_table(good.set_column(3, "x", good["x"].cast(pa.string())), folder / "5.parquet")
    pq.write_table(good.set_column(0, "video_frame", good["video_frame"].cast(pa.float64())), folder / "6.parquet")
    (folder / "notes.txt").write_text("hello")
    (data / "train_tracking" / "7.parquet").write_bytes(whole)
    (folder / "8.parquet").symlink_to(folder / "nowhere")
    result = ingest.run(lake, data)
    bad = "\n".join(result.details["bad_files"])
    for sentence in (
        "1.parquet is empty (0 bytes): copy or export it again.",
        "2.parquet is not readable as Parquet",
        "3.parquet lacks the columns ['y']: export it again with them.",
        "4.parquet has columns that the layout does not know, ['score']",
        "5.parquet has wrong types: expected x as float but got string",
        "notes.txt was not ingested: expected <lab>/<video>.parquet there",
        "train_tracking/7.parquet was not ingested",
        "8.parquet cannot be read (No such file or directory) and was not uploaded",
    ):
        assert sentence in bad
    assert "6.parquet" not in bad, "whole numbers as floats can be read"
    assert len(result.details["bad_files"]) == 8
    assert "8 files need a look" in result.summary
    keys = objects(lake)
    assert keys[raw_key("train", "tracking", folder.name, 2)] == whole[: len(whole) // 2]
    assert raw_key("train", "tracking", folder.name, 8) not in keys
    again = ingest.run(lake, data)
    assert (again.status, len(again.details["bad_files"])) == ("unchanged", 8), "they are reported each time"


def test_a_file_that_became_unreadable_is_not_taken_for_gone(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    track = a_track(data)
    key = raw_key("train", "tracking", track.parent.name, track.stem)
    track.unlink()
    track.symlink_to(data / "nowhere")
    result = ingest.run(lake, data)
    assert result.details["removed"] == 0
    assert key in objects(lake)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda at: None, "is not a folder"),
        (lambda at: at.mkdir(), "expected train.csv and/or test.csv beside(?s:.*)but found nothing"),
        (lambda at: (at / "videos").mkdir(parents=True), "but found videos"),
    ],
)
def test_a_folder_that_is_not_in_the_layout_is_one_clear_error(
    lake: Settings, tmp_path: Path, make: Any, message: str
) -> None:
    make(tmp_path / "other")
    with pytest.raises(DataError, match=message):
        ingest.run(lake, tmp_path / "other")
    assert objects(lake) == {}


def test_tables_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("video,lab\n1,A\n")
    (tmp_path / "test.csv").write_bytes(b"lab_id,video_id\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"\(2\)(?s:.*)lacks the columns \['lab_id', 'video_id', (?s:.*)test.csv"):
        ingest.list_folder(tmp_path)


def test_a_table_with_two_columns_or_no_rows_is_refused_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("lab_id,video_id\nA,1\n")
    (tmp_path / "test.csv").write_text("lab_id,video_id,frames_per_second,video_duration_sec\n,,,\n\n")
    with pytest.raises(DataError, match=r"Metadata that cannot be used; nothing was uploaded \(2\)") as caught:
        ingest.list_folder(tmp_path)
    text = str(caught.value)
    lacking = "lacks the columns ['frames_per_second', 'video_duration_sec']; found ['lab_id', 'video_id']."
    assert f"{tmp_path}/train.csv: {lacking} Add them, one value a video" in text
    assert f"{tmp_path}/test.csv: has a header and no row. Add one row a video, or remove the file" in text


def test_a_folder_and_labs_with_any_name_are_ingested(lake: Settings, data: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'Maus\' "Käfig" $1 & co'
    data.rename(odd)
    for kind in ("tracking", "annotation"):
        lab = sorted((odd / f"train_{kind}").iterdir())[0]
        text = (odd / "train.csv").read_text(encoding="utf-8")
        lab.rename(lab.with_name("Labor Süd's"))
    (odd / "train.csv").write_text(text.replace(lab.name, "Labor Süd's"), encoding="utf-8")
    assert ingest.run(lake, odd).details["bad_files"] == []
    assert objects(lake) == expected(odd)
    assert any("lab_id=Labor Süd's/" in key for key in objects(lake))


def test_one_id_in_two_labs_is_refused(lake: Settings, data: Path) -> None:
    track = a_track(data)
    other = data / "train_tracking" / "Elsewhere" / track.name
    other.parent.mkdir()
    other.write_bytes(track.read_bytes())
    with pytest.raises(DataError, match=rf"train video {track.stem}: Elsewhere, {track.parent.name}"):
        ingest.run(lake, data)
    other.unlink()
    with (data / "train.csv").open("a") as table:
        table.write(f"Nowhere,{track.stem}\n")
    with pytest.raises(DataError, match=f"train video {track.stem}: Nowhere, {track.parent.name}"):
        ingest.run(lake, data)


def test_the_manifest_lists_every_object_with_its_checksum(lake: Settings, data: Path) -> None:
    ingest.run(lake, data)
    body = aws.client(lake, "s3").get_object(Bucket=lake.bucket, Key=ingest.MANIFEST)["Body"].read()
    manifest = json.loads(body)
    assert {key: (entry["sha256"], entry["size"]) for key, entry in manifest.items()} == {
        key: (hashlib.sha256(content).hexdigest(), len(content)) for key, content in objects(lake).items()
    }
