"""Configurations: replacing fields by name, and the fields that every family of networks has.

A family's own configuration is a frozen dataclass: for a network a subclass of `NetworkConfig` that adds the sizes
of the network, for anything else whatever it needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from etholake.contract import number_of
from etholake.dataset.values import Task
from etholake.errors import UsageError, raise_collected, suggestion

__all__ = ["SECOND_BEST", "Augmentation", "NetworkConfig", "check_same_network", "overridden", "own_fields"]

C = TypeVar("C")
SCHEDULES = ("cosine", "plateau")
SECOND_BEST = {"loss": "lowest_loss", "accuracy": "highest_accuracy"}  # {figure: name of the checkpoint}


def overridden(config: C, overrides: Mapping[str, Any] | None, owner: str) -> C:
    """Return a configuration with fields replaced; a mapping replaces fields of a nested configuration.

    `owner` names the configuration in messages. Raises UsageError for an unknown field, and names the nearest one,
    and for a value that is none of the field's type: a number must be finite.
    """
    values = dict(overrides or {})
    fields = {f.name for f in dataclasses.fields(config)}  # type: ignore[arg-type]  # a dataclass, as all are
    hints: dict[str, Any] = {}
    with contextlib.suppress(NameError):  # a plug-in may import the names of its types for type checkers only
        hints = get_type_hints(type(config)) if values else {}
    problems = []
    for key, value in values.items():
        if key not in fields:
            raise UsageError(f"{owner} has no field '{key}'. {suggestion(key, fields)}")
        if isinstance(value, Mapping) and dataclasses.is_dataclass(getattr(config, key)):
            values[key] = overridden(getattr(config, key), value, f"'{key}' of {owner[:1].lower()}{owner[1:]}")
        elif not _fits(value, hints.get(key, Any)):
            problems.append(f"{key} must be {_described(hints[key])}, but is {value!r}")
    raise_collected(UsageError, f"{owner} has other types of values", problems)
    return dataclasses.replace(config, **values)  # type: ignore[type-var]


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value of JSON is one of a field's type; True for types that JSON does not have."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if kind is Literal:
        return value in inner
    if kind is tuple and isinstance(value, list | tuple):
        types = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return len(types) == len(value) and all(map(_fits, value, types))
    if hint is float:
        return not isinstance(value, str) and number_of(value) is not None
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    checked = kind or hint
    # Any is a type since Python 3.11, but isinstance refuses it
    return checked is Any or not isinstance(checked, type) or isinstance(value, checked)


def _described(hint: Any) -> str:
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return " or ".join(map(_described, inner))
    if kind is Literal:
        return f"one of {', '.join(map(str, inner))}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null"}
    return names.get(hint, "a list" if kind is tuple else str(getattr(hint, "__name__", hint)))


def check_same_network(base: NetworkConfig, config: NetworkConfig) -> None:
    """Raise UsageError if a configuration makes another network than that of the model to fine-tune."""
    if config.sizes() != base.sizes() or config.encoder != base.encoder:
        raise UsageError(
            "Fine-tuning keeps the network of the model: its encoder and sizes "
            f"({', '.join(base.sizes())}) cannot be changed. Train a new model for that."
        )


def own_fields(overrides: Mapping[str, Any] | None, config: str, configs: Collection[str]) -> Mapping[str, Any]:
    """Return the fields to replace in one of several configurations.

    `overrides` are {configuration: fields} if every key is one of `configs`, else fields for all of them.
    """
    given = overrides or {}
    return given.get(config, {}) if given.keys() <= {*configs} else given


@dataclass(frozen=True)
class Augmentation:
    """Changes that training makes to a window; 0 (or 1, for a factor) switches an augmentation off.

    `lower_rate`, `reflect` and `swap_animals` are fractions of the samples, `drop_part`, `drop_group` and
    `drop_frames` fractions of an animal's parts; lengths and shifts are frames at 30 Hz. Clips are mirrored and,
    with `rotate`, turned by quarters, all frames of a window alike.
    """

    max_stretch: float = 1.2  # time runs faster or slower by up to this factor
    lower_rate: float = 0.1  # as if the camera had half or a third of the frames
    rotate: bool = False  # changes nothing for agent-centric features
    reflect: float = 0.5
    scale: float = 0.1  # animals larger or smaller by up to this fraction, in x and y independently
    noise_cm: float = 0.1  # standard deviation
    drop_part: float = 0.05
    drop_group: float = 0.1
    drop_frames: float = 0.1
    longest_drop: float = 60.0
    swap_animals: float = 0.05
    mixup: float = 0.0  # parameter of the Beta distribution
    feature_noise: float = 0.0  # standard deviation, of scaled features
    shift: int = 0  # frames by which the tracks are moved against the labels, at most
    brightness: float = 0.0  # of clips: a whole window lighter or darker by up to this share of the full range
    contrast: float = 0.0  # of clips: distances from the window's mean change by up to this fraction

    def __post_init__(self) -> None:
        """Raise UsageError that names every value out of range."""
        fractions = ("lower_rate", "reflect", "drop_part", "drop_group", "drop_frames", "swap_animals")
        problems = [
            f"augmentation.{f.name} must be 0 or more, but is {getattr(self, f.name)}"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) < 0
        ]
        problems += [
            f"augmentation.{name} must be at most 1, but is {getattr(self, name)}"
            for name in fractions
            if getattr(self, name) > 1
        ]
        if self.max_stretch < 1:
            problems.append(f"augmentation.max_stretch must be at least 1, but is {self.max_stretch}")
        raise_collected(UsageError, "Windows cannot be augmented so", problems)

    @classmethod
    def none(cls) -> Augmentation:
        """Return a configuration with every augmentation off."""
        return cls(1.0, 0.0, False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that the shared training loop reads. Lengths in frames at 30 Hz.

    A subclass sets `family`, the name of its family, and adds the sizes of its network; `sizes` returns those.
    `reads_clips` says that the network reads pixels, so that a training needs a set of clips.
    """

    family: ClassVar[str]
    reads_clips: ClassVar[bool] = False

    name: str
    encoder: str = "pair_features"  # input encoder (`etholake.features.registry`)
    window: int = 128
    step: int = 64  # frames from one window to the next, where a whole video is covered
    # samples
    batch: int = 64
    accumulate: int = 1  # number of parts in which a batch goes through the network
    batches_per_epoch: int | None = None  # None: enough for every window once
    positive_fraction: float = 0.5  # of the windows is drawn around annotated events, evenly over (lab, action)
    hidden_lab_fraction: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    # loss
    focal_gamma: float = 0.0
    negative_gamma: float | None = None  # asymmetric loss: another gamma for negatives; None: focal_gamma
    positive_weight_cap: float = 1.0  # 1: positives weigh what negatives weigh
    soft_f1: float = 0.0  # weight of (1 - soft F1) in the loss
    label_smoothing: float = 0.0
    # optimiser
    epochs: int = 30
    warmup_epochs: float = 3.0
    lr: float = 1e-3
    schedule: str = "cosine"  # after the warm-up: cosine to 0, or plateau (see `training.schedule`)
    plateau_patience: int = 2  # validations without a better score, after which a plateau lowers the rate
    plateau_factor: float = 0.3  # by which it is multiplied then
    backbone_lr: float = 1.0  # factor of lr for a backbone, the part that can start with given weights
    freeze_epochs: int = 0  # epochs in which a backbone keeps its weights; -1: all
    trunk_lr: float = 1.0  # in fine-tuning: factor of lr for layers without actions or labs (0.3 was worse)
    weight_decay: float = 1e-4
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.0  # decay of the averaged weights that are kept, per step; 0: none
    patience: int = 8  # epochs without a better validation score
    second_best: str = ""  # a second epoch that is stored, too: of the lowest `loss` or the highest `accuracy`
    require_pose: bool = False  # refuse windows of clips without any key point, in training and prediction
    # machine
    amp: str = "auto"  # auto (bfloat16, else float16, on a GPU; off on a CPU), off, bfloat16 or float16
    compile: bool = False  # torch.compile
    gradient_checkpointing: bool = False  # of clips: blocks compute again in the backward pass, with less memory
    checkpoint_steps: int = 200  # steps from one checkpoint to the next
    threads: int = 0  # CPU threads; 0 leaves torch's choice

    def __post_init__(self) -> None:
        self._check_ranges()
        if self.batch % self.accumulate:
            raise UsageError(f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate}).")
        if self.amp not in ("auto", "off", "bfloat16", "float16"):
            raise UsageError(f"amp must be auto, off, bfloat16 or float16, but got '{self.amp}'.")
        for name, choices in (("schedule", SCHEDULES), ("second_best", ("", *SECOND_BEST))):
            if (value := getattr(self, name)) not in choices:
                named = ", ".join(choice or "'' (none)" for choice in choices)
                raise UsageError(f"{name} must be one of {named}, but got '{value}'.")
        allowed = {
            "plateau_patience": ("at least 1", self.plateau_patience >= 1),
            "plateau_factor": ("between 0 and 1", 0 < self.plateau_factor < 1),
            "backbone_lr": ("above 0 (freeze_epochs -1 keeps a backbone as it is)", self.backbone_lr > 0),
            "freeze_epochs": ("a number of epochs, or -1 for all", self.freeze_epochs >= -1),
        }
        problems = [
            f"{name} must be {bound}, but is {getattr(self, name)}"
            for name, (bound, met) in allowed.items()
            if not met
        ]
        if self.gradient_checkpointing:
            problems += [
                f"gradient_checkpointing must be false {reason}"
                for reason, refused in (
                    ("for a network that reads no clips", not self.reads_clips),
                    ("with freeze_epochs -1, which keeps the backbone without gradients", self.freeze_epochs < 0),
                    ("with compile, which cannot follow it", self.compile),
                )
                if refused
            ]
        raise_collected(UsageError, f"The configuration '{self.name}' cannot be trained", problems)

    def _check_ranges(self) -> None:
        """Raise UsageError that names every number which no training can have."""
        at_least = {
            1: ("window", "step", "batch", "accumulate", "batches_per_epoch", "epochs", "checkpoint_steps"),
            0: (
                "focal_gamma", "negative_gamma", "soft_f1", "warmup_epochs", "trunk_lr", "weight_decay",
                "patience", "threads",
            ),
        }  # fmt: skip
        problems = [
            f"{name} must be at least {least}, but is {value}"
            for least, names in at_least.items()
            for name in names
            if (value := getattr(self, name)) is not None and value < least
        ]
        above = [name for name in ("lr", "clip", "positive_weight_cap") if getattr(self, name) <= 0]
        problems += [f"{name} must be above 0, but is {getattr(self, name)}" for name in above]
        fractions = ("positive_fraction", "hidden_lab_fraction", "label_smoothing", "ema")
        problems += [
            f"{name} must be from 0 to 1, but is {getattr(self, name)}"
            for name in fractions
            if not 0 <= getattr(self, name) <= 1
        ]
        raise_collected(UsageError, f"The configuration '{self.name}' cannot be trained", problems)

    def sizes(self) -> dict[str, Any]:
        """Return the fields that the family adds: they define the network, and fine-tuning cannot change them."""
        shared = {f.name for f in dataclasses.fields(NetworkConfig)}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in shared}

    def asked(self) -> tuple[Task, ...]:
        """Return the tasks that the network has heads for beside its actions; none, unless a family adds some."""
        return ()

    def known_species(self) -> tuple[str, ...] | None:
        """Return the species that the network tells apart by an embedding; None for a family that does not."""
        return None

    def species_index(self, species: str) -> int:
        """Return the index of a species' embedding; 0 stands for mice ("") and for any that is not known."""
        others = self.known_species() or ()
        return others.index(species) + 1 if species in others else 0

    def to_json(self) -> dict[str, Any]:
        """Return all fields, ready for `json.dumps`; `from_json` reads them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises KeyError or TypeError for anything else."""
        return cls(**{**data, "augmentation": Augmentation(**data["augmentation"])})
