"""Stage clips: videos of the raw zone to the table `videos` and to clips in shards. Starts the Glue job and waits.

The work is done by `glue_jobs/prepare_clips.py`. A detector's file on this machine is uploaded to the model zone
under its checksum first. What is done already is not done again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.contract import MODEL_ZONE
from etholake.errors import AwsError, UsageError
from etholake.lake import Lake
from etholake.local_server import require_java
from etholake.progress import OnProgress, silent
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.jobs import outputs_or_defaults, run_job
from etholake.stages.state import open_lake
from etholake.video.recipe import ClipRecipe, check_set_name

__all__ = ["JOB", "run"]

STAGE = "clips"
JOB = ("ClipsJobName", "etholake-prepare-clips")  # stack output, and the name that `infra/` gives by default
MAX_SHOWN = 20


def run(
    settings: Settings,
    recipe: ClipRecipe | None,
    name: str | None = None,
    on_progress: OnProgress | None = None,
) -> StageResult:
    """Bring `videos`, and with a recipe its set of clips, up to date with the raw zone.

    Parameters
    ----------
    recipe
        How clips are made; None: the videos are only looked at.
    name
        Name of the set of clips (default: made from the recipe).

    Returns
    -------
    StageResult
        `details`: `clip_set`, counts of `videos`, of films of further `cameras` and of `clips`, `problems`
        (sentences on videos that cannot be used, or differ from their tracks), the sums of frames (`frames`,
        `used`, `reported` by reason), and the job run.

    Raises
    ------
    UsageError
        The set of that name was made by another recipe.
    AwsError
        The job is not deployed or failed; the message has the service's reason.
    """
    tick = on_progress or silent
    glue, lake = aws.client(settings, "glue"), open_lake(settings)
    arguments = {"--bucket": settings.bucket, "--database": settings.database}
    clip_set = ""
    if recipe is not None:
        recipe = _with_detector(settings, recipe)
        clip_set = check_set_name(name or recipe.set_name)
        _refuse_other_recipe(lake, clip_set, recipe)
        arguments |= {"--recipe": json.dumps(recipe.as_dict(), sort_keys=True), "--clip_set": clip_set}
    require_java(settings)
    before = _states(lake)
    job = outputs_or_defaults(settings).get(*JOB)
    finished = run_job(glue, job, arguments, lambda what: tick(0, 1, what))
    tick(1, 1, "done")
    details = _details(lake, clip_set) | {"runs": {job: finished}}
    changed = _states(lake) != before
    return StageResult(STAGE, "done" if changed else "unchanged", _sentence(details), details)


def _with_detector(settings: Settings, recipe: ClipRecipe) -> ClipRecipe:
    """Upload a detector's file of this machine; return the recipe that names the object."""
    kind, _, model = recipe.boxes.partition(":")
    if not model or model.startswith("s3://"):
        return recipe
    path = Path(model)
    try:
        content = path.read_bytes()
    except OSError as err:
        raise UsageError(f"--boxes {recipe.boxes}: {path} cannot be read: {err.strerror or err}.") from err
    key = f"{MODEL_ZONE}/detectors/{hashlib.sha256(content).hexdigest()[:16]}{path.suffix}"
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=key, Body=content)
    return replace(recipe, boxes=f"{kind}:s3://{settings.bucket}/{key}")


def _refuse_other_recipe(lake: Lake, clip_set: str, recipe: ClipRecipe) -> None:
    for keys in lake.partitions("clips"):
        pointer = lake.current("clips", keys) if keys["clip_set"] == clip_set else None
        before = (pointer or {}).get("report", {}).get("recipe", recipe.as_dict())
        changed = sorted(name for name, value in recipe.as_dict().items() if before.get(name) != value)
        if changed:
            values = ", ".join(f"{name} = {before.get(name)}" for name in changed)
            raise UsageError(
                f"The set of clips '{clip_set}' was made with {values}. Give another --set, or those."
            )


def _states(lake: Lake) -> list[str]:
    pointers = [(lake.current(table, keys)) for table in ("videos", "clips") for keys in lake.partitions(table)]
    return [str(pointer["generation"]) for pointer in pointers if pointer]


def _details(lake: Lake, clip_set: str) -> dict[str, Any]:
    """Sum up the committed partitions."""
    details: dict[str, Any] = {"clip_set": clip_set, "videos": 0, "cameras": 0, "clips": 0, "frames": 0, "used": 0}
    problems: list[str] = []
    reported: dict[str, int] = {}
    for keys in lake.partitions("videos"):
        rows = lake.read("videos", keys).to_pylist()
        for row in rows:
            details["videos" if row["camera"] is None else "cameras"] += 1
            camera = f" camera {row['camera']}" if row["camera"] else ""
            where = f"{keys['lab_id']} {row['video_id']}{camera}"
            if row["error"]:
                problems.append(f"{where}: {row['error']}")
            elif notes := [flag for flag in row["flags"] if flag != "no-tracks"]:
                problems.append(f"{where}: {', '.join(notes)}")
    for keys in lake.partitions("clips"):
        pointer = lake.current("clips", keys) if clip_set and keys["clip_set"] == clip_set else None
        if pointer is None:
            continue
        report = pointer["report"]
        details["clips"] += report["rows"]
        problems += [f"{keys['lab_id']} {video}: no clips: {text}" for video, text in report["problems"].items()]
        for balances in report["balances"].values():
            for balance in balances:
                details["frames"] += balance["frames"]
                details["used"] += balance["used"]
                for reason, count in balance["reported"].items():
                    reported[reason] = reported.get(reason, 0) + count
    if clip_set and details["frames"] != details["used"] + sum(reported.values()):
        raise AwsError(f"Frames of the clip set {clip_set} do not balance: {details}, {reported}.")
    return details | {"reported": reported, "problems": problems}


def _sentence(details: dict[str, Any]) -> str:
    text = f"{details['videos']} videos"
    if details["cameras"]:
        text += f" and {details['cameras']} films of further cameras"
    if details["clip_set"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in details["reported"].items())
        text += (
            f", {details['clips']} windows in the set {details['clip_set']}; of {details['frames']} frames (per "
            f"animal or pair) {details['used']} stand in a window, and are reported: {reasons or 'none'}"
        )
    problems = details["problems"]
    more = f"\n  - … and {len(problems) - MAX_SHOWN} more (--json lists all)" if len(problems) > MAX_SHOWN else ""
    return text + ("; look at:" + "".join(f"\n  - {p}" for p in problems[:MAX_SHOWN]) + more if problems else "")
