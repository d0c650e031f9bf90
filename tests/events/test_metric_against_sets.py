"""The official score against a slow re-implementation (`frame_sets`): on random cases and on real annotations.

The real ones are read in place and nothing of them is kept: `MABE2025_DIR` (else ../shared/data/mabe2025) holds
`train.csv` and `train_annotation/<lab>/<video>.parquet` of MABe 2025. Without them those tests are skipped.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from frame_sets import RefusedError, Row, official_score  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from etholake.errors import DataError
from etholake.events import metric, submission
from etholake.events.types import Event
from etholake.stages.model.evaluate import Truth, evaluate, read_truth

FOLDER = Path(os.environ.get("MABE2025_DIR", Path(__file__).resolve().parents[3] / "shared" / "data" / "mabe2025"))
real = pytest.mark.skipif(
    not (FOLDER / "train.csv").is_file(), reason=f"no MABe 2025 annotations in {FOLDER}: set MABE2025_DIR"
)
ACTIONS = ("chase", "sniff", "rear", "mount")


def row(e: Event) -> Row:
    target = "self" if e.target_id == e.agent_id else f"mouse{e.target_id}"
    return Row(e.video_id, f"mouse{e.agent_id}", target, e.action, e.start_frame, e.stop_frame)


def slow(
    solution: Iterable[Event], predicted: Iterable[Event], labeled: Mapping[int, str], labs: Mapping[int, str]
) -> float | None:
    """None where the submission is refused."""
    try:
        return float(official_score([row(e) for e in solution], [row(e) for e in predicted], labeled, labs))
    except RefusedError:
        return None


def fast(
    solution: list[Event], predicted: list[Event], labeled: Mapping[int, str], labs: Mapping[int, str]
) -> float | None:
    labeled = {video: {triplet(item) for item in json.loads(items)} for video, items in labeled.items()}
    try:
        return metric.score(solution, predicted, labeled, labs).score
    except DataError:
        return None


def triplet(item: str) -> tuple[int, int, str]:
    agent, target, action = item.split(",")
    who = int(agent[5:])
    return who, who if target == "self" else int(target[5:]), action


# --- random cases -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Case:
    solution: list[Event]
    submission: list[Event]
    labeled: dict[int, str]
    labs: dict[int, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to 5 videos of up to 3 labs, each with a whitelist of its own (maybe none); 3 mice, short videos.

    Predictions overlap, repeat, are empty, miss the whitelist, name videos without truth or without metadata.
    """
    labs = {video: draw(st.sampled_from(["north", "south", "west"])) for video in range(1, 6)}
    item = st.builds(
        lambda agent, target, action: f"mouse{agent},{'self' if target == agent else f'mouse{target}'},{action}",
        st.integers(1, 3), st.integers(1, 3), st.sampled_from(ACTIONS),
    )  # fmt: skip
    labeled = {video: json.dumps(draw(st.lists(item, max_size=12))) for video in labs if draw(st.integers(0, 5))}

    def events(videos: int, longest: int) -> st.SearchStrategy[Event]:
        return st.builds(
            lambda video, agent, target, action, start, length: Event(
                video, agent, target, action, start, start + length
            ),
            st.integers(1, videos), st.integers(1, 3), st.integers(1, 3), st.sampled_from(ACTIONS),
            st.integers(-3, 60), st.integers(0, longest),
        )  # fmt: skip

    solution = draw(st.lists(events(5, 12), max_size=14))
    # What was true, whole or shifted, is a likelier prediction than a blind one.
    hits = draw(st.lists(st.sampled_from(solution), max_size=8)) if solution else []
    shifts = draw(st.lists(st.integers(-4, 4), min_size=len(hits), max_size=len(hits)))
    moved = [replace(e, start_frame=e.start_frame + d) for e, d in zip(hits, shifts, strict=True)]
    predicted = [e for e in moved if e.start_frame <= e.stop_frame] + draw(st.lists(events(6, 8), max_size=5))
    return Case(solution, predicted, labeled, labs)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(cases())
