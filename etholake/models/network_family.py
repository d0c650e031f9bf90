"""The base of families of networks: one shared loop trains them, one class (`NetworkModel`) stores and uses them.

Shape letters: B batch, T frames of a window at 30 Hz, F features, C classes (actions), L labs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etholake.errors import ContractError, UsageError
from etholake.models.archive import load_model
from etholake.models.config import NetworkConfig
from etholake.models.family import Fitted, ModelFamily, Sizes, TrainingContext

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor, nn

    from etholake.dataset.batch import Batch
    from etholake.dataset.labelled import TrainingData
    from etholake.dataset.pose_tracks import PoseTracks
    from etholake.dataset.split import Split
    from etholake.dataset.windows import Tracks
    from etholake.models.network_model import NetworkModel

__all__ = ["NetworkFamily", "VocabularyLayers", "load_network"]

N = TypeVar("N", bound=NetworkConfig)


@dataclass(frozen=True)
class VocabularyLayers:
    """Parameters of a network with an entry for every action or lab: {name in the state dict: axis}.

    Fine-tuning extends them. `outputs` (by action: the last layer) start at the prior of the new data; `inputs`
    (by action: the labeled behaviors as an input) start at 0; `labs` start as the unknown lab.
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
    can_pretrain: bool = False  # whether `pretraining_loss` and `fill` are defined

    @abstractmethod
    def build(self, config: N, sizes: Sizes) -> nn.Module:
        """Return a new network with random weights."""

    @abstractmethod
    def vocabulary_layers(self) -> VocabularyLayers:
        """Return the parameters that have an entry for every action or lab."""

    def prepared(self, config: N, videos: Sequence[PoseTracks], base: NetworkConfig | None = None) -> N:
        """Return the configuration with what follows from the videos that it is trained on.

        `base` is the configuration of the model that is fine-tuned.
        """
        del videos, base  # for families that ask for them
        return config

    def loss(self, logits_BTC: Tensor, batch: Batch, config: N, weight_C: Tensor, entries: Tensor) -> Tensor:
        """Return the loss of a part of a batch; `entries` is the number of loss entries of the whole batch."""
        from etholake.models.loss import batch_loss

        return batch_loss(logits_BTC, batch, config, weight_C, entries)

    def class_weights(self, prevalence_C: Tensor, config: N) -> Tensor:
        """Return the weights that `loss` gets, [C] or longer; `prevalence_C` is the fraction of frames (0..1)."""
        from etholake.models.loss import positive_weights

        return positive_weights(prevalence_C, config.positive_weight_cap)

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
        """Return whether weight decay applies to a parameter.

        It applies to matrices and kernels, but not to biases, norms and embeddings of labs.
        """
        return parameter.ndim >= 2 and name not in self.vocabulary_layers().labs

    def pretraining_loss(
        self, network: nn.Module, tracks: Tracks, lab_B: Tensor, config: N, random: torch.Generator
    ) -> Tensor:
        """Return the loss of a batch of windows without labels. Raises UsageError where there is none."""
        del network, tracks, lab_B, config, random  # for families that can
        raise UsageError(f"The family '{self.name}' cannot be pre-trained: it learns from labels only.")

    def fill(self, model: NetworkModel, tracks: PoseTracks) -> PoseTracks:
        """Return the tracks with missing points filled in. Raises UsageError for a family that cannot."""
        del model, tracks  # for families that can
        raise UsageError(f"The family '{self.name}' fills no missing points: name a model of `etholake pretrain`.")

    def values(self, model: NetworkModel, tracks: PoseTracks) -> list[dict[str, Any]]:  # noqa: ARG002
        """Return the answers of heads beside the actions, {task, mouse_id, value} each; [] without such heads."""
        return []

    def window_answers(
        self, model: NetworkModel, tracks: PoseTracks, mouse: int, starts: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return the answers to the tasks for an animal in N windows [N, W, V]; see `pose_bert.answers`.

        `mouse` is its position in `mouse_ids`. Raises UsageError for a family without such heads.
        """
        del model, tracks, mouse, starts  # for families that can
        raise UsageError(f"The family '{self.name}' has no heads beside the actions.")

    def trains(self, name: str, config: N) -> bool:  # noqa: ARG002  # for families that freeze some of them
        """Return whether training changes a parameter."""
        return True

    def reads_pose(self, config: N) -> bool:  # noqa: ARG002  # for families of clips that do
        """Return whether the network reads key points beside pixels, so that each can be hidden from it."""
        return False

    def backbone(self, network: nn.Module) -> nn.Module | None:  # noqa: ARG002  # for families with one
        """Return the backbone of a network: its parameters have the names of those weights. None for none."""
        return None

    def with_weights(self, config: N, weights: Path) -> N:  # noqa: ARG002  # for backbones of several sizes
        """Return the configuration with what follows from the weights that the backbone starts with."""
        return config

    def fit(self, data: TrainingData, split: Split, config: N, context: TrainingContext) -> Fitted:
        """Train a network of this family with the shared loop.

        Raises DataError if there is nothing to learn from.
        """
        return context.train_network(self, data, split, config)

    def load(self, folder: Path) -> NetworkModel:
        """Read a stored network. Raises ContractError that names what does not fit this code."""
        from etholake.models.network_model import NetworkModel

        return NetworkModel.load(folder, self)

    def config_from_json(self, stored: Mapping[str, Any]) -> N:
        """Read a stored configuration. Raises KeyError or TypeError for anything else."""
        return type(self.presets[self.default]).from_json(stored)

    def epochs(self, config: N) -> int:
        """Return how many epochs a training run has at most."""
        return config.epochs

    def explain(self, config: Mapping[str, Any]) -> str:
        """Return the configuration's name and the sizes that this family adds."""
        shared = {*NetworkConfig.__dataclass_fields__}
        sizes = ", ".join(f"{key} {value}" for key, value in config.items() if key not in shared)
        return f"configuration {config['name']} ({self.name}: {sizes})"


def load_network(folder: Path) -> NetworkModel:
    """Load a stored network of any family. Raises ContractError for any other model."""
    from etholake.models.network_model import NetworkModel

    model = load_model(folder)
    if not isinstance(model, NetworkModel):
        raise ContractError(f"The model in {folder} is no network, but of the family '{model.family}'.")
    return model
