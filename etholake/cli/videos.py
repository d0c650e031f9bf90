"""Verbs of videos: make clips of them, check a folder of them before a long run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from etholake.cli.common import (
    AddVerb,
    exclusive,
    not_negative,
    positive,
    report,
    requires,
    say,
    video_number,
    video_numbers,
    whole,
)
from etholake.cli.options import add_run, add_videos
from etholake.errors import DataError, UsageError
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]

# Options of the recipe: (option, type, choices or metavar, help). What is not given is the recipe's default.
_RECIPE: tuple[tuple[str, Callable[[str], Any], Any, str], ...] = (
    ("--boxes", str, "SOURCE", "auto, pose, background, file, onnx:FILE or ultralytics:FILE (default: auto)"),
    ("--subjects", str, ("single", "pairs", "both"), "one animal a window, two in a joint crop (default: single)"),
    ("--length", whole, "FRAMES", "frames of a window (default: 16)"),
    ("--stride", whole, "FRAMES", "frames from one window to the next (default: 16)"),
    ("--crop-size", whole, "PX", "side of a crop (default: 112)"),
    ("--pad-ratio", not_negative, "SHARE", "border around a box, as a share of its longer side (default: 0.2)"),
    ("--border", str, ("edge", "black"), "pixels beyond the picture's edge (default: edge)"),
    ("--keep-last-box", whole, "FRAMES", "how long the crop stays when the animal is missed (default: 15)"),
    ("--smoothing", not_negative, "SHARE", "0: the crop follows the box at once; below 1 (default: 0.6)"),
    ("--max-missing", not_negative, "SHARE", "share of a window without a box, at most (default: 0.5)"),
    ("--max-animals", whole, "N", "animals that background and detectors look for (default: 2)"),
    ("--min-confidence", not_negative, "P", "of boxes from a detector or a file (default: 0.25)"),
    ("--encoding", str, ("jpeg", "png", "raw"), "pixels in the shards (default: jpeg)"),
    ("--quality", whole, "Q", "of jpeg, 50 to 100 (default: 92)"),
)


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    sub = verb("clips", _clips, "Cut the videos of the raw zone into clips of animals, in shards.")
    for option, kind, choices, text in _RECIPE:
        more = {"choices": choices} if isinstance(choices, tuple) else {"metavar": choices}
        sub.add_argument(option, type=kind, help=text, **more)
    sub.add_argument(
        "--set", dest="clip_set", metavar="NAME", help="name of the set (default: made from the options)"
    )
    sub.add_argument(
        "--videos-only", action="store_true", help="only look at the videos: table `videos`, no clips"
    )
    sub.add_argument(
        "--export", type=Path, metavar="FOLDER", help="write a set (--set) as manifest.csv and .npz files"
    )
    sub.add_argument(
        "--sheet", type=Path, metavar="PNG", help="write crops of a set (--set) with their key points"
    )
    add_videos(sub, "for --export and --sheet")
    sub = verb("overlay", _overlay, "Draw skeletons, boxes and events over a video of the lake.")
    sub.add_argument("--video", required=True, metavar="ID", help="number or name of the video")
    sub.add_argument("--out", type=Path, metavar="MP4", help="overlay video to write")
    sub.add_argument("--sheet", type=Path, metavar="PNG", help="sheets of bouts to write: a picture of each")
    add_run(sub, "predictions of this run (default: annotation)")
    sub.add_argument("--speed", type=whole, metavar="N", help="show every N-th frame")
    sub.add_argument("--only-bouts", action="store_true", help="leave out frames without an event")
    sub = verb("metrics", _metrics, "Write distance, speed and time of each behavior, as Parquet and xlsx.")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the tables")
    add_videos(sub, "default: all that have events")
    add_run(sub, "predictions of this run (default: annotation)")
    sub.add_argument(
        "--window", type=positive, default=60.0, metavar="SECONDS", help="length of a window (default: 60)"
    )
    sub = verb("video-check", _check, "Say what is wrong with a folder's videos, tracks and labels.")
    sub.add_argument("folder", type=Path, help="any folder; it is only read")
    sub.add_argument("--decode", action="store_true", help="decode every frame as well: slow, finds hidden damage")


def _recipe(arguments: argparse.Namespace) -> Any:
    from etholake.video.recipe import ClipRecipe

    names = {field.name for field in fields(ClipRecipe)}
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    if "length" in given:
        given.setdefault("stride", given["length"])
    return ClipRecipe(**given)


def _clips(current: Settings, arguments: argparse.Namespace) -> None:
    options = [option for option, *_ in _RECIPE]
    exclusive(arguments, "--videos-only", "--set", "--export", "--sheet", *options)
    exclusive(arguments, "--export", "--sheet", *options)
    exclusive(arguments, "--sheet", *options)
    for option in ("--export", "--sheet"):
        requires(arguments, option, "--set")
    if arguments.export or arguments.sheet:
        from etholake.stages.lake import clips_export

        write = clips_export.export if arguments.export else clips_export.sheet
        report(
            arguments,
            write(
                current,
                arguments.clip_set,
                arguments.export or arguments.sheet,
                video_numbers(current, arguments.videos),
            ),
        )
        return
    if arguments.videos:
        raise UsageError("--videos says something about --export or --sheet: give one of them as well.")
    from etholake.stages.lake import clips

    recipe = None if arguments.videos_only else _recipe(arguments)
    with progress("clips", enabled=not arguments.json) as on_progress:
        result = clips.run(current, recipe, arguments.clip_set, on_progress)
    report(arguments, result)


def _overlay(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import overlay
    from etholake.video.overlay import OverlayOptions

    if not arguments.out and not arguments.sheet:
        raise UsageError("overlay needs --out FILE.mp4, --sheet FILE.png, or both.")
    for option in ("--speed", "--only-bouts"):
        requires(arguments, option, "--out")
    video_id = video_number(current, arguments.video)
    options = OverlayOptions(1 if arguments.speed is None else arguments.speed, arguments.only_bouts)
    report(arguments, overlay.run(current, video_id, arguments.out, arguments.sheet, arguments.run_id, options))


def _metrics(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.reports import metrics

    numbers = video_numbers(current, arguments.videos)
    report(arguments, metrics.run(current, arguments.out, numbers, arguments.run_id, arguments.window))


def _check(_: Settings, arguments: argparse.Namespace) -> None:
    from etholake.video.check import check_folder

    with tempfile.TemporaryDirectory(prefix="etholake-check-") as scratch:
        checked = check_folder(arguments.folder, decode=arguments.decode, scratch=Path(scratch))
    lines = []
    for video in checked.videos:
        lines.append(f"{video.file}: {video.summary}")
        lines += [f"  problem: {problem}" for problem in video.problems]
        lines += [f"  note: {note}" for note in video.notes]
    lines += [f"problem: {text}" for text in (*checked.alone, *checked.errors)]
    data = {
        "videos": [vars(video) for video in checked.videos],
        "alone": checked.alone,
        "errors": checked.errors,
    }
    say(arguments, data, "\n".join(lines))
    if checked.problems:
        raise DataError(f"{len(checked.problems)} problems in {len(checked.videos)} videos of {arguments.folder}.")
