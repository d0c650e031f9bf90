"""One small training whose backbone is frozen in its first epoch, for torchrun. Not a test.

python tests/training/frozen_run.py OUT        writes OUT/report.json and the model
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import filmed  # type: ignore[import-not-found]
import torch
from chases import training_data, video  # type: ignore[import-not-found]

from etholake.dataset.labelled import whole_spans
from etholake.dataset.split import Split
from etholake.training import parallel
from etholake.training.fit import fit

CONFIG: dict[str, Any] = {"freeze_epochs": 1, "epochs": 2, "batches_per_epoch": 3, "dropout": 0.0}


def run(out: Path) -> dict[str, Any]:
    """Train on two films; return the report, with the times left out."""
    films = out / f"films-{os.getenv('RANK', '0')}"
    data = training_data([filmed.filmed(films / str(i), video(i, "A", frames=96)) for i in (1, 2)])
    with parallel.group() as group:
        everything = Split(tuple(whole_spans(data.videos)), (), ())
        report = fit(data, out, "crop_sequence:smoke", CONFIG, split=everything, group=group)
        if group.leads:
            losses = [row["train_loss"] for row in report["history"]]
            report = {"losses": losses, "processes": group.size}
            (out / "report.json").write_text(json.dumps(report))
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]))
