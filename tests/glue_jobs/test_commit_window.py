"""The driver of etl and compact is killed between any two writes of its commits; a re-run makes the lake whole.

The steps are counted, not drawn: an undisturbed run writes them down, then one run after the other is killed
before one of them. `make test` kills at the points of `POINTS`, `make test-long` before every request that writes.
(A kill before a read leaves the same lake as one before the next write.)

After each kill, readers see each lab as it was before or as it is afterwards. The next run gives what an
undisturbed run gives: the same rows in every table, the same answers by Athena, and no attempt's file is counted.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lake_world import World, events, make_world, tracks  # type: ignore[import-not-found]
from test_faults import (  # type: ignore[import-not-found]
    answers,
    assert_no_orphan_is_named,
    before,
    change,
    environment,
)

from etholake.contract import CURATED_ZONE
from etholake.settings import Settings
from etholake.stages.lake import vacuum

HERE = Path(__file__).parent
WRITES = re.compile(r"(?:Put|Copy|Delete|Create|Update|Rename)")
POINTER = r"PutObject curated-zone/tracking_curated/.*/_CURRENT"
# (stage, name) -> patterns of steps that come one after the other; the run is killed before the last one.
POINTS = {
    ("etl", "files written, pointer not switched"): (POINTER,),
    ("etl", "pointer switched, catalog not"): (POINTER, "UpdatePartition tracking_curated"),
    ("etl", "catalog switched, state not saved"): (POINTER, "PutObject state-zone/etl.json"),
    ("etl", "tracks of a gone lab dropped, their summary not"): ("DeletePartition track_summary",),
    ("compact", "summary's pointer switched, tracks' not"): (POINTER,),
    ("compact", "all pointers switched, the last lab's catalog not"): (
        POINTER,
        "UpdatePartition tracking_curated",
        POINTER,
        "UpdatePartition tracking_curated",
    ),
}
PARTS = 8  # of the long test
LONGEST_RUN_S = 120  # of one run of a stage, which takes 1 s on an idle core


@dataclass
class Driver:
    """Runs stages in children of one process that has imported everything."""

    process: subprocess.Popen[str]
    settings: Settings
    trace: Path

    def run(self, world: World, stage: str, at: int = 0) -> int:
        """Run `stage`, killed at step `at` (0: at none). Returns the exit status."""
        settings = {"bucket": world.lake.bucket, "database": world.lake.database, "port": self.settings.port,
                    "state_dir": self.settings.state_dir, "s3_root": self.settings.s3_root}  # fmt: skip
        self.trace.write_text("")
        task = {"environment": environment(self.settings), "settings": settings, "stage": stage, "at": at}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**task, "trace": str(self.trace)}) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LONGEST_RUN_S)[0]:
            last = self.steps()[-1:] or ["none"]
            pytest.fail(
                f"{stage}, to be killed at step {at}, did not end within {LONGEST_RUN_S} s; last: {last[0]}"
            )
        return int(self.process.stdout.readline())

    def steps(self) -> list[str]:
        """Return the steps of the last run that happened."""
        return self.trace.read_text().splitlines()


@pytest.fixture(scope="module")
def driver(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("driver")
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "commit_child.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True, env={**environment(mock_settings), "PATH": "/usr/bin:/bin"}, cwd=HERE,
        )  # fmt: skip
        yield Driver(process, mock_settings, folder / "trace")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def point(steps: list[str], *patterns: str) -> int:
    """Return the number (from 1) of the step that matches the last pattern, after steps that match the others."""
    number = 0
    for pattern in patterns:
        number = next(n for n, step in enumerate(steps, 1) if n > number and re.match(pattern, step))
    return number


@dataclass
class Story:
    """A lake before a stage has work to do (`template`), and a copy in which an undisturbed run has done it."""

    stage: str
    template: World
    untroubled: World
    old: dict[str, Any]
    new: dict[str, Any]
    content: dict[str, list[dict[str, Any]]]
    steps: list[str]


def etl_story(world: World, driver: Driver) -> None:
    """Committed labs; then new, changed, damaged and removed files wait."""
    before(world)
    assert driver.run(world, "etl") == 0
    change(world)
    world.lake.s3.delete_object(Bucket=world.lake.bucket, Key="raw-zone/train_tracking/lab_id=Lab B/3.parquet")
    world.lake.s3.delete_object(Bucket=world.lake.bucket, Key="raw-zone/train_tracking/lab_id=Lab B/9.parquet")


def compact_story(world: World, driver: Driver) -> None:
    """Two labs of which each has two small files of tracks, since its videos came one by one."""
    for number, videos in enumerate(((1, 3), (2, 4))):
        for lab, video in zip(("LabA", "Lab B"), videos, strict=True):
            world.video(lab, video)
            world.parquet("tracking", lab, video, tracks(frames=4 + number))
            world.parquet("annotation", lab, video, events((1, 2, "attack", 0, 3)))
        assert driver.run(world, "etl") == 0


@pytest.fixture(scope="module")
def story(mock_settings: Settings, driver: Driver) -> Callable[[str], Story]:
    """Return the story of a stage; each is made once."""
    made: dict[str, Story] = {}

    def of(stage: str) -> Story:
        if stage not in made:
            world = make_world(mock_settings, None, f"window-{stage}")
            {"etl": etl_story, "compact": compact_story}[stage](world, driver)
            old = answers(mock_settings, world)
            untroubled = world.copy(mock_settings, f"window-{stage}-untroubled")
            assert driver.run(untroubled, stage) == 0
            steps, new = driver.steps(), answers(mock_settings, untroubled)
            made[stage] = Story(stage, world, untroubled, old, new, untroubled.content(), steps)
        return made[stage]

    return of


def kill_and_run_again(story: Story, at: int, settings: Settings, driver: Driver) -> World:
    """Kill one run before its step `at`, look at what it left, run again and compare with an undisturbed run."""
    where = f"killed before step {at} of {story.stage}: {story.steps[at - 1]}"
    world = story.template.copy(settings, f"window-{story.stage}-{at}")
    assert driver.run(world, story.stage, at) == -signal.SIGKILL, where
    seen = answers(settings, world)
    for lab in story.old.keys() | story.new.keys():
        assert seen.get(lab) in (story.old.get(lab), story.new.get(lab)), where
    assert driver.run(world, story.stage) == 0, where
    assert world.content() == story.content, where
    assert answers(settings, world) == story.new, where
    assert_no_orphan_is_named(world)
    return world


def vacuumed(world: World, settings: Settings) -> list[str]:
    """Remove what is out of use; return what is left in the curated zone, without the names of the attempts."""
    own = replace(settings, bucket=world.lake.bucket, database=world.lake.database)
    vacuum.run(own, dt.timedelta(0))
    return sorted(re.sub(r"gen-[^/]*", "gen", key) for key in world.keys(CURATED_ZONE))


@pytest.mark.parametrize(("stage", "name"), POINTS)
def test_a_driver_killed_in_its_commit_window_loses_nothing(
    stage: str, name: str, story: Callable[[str], Story], mock_settings: Settings, driver: Driver
) -> None:
    chosen = story(stage)
    remove(kill_and_run_again(chosen, point(chosen.steps, *POINTS[stage, name]), mock_settings, driver))


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("stage", ["etl", "compact"])
def test_a_driver_killed_before_any_write_loses_nothing(
    stage: str, part: int, story: Callable[[str], Story], mock_settings: Settings, driver: Driver
) -> None:
    chosen = story(stage)
    writes = [number for number, step in enumerate(chosen.steps, 1) if WRITES.match(step)]
    assert len(writes) > PARTS, "a part would kill nowhere"
    for done, number in enumerate(writes[part::PARTS], 1):
        began = time.monotonic()
        world = kill_and_run_again(chosen, number, mock_settings, driver)
        assert vacuumed(world, mock_settings) == vacuumed(chosen.untroubled, mock_settings)
        assert world.content() == chosen.content, "the vacuum removed nothing that is in use"
        remove(world)
        print(
            f"{stage} {part}: kill {done} of {len(writes[part::PARTS])} ({len(writes)} writes in all), before "
            f"{chosen.steps[number - 1]}, {time.monotonic() - began:.1f} s",
            flush=True,
        )


def remove(world: World) -> None:
    """Remove bucket and database of a world that is no longer needed."""
    for key in world.keys(""):
        world.lake.s3.delete_object(Bucket=world.lake.bucket, Key=key)
    world.lake.s3.delete_bucket(Bucket=world.lake.bucket)
    world.lake.glue.delete_database(Name=world.lake.database)
