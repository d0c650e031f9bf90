"""The interface of model families: what training, storing, explaining and tuning know of a model.

A family is one folder with `config.py`, `network.py` (or what it trains), `family.py` and `README.md`. The shared
code calls the methods here and nothing else, so adding a family edits no file but a line of `models/registry.py`
(or, from another distribution, an entry point). Families of networks derive from `network_family.NetworkFamily`,
which the shared loop of `etholake.training` trains; any other family trains itself in `fit`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from etholake.errors import UsageError
from etholake.models.config import overridden

if TYPE_CHECKING:
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.events.metric import ScoreReport
    from etholake.models.base import Model
    from etholake.models.network_family import NetworkFamily

__all__ = ["Fitted", "ModelFamily", "OnEpoch", "Sizes", "TrainingContext"]

OnEpoch = Callable[[int, int, Mapping[str, float | None]], None]
C = TypeVar("C")


@dataclass(frozen=True)
class Fitted:
    """Result of a family's `fit`.

    Attributes
    ----------
    model
        The trained model; its post-processing is fitted afterwards, by the caller.
    history
        One row an epoch (`epoch`, `train_loss`, `val_score`, `val_loss`, `val_accuracy`, `lr`,
        `seconds`); empty for a family that
        is trained in one go, for which the caller writes one row.
    device
        Where it was trained.
    score_before
        When fine-tuning: the score of the base model on the validation spans; None without annotated events there.
    alternatives
        Further models of the same run, which are stored in folders of these names beside the model.
    details
        What `meta.json` keeps beside what it keeps of every training.
    """

    model: Model
    history: Sequence[Mapping[str, float | None]] = ()
    device: str = "cpu"
    score_before: ScoreReport | None = None
    alternatives: Mapping[str, Model] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingContext:
    """Services that a training run offers a family besides data, split and configuration.

    Attributes
    ----------
    seed
        Decides everything random.
    base
        The model to fine-tune; None for a new one.
    checkpoints
        A folder in which a run that may be killed keeps its state; None for nowhere.
    on_epoch
        ``on_epoch(epoch, epochs, row)`` is called after each epoch.
    train_network
        The shared loop for networks: ``train_network(family, data, split, config)``.
    """

    seed: int
    train_network: Callable[[NetworkFamily[Any], TrainingData, Split, Any], Fitted]
    base: Model | None = None
    checkpoints: Path | None = None
    on_epoch: OnEpoch | None = None


class ModelFamily(ABC, Generic[C]):
    """Base class of every family; C is its configuration, a frozen dataclass.

    Attributes
    ----------
    name
        The name in the registry, in ``--config`` and in `meta.json`.
    summary
        One line for help and documentation.
    presets
        Named configurations; empty for a family that combines trained models and has no training of its own.
    default
        The preset that ``--config <name>`` means.
    tuning_ranges
        {field of the configuration: range} that `etholake tune` searches by default, as in `sagemaker/jobs.json`.
    can_fine_tune
        Whether `fit` accepts a `TrainingContext.base`.
    can_answer_tasks
        Whether a configuration may have tasks, heads beside the actions (`dataset.values`).
    in_parallel
        Whether several processes can train one model together; otherwise the leading process trains alone.
    """

    name: str
    summary: str
    presets: Mapping[str, C]
    default: str = ""
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {}  # read-only by its type
    can_fine_tune: bool = False
    can_answer_tasks: bool = False
    in_parallel: bool = False

    @abstractmethod
    def fit(self, data: TrainingData, split: Split, config: C, context: TrainingContext) -> Fitted:
        """Train a model on the training spans of `split`.

        Raises DataError if there is nothing to learn from.
        """

    @abstractmethod
    def load(self, folder: Path) -> Model:
        """Read what the model's `save` wrote. Raises ContractError that names what does not fit this code."""

    def configured(self, preset: str, overrides: Mapping[str, Any] | None = None) -> C:
        """Return a preset with fields replaced. Raises UsageError for an unknown preset or field."""
        if preset not in self.presets:
            presets = ", ".join(self.presets) or "none"
            raise UsageError(f"The model family '{self.name}' has no preset '{preset}'; known: {presets}.")
        return self.replaced(self.presets[preset], overrides)

    def replaced(self, config: C, overrides: Mapping[str, Any] | None) -> C:
        """Return a configuration with fields replaced. Raises UsageError for an unknown field."""
        return overridden(config, overrides, f"A configuration of {self.name}")

    def to_json(self, config: C) -> dict[str, Any]:
        """Return everything that defines a training run of this family besides data, split and seed."""
        return asdict(config)  # type: ignore[call-overload]  # a dataclass, as all are

    def epochs(self, config: C) -> int:  # noqa: ARG002  # families without epochs count as one
        """Return how many epochs a training run has."""
        return 1

    def backbone_name(self, config: C) -> str:  # noqa: ARG002  # for families with one
        """Return the name of the backbone, the part that can start with weights trained elsewhere; "" for none."""
        return ""

    def check_fine_tuning(self) -> None:
        """Raise UsageError unless models of this family can be fine-tuned."""
        if not self.can_fine_tune:
            raise UsageError(
                f"A model of the family '{self.name}' cannot be fine-tuned: unpack the archive and name a single "
                "network, a folder with model.safetensors (of an ensemble members/0, of a stack "
                "bases/0/members/0, …)."
            )

    def explain(self, config: Mapping[str, Any]) -> str:
        """Return a line on a stored configuration (`meta.json`'s), for `etholake explain`."""
        return ", ".join(f"{key} {value}" for key, value in config.items() if isinstance(value, int | float | str))


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network that follow from data: F features, C classes, L labs (0 is the unknown lab).

    `crop_size` is the side of the crops in pixels; 0 for a network of tracks.
    """

    features: int
    classes: int
    labs: int
    crop_size: int = 0
