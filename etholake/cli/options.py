"""Options that several verbs have: each is defined once, so that it reads and works the same everywhere."""

from __future__ import annotations

import argparse

from etholake.cli.common import port

__all__ = ["add_holdout", "add_port", "add_run", "add_serve", "add_videos", "add_yes"]


def add_run(sub: argparse.ArgumentParser, text: str, *, default: str | None = None) -> None:
    """Add ``--run``: the run whose predictions are meant; `text` says what for."""
    sub.add_argument("--run", dest="run_id", metavar="RUN_ID", default=default, help=text)


def add_videos(sub: argparse.ArgumentParser, text: str) -> None:
    """Add ``--videos``: videos of the lake by number or name; `text` says what for, or which by default."""
    sub.add_argument("--videos", metavar="IDS", help=f"numbers or names, 12,cage4 ({text})")


def add_holdout(sub: argparse.ArgumentParser) -> None:
    """Add ``--holdout``: the videos that no training reads."""
    text = "videos to hold out for the score, numbers or names: 12,cage4 (default: chosen per lab)"
    sub.add_argument("--holdout", metavar="IDS", help=text)


def add_serve(sub: argparse.ArgumentParser, text: str) -> None:
    """Add ``--serve [PORT]``: serve the page instead of writing it; `text` says what a served page has."""
    sub.add_argument(
        "--serve", type=port, nargs="?", const=0, metavar="PORT", help=f"serve it on loopback, {text}"
    )


def add_port(sub: argparse.ArgumentParser) -> None:
    """Add ``--serve-at``: the port of a page that is always served."""
    sub.add_argument("--serve-at", type=port, default=0, metavar="PORT", help="port (default: a free one)")


def add_yes(sub: argparse.ArgumentParser) -> None:
    """Add ``--yes``: the answer to what `common.confirmation` asks."""
    sub.add_argument("--yes", action="store_true", help="do not ask")
