"""A merged review makes the tables that the next curation makes, too: nothing of it is lost, nothing is added."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lake_world import World  # type: ignore[import-not-found]

from etholake.review.bouts import ReviewedBout
from etholake.review.operations import Operation
from etholake.settings import Settings
from etholake.stages.review import merge
from etholake.stages.review.store import CorrectionLog, ReviewSession, VideoKey

MADE = ("annotations_enriched LabA", "behavior_summary LabA", "labeled_behaviors", "class_distribution_stats",
        "metadata_train")  # fmt: skip


def tables(world: World) -> dict[str, list[dict[str, Any]]]:
    return {name: world.table(name.split()[0], **({"lab_id": "LabA"} if " " in name else {})) for name in MADE}


def test_the_next_curation_makes_what_the_merge_has_made(world: World, mock_settings: Settings) -> None:
    world.run()
    received = tables(world)
    settings = replace(mock_settings, bucket=world.lake.bucket, database=world.lake.database)
    annotated = [ReviewedBout.annotated(1, 2, "attack", 0, 3), ReviewedBout.annotated(1, 2, "attack", 5, 5)]
    first = ReviewSession(CorrectionLog(world.lake, VideoKey("train", "LabA", 1)), [], annotated, 60)
    first.change(Operation("move", (annotated[0].bout_id,), start_frame=10, stop_frame=20), "ann")
    first.change(Operation("create", agent_id=2, target_id=2, action="rear", start_frame=3, stop_frame=9), "ann")
    first.change(Operation("looked_for", agent_id=2, target_id=2, action="rear"), "ann")
    second = ReviewSession(CorrectionLog(world.lake, VideoKey("train", "LabA", 2)), [], [], 60)
    second.change(Operation("point", agent_id=2, target_id=1, action="attack", frame=40), "ben")
    assert merge.run(settings, "ann").details["labels"] == 4
    merged = tables(world)
    assert merged != received
    assert [row["has_annotation"] for row in merged["metadata_train"]] == [True, True, True]
    sums = world.run()
    curated = tables(world)
    assert curated == merged
    rows = [(row["video_id"], row["action"], row["start_frame"], row["is_labeled"]) for row in
            curated["annotations_enriched LabA"]]  # fmt: skip
    assert rows == [
        (1, "rear", 3, True), (1, "attack", 5, True), (1, "attack", 10, True), (2, "attack", 40, False),
    ]  # fmt: skip
    assert sums["rows_in"] == sums["rows_curated"] + sums["rows_quarantined"]
    second.change(Operation("delete", tuple(bout.bout_id for bout in second.review.labels)), "ben")
    merge.run(settings, "ben")
    emptied = tables(world)
    world.run()
    assert tables(world) == emptied
    assert {row["video_id"] for row in emptied["annotations_enriched LabA"]} == {1}
