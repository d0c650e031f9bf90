"""Corrections in the lake: durable at once, by two reviewers at once, merged into what training reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pyarrow as pa
import pytest
import video_lake
from lakes import open_lake

from etholake.contract import arrow_schema
from etholake.curate.rawzone import list_raw
from etholake.curate.reviewed import looked_for
from etholake.errors import UsageError
from etholake.lake import Lake, LostRaceError
from etholake.review.bouts import ReviewedBout
from etholake.review.history import ConflictError
from etholake.review.operations import Operation
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.review import merge
from etholake.stages.review.store import CorrectionLog, ReviewSession, VideoKey

VIDEO = VideoKey("train", "north", 41)
ANNOTATED = [ReviewedBout.annotated(*bout) for bout in video_lake.ANNOTATED]
PREDICTED = [ReviewedBout.predicted("r1", *bout) for bout in video_lake.PREDICTED]


@pytest.fixture
def lake(mock_settings: Settings, request: pytest.FixtureRequest) -> tuple[Settings, Lake]:
    number = abs(hash(request.node.name)) % 10**6
    settings, lake = open_lake(mock_settings, f"review{number}")
    video_lake.fill(lake, tracks=False)
    return settings, lake


def session(lake: Lake) -> ReviewSession:
    return ReviewSession(CorrectionLog(lake, VIDEO), PREDICTED, ANNOTATED, video_lake.FRAMES)


def test_a_change_is_in_the_table_before_it_counts_and_survives(lake: tuple[Settings, Lake]) -> None:
    settings, at = lake
    first = session(at)
    first.change(Operation("accept", (PREDICTED[3].bout_id,)), "ann")
    first.change(Operation("move", (ANNOTATED[0].bout_id,), start_frame=90, stop_frame=190), "ann")
    first.undo("ann")
    columns = "change, operation, reviewer, status, run_id, undoes"
    sql = f"SELECT {columns} FROM corrections WHERE change > 1 ORDER BY change"
    assert query.run_sql(settings, sql).rows == [
        (2, "accept", "ann", "kept", "r1", None), (3, "move", "ann", "kept", None, None),
        (4, "undo", "ann", "kept", None, 3),
    ]  # fmt: skip
    baseline = "SELECT count(*) FROM corrections WHERE operation = 'baseline'"
    assert query.run_sql(settings, baseline).rows == [(len(ANNOTATED),)]
    again = session(at)
    assert again.review.bouts == first.review.bouts
    assert again.review.can("ann") == (True, True)
    with pytest.raises(LostRaceError, match=r"000002 of .* already"):
        CorrectionLog(at, VIDEO).add(first.review.changes[1])


def test_two_reviewers_at_once_lose_nothing(lake: tuple[Settings, Lake]) -> None:
    _, at = lake
    errors: list[Exception] = []

    def work(name: str, agent: int) -> None:
        own = session(at)
        try:
            for start in range(0, 60, 10):
                where = {"start_frame": start, "stop_frame": start + 5}
                own.change(Operation("create", agent_id=agent, target_id=2, action="sniff", **where), name)
        except Exception as err:
            errors.append(err)

    threads = [threading.Thread(target=work, args=pair) for pair in (("ann", 1), ("ben", 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    both = session(at).review
    assert [change.number for change in both.changes] == list(range(1, 14))
    created = [bout for bout in both.labels if bout.source == "review"]
    assert sorted((bout.agent_id, bout.start_frame) for bout in created) == [
        (agent, start) for agent in (1, 2) for start in range(0, 60, 10)
    ]
    bout = PREDICTED[0].bout_id
    ann, ben = session(at), session(at)
    ann.change(Operation("accept", (bout,)), "ann")
    with pytest.raises(ConflictError, match="ann has changed this bout"):
        ben.change(Operation("reject", (bout,)), "ben")
    assert ben.review.bouts[bout].status == "kept"


def test_a_killed_process_loses_no_change_that_it_has_reported(lake: tuple[Settings, Lake]) -> None:
    settings, at = lake
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from test_correction_log import *
from dataclasses import replace
from etholake.stages.state import open_lake as open_
own = session(open_(Settings(**{vars(settings)!r})))
for start in range(1000):
    own.change(Operation("point", agent_id=1, target_id=1, action="jump", frame=start), "ann")
    print(start, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(5)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    points = [bout.start_frame for bout in session(at).review.labels if bout.action == "jump"]
    assert points[: len(reported)] == reported
    assert len(points) <= len(reported) + 50


def test_merging_makes_a_new_generation_that_the_next_curation_keeps(lake: tuple[Settings, Lake]) -> None:
    settings, at = lake
    before = at.current("annotations_enriched", {"lab_id": "north"})
    own = session(at)
    own.change(Operation("delete", (ANNOTATED[0].bout_id,)), "ann")
    own.change(Operation("accept", (PREDICTED[3].bout_id,)), "ann")
    own.change(Operation("create", agent_id=2, target_id=2, action="rear", start_frame=5, stop_frame=9), "ann")
    # the annotation has this bout from 3600 to 3700: it is one event
    own.change(
        Operation("create", agent_id=1, target_id=2, action="chase", start_frame=3590, stop_frame=3610), "ann"
    )
    result = merge.run(settings, "ann")
    assert result.details == {"videos": 1, "labels": 7, "labs": ["north"], "joined": 1, "not_looked_for": 2}
    assert "; 1 more became part of a label of their kind" in result.summary
    assert "2 of them cannot teach yet" in result.summary
    sql = """SELECT action, start_frame, stop_frame, is_labeled FROM annotations_enriched
        WHERE video_id = 41 ORDER BY start_frame, action"""
    assert query.run_sql(settings, sql).rows == [
        ("rear", 5, 9, False), ("rear", 250, 300, True), ("sniff", 500, 600, True), ("attack", 700, 750, False),
        ("chase", 1000, 1050, True), ("chase", 3590, 3700, True), ("rear", 4200, 4200, True),
    ]  # fmt: skip
    assert before is not None
    assert at.current("annotations_enriched", {"lab_id": "north"}) != before
    assert merge.run(settings, "ann").status == "unchanged"
    own.change(Operation("looked_for", agent_id=2, target_id=2, action="rear"), "ann")
    assert [video.video_id for video in merge.pending(at)] == [41]
    assert merge.run(settings, "ann").details["not_looked_for"] == 1
    looked = "SELECT agent_id, action FROM labeled_behaviors WHERE video_id = 41 ORDER BY 1, 2"
    assert query.run_sql(settings, looked).rows == [(1, "chase"), (1, "rear"), (2, "rear"), (2, "sniff")]
    # the raw file of the review stands in place of what the lab sent, for the curation to come
    for kind in ("train_annotation", "train_reviewed"):
        key = f"raw-zone/{kind}/lab_id=north/41.parquet"
        if kind == "train_annotation":
            at.s3.put_object(Bucket=at.bucket, Key=key, Body=b"as the lab sent it")
    (raw,) = list_raw(at.s3, at.bucket).annotation["train", "north"]
    assert (raw.reviewed, raw.kind, raw.video_id) == (True, "annotation", 41)
    content = at.s3.get_object(Bucket=at.bucket, Key=raw.key)["Body"].read()
    assert looked_for(content) == [(2, 2, "rear")]


def test_merging_keeps_the_spans_that_were_looked_at(lake: tuple[Settings, Lake]) -> None:
    """Else frames that nobody looked at would teach as negatives until the next curation."""
    settings, at = lake
    rows = at.read("labeled_behaviors").to_pylist()
    for row in rows:
        if row["video_id"] == 41 and row["action"] in ("chase", "rear"):
            row["spans"] = "[[0, 900]]"
    at.replace_table("labeled_behaviors", pa.Table.from_pylist(rows, arrow_schema("labeled_behaviors")), "spans")
    own = session(at)
    own.change(Operation("delete", (ANNOTATED[0].bout_id,)), "ann")
    merge.run(settings, "ann")
    sql = "SELECT action, spans FROM labeled_behaviors WHERE video_id = 41 ORDER BY action"
    partly = "[[0, 900]]"
    assert query.run_sql(settings, sql).rows == [("chase", partly), ("rear", partly), ("sniff", None)]
    own.change(Operation("looked_for", agent_id=1, target_id=1, action="rear"), "ann")
    merge.run(settings, "ann")
    assert query.run_sql(settings, sql).rows == [("chase", partly), ("rear", None), ("sniff", None)]


def test_what_cannot_be_merged_is_refused(lake: tuple[Settings, Lake]) -> None:
    settings, _ = lake
    with pytest.raises(UsageError, match="--user NAME"):
        merge.run(settings, " ")
    with pytest.raises(UsageError, match="No corrections of video 7"):
        merge.run(settings, "ann", [7])
