"""A person names a video by its number, its name, or `lab/name`; older parts of a lake have no names."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lakes import open_lake, rows

from etholake.errors import DataError, UsageError
from etholake.generations import generation_prefix, new_generation
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.video_names import NamedVideo, find_videos, resolve, resolve_in, split_list

VIDEOS = [
    NamedVideo("train", "north", 7, "Cage 4, day 1"), NamedVideo("train", "north", 12, "fly_02"),
    NamedVideo("test", "south", 13, "fly_02"), NamedVideo("train", "south", 14),
    NamedVideo("train", "south", 15, "12"), NamedVideo("test", "south", 16, "0014"),
]  # fmt: skip


def test_a_list_of_names_may_hold_blanks_and_commas_in_quotes() -> None:
    assert split_list('12, Cage 4,"Cage 4, day 1",,') == ("12", "Cage 4", "Cage 4, day 1")
    assert split_list(None) == ()


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["14", "7"], [14, 7]),
        (["Cage 4, day 1", "7"], [7]),  # one video, named twice
        (["south/fly_02", "north/12"], [13, 12]),
        (["north/fly_02.mp4"], [12]),
        (["12"], [12]),  # a number wins over the name that looks like it
        (["south/12"], [15]),
        (["0014"], [16]),  # ... but this is not how a number is written
    ],
)
def test_numbers_names_and_labs(texts: list[str], numbers: list[int]) -> None:
    assert find_videos(texts, VIDEOS, "The lake") == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fly_02", r"several videos are called 'fly_02': write north/fly_02 \(number 12\), south/fly_02"),
        ("Cage 4, day 2", "no video 'Cage 4, day 2'. Did you mean 'Cage 4, day 1'"),
        ("99", r"no video '99'. It holds 6: Cage 4, day 1 \(7\), fly_02 \(12\)"),
        ("south/fly_03", "Did you mean 'south/fly_02'"),
    ],
)
def test_what_is_not_one_video_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_videos([text], VIDEOS, "The lake")


def test_a_data_folder_names_its_videos(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("lab_id,video_id,video_name\nA,3,cage\nA,x,lost\n")
    assert resolve_in(tmp_path, ["cage"]) == [3]
    with pytest.raises(UsageError, match="no video 'lost'"):
        resolve_in(tmp_path, ["lost"])


def test_parts_of_an_earlier_version_have_no_likelihood(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "likelihoods")
    point = {"video_id": 7, "mouse_id": 1, "bodypart": "nose", "video_frame": 0, "x": 1.0, "y": 2.0}
    partition = {"split": "train", "lab_id": "north"}
    old = rows("tracking_curated", point).drop_columns(["z", "likelihood"])
    sink, generation = io.BytesIO(), new_generation("old")
    pq.write_table(old, sink, compression="zstd")
    key = generation_prefix("tracking_curated", partition, generation) + "part-00000.parquet"
    lake.s3.put_object(Bucket=settings.bucket, Key=key, Body=sink.getvalue())
    lake.commit("tracking_curated", partition, generation, "old")
    lake.register()
    point |= {"likelihood": 0.75, "z": 3.0}
    new = {"split": "train", "lab_id": "south"}
    lake.replace_table("tracking_curated", rows("tracking_curated", point), "new", new)
    sql = "SELECT lab_id, z, likelihood FROM tracking_curated ORDER BY lab_id"
    assert query.run_sql(settings, sql).rows == [("north", None, None), ("south", 3.0, 0.75)]
    kept = "SELECT lab_id FROM tracking_curated WHERE likelihood > 0.5"
    assert query.run_sql(settings, kept).rows == [("south",)]
    scanned = [
        query.run_sql(settings, f"SELECT x, y FROM tracking_curated WHERE lab_id = '{lab}'").scanned_bytes
        for lab in ("north", "south")
    ]
    assert scanned[1] == scanned[0]  # columns that a query does not name are not read


def test_a_lake_of_an_earlier_version_has_no_names(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "names")
    with pytest.raises(DataError, match="no metadata of videos yet: run `make ingest etl`"):
        resolve(settings, ["7"])
    table = rows("metadata_train", {"lab_id": "north", "video_id": 7}, {"lab_id": "north", "video_id": 8})
    old, generation = table.drop_columns(["video_name", "species"]), new_generation("old")
    sink = io.BytesIO()
    pq.write_table(old, sink)
    key = generation_prefix("metadata_train", None, generation) + "part-00000.parquet"
    lake.s3.put_object(Bucket=settings.bucket, Key=key, Body=sink.getvalue())
    lake.commit("metadata_train", None, generation, "old")
    assert resolve(settings, ["8"]) == [8]
    answer = query.run_sql(settings, "SELECT video_id, video_name FROM metadata_train ORDER BY video_id")
    assert answer.rows == [(7, None), (8, None)]
    named = table.set_column(table.schema.get_field_index("video_name"), "video_name", pa.array(["cage", None]))
    lake.replace_table("metadata_train", named, "new", {})
    assert resolve(settings, ["cage", "8"]) == [7, 8]
    result = query.run_report(settings, "events_of_video", {"lab_id": "north", "video_id": "cage"})
    assert result.rows == []
    with pytest.raises(UsageError, match=r"no video 'cave'. Did you mean 'cage'"):
        query.run_report(settings, "events_of_video", {"lab_id": "north", "video_id": "cave"})
