"""Read clip windows for training: shards decoded in worker processes, seeded, resumable, by rank.

The order is decided by (seed, epoch) alone: shards are shuffled and dealt out to ranks and workers, and windows
are shuffled within a buffer. A worker goes from shard to shard, so that a stream (Pipe mode) and files look alike.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from etholake.errors import DataError, UsageError
from etholake.video.shards import read_shard
from etholake.video.windows import ClipWindow

__all__ = ["ClipLoader", "LoaderState"]

_QUEUE = 32  # windows that wait at a worker's door
_PATIENCE_S = 0.5  # between two looks whether a silent worker still lives


@dataclass(frozen=True)
class LoaderState:
    """Place within an epoch: so many windows of this rank were given out. Saved with a checkpoint as a dict."""

    epoch: int = 0
    given: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the state as JSON has it."""
        return {"epoch": self.epoch, "given": self.given}


@dataclass
class ClipLoader:
    """Windows of one rank, epoch after epoch.

    Parameters
    ----------
    shards
        Paths of the tar files, in any order (they are sorted).
    keep
        Windows that count (by their index), for a split by video; None: all.
    transform
        Applied in the worker: augments, resizes; what it returns is given out. It must be a module's function.
    workers
        Processes; 0 decodes in this one. The order of windows is the same for every number of workers.
    """

    shards: Sequence[Path]
    seed: int = 0
    rank: int = 0
    world: int = 1
    workers: int = 2
    buffer: int = 64
    keep: Callable[[ClipWindow], bool] | None = None
    transform: Callable[[ClipWindow], Any] | None = None
    state: LoaderState = field(default_factory=LoaderState)

    def __post_init__(self) -> None:
        """Raise UsageError for fewer shards than ranks, and for values out of range."""
        if not 0 <= self.rank < self.world or self.workers < 0 or self.buffer < 1:
            raise UsageError(
                "Expected 0 <= rank < world, workers >= 0 and buffer >= 1, but got "
                f"rank {self.rank} of {self.world}, {self.workers} workers, buffer {self.buffer}."
            )
        if len(self.shards) < self.world:
            raise UsageError(
                f"There are {len(self.shards)} shards for {self.world} ranks: prepare clips in smaller shards, or "
                "use fewer ranks."
            )

    def resume(self, state: Mapping[str, int]) -> None:
        """Go on where a checkpoint was written."""
        self.state = LoaderState(int(state["epoch"]), int(state["given"]))

    def __iter__(self) -> Iterator[Any]:
        """Yield the rest of the current epoch; the next call begins the next one.

        Raises
        ------
        DataError
            A shard is damaged, or a worker ended without a word.
        """
        epoch, skip = self.state.epoch, self.state.given
        own_shards = self._order(epoch)
        for number, item in enumerate(self._shuffled(self._items(own_shards), epoch)):
            if number < skip:
                continue
            self.state = LoaderState(epoch, number + 1)
            yield item
        self.state = LoaderState(epoch + 1, 0)

    def _order(self, epoch: int) -> list[Path]:
        """Return this rank's shards of an epoch, in its order."""
        ordered = sorted(self.shards)
        shuffled = np.random.default_rng([self.seed, epoch, 7]).permutation(len(ordered))
        return [ordered[number] for number in shuffled[self.rank :: self.world]]

    def _shuffled(self, items: Iterator[Any], epoch: int) -> Iterator[Any]:
        """Yield the items in an order that is shuffled within a buffer."""
        random = np.random.default_rng([self.seed, epoch, self.rank, 8])
        held: list[Any] = []
        for item in items:
            if len(held) < self.buffer:
                held.append(item)
                continue
            at = int(random.integers(self.buffer))
            held[at], item_out = item, held[at]
            yield item_out
        for at in random.permutation(len(held)):
            yield held[at]

    def _items(self, shards: Sequence[Path]) -> Iterator[Any]:
        """Yield the windows of the shards in their order, decoded by the workers in turn."""
        if not self.workers:
            for path in shards:
                yield from _decoded(path, self.keep, self.transform)
            return
        context = mp.get_context("spawn")  # a forked process may hold a lock of a thread that it lacks
        count = min(self.workers, len(shards))
        queues: list[Any] = [context.Queue(_QUEUE) for _ in range(count)]
        workers: list[Any] = [
            context.Process(
                target=_work, args=(list(shards[n::count]), self.keep, self.transform, queues[n]), daemon=True
            )
            for n in range(count)
        ]
        for worker in workers:
            worker.start()
        try:
            for number in range(len(shards)):
                yield from _received(queues[number % count], workers[number % count])
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()


def _decoded(
    path: Path, keep: Callable[[ClipWindow], bool] | None, transform: Callable[[ClipWindow], Any] | None
) -> Iterator[Any]:
    for window in read_shard(path):
        if keep is None or keep(window):
            yield transform(window) if transform else window


def _work(shards: list[Path], keep: Any, transform: Any, out: Any) -> None:
    """Decode shards one after the other: ("item", window)…, ("end", None) after each; an error ends the worker."""
    try:
        for path in shards:
            for item in _decoded(path, keep, transform):
                out.put(("item", item))
            out.put(("end", None))
    except Exception as err:
        out.put(("error", f"{type(err).__name__}: {err}"))


def _received(source: Any, worker: Any) -> Iterator[Any]:
    """Yield the items of one shard from a worker."""
    while True:
        try:
            kind, item = source.get(timeout=_PATIENCE_S)
        except queue.Empty:
            if not worker.is_alive() and source.empty():
                raise DataError(
                    f"A worker that decodes clips ended with status {worker.exitcode}: too little memory? "
                    "Use fewer workers."
                ) from None
            continue
        if kind == "error":
            raise DataError(item)
        if kind == "end":
            return
        yield item
