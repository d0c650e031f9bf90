"""Nineteen labs that differ, crawled into one table and queried: what the raw zone of a real lake looks like.

The labs come from the project's simulator; the oddities are written over them by hand, one a lab.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from crawler_lake import COMBINE, INHERIT, Lake  # type: ignore[import-not-found]

from etholake.contract import RAW_TRACKING_COLUMNS, raw_key
from etholake.settings import Settings
from etholake.simulate import simulate

LABS = 19
TABLE = "raw_train_tracking"
ZONE = "raw-zone/train_tracking/"
CONFIGURATION = json.dumps({"Version": 1.0, "CrawlerOutput": INHERIT, "Grouping": COMBINE})
POLICY = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}


def cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    """The table with one column in another type."""
    return lambda t: t.set_column(t.schema.get_field_index(name), name, t[name].cast(kind))


def repeated(value: object, kind: pa.DataType | None = None) -> Callable[[pa.Table], pa.Array]:
    return lambda t: pa.array([value] * t.num_rows, kind)


# What a lab's export may do to the five columns of the layout; every one of it goes into one readable table.
HARMLESS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "extra column": lambda t: t.append_column("likelihood", repeated(0.5, pa.float32())(t)),
    "wider frame": cast("video_frame", pa.int64()),
    "narrower frame": cast("video_frame", pa.int16()),
    "doubles": lambda t: cast("y", pa.float64())(cast("x", pa.float64())(t)),
    "another order": lambda t: t.select(t.column_names[::-1]),
    "no mouse": lambda t: t.drop_columns(["mouse_id"]),
    "large text": cast("bodypart", pa.large_string()),
    "text as bytes": cast("bodypart", pa.binary()),
    "nothing known": lambda t: t.append_column("camera", pa.nulls(t.num_rows)),
    "unsigned": cast("mouse_id", pa.uint8()),
    "capitals": lambda t: t.rename_columns(["Video_Frame", "Mouse_ID", "BodyPart", "X", "Y"]),
    "nested": lambda t: t.append_column("tags", repeated(["a"], pa.list_(pa.string()))(t)),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "labs"
    simulate(folder, labs=LABS, videos=1, seconds=2.0, test_videos=0, dirt=0.0)
    return folder


def fill(lake: Lake, simulated: Path) -> list[str]:
    """The simulated labs as a raw zone, as ingest lays it out; their names, sorted."""
    for kind in ("tracking", "annotation"):
        for path in sorted((simulated / f"train_{kind}").glob("*/*.parquet")):
            target = lake.folder / raw_key("train", kind, path.parent.name, path.stem)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return sorted(path.name for path in (simulated / "train_tracking").iterdir())


def file_of(lake: Lake, lab: str) -> Path:
    return next((lake.folder / ZONE / f"lab_id={lab}").glob("*.parquet"))


def change(lake: Lake, lab: str, how: Callable[[pa.Table], pa.Table]) -> Path:
    """Rewrite the one file of a lab."""
    path = file_of(lake, lab)
    # Read whole before it is written: read_table maps files, and a map of a file cut short is a bus error.
    table = how(pq.ParquetFile(pa.BufferReader(path.read_bytes())).read())
    path.unlink()
    pq.write_table(table, path)
    return path


@pytest.fixture
def lake(mock_settings: Settings, simulated: Path) -> Lake:
    """A raw zone of 19 labs, not crawled yet, and the crawler as `infra/` has it, but with Grouping."""
    lake = Lake(mock_settings)
    lake.labs = fill(lake, simulated)
    targets = (ZONE, "raw-zone/train_annotation/")
    lake.crawler(*targets, TablePrefix="raw_", SchemaChangePolicy=POLICY, Configuration=CONFIGURATION)
    return lake


def test_nineteen_labs_with_oddities_are_one_table_that_athena_reads(lake: Lake) -> None:
    rows = {lab: pq.read_metadata(file_of(lake, lab)).num_rows for lab in lake.labs}
    assert len(rows) == LABS
    for lab, how in zip(lake.labs, HARMLESS.values(), strict=False):
        change(lake, lab, how)
    last = lake.crawl()
    assert (last["Status"], last.get("ErrorMessage")) == ("SUCCEEDED", None)
    assert lake.tables() == {TABLE, "raw_train_annotation"}
    assert lake.columns(TABLE) == {
        "video_frame": "bigint", "mouse_id": "smallint", "bodypart": "string", "x": "double", "y": "double",
        "likelihood": "float", "camera": "string", "tags": "array<string>",
    }  # fmt: skip
    assert lake.partitions(TABLE) == [[lab] for lab in lake.labs]
    assert {tuple(lake.partition(TABLE, lab)) for lab in lake.labs} == {tuple(lake.columns(TABLE))}  # inherited
    assert lake.table(TABLE)["Parameters"]["recordCount"] == str(sum(rows.values()))
    result = lake.query(
        f"SELECT lab_id, count(*), count(x), count(mouse_id), count(likelihood), min(bodypart), sum(video_frame) "
        f"FROM {TABLE} GROUP BY lab_id ORDER BY lab_id"
    )
    assert [(lab, int(count or 0)) for lab, count, *_ in result] == sorted(rows.items())
    oddity = dict(zip(lake.labs, HARMLESS, strict=False))
    for lab, count, points, mice, likely, part, frames in result:
        assert points == count
        assert mice == ("0" if oddity.get(str(lab)) == "no mouse" else count)
        assert likely == (count if oddity.get(str(lab)) == "extra column" else "0")
        frame = pq.ParquetFile(file_of(lake, str(lab))).read()
        frame = frame.rename_columns([name.lower() for name in frame.column_names])
        assert int(frames or 0) == pc.sum(frame["video_frame"]).as_py()
        parts = frame["bodypart"].cast(pa.string())
        assert part == pc.min(parts).as_py()


def test_a_dictionary_of_arrow_is_the_text_that_the_file_holds(lake: Lake) -> None:
    change(lake, lake.labs[0], cast("bodypart", pa.dictionary(pa.int8(), pa.string())))
    assert lake.crawl().get("ErrorMessage") is None
    assert lake.columns(TABLE) == dict(RAW_TRACKING_COLUMNS)


def test_athena_reads_a_dictionary_of_arrow_as_text(lake: Lake) -> None:
    change(lake, lake.labs[0], cast("bodypart", pa.dictionary(pa.int8(), pa.string())))
    lake.crawl()
    assert lake.query(f"SELECT count(bodypart) > 0 FROM {TABLE}") == [("true",)]


def test_a_conflict_is_named_everywhere_and_the_rest_can_be_queried(lake: Lake) -> None:
    odd, other = lake.labs[3], lake.labs[0]
    bad = change(lake, odd, cast("mouse_id", pa.string()))
    last = lake.crawl()
    assert last["Status"] == "SUCCEEDED"
    relative = bad.relative_to(lake.folder / ZONE)
    message = (
        f"In s3://{lake.name}/{ZONE}, column mouse_id has types that disagree: the table says string, so a query "
        "of it that meets a file with tinyint (18 in all) fails with HIVE_BAD_DATA. Write these files again, or "
        f"exclude them. It is string in 1 file ({relative}), tinyint in 18 files (lab_id={other}/"
    )
    assert last["ErrorMessage"].startswith(message)
    assert len(last["ErrorMessage"]) <= 2048
    (line,) = [line for line in lake.log() if "mouse_id" in line and line.startswith("WARN")]
    assert message in line
    assert line.count(".parquet") == 19  # all fit into the 20 that are named
    (conflict,) = json.loads(lake.table(TABLE)["Parameters"]["local_mock.conflicts"])
    assert (conflict["column"], conflict["type"], conflict["refused"]) == ("mouse_id", "string", 18)
    assert [(s["type"], s["files"]) for s in conflict["stored"]] == [("string", 1), ("tinyint", 18)]

    assert lake.query(f"SELECT count(*), count(x), count(DISTINCT lab_id) FROM {TABLE}")[0][2] == "19"
    assert lake.query(f"SELECT DISTINCT mouse_id FROM {TABLE} WHERE lab_id = '{odd}' ORDER BY 1")[0] == ("1",)
    with pytest.raises(
        RuntimeError, match=rf"HIVE_BAD_DATA: Field mouse_id's type int8 .*lab_id={other}/.*parquet"
    ):
        lake.query(f"SELECT max(mouse_id) FROM {TABLE} WHERE lab_id = '{other}'")

    change(lake, odd, cast("mouse_id", pa.int8()))
    assert lake.crawl().get("ErrorMessage") is None
    assert "local_mock.conflicts" not in lake.table(TABLE)["Parameters"]
    assert lake.query(f"SELECT max(mouse_id) FROM {TABLE} WHERE lab_id = '{other}'")


def test_integers_beside_fractions_are_reported_for_athena_does_not_read_them_as_double(lake: Lake) -> None:
    lab = lake.labs[5]
    change(lake, lab, lambda t: t.set_column(3, "x", pc.round(t["x"]).cast(pa.int32())))
    last = lake.crawl()
    assert lake.columns(TABLE)["x"] == "double"
    assert "the table says double, so a query of it that meets a file with int (1 in all)" in last["ErrorMessage"]
    assert f"It is int in 1 file (lab_id={lab}/" in last["ErrorMessage"]
    with pytest.raises(RuntimeError, match=rf"HIVE_BAD_DATA: Field x's type int32 .*lab_id={lab}/"):
        lake.query(f"SELECT max(x) FROM {TABLE}")
    assert lake.query(f"SELECT max(x) FROM {TABLE} WHERE lab_id <> '{lab}'")


def test_a_damaged_file_is_named_and_its_lab_is_not_taken_for_deleted(lake: Lake) -> None:
    lake.crawl()
    lab = lake.labs[2]
    path = file_of(lake, lab)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    last = lake.crawl()
    assert last["Status"] == "SUCCEEDED"
    uri = f"s3://{lake.name}/{path.relative_to(lake.folder)}"
    assert f"{uri} is no readable Parquet file" in last["ErrorMessage"]
    assert any(uri in line for line in lake.log() if line.startswith("WARN"))
    assert [lab] in lake.partitions(TABLE)
    assert lake.table(TABLE)["Parameters"]["objectCount"] == str(LABS - 1)
    with pytest.raises(RuntimeError, match=f"HIVE_BAD_DATA: .*lab_id={lab}/"):
        lake.query(f"SELECT max(x) FROM {TABLE}")
    assert lake.query(f"SELECT count(DISTINCT lab_id) FROM {TABLE} WHERE lab_id <> '{lab}'") == [(str(LABS - 1),)]
    for other in lake.labs:  # a table of which nothing is readable is not deleted either
        file_of(lake, other).write_bytes(b"PAR1")
    assert lake.crawl()["Status"] == "SUCCEEDED"
    assert TABLE in lake.tables()
    for other in lake.labs:
        shutil.rmtree(lake.folder / ZONE / f"lab_id={other}")
    lake.crawl()
    assert TABLE not in lake.tables()


def test_a_new_lab_with_an_unheard_of_part_and_column_appears_without_a_code_change(lake: Lake) -> None:
    lake.crawl()
    assert list(lake.columns(TABLE).items()) == list(RAW_TRACKING_COLUMNS.items())
    new = pa.table({
        "video_frame": pa.array([0, 1], pa.int32()), "mouse_id": pa.array([1, 1], pa.int8()),
        "bodypart": ["whisker_left", "nose"], "x": pa.array([1.5, 2.5], pa.float32()),
        "y": pa.array([3.5, 4.5], pa.float32()), "whisk_hz": pa.array([11.0, None]),
    })  # fmt: skip
    lake.write(raw_key("train", "tracking", "NoisyNewt", 7), new)
    assert lake.crawl().get("ErrorMessage") is None
    assert lake.columns(TABLE) == {**RAW_TRACKING_COLUMNS, "whisk_hz": "double"}
    assert sorted(lake.partitions(TABLE)) == sorted([lab] for lab in [*lake.labs, "NoisyNewt"])
    assert lake.partition(TABLE, lake.labs[0]) == lake.columns(TABLE)  # the old partitions inherit it, too
    log = lake.log()
    assert f"INFO : table {TABLE} was updated: column whisk_hz double is new" in log
    assert f"INFO : partitions of {TABLE}: 1 added, 19 updated" in log
    assert lake.query(
        f"SELECT lab_id, x, whisk_hz FROM {TABLE} WHERE bodypart = 'whisker_left' AND whisk_hz IS NOT NULL"
    ) == [("NoisyNewt", "1.5", "11.0")]
    assert lake.query(f"SELECT count(DISTINCT lab_id) FROM {TABLE} WHERE whisk_hz IS NULL") == [("20",)]


def test_unchanged_files_are_not_opened_again(lake: Lake) -> None:
    def opened() -> str:
        (line,) = [line for line in lake.log() if "were opened" in line]
        return str(line)

    lake.crawl()
    assert opened() == "INFO : 38 objects, of which 38 are new or changed and were opened"
    lake.crawl()
    assert opened() == "INFO : 38 objects, of which 0 are new or changed and were opened"
    assert not [line for line in lake.log() if "updated" in line or "partitions of" in line]
    change(lake, lake.labs[0], HARMLESS["extra column"])
    lake.crawl()
    assert opened() == "INFO : 38 objects, of which 1 are new or changed and were opened"
    assert "likelihood" in lake.columns(TABLE)


@pytest.mark.parametrize("delete", ["DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE", "LOG"])
def test_a_lab_that_leaves_and_comes_back(lake: Lake, delete: str) -> None:
    lake.glue.update_crawler(Name=lake.name, SchemaChangePolicy=POLICY | {"DeleteBehavior": delete})
    lake.crawl()
    lab, rest = lake.labs[4], LABS - 1
    kept = shutil.move(lake.folder / ZONE / f"lab_id={lab}", lake.folder / "aside")
    shutil.rmtree(lake.folder / "raw-zone/train_annotation")
    lake.crawl()
    gone = delete == "DELETE_FROM_DATABASE"
    assert ([lab] not in lake.partitions(TABLE)) == gone
    assert f"INFO : partitions of {TABLE}: 1 {'deleted' if gone else 'no longer in S3'}" in lake.log()
    assert ("raw_train_annotation" not in lake.tables()) == gone
    if not gone:
        marked = "DEPRECATED_BY_CRAWLER" in lake.table("raw_train_annotation")["Parameters"]
        assert marked == (delete == "DEPRECATE_IN_DATABASE")
    assert lake.query(f"SELECT count(DISTINCT lab_id) FROM {TABLE}") == [(str(rest),)]
    shutil.move(kept, lake.folder / ZONE / f"lab_id={lab}")
    lake.write(raw_key("train", "annotation", lab, 1), agent_id=pa.array([1], pa.int8()))
    lake.crawl()
    assert [lab] in lake.partitions(TABLE)
    assert "DEPRECATED_BY_CRAWLER" not in lake.table("raw_train_annotation")["Parameters"]
    assert lake.query(f"SELECT count(DISTINCT lab_id) FROM {TABLE}") == [(str(LABS),)]


# --- configurations ---------------------------------------------------------------------------------------
def test_merge_new_columns_keeps_what_the_table_has(lake: Lake) -> None:
    lake.crawl()
    output = INHERIT | {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}
    lake.glue.update_crawler(Name=lake.name, Configuration=json.dumps({"CrawlerOutput": output}))
    for lab in lake.labs:
        change(lake, lab, lambda t: HARMLESS["no mouse"](HARMLESS["extra column"](HARMLESS["wider frame"](t))))
    lake.crawl()
    assert lake.columns(TABLE) == {**RAW_TRACKING_COLUMNS, "likelihood": "float"}
    message = f"INFO : table {TABLE} keeps the types of video_frame (bigint in S3): MergeNewColumns"
    assert message in lake.log()


def test_update_behavior_log_adds_partitions_and_changes_none(lake: Lake) -> None:
    lake.crawl()
    log = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    lake.glue.update_crawler(
        Name=lake.name, SchemaChangePolicy=log, Configuration="{}"
    )  # not even its own columns
    change(lake, lake.labs[0], HARMLESS["extra column"])
    lake.write(raw_key("train", "tracking", "NewLab", 1), pq.read_table(file_of(lake, lake.labs[1])))
    lake.crawl()
    assert lake.columns(TABLE) == dict(RAW_TRACKING_COLUMNS)
    assert lake.partition(TABLE, lake.labs[0]) == lake.partition(TABLE, "NewLab") == dict(RAW_TRACKING_COLUMNS)
    message = f"INFO : table {TABLE} is left as it is, though column likelihood float is new"
    assert message in lake.log()


def test_a_crawl_of_new_folders_only_adds_them_and_looks_at_nothing_else(lake: Lake) -> None:
    lake.crawl()
    only_new = {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}
    log = {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    with pytest.raises(lake.glue.exceptions.InvalidInputException, match="CRAWL_NEW_FOLDERS_ONLY"):
        lake.glue.update_crawler(Name=lake.name, RecrawlPolicy=only_new)
    lake.glue.update_crawler(Name=lake.name, RecrawlPolicy=only_new, SchemaChangePolicy=log)
    shutil.rmtree(lake.folder / ZONE / f"lab_id={lake.labs[0]}")
    change(lake, lake.labs[1], HARMLESS["extra column"])
    lake.write(raw_key("train", "tracking", "NewLab", 1), pq.read_table(file_of(lake, lake.labs[2])))
    assert lake.crawl().get("ErrorMessage") is None
    assert "INFO : 1 objects, of which 1 are new or changed and were opened" in lake.log()
    assert lake.partitions(TABLE) == [[lab] for lab in [*lake.labs, "NewLab"]]
    assert not [line for line in lake.log() if "no longer in S3" in line]  # it did not look
    assert lake.columns(TABLE) == dict(RAW_TRACKING_COLUMNS)


def test_table_level_configuration_says_where_the_tables_lie(lake: Lake) -> None:
    lake.write("zone/2024/a/lab_id=A/1.parquet", n=pa.array([1]))
    lake.write("zone/stray.parquet", n=pa.array([1]))
    configuration = json.dumps({"Grouping": COMBINE | {"TableLevelConfiguration": 4}})
    targets = {"S3Targets": [{"Path": f"s3://{lake.name}/zone/"}]}
    lake.glue.update_crawler(Name=lake.name, Targets=targets, Configuration=configuration, TablePrefix="")
    last = lake.crawl()
    assert lake.tables() == {"a"}
    assert "zone/stray.parquet lies above level 4" in last["ErrorMessage"]


def test_without_combine_compatible_schemas_the_log_says_that_aws_would_split(lake: Lake) -> None:
    lake.glue.update_crawler(Name=lake.name, Configuration=json.dumps({"CrawlerOutput": INHERIT}))
    lake.crawl()
    assert not [line for line in lake.log() if "CombineCompatibleSchemas" in line]
    change(lake, lake.labs[0], lambda t: t.select(["video_frame", "x", "y"]).append_column("z", t["x"]))
    lake.crawl()
    (line,) = [line for line in lake.log() if "CombineCompatibleSchemas" in line]
    assert f"lab_id={lake.labs[0]}/" in line
    assert lake.tables() == {TABLE, "raw_train_annotation"}


def test_event_mode_is_refused_in_words(lake: Lake) -> None:
    lake.glue.update_crawler(Name=lake.name, RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVENT_MODE"})
    last = lake.crawl()
    assert last["Status"] == "FAILED"
    assert "CRAWL_EVENT_MODE is not supported" in last["ErrorMessage"]


def test_many_problems_fit_into_the_answer_and_stand_whole_in_the_log(lake: Lake) -> None:
    for n in range(60):
        (lake.folder / ZONE / f"lab_id={lake.labs[0]}" / f"broken-{n:02d}.parquet").write_bytes(b"no")
    change(lake, lake.labs[1], cast("mouse_id", pa.string()))
    last = lake.crawl()
    first, *_, final = last["ErrorMessage"].splitlines()
    assert len(last["ErrorMessage"]) <= 2048
    assert "column mouse_id has types that disagree" in first
    assert final.startswith("and ")
    assert sum("broken-" in line for line in lake.log()) == 60
