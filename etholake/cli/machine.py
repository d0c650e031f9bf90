"""Verbs of this machine: the demo, the mock, the settings, simulated data, the packages."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from etholake import aws, settings
from etholake.cli.common import AddVerb, exclusive, positive, requires, say, share, whole
from etholake.contract import whole_number
from etholake.errors import UsageError
from etholake.progress import progress
from etholake.settings import Settings

__all__ = ["add"]


def add(verb: AddVerb) -> None:
    """Add the verbs of this module to the parser."""
    verb("config", _config, "Print every setting and where it comes from.")
    verb("up", _up, "Start the mock on loopback and print the variables to export.")
    verb("down", _down, "Stop the mock and everything it started.")
    sub = verb("simulate", _simulate, "Write a simulated data set in the MABe layout.")
    sub.add_argument("--out", type=Path, required=True, help="folder to write")
    sub.add_argument("--labs", help="how many labs, or their names, a,b (default: 4; with --add-to: all)")
    sub.add_argument("--videos", type=whole, default=6, help="videos per lab (with --add-to: in all)")
    sub.add_argument("--seconds", type=positive, help="length of a video (default: 75)")
    sub.add_argument("--seed", type=whole, default=0, help="seed of everything random (default: 0)")
    sub.add_argument("--dirt", type=share, default=0.1, help="rate of real-world dirt, 0..1")
    sub.add_argument("--add-to", type=Path, help="add tracking to the annotations of this folder instead")
    sub.add_argument(
        "--video", action="store_true", help="render the videos as well, with the truth of every frame"
    )
    sub.add_argument("--video-size", type=whole, metavar="PX", help="longer side of the picture (default: 256)")
    sub.add_argument(
        "--camera",
        metavar="KIND",
        help="gray-above, colour-above, gray-below, colour-below or mixed: one a lab (default: mixed)",
    )
    sub = verb("demo", _demo, "Everything, end to end, on this machine.", data=True)
    sub.add_argument("--keep", action="store_true", help="leave the mock running at the end")
    sub.add_argument("--video", action="store_true", help="with films: clips, a model of pixels, an overlay")
    sub = verb("package", _package, "Build what is shipped to Glue and SageMaker.")
    sub.add_argument("--out", type=Path, default=Path("dist"), help="folder to write (default: dist)")


def _config(current: Settings, arguments: argparse.Namespace) -> None:
    rows = settings.sources(target=arguments.target, port=arguments.port)
    if arguments.json:
        print(json.dumps({name: {"value": value, "source": source} for name, value, source, _ in rows}))
        return
    for name, value, source, text in rows:
        print(f"{name:<16} {value!s:<24} {source:<34} {text}")
    print("\n".join(f"{name:<16} {value}" for name, value in aws.environment(current).items()))


def _up(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import local_server

    running = local_server.up(current)
    at = settings.replace_port(current, running.port)
    variables = aws.environment(at)
    if arguments.json:
        print(json.dumps({"url": running.url, "pid": running.pid, "started": running.started, "env": variables}))
        return
    state = "started" if running.started else "already running"
    print(
        f"etholake: {state} at {running.url} (process {running.pid}); logs in {current.state_dir}", file=sys.stderr
    )
    print("\n".join(f"export {name}={value}" for name, value in variables.items()))


def _down(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import local_server

    stopped = local_server.down(current)
    say(arguments, {"stopped": stopped}, "stopped" if stopped else "nothing was running")


def _simulate(_current: Settings, arguments: argparse.Namespace) -> None:
    from etholake import simulate

    exclusive(arguments, "--add-to", "--seconds", "--video")
    for option in ("--video-size", "--camera"):
        requires(arguments, option, "--video")
    text = arguments.labs or ("" if arguments.add_to else "4")
    count = whole_number(text)
    if arguments.add_to and count is not None:
        raise UsageError(f"--add-to keeps the labs of its folder: name some of them, a,b, instead of '{text}'.")
    labs: int | list[str] = [name for name in text.split(",") if name] if count is None else count
    with progress("simulate", enabled=not arguments.json) as on_progress:
        if arguments.add_to:
            report = simulate.add_tracking(
                arguments.add_to,
                arguments.out,
                videos=arguments.videos,
                labs=labs if isinstance(labs, list) and labs else None,
                seed=arguments.seed,
                dirt=arguments.dirt,
                on_progress=on_progress,
            )
        else:
            report = simulate.simulate(
                arguments.out,
                labs=labs,
                videos=arguments.videos,
                seconds=75.0 if arguments.seconds is None else arguments.seconds,
                seed=arguments.seed,
                dirt=arguments.dirt,
                filming=_filming(arguments),
                on_progress=on_progress,
            )
    say(arguments, vars(report) if hasattr(report, "__dict__") else {"report": str(report)}, str(report))


def _filming(arguments: argparse.Namespace) -> Any:
    """Return what `--video` and its options ask for; None without it."""
    from etholake.simulate import Filming

    if not arguments.video:
        return None
    return Filming(256 if arguments.video_size is None else arguments.video_size, arguments.camera or "mixed")


def _package(_current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.stages.cloud.packages import build

    packages = build(arguments.out)
    made = {
        "etholake_zip": str(packages.etholake_zip),
        "sourcedir": str(packages.sourcedir),
        "digest": packages.digest,
    }
    say(arguments, made, f"{packages.etholake_zip} and {packages.sourcedir}, digest {packages.digest}")


def _demo(current: Settings, arguments: argparse.Namespace) -> None:
    from etholake.cli import demo

    origin = settings.resolve(target=arguments.target, port=arguments.port)[1]
    own_port = origin["port"] != "default"
    demo.run(current, data=arguments.data, keep_running=arguments.keep, own_port=own_port, filmed=arguments.video)
