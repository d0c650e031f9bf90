"""A trained recogniser made ready for another lab: vocabulary and labs extended by name, everything else kept.

Actions that the model has learnt keep their rows of the head; the others start at the prior of the new data. A new
lab starts as the unknown lab. The scaler, the network's sizes and the features are those of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from etholake.errors import ContractError
from etholake.events.metric import ScoreReport
from etholake.features.pair_features import FEATURE_NAMES
from etholake.models import build
from etholake.models.cnn_transformer.config import ModelConfig
from etholake.models.cnn_transformer.network import CnnTransformer
from etholake.models.network_model import UNKNOWN_LAB, NetworkModel

__all__ = [
    "all_labs", "extended", "joined_part_map", "merged_actions", "merged_seconds", "report", "vocabulary",
]  # fmt: skip


def vocabulary(base: NetworkModel, actions: Sequence[str]) -> tuple[str, ...]:
    """The model's actions in their places, then those that it lacks."""
    return (*base.actions, *(action for action in actions if action not in base.actions))


def all_labs(base: NetworkModel, labs: Sequence[str]) -> tuple[str, ...]:
    """The model's labs in their places, then those that it lacks."""
    return (*base.labs, *(lab for lab in labs if lab not in base.labs))


def merged_actions(base: NetworkModel, occurring: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """{lab: actions that occur in its training data}, of the model and of the new data together."""
    labs = {*base.lab_actions, *occurring}
    return {lab: sorted({*base.lab_actions.get(lab, ()), *occurring.get(lab, ())}) for lab in sorted(labs)}


def merged_seconds(base: NetworkModel, seconds: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Seconds of training by lab and action; those of labs that were trained on again replace the model's."""
    before: Mapping[str, Mapping[str, float]] = base.details.get("training_seconds") or {}
    return {lab: dict(actions) for lab, actions in sorted({**before, **seconds}.items())}


def report(
    base: NetworkModel, model: NetworkModel, labs: Sequence[str], before: ScoreReport | None
) -> dict[str, Any]:
    """What fine-tuning added, and the score on the validation spans before it (None without truth there)."""
    learnt = _learnt(base)
    now = {action for lab in labs for action in model.lab_actions.get(lab, ())}
    return {
        "from": base.details.get("data_fingerprint"),
        "labs": list(labs),
        "labs_added": [lab for lab in labs if lab not in base.labs],
        "actions_added": sorted(now - learnt),
        "before": before.to_dict() if before else None,
    }


def joined_part_map(base: str, own: str) -> str:
    """The model's own names of parts, then the new lab's: what comes later is looked for first."""
    items = [item.strip() for item in f"{base},{own}".split(",") if item.strip()]
    return ",".join(dict.fromkeys(items))


def extended(
    base: NetworkModel,
    config: ModelConfig,
    actions: Sequence[str],
    labs: Sequence[str],
    occurring: Mapping[str, Sequence[str]],
    share_C: Tensor,
    part_map: str = "",
) -> NetworkModel:
    """A copy of `base` that has room for the actions and labs of new data; `base` itself stays as it is.

    Parameters
    ----------
    config
        The model's own, with another schedule perhaps; a change of the network's sizes is refused.
    actions
        `vocabulary` of both; `share_C` [C] is the share of frames (0..1) of each in the new data.
    labs
        `all_labs` of both.
    occurring
        {lab: actions} of the new data.

    Raises ContractError if the network is of another family or of other sizes.
    """
    if not isinstance(base.network, CnnTransformer) or config.network() != base.config.network():
        raise ContractError(
            "Fine-tuning keeps the network of the model: its family and sizes "
            f"({', '.join(base.config.network())}) cannot be changed. Train a new model for that."
        )
    network = build(
        config.family, features=len(FEATURE_NAMES), classes=len(actions), labs=len(labs) + 1, **config.network()
    )
    assert isinstance(network, CnnTransformer)
    learnt = _learnt(base)
    keep = torch.tensor([action in learnt for action in base.actions], dtype=torch.bool)
    network.set_prior(share_C)  # the rows of the head that stay so are those of new actions
    _take(network, base.network, keep)
    return NetworkModel(
        network, copy.deepcopy(base.scaler), config, tuple(actions), tuple(labs), merged_actions(base, occurring),
        base.decisions, part_map,
    )  # fmt: skip


def _learnt(base: NetworkModel) -> set[str]:
    """Actions that occurred in the model's training data: of the others it has a row that says nothing."""
    return {action for known in base.lab_actions.values() for action in known}


def _take(network: CnnTransformer, base: CnnTransformer, keep_C: Tensor) -> None:
    """The weights of `base`, in `network`; of actions only those to `keep_C` (of the base's actions)."""
    state: dict[str, Any] = dict(base.state_dict())
    n = len(keep_C)
    with torch.no_grad():
        for name in ("head.weight", "head.bias"):
            own = network.state_dict()[name]
            own[:n][keep_C] = state[name][keep_C].to(own)
            state[name] = own
        candidates = torch.zeros_like(network.candidates.weight)  # a new action, looked for, changes nothing yet
        candidates[:, :n] = torch.where(keep_C, base.candidates.weight, 0)
        lab = network.state_dict()["lab.weight"]
        lab[:] = base.lab.weight[UNKNOWN_LAB]
        lab[: len(base.lab.weight)] = base.lab.weight
    network.load_state_dict({**state, "candidates.weight": candidates, "lab.weight": lab})
