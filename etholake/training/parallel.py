"""Train in several processes (torchrun: RANK, WORLD_SIZE, …), each with its part of every batch.

Gradients are averaged by `DistributedDataParallel` over gloo on CPUs and NCCL on GPUs. All processes draw the same
batch and take their own part of it, so that N processes compute the same as one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

__all__ = ["ALONE", "Group", "group", "own_cores"]


@dataclass(frozen=True)
class Group:
    """The number of a process among `size` processes, and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Return whether this is the process that writes files and reports."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Return this process's range of `n` samples; parts differ by one sample at most."""
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            dist.barrier()


def _device(local_rank: int) -> torch.device:
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


ALONE = Group(0, 1, torch.device("cpu"))


@contextmanager
def group() -> Iterator[Group]:
    """Yield the group that torchrun's environment describes; a group of one without it."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = _device(int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield Group(0, 1, device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(rank, size, device)
    finally:
        dist.destroy_process_group()


def own_cores() -> int:
    """Return how many cores this process has for itself, beside torchrun's other processes on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.getenv("LOCAL_WORLD_SIZE", "1")))