def test_it_agrees_with_sets_of_frames(case: Case) -> None:
    expected = slow(case.solution, case.submission, case.labeled, case.labs)
    assert fast(case.solution, case.submission, case.labeled, case.labs) == pytest.approx(expected, abs=1e-12)


def test_a_thousand_seeded_cases_hold_every_rule() -> None:
    """Every situation is known to have occurred here, while hypothesis draws as it likes."""
    random, kinds = np.random.default_rng(0), Counter[str]()
    for _ in range(1000):
        case = seeded(random)
        expected = slow(case.solution, case.submission, case.labeled, case.labs)
        assert fast(case.solution, case.submission, case.labeled, case.labs) == pytest.approx(expected, abs=1e-12)
        kinds.update(situations(case, expected))
    assert min(kinds[k] for k in SITUATIONS) >= 20, kinds


SITUATIONS = (
    "refused", "scored", "outside the whitelist", "truth outside the whitelist", "phantom", "empty row alone",
    "empty row", "repeated", "video without truth", "lab without predictions",
)  # fmt: skip


def seeded(random: np.random.Generator) -> Case:
    """A denser case than hypothesis draws: bouts in time, of which a noisy copy is predicted."""
    labs = {video: str(random.choice(["north", "south"])) for video in (1, 2, 3, 4)}
    every = [(a, t, action) for a in (1, 2) for t in (1, 2) for action in ACTIONS]
    labeled = {v: [every[i] for i in random.permutation(len(every))[: random.integers(4, 16)]] for v in labs}
    solution, predicted = [], []
    for video in (1, 2, 3):
        for agent, target, action in every:
            if random.random() < 0.15:
                start = int(random.integers(0, 200))
                stop = start + int(random.integers(0, 20)) * int(random.random() < 0.9)
                solution.append(Event(video, agent, target, action, start, stop))
            if solution and random.random() < 0.1:
                e = solution[int(random.integers(len(solution)))]
                start = e.start_frame + int(random.integers(-3, 4))
                predicted.append(replace(e, start_frame=start, stop_frame=max(start, e.stop_frame)))
    for _ in range(int(random.integers(1, 4))):
        agent, target, action = every[int(random.integers(len(every)))]
        start = int(random.integers(0, 200))
        stop = start + int(random.integers(0, 6))
        predicted.append(Event(int(random.integers(1, 6)), agent, target, action, start, stop))
    if random.random() < 0.3:
        predicted.append(predicted[0])
    if random.random() < 0.3:
        predicted.append(replace(predicted[0], action=str(random.choice(ACTIONS))))
    texts = {v: json.dumps([row(Event(v, *t, 0, 0)) for t in items]) for v, items in labeled.items()}
    texts = {v: json.dumps([",".join(r[1:4]) for r in json.loads(text)]) for v, text in texts.items()}
    return Case(solution, predicted, texts, labs)


def situations(case: Case, expected: float | None) -> set[str]:
    allowed = {(v, *triplet(i)) for v, items in case.labeled.items() for i in json.loads(items)}
    scored = {e.video_id for e in case.solution}
    counted = [e for e in case.submission if e.video_id in scored and key(e) in allowed]
    true_actions = {(case.labs[e.video_id], e.action) for e in case.solution}
    frames: dict[tuple[str, str], int] = defaultdict(int)
    for e in [*case.solution, *counted]:
        frames[case.labs[e.video_id], e.action] += e.stop_frame - e.start_frame
    seen_situations = {
        "refused": expected is None,
        "scored": bool(expected),
        "outside the whitelist": any(e.video_id in scored and key(e) not in allowed for e in case.submission),
        "truth outside the whitelist": any(key(e) not in allowed for e in case.solution),
        "phantom": any((case.labs[e.video_id], e.action) not in true_actions for e in counted),
        "empty row": any(e.start_frame == e.stop_frame for e in [*case.solution, *counted]),
        "empty row alone": 0 in frames.values(),
        "repeated": len(set(case.submission)) < len(case.submission),
        "video without truth": any(e.video_id not in scored for e in case.submission),
        "lab without predictions": len({case.labs[v] for v in scored} - {case.labs[e.video_id] for e in counted})
        > 0,
    }
    return {name for name, there in seen_situations.items() if there and case.solution}


