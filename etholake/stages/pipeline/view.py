"""The states of an execution in the terminal: a live graph, or plain lines where there is no terminal."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from etholake.stages.pipeline.history import Shown, State

__all__ = ["Watch", "graph", "lines", "silent", "watching"]

Watch = Callable[[Sequence[Shown], Mapping[str, State]], None]
# Status -> (mark, style)
MARKS = {
    "succeeded": ("●", "green"),
    "running": ("◐", "bold cyan"),
    "retrying": ("↻", "yellow"),
    "caught": ("◌", "yellow"),
    "failed": ("✗", "bold red"),
    "stopped": ("■", "red"),
    "": ("○", "dim"),
}


def silent(_outline: Sequence[Shown], _states: Mapping[str, State]) -> None:
    """Show nothing."""


@contextmanager
def watching(*, enabled: bool = True) -> Iterator[Watch]:
    """Give a callback that shows the states on stderr for as long as the block runs."""
    if not enabled:
        yield silent
    elif sys.stderr.isatty():
        with _live() as watch:
            yield watch
    else:
        yield lines()


def graph(outline: Sequence[Shown], states: Mapping[str, State], now: dt.datetime) -> Any:
    """Return the outline's states from top to bottom, branches beside a rail, with mark and time."""
    from rich.text import Text

    text = Text()
    shown = [item for item in outline if not item.rescue or item.name in states]
    for item, after in zip(shown, [*shown[1:], None], strict=True):
        state = states.get(item.name)
        mark, style = MARKS[state.status if state else ""]
        text.append("  " + "│   " * item.depth)
        text.append(f"{mark} {item.name:<{28 - 4 * item.depth}}", style)
        if state:
            text.append(f"{state.seconds(now):8.1f} s")
            note = {"succeeded": "", "running": "running"}.get(state.status, state.status)
            tries = f" ({state.failures} failed)" if state.failures and state.status != "caught" else ""
            text.append(f"  {note}{tries}", style)
        text.append("\n")
        if after is not None and after.depth > item.depth:
            text.append("  " + "│   " * item.depth + "├───╮\n", "dim")
        elif after is not None and after.depth < item.depth:
            text.append("  " + "│   " * after.depth + "├───╯\n", "dim")
    return text


@contextmanager
def _live() -> Iterator[Watch]:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=False) as live:
        yield lambda outline, states: live.update(graph(outline, states, dt.datetime.now(dt.UTC)))


def lines() -> Watch:
    """Return a callback that prints a line on stderr for every change of a state."""
    seen: dict[str, str] = {}

    def watch(outline: Sequence[Shown], states: Mapping[str, State]) -> None:
        wanted = {item.name for item in outline}
        for name, state in states.items():
            if name in wanted and seen.get(name) != state.status:
                seen[name] = state.status
                took = f" after {state.seconds(state.ended):.1f} s" if state.ended else ""
                print(f"  pipeline: {name} {state.status}{took}", file=sys.stderr, flush=True)

    return watch
