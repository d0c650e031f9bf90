"""Fine-tuning: a trained network is extended by the actions and labs of new data, everything else is kept.

Actions that occurred in the model's training data keep their outputs; the others start at the prior of the new
data. A new lab starts as the unknown lab. The scaler, the sizes of the network and the input encoder are those of
the model. Which parameters depend on actions and labs is what the family's `vocabulary_layers` say.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from etholake.events.metric import ScoreReport
from etholake.models.base import Model
from etholake.models.config import NetworkConfig, check_same_network
from etholake.models.network_family import NetworkFamily, VocabularyLayers
from etholake.models.network_model import UNKNOWN_LAB, NetworkModel, new_network

__all__ = [
    "all_labs", "extended", "joined_part_map", "merged_actions", "merged_seconds", "report",
    "vocabulary",
]  # fmt: skip


def vocabulary(base: NetworkModel, actions: Sequence[str]) -> tuple[str, ...]:
    """Return the model's actions in their places, then those that it lacks."""
    return (*base.actions, *(action for action in actions if action not in base.actions))


def all_labs(base: NetworkModel, labs: Sequence[str]) -> tuple[str, ...]:
    """Return the model's labs in their places, then those that it lacks."""
    return (*base.labs, *(lab for lab in labs if lab not in base.labs))


def merged_actions(base: Model, occurring: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return {lab: actions that occur in its training data}, for the model and the new data together."""
    labs = {*base.lab_actions, *occurring}
    return {lab: sorted({*base.lab_actions.get(lab, ()), *occurring.get(lab, ())}) for lab in sorted(labs)}


def merged_seconds(base: Model, seconds: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return seconds of training by lab and action; those of labs that are trained again replace the model's."""
    before: Mapping[str, Mapping[str, float]] = base.details.get("training_seconds") or {}
    return {lab: dict(actions) for lab, actions in sorted({**before, **seconds}.items())}


def report(base: Model, model: Model, labs: Sequence[str], before: ScoreReport | None) -> dict[str, Any]:
    """Return what fine-tuning added, and the score on the validation spans before (None without events there)."""
    occurred = _occurring(base)
    now = {action for lab in labs for action in model.lab_actions.get(lab, ())}
    return {
        "from": base.details.get("data_fingerprint"),
        "labs": list(labs),
        "labs_added": [lab for lab in labs if lab not in base.labs],
        "actions_added": sorted(now - occurred),
        "before": before.to_dict() if before else None,
    }


def joined_part_map(base: str, own: str) -> str:
    """Return the model's own names of parts, then the new lab's; later ones take precedence."""
    items = [item.strip() for item in f"{base},{own}".split(",") if item.strip()]
    return ",".join(dict.fromkeys(items))


def extended(
    family: NetworkFamily[Any],
    base: NetworkModel,
    config: NetworkConfig,
    actions: Sequence[str],
    labs: Sequence[str],
    occurring: Mapping[str, Sequence[str]],
    prior_C: Tensor,
    part_map: str = "",
) -> NetworkModel:
    """Return a copy of `base` with room for the actions and labs of new data; `base` itself does not change.

    Parameters
    ----------
    config
        The model's own, perhaps with another schedule.
    actions
        The `vocabulary` of both.
    labs
        `all_labs` of both.
    occurring
        {lab: actions} of the new data.
    prior_C
        The probability [C] (0..1) at which the output of an action that is new starts.

    Raises UsageError if the network would have other sizes or another input encoder.
    """
    check_same_network(base.config, config)
    network = new_network(family, config, len(actions), len(labs), base.clips)
    occurred = _occurring(base)
    keep_C = torch.tensor([action in occurred for action in base.actions], dtype=torch.bool)
    family.set_prior(network, prior_C)  # the outputs of new actions stay at it
    _take_weights(network, base.network, keep_C, family.vocabulary_layers())
    return NetworkModel(
        network, copy.deepcopy(base.scaler), config, tuple(actions), tuple(labs), merged_actions(base, occurring),
        base.post_processing, part_map, clips=base.clips,
    )  # fmt: skip


def _occurring(base: Model) -> set[str]:
    """Return the actions that occurred in the model's training data; the others' outputs mean nothing."""
    return {action for actions in base.lab_actions.values() for action in actions}


def _take_weights(network: nn.Module, base: nn.Module, keep_C: Tensor, layers: VocabularyLayers) -> None:
    """Copy the weights of `base` into `network`.

    Of layers with an entry per action only the entries of base's actions in `keep_C` are copied.
    """
    own = network.state_dict()
    state = own | dict(base.state_dict())  # what only the new network has (LoRA) stays as it is made
    with torch.no_grad():
        for name, axis in layers.outputs.items():
            kept = own[name].movedim(axis, 0)
            kept[: len(keep_C)][keep_C] = state[name].movedim(axis, 0)[keep_C].to(kept)
            state[name] = own[name]
        for name, axis in layers.inputs.items():  # a new action that is labeled changes nothing yet
            inputs = torch.zeros_like(own[name])
            inputs.movedim(axis, 0)[: len(keep_C)][keep_C] = state[name].movedim(axis, 0)[keep_C].to(inputs)
            state[name] = inputs
        for name, axis in layers.labs.items():
            rows, before = own[name].movedim(axis, 0), state[name].movedim(axis, 0)
            rows[:] = before[UNKNOWN_LAB]
            rows[: len(before)] = before
            state[name] = own[name]
    network.load_state_dict(state)
