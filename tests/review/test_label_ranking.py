"""The ranking of bouts to label next, and the agreement of two annotators, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import video_lake
from lakes import open_lake, rows

from etholake.errors import UsageError
from etholake.evaluation.agreement import agreement, kappa
from etholake.events.types import Event
from etholake.review.bouts import ReviewedBout
from etholake.review.operations import Operation
from etholake.settings import Settings
from etholake.stages.review import agreement as agreement_stage
from etholake.stages.review import ranking
from etholake.stages.review.ranking import queue, ranked, within
from etholake.stages.review.store import CorrectionLog, ReviewSession, VideoKey


def bout(run: str, start: int, confidence: float | None, action: str = "chase", **more: Any) -> dict[str, Any]:
    where = {"split": "train", "lab_id": "north", "video_id": 1, "agent_id": 1, "target_id": 2}
    return {**where, "run_id": run, "action": action, "start_frame": start, "stop_frame": start + 30,
            "confidence": confidence, "seconds": 1.0, "others": 0, "seen_by": 0, **more}  # fmt: skip


def test_the_parts_of_a_bouts_worth() -> None:
    seen = {"others": 1, "seen_by": 1}
    bouts = [bout("a", 0, 0.5, **seen), bout("b", 10, 0.9, **seen), bout("a", 100, 0.95, others=1)]
    bouts.append(bout("a", 200, 0.95, "mount", others=1))
    first, *_ = ranked(bouts, [("chase", 1.0)] * 9 + [("mount", 2.0)])
    by_start = {row["start_frame"]: row for row in ranked(bouts, [("chase", 1.0)] * 9 + [("mount", 2.0)])}
    assert first["start_frame"] == 200  # unseen by run b, rare, half as long as its label
    assert [by_start[0][k] for k in ("uncertainty", "disagreement", "rarity", "novelty")] == [1, 0, 0, 0]
    assert by_start[100]["disagreement"] == 1
    assert by_start[200]["rarity"] == pytest.approx(1 - 0.301, abs=1e-3)  # log 2 / log 10
    assert by_start[200]["novelty"] == pytest.approx(0.693, abs=1e-3)
    assert ranked([bout("a", 0, None, "new")], [])[0]["worth"] == pytest.approx(3 / 4)


def test_a_queue_fits_the_time_and_asks_about_a_stretch_once() -> None:
    bouts = [bout("a", 0, 0.5), bout("b", 10, 0.5), bout("a", 100, 0.5), bout("a", 200, 0.5)]
    assert [row["start_frame"] for row in within(bouts, 13 * 2 / 60)] == [0, 100]
    assert within(bouts, 0.1) == []
    hour = bout("a", 300, 0.5, seconds=3600.0)
    assert [row["start_frame"] for row in within([hour, *bouts], 10)] == [0, 100, 200]  # it is no reason to stop


def test_agreement_by_hand() -> None:
    first = [Event(1, 1, 2, "chase", 0, 100), Event(1, 1, 2, "chase", 200, 250)]
    second = [Event(1, 1, 2, "chase", 10, 120)]
    (row,) = agreement(first, second, {1: 1000}, {1: 10.0})
    assert (row.frames_first, row.frames_second, row.frames_common) == (150, 110, 90)
    assert row.f_score == pytest.approx(180 / 260)
    observed, chance = 920 / 1000, (150 * 110 + 850 * 890) / 1000**2
    assert row.kappa == pytest.approx((observed - chance) / (1 - chance))
    assert (row.bouts_first, row.bouts_second, row.bouts_matched) == (2, 1, 1)
    assert (row.start_error_s, row.stop_error_s) == (1.0, 2.0)
    assert (kappa(0, 0, 0, 100), kappa(5, 5, 5, None), kappa(60, 60, 0, 100)) == (None, None, None)
    assert kappa(50, 50, 50, 100) == 1


def test_two_reviewers_and_the_queue_of_a_lake(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "agreeing")
    video_lake.fill(lake, tracks=False)
    key = VideoKey("train", "north", 41)
    predicted = [ReviewedBout.predicted("r1", *bout_) for bout_ in video_lake.PREDICTED]
    annotated = [ReviewedBout.annotated(*bout_) for bout_ in video_lake.ANNOTATED]
    session = ReviewSession(CorrectionLog(lake, key), predicted, annotated, video_lake.FRAMES)
    session.change(Operation("accept", (predicted[3].bout_id,)), "ann")
    session.change(Operation("delete", (annotated[0].bout_id,)), "ben")
    result = agreement_stage.run(settings, "ann", "ben")
    by_action = {row["action"]: row for row in result.details["rows"]}
    assert (by_action["attack"]["bouts_first"], by_action["attack"]["bouts_second"]) == (1, 0)
    assert by_action["sniff"]["f_score"] == by_action["sniff"]["kappa"] == 1
    assert by_action["chase"]["f_score"] == pytest.approx(2 * 150 / (250 + 150))
    assert "ann against ben on 1 video" in result.summary
    assert agreement_stage.run(settings, "annotation", "r1").details["videos"] == 1
    with pytest.raises(UsageError, match="'nobody' is no run"):
        agreement_stage.run(settings, "ann", "nobody")
    with pytest.raises(UsageError, match="Name two"):
        agreement_stage.run(settings, "ann", "ann")
    waiting = queue(settings)
    assert predicted[3].bout_id not in [row["id"] for row in waiting["bouts"]]
    # a confidence of a half, and r2 does not see it
    assert waiting["bouts"][0]["id"] == predicted[1].bout_id
    with pytest.raises(UsageError, match="above 0 minutes"):
        queue(settings, 0)


def test_the_queue_of_a_lab_and_a_run(mock_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, lake = open_lake(mock_settings, "queues")
    video_lake.fill(lake, tracks=False)
    south = {"split": "train", "lab_id": "south", "video_id": 7, "agent_id": 1, "target_id": 2, "action": "chase"}
    bouts = [south | {"start_frame": n * 100, "stop_frame": n * 100 + 9, "confidence": 0.5} for n in range(3)]
    lake.replace_table("predictions", rows("predictions", *bouts), "one", {"run_id": "r3"})
    assert {row["lab_id"] for row in queue(settings, 60)["bouts"]} == {"north", "south"}
    assert queue(settings, 60, "north")["waiting"] == 6
    assert queue(settings, 60, "south", "r1")["bouts"] == []
    # Others that are less certain do not take the place of the lab that is asked about.
    least_certain = ranking._PREDICTED.replace(str(ranking._CANDIDATES), "3")
    monkeypatch.setattr(ranking, "_PREDICTED", least_certain)
    (first,) = queue(settings, 60, "north", "r2")["bouts"]
    # r1 has this bout, and is no candidate.
    assert (first["start_frame"], first["disagreement"]) == (110, 0)
    by_start = {row["start_frame"]: row["disagreement"] for row in queue(settings, 60, "north", "r1")["bouts"]}
    assert by_start == {1040: 1, 4000: 1, 700: 1}


def test_a_stretch_waits_until_it_is_judged(mock_settings: Settings) -> None:
    settings, lake = open_lake(mock_settings, "judged")
    video_lake.fill(lake, tracks=False)
    predicted = [ReviewedBout.predicted("r1", *bout_) for bout_ in video_lake.PREDICTED]
    session = ReviewSession(CorrectionLog(lake, VideoKey("train", "north", 41)), predicted, [], video_lake.FRAMES)

    def starts() -> list[int]:
        return sorted(row["start_frame"] for row in queue(settings, 60)["bouts"])

    every = starts()
    assert every == [110, 260, 700, 1040, 4000]
    session.change(Operation("accept", (predicted[0].bout_id,)), "ann")
    # The same stretch as r2 has it waits no more, either.
    assert starts() == every[1:]
    session.undo("ann")
    assert starts() == every
