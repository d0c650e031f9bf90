"""The interface of model families: what training, storing, explaining and tuning know of a model.

A family is one folder with `config.py`, `network.py` (or what it trains), `family.py` and `README.md`. The shared
code calls the methods here and nothing else, so adding a family edits no file but a line of `models/registry.py`
(or, from another distribution, an entry point). `NetworkFamily` is the base of families of networks, which the
shared loop of `etholake.training` trains; any other family trains itself in `fit`.

Shape letters: B batch, T frames of a window at 30 Hz, F features, C classes (actions), L labs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from etholake.errors import UsageError
from etholake.models.config import NetworkConfig, overridden

if TYPE_CHECKING:
    from torch import Tensor, nn

    from etholake.dataset.batch import Batch
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.split import Split
    from etholake.events.metric import ScoreReport
    from etholake.models.base import Model

__all__ = [
    "Fitted", "ModelFamily", "NetworkFamily", "OnEpoch", "Sizes", "TrainingContext", "VocabularyLayers",
]  # fmt: skip

OnEpoch = Callable[[int, int, Mapping[str, float | None]], None]
C = TypeVar("C")
N = TypeVar("N", bound=NetworkConfig)


@dataclass(frozen=True)
class Fitted:
    """What a family's `fit` returns.

    Attributes
    ----------
    model
        The trained model; its post-processing is fitted afterwards, by the caller.
    history
        One row an epoch (`epoch`, `train_loss`, `val_score`, `lr`, `seconds`); empty for a family that is trained
        in one go, for which the caller writes one row.
    device
        Where it was trained.
    score_before
        When fine-tuning: the score of the base model on the validation spans; None without annotated events there.
    """

    model: Model
    history: Sequence[Mapping[str, float | None]] = ()
    device: str = "cpu"
    score_before: ScoreReport | None = None


@dataclass(frozen=True)
class TrainingContext:
    """What a training run gives to a family besides data, split and configuration.

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
    """What every family has; C is its configuration, a frozen dataclass.

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
    in_parallel
        Whether several processes can train one model together; otherwise the leading process trains alone.
    """

    name: str
    summary: str
    presets: Mapping[str, C]
    default: str = ""
    tuning_ranges: Mapping[str, Mapping[str, Any]] = {}  # read-only by its type
    can_fine_tune: bool = False
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
            known = ", ".join(self.presets) or "none"
            raise UsageError(f"The model family '{self.name}' has no preset '{preset}'; known: {known}.")
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
    """The sizes of a network that follow from data: F features, C classes, L labs (0 is the unknown lab)."""

    features: int
    classes: int
    labs: int


@dataclass(frozen=True)
class VocabularyLayers:
    """Parameters of a network with an entry for every action or lab: {name in the state dict: axis}.

    Fine-tuning extends them. `outputs` (by action: the last layer) start at the prior of the new data; `inputs`
    (by action: what the network is told of the labeled behaviors) start at 0; `labs` start as the unknown lab.
    """

    outputs: Mapping[str, int]
    inputs: Mapping[str, int] = field(default_factory=dict)
    labs: Mapping[str, int] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.outputs or name in self.inputs or name in self.labs


class NetworkFamily(ModelFamily[N]):
    """A family of networks: ``network(x_BTF, lab_B, labeled_BC)`` returns logits [B, T, C].

    `x_BTF` are scaled features of the configuration's encoder, `lab_B` indices of labs (0 is unknown),
    `labeled_BC` is 1 for the actions that are labeled behaviors of the sample. The shared loop trains it; `build`
    and `vocabulary_layers` are all that a new family must define.
    """

    can_fine_tune = True
    in_parallel = True

    @abstractmethod
    def build(self, config: N, sizes: Sizes) -> nn.Module:
        """Return a new network with random weights."""

    @abstractmethod
    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the parameters that have an entry for every action or lab."""

    def loss(self, logits_BTC: Tensor, batch: Batch, config: N, weight_C: Tensor, entries: Tensor) -> Tensor:
        """Return the loss of a part of a batch; `entries` is the number of loss entries of the whole batch."""
        from etholake.models.loss import batch_loss

        return batch_loss(logits_BTC, batch, config, weight_C, entries)

    def set_prior(self, network: nn.Module, prevalence_C: Tensor) -> None:
        """Let the network start at the log odds of each action's prevalence (0..1, fraction of frames).

        Biases among the outputs become the log odds; weights among them are made small (times 0.1), so that the
        features hardly change the prior at first.
        """
        import torch

        prevalence_C = prevalence_C.clamp(1e-3, 0.5)
        state = network.state_dict()  # shares memory with the parameters
        with torch.no_grad():
            for name in self.vocabulary_layers().outputs:
                if state[name].ndim == 1:
                    state[name].copy_(torch.log(prevalence_C / (1 - prevalence_C)))
                else:
                    state[name].mul_(0.1)

    def decays(self, name: str, parameter: Tensor) -> bool:
        """Return whether weight decay applies to a parameter: to matrices and kernels, but not to embeddings of
        labs.
        """
        return parameter.ndim >= 2 and name not in self.vocabulary_layers().labs

    def fit(self, data: TrainingData, split: Split, config: N, context: TrainingContext) -> Fitted:
        return context.train_network(self, data, split, config)

    def load(self, folder: Path) -> Model:
        from etholake.models.network_model import NetworkModel

        return NetworkModel.load(folder)

    def config_from_json(self, stored: Mapping[str, Any]) -> N:
        """Read a stored configuration. Raises KeyError or TypeError for anything else."""
        return type(self.presets[self.default]).from_json(stored)

    def epochs(self, config: N) -> int:
        return config.epochs

    def explain(self, config: Mapping[str, Any]) -> str:
        shared = {*NetworkConfig.__dataclass_fields__}
        sizes = ", ".join(f"{key} {value}" for key, value in config.items() if key not in shared)
        return f"configuration {config['name']} ({self.name}: {sizes})"