def key(e: Event) -> tuple[int, int, int, str]:
    return e.video_id, e.agent_id, e.target_id, e.action


# --- real annotations -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def truth() -> Truth:
    return read_truth(FOLDER)


@pytest.fixture(scope="module")
def labeled() -> dict[int, str]:
    """The whitelists as `train.csv` writes them, quotes within the items taken away."""
    with (FOLDER / "train.csv").open(encoding="utf-8", newline="") as lines:
        texts = {int(r["video_id"]): r["behaviors_labeled"] or "[]" for r in csv.DictReader(lines)}
    return {v: json.dumps([item.replace("'", "") for item in json.loads(text)]) for v, text in texts.items()}


@real
def test_the_real_annotations_score_one_against_themselves(truth: Truth, tmp_path: Path) -> None:
    empty = [e for e in truth.events if e.start_frame == e.stop_frame]
    strangers = [e for e in truth.events if key(e)[1:] not in truth.whitelist[e.video_id]]
    assert (len(truth.events), len(empty), len(strangers)) == (
        83_591,
        55,
        0,
    )  # 4 empty ones more are in a file that train.csv does not name
    made = tmp_path / "truth.csv"
    assert submission.write_csv(made, truth.events) == len(truth.events)
    result = evaluate(FOLDER, made)
    assert result["score"] == 1.0
    assert len(result["labs"]) == 19
    assert {f for lab in result["labs"].values() for f in lab["actions"].values()} == {1.0}


@real
@pytest.mark.parametrize("kind", ["dropped", "shifted", "renamed", "cut", "phantoms"])
def test_perturbed_copies_of_the_real_annotations(kind: str, truth: Truth, labeled: dict[int, str]) -> None:
    chosen = some_videos(truth)
    solution = [e for e in truth.events if e.video_id in chosen]
    predicted = PERTURBED[kind](solution, truth)
    assert predicted != solution
    expected = slow(solution, predicted, labeled, truth.labs)
    assert expected is not None
    assert metric.score(solution, predicted, truth.whitelist, truth.labs).score == pytest.approx(
        expected, abs=1e-12
    )
    assert 0 < expected < 1


def some_videos(truth: Truth) -> set[int]:
    """Four annotated videos of every lab: sets of frames are slow."""
    by_lab: dict[str, list[int]] = defaultdict(list)
    for video in sorted({e.video_id for e in truth.events}):
        by_lab[truth.labs[video]].append(video)
    return {video for videos in by_lab.values() for video in videos[:4]}


def dropped(events: list[Event], _: Truth) -> list[Event]:
    return [e for i, e in enumerate(events) if i % 3]


def shifted(events: list[Event], _: Truth) -> list[Event]:
    """All by ten frames: no two actions of a pair come to overlap that did not."""
    return [replace(e, start_frame=e.start_frame + 10, stop_frame=e.stop_frame + 10) for e in events]


def renamed(events: list[Event], _: Truth) -> list[Event]:
    """Agent and target change places in every second video."""
    return [replace(e, agent_id=e.target_id, target_id=e.agent_id) if e.video_id % 2 else e for e in events]


def cut(events: list[Event], _: Truth) -> list[Event]:
    """Half of each, in two overlapping rows."""
    halves = []
    for e in events:
        middle = (e.start_frame + e.stop_frame) // 2
        halves += [
            replace(e, stop_frame=middle),
            replace(e, start_frame=min(e.start_frame + 1, middle), stop_frame=middle),
        ]
    return halves


def phantoms(events: list[Event], truth: Truth) -> list[Event]:
    """One frame, after everything else, of every action that is looked for in the video."""
    labeled = truth.whitelist
    end = max(e.stop_frame for e in events)
    asked = {(video, *t) for video in {e.video_id for e in events} for t in labeled[video]}
    return [
        *events,
        *(
            Event(video, a, t, action, end + 2 * i, end + 2 * i + 1)
            for i, (video, a, t, action) in enumerate(sorted(asked))
        ),
    ]


PERTURBED = {"dropped": dropped, "shifted": shifted, "renamed": renamed, "cut": cut, "phantoms": phantoms}
