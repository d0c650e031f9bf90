"""Named configurations of the network with two tasks: actions, and key points of every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from etholake.errors import UsageError
from etholake.models.vision.config import NO_CHANGES, FrameBackboneConfig

__all__ = ["GRAPHS", "PRESETS", "MultiTaskConfig"]

GRAPHS = {"frames": "body_graph", "joint_frames": "body_graph", "paw_frames": "geometric_graph"}  # by encoder


@dataclass(frozen=True)
class MultiTaskConfig(FrameBackboneConfig):
    """The sizes of the network (see `network.MultiTask`) and the weight of its second task.

    The pose graph is that of the encoder's key points: `frames` has the unified parts, `paw_frames` mouth, paws
    and tail base.
    """

    family: ClassVar[str] = "multitask"

    window: int = 32
    step: int = 16
    batch: int = 16
    focal_gamma: float = 2.5
    label_smoothing: float = 0.1
    width: int = 256
    layers: int = 6  # dilations 1, 2, 4, …
    dropout: float = 0.3
    action_only: bool = False
    keypoint_weight: float = 0.1  # of the key points' loss beside that of the actions

    def __post_init__(self) -> None:
        """Raise UsageError for an encoder whose key points have no graph."""
        super().__post_init__()
        if self.encoder not in GRAPHS:
            raise UsageError(f"encoder must be one of {', '.join(GRAPHS)}, but got '{self.encoder}'.")

    def sizes(self) -> dict[str, Any]:
        """Return the fields that define the network."""
        return {name: value for name, value in super().sizes().items() if name != "keypoint_weight"}


_SMOKE = MultiTaskConfig(
    "smoke", window=8, step=8, backbone="vit_tiny", width=16, layers=2, dropout=0.0, batch=8, batches_per_epoch=25,
    epochs=3, lr=5e-3, ema=0.0, focal_gamma=0.0, label_smoothing=0.0, augmentation=NO_CHANGES, threads=1,
)  # fmt: skip

PRESETS: Mapping[str, MultiTaskConfig] = {
    config.name: config
    for config in (
        MultiTaskConfig("base", lr=3e-4),
        MultiTaskConfig("paws", lr=3e-4, encoder="paw_frames"),
        MultiTaskConfig("actions", lr=3e-4, action_only=True),
        # Of the library transformers: frames by themselves, and 16 frames at a time.
        MultiTaskConfig("dinov2", lr=3e-4, backbone="transformers_dinov2"),
        MultiTaskConfig("videomae", lr=3e-4, backbone="transformers_videomae"),
        # Some minutes of one core, with crops whose side is a multiple of 16 px.
        MultiTaskConfig(
            "tiny", backbone="vit_tiny", width=64, layers=4, dropout=0.1, batches_per_epoch=40, epochs=10,
            patience=5, lr=2e-3, threads=1,
        ),
        _SMOKE,  # for tests of the plumbing
        replace(_SMOKE, name="smoke_actions", action_only=True),
    )
}  # fmt: skip
