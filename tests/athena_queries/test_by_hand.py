"""Reports and views on lab `north` of the small lake, whose answers anybody can work out by hand.

`report_lake` says what `north` is; rows of the other labs are left out of the comparison.
"""

from typing import Any

import pytest

from etholake.settings import Settings
from etholake.stages.lake import query

NORTH, NOSE = {"lab_id": "north"}, {"lab_id": "north", "bodypart": "nose"}

EXPECTED: dict[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    # 101 + 10 rows of the files; 100 frames = 10 s
    "lake_overview": ({}, [("train", "north", 1, 1, 1, 0.003, 411, 5, 4, 3)]),
    "class_imbalance": (
        {},
        [("north", "chase", 1, 3, 4.1, 67.21, 1.0), ("north", "rear", 1, 1, 2.0, 32.79, 2.1)],
    ),
    # 2 mice x 100 frames are expected of each part; one nose is absent
    "missing_points": (
        {},
        [
            ("train", "north", "nose", 200, 199, 0, 1, 0.0, 0.5),
            ("train", "north", "tail_base", 200, 200, 0, 0, 0, 0),
        ],
    ),
    "gaps_by_part": (
        {},
        [
            ("train", "north", "nose", 2, 1, 1, 1, 1.0, 1, 0.5),
            ("train", "north", "tail_base", 2, 0, 0, 0, None, 0, 0.0),
        ],
    ),
    "suspected_swaps": ({}, []),  # north's mice walk at an even 10 cm/s
    "distance_travelled": (
        NOSE,
        [(11, 1, "C57", "male", 9.9, 99.0, 10.0, 10.0), (11, 2, "CD1", "female", 9.9, 99.0, 10.0, 10.0)],
    ),
    "time_budget": (
        NORTH,
        [(11, 1, "chase", 2, 4.0, 40.0), (11, 1, "rear", 1, 2.0, 20.0), (11, 2, "chase", 1, 0.1, 1.0)],
    ),
    # mouse1 was watched for 10 s = 1/360 h, chased 4 s of them
    "time_budget_by_sex": (
        {},
        [
            ("north", "female", "chase", 1, 0.0028, 1, 0.1, 1.0, 360.0),
            ("north", "female", "rear", 1, 0.0028, 0, 0.0, 0.0, 0.0),
            ("north", "male", "chase", 1, 0.0028, 2, 4.0, 40.0, 720.0),
            ("north", "male", "rear", 1, 0.0028, 1, 2.0, 20.0, 360.0),
        ],
    ),
    "who_does_what_to_whom": (
        NORTH,
        [
            ("train", 11, 1, 1, "rear", "C57", "male", "C57", "male", 1, 2.0),
            ("train", 11, 1, 2, "chase", "C57", "male", "CD1", "female", 2, 4.0),
            ("train", 11, 2, 1, "chase", "CD1", "female", "C57", "male", 1, 0.1),
        ],
    ),
    # (4 - 0.1) / (4 + 0.1)
    "pair_asymmetry": (NORTH, [("train", 11, 1, 2, "chase", 2, 1, 4.0, 0.1, 0.951)]),
    "transitions": (NORTH, [("chase", "rear", 1, 100.0, 0.0), ("rear", "chase", 1, 100.0, 0.0)]),
    "co_occurrence": (NORTH, []),
    "inter_event_intervals": (NORTH, [("chase", 1, 2.0, 2.0, 2.0, 2.0)]),
    "motion_during_behaviour": (NOSE, [("chase", 41, 10.0, 10.0, 5.0), ("rear", 20, 10.0, None, None)]),
    # chase: 40 frames of mouse1 without frame 0, which has no speed, and 1 of mouse2; each has 99 (98) speeds
    "speed_inside_outside": (NOSE, [("chase", 40, 157, 10.0, 10.0), ("rear", 20, 177, 10.0, 10.0)]),
    # 99 frames hold both noses; frame 50 would be the 40th of mouse1's chases; mouse2 chases for 1 of its 99
    "distance_inside_outside": (NOSE, [("chase", 40, 158, 5.0, 5.0)]),
    # predicted 10..49 and 70..74 share 10 + 10 frames with chases 0..19 and 40..59; mouse2's chase is missed
    "predictions_vs_annotations": (
        {"run_id": "r1"},
        [
            ("north", "chase", 20, 25, 21, 0.4444, 0.4878, 0.4651),
            ("north", "rear", 20, 0, 0, 1.0, 1.0, 1.0),
        ],
    ),
    # IoU of 10..49 with both chases: 10 shared of 50 united frames
    "predicted_events_matched": (
        {"run_id": "r1"},
        [("north", "chase", 3, 0, 0.1333, 2, 0, 0.1), ("north", "rear", 1, 1, 1.0, 1, 1, 1.0)],
    ),
    "false_positives_to_review": (
        {**NORTH, "run_id": "r1"},
        [(11, 1, 2, "chase", 70, 75, 7.0, 7.5, 0.9)],
    ),
    "missed_events_to_review": ({**NORTH, "run_id": "r1"}, [(11, 2, 1, "chase", 60, 61, None, 0.1)]),
    "confusions": (
        {**NORTH, "run_id": "r1"},
        [("chase", "chase", True, 2, 20, 100.0), ("rear", "rear", True, 1, 20, 100.0)],
    ),
    "events_of_video": (
        {**NORTH, "video_id": "11"},
        [
            (0, 20, 1, 2, "chase", True, None, 0.0, 2.0),
            (20, 40, 1, 1, "rear", True, None, 2.0, 4.0),
            (40, 60, 1, 2, "chase", True, None, 4.0, 6.0),
            (60, 61, 2, 1, "chase", True, None, 6.0, 6.1),
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_report_gives_the_rows_worked_out_by_hand(at: Settings, name: str):
    parameters, expected = EXPECTED[name]
    result = query.run_report(at, name, parameters)
    rows = [row for row in result.rows if parameters.get("lab_id") or "north" in row]
    assert rows == expected
    assert result.scanned_bytes > 0
    assert result.query_id


VIEWS = {
    "count(*), sum(duration_sec), max(frames_per_second) FROM v_events WHERE lab_id = 'north'": [(4, 6.1, 10.0)],
    "agent_id, agent_condition, agent_age, target_id, target_condition, target_age FROM v_events "
    "WHERE lab_id = 'north' AND action = 'chase' AND agent_id = 1 GROUP BY 1, 2, 3, 4, 5, 6": [
        (1, "saline", "8 weeks", 2, "drug", "8 weeks")
    ],
    "mouse, agent, target, count(*) FROM v_dash_events WHERE lab_id = 'north' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3": [
        ("Käfig 4 wood_mouse1", "wood_mouse1", "self", 1),
        ("Käfig 4 wood_mouse1", "wood_mouse1", "wood_mouse2", 2),
        ("Käfig 4 wood_mouse2", "wood_mouse2", "wood_mouse1", 1),
    ],
    "mouse, count(*) FROM v_dash_events WHERE video_id = 30 AND agent = 'mouse1' GROUP BY 1": [("30 mouse1", 42)],
    "agent_strain, agent_sex, agent_age, agent_condition FROM v_behavior_events "
    "WHERE video_id = 21 AND agent_id = 5": [("of the fifth",) * 4],
    "source, count(*) FROM v_predicted_vs_annotated WHERE lab_id = 'north' GROUP BY 1 ORDER BY 1": [
        ("annotated", 4),
        ("predicted", 3),
    ],
    "score, tp_frames FROM v_scores_by_lab WHERE lab_id = 'north'": [(0.5, 4)],
    "video_id, metadata_flags, rows_in, rows_quarantined FROM v_video_quality WHERE video_id < 30 ORDER BY 1": [
        (11, 0, 416, 3),
        (21, 1, 421, 0),
        (22, 2, 422, 1),
    ],
}


@pytest.mark.parametrize("asked", VIEWS)
def test_views(at: Settings, asked: str):
    answer = query.run_sql(at, f"SELECT {asked}").rows
    assert [tuple(round(v, 6) if isinstance(v, float) else v for v in row) for row in answer] == VIEWS[asked]
