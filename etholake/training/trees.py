"""Train the boosted baseline as a model of the product: the same data, split, report and archive as a network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etholake.dataset.labelled import TrainingData, event_seconds
from etholake.dataset.split import Split
from etholake.errors import UsageError, suggestion
from etholake.models.boosted import forest as boosted
from etholake.models.boosted.forest import BoostedConfig
from etholake.training.trainer import OnEpoch
from etholake.training.validation import decide

__all__ = ["fit_boosted", "trees"]


def trees(overrides: Mapping[str, Any] | None = None, base: BoostedConfig | None = None) -> BoostedConfig:
    """The baseline's configuration (or `base`) with fields replaced. Raises UsageError for no such field."""
    base = base or BoostedConfig()
    fields = {field.name for field in dataclasses.fields(base)}
    for key in overrides or {}:
        if key not in fields:
            raise UsageError(f"Boosted trees have no field '{key}'. {suggestion(key, fields)}")
    return dataclasses.replace(base, **(overrides or {}))


def fit_boosted(
    data: TrainingData,
    model_dir: Path,
    overrides: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    *,
    split: Split,
    seed: int = 0,
) -> dict[str, Any]:
    """Grow the forests on the split's training spans and store the model; the report is that of `fit`.

    All of it counts as one epoch, which has no loss.
    """
    began = time.monotonic()
    model = boosted.fit(data.videos, split.train, trees({"seed": seed, **(overrides or {})}))
    model.part_map = data.part_map
    score = decide(model, data.videos, split.validation)
    row = {
        "epoch": 1, "train_loss": None, "val_score": score["score"] if score else None, "lr": None,
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip
    if on_epoch:
        on_epoch(1, 1, row)
    model.details = {
        "split": split.to_json(),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "device": "cpu",
        "history": [row],
        "validation": score,
        "training_seconds": event_seconds(data.videos, split.train),
        "notes": list(data.notes),
    }
    model.save(model_dir)
    return model.details
