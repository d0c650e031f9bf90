"""Named configurations. `base` has the published size; `small` is for a GPU or patience, `tiny` for a CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from etholake.dataset.values import Task, tasks_of
from etholake.errors import UsageError
from etholake.models.config import Augmentation, NetworkConfig

__all__ = ["PRESETS", "PoseBertConfig"]

_CHOICES = {
    "head": ("frame", "clip"),
    "positions": ("learned", "sinusoidal"),
    "tuning": ("full", "frozen", "lora"),
}


@dataclass(frozen=True)
class PoseBertConfig(NetworkConfig):
    """The sizes of the network (see `network.PoseBert`) beside the fields that all networks have."""

    family: ClassVar[str] = "pose_bert"

    encoder: str = "keypoints"  # training takes keypoints_3d for three-dimensional tracks
    head: str = "frame"  # frame: every frame for itself; clip: one answer for a window, from its CLS token
    width: int = 128
    layers: int = 4
    heads: int = 4
    positions: str = "learned"
    longest: int = 512  # frames that learned positions reach
    dropout: float = 0.1
    # Questions beside the actions, each with a head of its own: state:sex=male, … (`dataset.values`). A text with
    # commas becomes a tuple.
    tasks: tuple[str, ...] | str = ()
    task_scales: tuple[tuple[float, float], ...] = ()  # mean and deviation of each task's numbers, set by training
    species: tuple[str, ...] = ()  # those with an embedding of their own, set by training; mice have none
    # Fine-tuning of a pre-trained model (`train --from`) alone; no size of the network.
    tuning: str = "full"  # full; frozen: heads and labs alone; lora: these, and low-rank changes of the trunk
    lora_rank: int = 8
    # pre-training
    mask_fraction: float = 0.15  # of the points is hidden, in spans of frames of single parts and of whole animals
    mask_span: float = 15.0  # mean length of a span in frames, of a geometric distribution

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tasks", tuple(map(str, tasks_of(self.tasks))))
        # JSON has no tuples.
        object.__setattr__(self, "species", tuple(self.species))
        object.__setattr__(self, "task_scales", tuple(tuple(pair) for pair in self.task_scales))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} must be one of {', '.join(choices)}, but got '{getattr(self, name)}'.")
        if self.width % self.heads:
            raise UsageError(f"width ({self.width}) must be a multiple of heads ({self.heads}).")
        if self.positions == "learned" and self.window > self.longest:
            raise UsageError(
                f"A window of {self.window} frames is longer than the learned positions reach: give longest of at "
                f"least {self.window}, or positions sinusoidal."
            )
        if not 0 < self.mask_fraction < 1 or self.mask_span < 1:
            raise UsageError(
                "mask_fraction must be between 0 and 1 and mask_span at least 1, but got "
                f"{self.mask_fraction} and {self.mask_span}."
            )

    def sizes(self) -> dict[str, Any]:
        """Return the fields that define the network; how it is pre-trained or fine-tuned is none of them."""
        changeable = (
            "tuning",
            "lora_rank",
            "mask_fraction",
            "mask_span",
            "head",
            "tasks",
            "task_scales",
            "species",
        )
        return {name: value for name, value in super().sizes().items() if name not in changeable}

    def known_species(self) -> tuple[str, ...]:
        """Return the species of the training data, except mice."""
        return self.species

    def asked(self) -> tuple[Task, ...]:
        """Return the tasks, those of a training with their scales. Raises UsageError for a malformed one."""
        tasks = tasks_of(self.tasks)
        new = [(0.0, 1.0)] * len(tasks)  # training has not set their scales yet
        return tuple(
            replace(task, centre=centre, scale=scale)
            for task, (centre, scale) in zip(tasks, (*self.task_scales, *new), strict=False)
        )

    def with_tasks(self, tasks: Sequence[Task]) -> Self:
        """Return the configuration with these tasks and their scales."""
        scales = tuple((task.centre, task.scale) for task in tasks)
        return replace(self, tasks=tuple(str(task) for task in tasks), task_scales=scales)


# Coordinates in the arena: turned and mirrored copies are new samples.
_CHANGES = replace(Augmentation(), rotate=True)
_SMALL = PoseBertConfig(
    "small", encoder="keypoints", window=128, step=64, batch=32, lr=5e-4, weight_decay=0.01, warmup_epochs=2.0,
    augmentation=_CHANGES,
)  # fmt: skip
_TINY = replace(
    _SMALL, name="tiny", window=64, step=32, width=64, layers=2, heads=4, longest=128, dropout=0.0,
    batches_per_epoch=50, epochs=8, warmup_epochs=1.0, lr=2e-3, batch=48, threads=1,
)  # fmt: skip

# Windows and batches as published for a data set; what is not published is that of `small` (docs/models.md).
_DATA_SETS = (
    # 100 frames before and after, batches of 128: task1_baseline of the challenge's baselines (Sun et al. 2021).
    replace(_SMALL, name="calms21", window=200, step=100, batch=128),
    # 80 frames: the BERT-style second place for mouse triplets (discourse.aicrowd.com/t/2nd-place-solution/7605).
    replace(_SMALL, name="mabe22", window=80, step=40),
    # 180 frames that do not overlap, batches of 64 at most: conf/model/sequence.yaml of jbohnslav/deepethogram.
    replace(_SMALL, name="deepethogram", window=180, step=180, batch=64),
)

PRESETS: Mapping[str, PoseBertConfig] = {
    config.name: config
    for config in (
        *_DATA_SETS,
        replace(_SMALL, name="base", width=768, layers=12, heads=12, window=256, step=128, lr=1e-4, ema=0.999),
        _SMALL,
        _TINY,
        replace(_TINY, name="tiny_clip", head="clip"),
        # For tests of the plumbing: learns little, in seconds.
        replace(_TINY, name="smoke", window=32, step=16, width=16, layers=1, heads=2, longest=64, batch=16,
                batches_per_epoch=8, epochs=2, lr=1e-2),
    )
}  # fmt: skip
