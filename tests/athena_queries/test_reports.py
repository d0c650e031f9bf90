"""Every report, view and DDL file through Athena on a small lake whose answers were worked out by hand.

The lake: lab `north` (video 11, 10 frames/s, 10 s; mouse1 chases mouse2 on frames 0..19 and 40..59, rears on
20..39), lab `south` (video 21, 20 frames/s, 30 s, unlabelled; video 22 in test). Mouse1 of video 11 walks along
x at 10 cm/s, 1 cm a frame; mouse2 stands 3 cm right and 4 cm below of it on every frame: distance 5 cm.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etholake import aws
from etholake.contract import TABLES, arrow_schema
from etholake.errors import AwsError, UsageError
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages import query

ROOT = Path(__file__).resolve().parents[2] / "athena_queries"
NORTH = {"lab_id": "north", "video_id": 11}


def rows(table: str, *items: dict[str, Any]) -> pa.Table:
    """Rows of a contract table; what is not given is null, or the emptiest value where null is not allowed."""
    schema = arrow_schema(table)
    empty = {"bool": False, "string": "", "list<item: string>": []}
    blank = {f.name: None if f.nullable else empty.get(str(f.type), 0) for f in schema}
    return pa.Table.from_pylist([blank | item for item in items], schema=schema)


def event(agent: int, target: int, action: str, start: int, stop: int) -> dict[str, Any]:
    return {
        "split": "train",
        "video_id": 11,
        "agent_id": agent,
        "target_id": target,
        "action": action,
        "start_frame": start,
        "stop_frame": stop,
        "frames_per_second": 10.0,
        "start_sec": start / 10,
        "stop_sec": stop / 10,
        "duration_frames": stop - start,
        "duration_sec": (stop - start) / 10,
        "is_self": agent == target,
        "is_labeled": True,
        "agent_sex": "male",
    }


def tracks() -> list[dict[str, Any]]:
    points = []
    for frame in range(100):
        for mouse, dx, dy, speed in ((1, 0, 0, 10.0), (2, 3, 4, 10.0)):
            for part, side in (("nose", 0.5), ("tail_base", -0.5)):
                if (frame, mouse, part) == (99, 2, "nose"):
                    continue  # one point is absent
                points.append(
                    {
                        "video_id": 11,
                        "video_frame": frame,
                        "mouse_id": mouse,
                        "bodypart": part,
                        "x_cm": frame + dx + side,
                        "y_cm": float(dy),
                        "speed": speed,
                        "is_imputed": (mouse, part) == (1, "nose") and frame < 10,
                    }
                )
    return points


def fill(lake: Lake) -> None:
    def put(table: str, *items: dict[str, Any], **partition: str) -> None:
        lake.replace_table(table, rows(table, *items), "a" * 16, partition or None)

    seen = {"has_tracking": True}
    put(
        "metadata_train",
        {**NORTH, **seen, "video_duration_sec": 10.0, "frames_per_second": 10.0, "has_annotation": True},
        {"lab_id": "south", "video_id": 21, **seen, "video_duration_sec": 30.0, "flags": ["no-labels"]},
    )
    put("metadata_test", {"lab_id": "south", "video_id": 22, **seen, "video_duration_sec": 3600.0})
    put("tracking_curated", *tracks(), split="train", lab_id="north")
    put(
        "annotations_enriched",
        event(1, 2, "chase", 0, 20),
        event(1, 2, "chase", 40, 60),
        event(1, 1, "rear", 20, 40),
        event(2, 1, "chase", 60, 61),
        lab_id="north",
    )
    stat = {"lab_id": "north", "videos": 1}
    put(
        "class_distribution_stats",
        {**stat, "action": "chase", "events": 3, "frames": 41, "seconds": 4.1, "share": 41 / 61},
        {**stat, "action": "rear", "events": 1, "frames": 20, "seconds": 2.0, "share": 20 / 61},
    )
    file = {"split": "train", **NORTH}
    put(
        "curation_files",
        {
            **file,
            "kind": "tracking",
            "rows_in": 390,
            "rows_curated": 389,
            "rows_quarantined": 1,
            "rows_imputed": 10,
        },
        {**file, "kind": "annotation", "rows_in": 5, "rows_curated": 4, "rows_quarantined": 1},
        {"kind": "metadata", "split": "train", "rows_in": 2, "rows_curated": 2},
    )
    put(
        "quarantine",
        {"source_file": "b", **file, "rows": 1, "rule": "unknown-mouse", "detail": "mouse 7"},
        {"source_file": "a", **file, "rows": 3, "rule": "unknown-mouse", "detail": "mouse 9"},
        {"source_file": "c", "split": "train", "lab_id": "south", "rows": 9, "rule": "truncated", "detail": "bad"},
    )
    guess = {"split": "train", **NORTH, "agent_id": 1, "target_id": 2, "action": "chase", "confidence": 0.8}
    put(
        "predictions",
        {**guess, "start_frame": 10, "stop_frame": 50},
        {**guess, "start_frame": 70, "stop_frame": 75},
        run_id="r1",
    )
    f = {"lab_id": "north", "videos": 1}
    put(
        "scores",
        {**f, "action": "chase", "f_score": 0.75, "tp_frames": 3, "fp_frames": 1, "fn_frames": 1},
        {**f, "action": "rear", "f_score": 0.25, "tp_frames": 1, "fp_frames": 3, "fn_frames": 3},
        {**f, "lab_id": "south", "action": "rear", "f_score": 1.0, "tp_frames": 1, "fp_frames": 0, "fn_frames": 0},
        run_id="r1",
    )


@pytest.fixture(scope="module")
def at(mock_settings: Settings) -> Settings:
    """Settings of a lake of its own, filled."""
    settings = replace(mock_settings, bucket="reports-lake", database="reports_db", workgroup="reports")
    s3, glue = aws.client(settings, "s3"), aws.client(settings, "glue")
    s3.create_bucket(Bucket=settings.bucket)
    glue.create_database(DatabaseInput={"Name": settings.database})
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{settings.bucket}/query-results/"}}
    aws.client(settings, "athena").create_work_group(Name=settings.workgroup, Configuration=where)
    lake = Lake(s3, glue, settings.bucket, settings.database)
    lake.register()
    fill(lake)
    query.create_views(settings)
    return settings


EXPECTED: dict[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    "lake_overview": (
        {},
        [
            ("test", "south", 1, 1, 0, 1.0, 0, 0, 0, 0),
            ("train", "north", 1, 1, 1, 0.003, 390, 5, 10, 2),
            ("train", "south", 1, 1, 0, 0.008, 0, 0, 0, 0),
        ],
    ),
    "class_imbalance": (
        {},
        [("north", "chase", 1, 3, 4.1, 67.21, 1.0), ("north", "rear", 1, 1, 2.0, 32.79, 2.1)],
    ),
    "durations_per_action": ({}, [("chase", 3, 1, 0.1, 2.0, 2.0, 2.0), ("rear", 1, 1, 2.0, 2.0, 2.0, 2.0)]),
    # 2 mice x 100 frames are expected of each part: 199 noses are there, 10 of them filled
    "missing_points": (
        {},
        [("train", "north", "nose", 199, 10, 1, 5.0, 0.5), ("train", "north", "tail_base", 200, 0, 0, 0.0, 0.0)],
    ),
    "time_budget": (
        {"lab_id": "north"},
        [(11, 1, "chase", 2, 4.0, 40.0), (11, 1, "rear", 1, 2.0, 20.0), (11, 2, "chase", 1, 0.1, 1.0)],
    ),
    "who_does_what_to_whom": (
        {"lab_id": "north"},
        [
            (11, 1, 1, "rear", None, "male", None, None, 1, 2.0),
            (11, 1, 2, "chase", None, "male", None, None, 2, 4.0),
            (11, 2, 1, "chase", None, "male", None, None, 1, 0.1),
        ],
    ),
    "motion_during_behaviour": (
        {"lab_id": "north"},
        [("chase", 41, 10.0, 10.0, 5.0), ("rear", 20, 10.0, None, None)],
    ),
    "quarantine_by_rule": (
        {},
        [
            ("truncated", "train", "south", 1, 9, "c", "bad"),
            ("unknown-mouse", "train", "north", 2, 4, "a", "mouse 7"),
        ],
    ),
    # predicted 10..49 and 70..74 share 10 + 10 frames with chases 0..19 and 40..59
    "predictions_vs_annotations": (
        {},
        [("r1", "north", "chase", 2, 3, 45, 41, 20), ("r1", "north", "rear", 0, 1, 0, 20, 0)],
    ),
    "scores_by_lab": (
        {},
        [
            ("r1", "north", 1, 2, 0.5, "chase", 0.75, "rear", 0.25, 0.75),
            ("r1", "south", 1, 1, 1.0, "rear", 1.0, "rear", 1.0, 0.75),
        ],
    ),
    "events_of_video": (
        {"lab_id": "north", "video_id": "11"},
        [
            (0, 20, 0.0, 2.0, 1, 2, "chase", True, None),
            (20, 40, 2.0, 4.0, 1, 1, "rear", True, None),
            (40, 60, 4.0, 6.0, 1, 2, "chase", True, None),
            (60, 61, 6.0, 6.1, 2, 1, "chase", True, None),
        ],
    ),
}


def test_every_report_has_an_expectation():
    assert {name for name, _ in query.list_reports()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_report_gives_the_rows_worked_out_by_hand(at: Settings, name: str):
    parameters, expected = EXPECTED[name]
    result = query.run_report(at, name, parameters)
    assert result.rows == expected
    assert result.scanned_bytes > 0
    assert result.query_id


VIEWS = {
    "count(*), sum(duration_sec), max(frames_per_second) FROM v_events": [(4, 6.1, 10.0)],
    "source, count(*) FROM v_predicted_vs_annotated GROUP BY 1 ORDER BY 1": [("annotated", 4), ("predicted", 2)],
    "lab_id, score, tp_frames FROM v_scores_by_lab ORDER BY 1": [("north", 0.5, 4), ("south", 1.0, 1)],
    "video_id, metadata_flags, rows_in, rows_quarantined FROM v_video_quality ORDER BY 1": [
        (11, 0, 395, 2),
        (21, 1, 0, 0),
        (22, 0, 0, 0),
    ],
}


@pytest.mark.parametrize("asked", VIEWS)
def test_views(at: Settings, asked: str):
    answer = query.run_sql(at, f"SELECT {asked}").rows
    assert [tuple(round(v, 6) if isinstance(v, float) else v for v in row) for row in answer] == VIEWS[asked]


def test_the_ddl_makes_the_tables_that_the_lake_registers(at: Settings):
    glue = aws.client(at, "glue")
    glue.create_database(DatabaseInput={"Name": "reports_ddl"})
    other = replace(at, database="reports_ddl")
    for name in TABLES:
        query.run_sql(other, (ROOT / "ddl" / f"{name}.sql").read_text().replace("${bucket}", at.bucket))
        made = glue.get_table(DatabaseName="reports_ddl", Name=name)["Table"]
        kept = glue.get_table(DatabaseName=at.database, Name=name)["Table"]

        def shape(table: dict[str, Any]) -> Any:
            columns = [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]]
            return columns, [(c["Name"], c["Type"]) for c in table.get("PartitionKeys", [])]

        assert shape(made) == shape(kept), name


# --- parameters and failures -------------------------------------------------------------------------------
def test_values_are_never_sql(at: Settings):
    assert query.run_report(at, "time_budget", {"lab_id": "x' OR '1'='1"}).rows == []
    assert query.run_sql(at, "SELECT ? AS v", ["it's"]).rows == [("it's",)]
    assert query.run_sql(at, "SELECT ? AS v", ["12"]).rows == [(12,)]
    assert query.run_sql(at, "SELECT ? AS v", ["'12'"]).rows == [("12",)]


def test_missing_unknown_and_mistyped_parameters_are_all_named(at: Settings):
    with pytest.raises(UsageError, match=r"(?s)takes lab_id \(string\).*'lab_id' is missing.*'lab' is unknown"):
        query.run_report(at, "time_budget", {"lab": "north"})
    with pytest.raises(UsageError, match="'video_id' must be a whole number, but got '1 OR 1=1'"):
        query.run_report(at, "events_of_video", {"lab_id": "north", "video_id": "1 OR 1=1"})
    with pytest.raises(UsageError, match="which takes none"):
        query.run_report(at, "lake_overview", {"lab_id": "north"})


def test_a_failed_query_names_reason_and_id(at: Settings):
    with pytest.raises(AwsError, match=r"Query [0-9a-f-]{36} failed in work group 'reports'.*no_such_column"):
        query.run_sql(at, "SELECT no_such_column FROM scores")


def test_a_file_is_run_like_its_text(at: Settings, tmp_path: Path):
    path = tmp_path / "q.sql"
    path.write_text("SELECT count(*) AS n FROM scores WHERE lab_id = ?;\n")
    result = query.run_file(at, path, ["north"])
    assert (result.columns, result.rows) == (["n"], [(2,)])
    with pytest.raises(UsageError, match=r"Cannot read .*nothing\.sql"):
        query.run_file(at, tmp_path / "nothing.sql")
