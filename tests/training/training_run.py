"""One small training run as a process of its own: to be killed, resumed, and run by torchrun. Not a test.

python tests/training/training_run.py OUT [CHECKPOINTS]        writes OUT/report.json and the model
python tests/training/training_run.py --golden                 regenerates golden_losses.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from chases import SMALL, training_data, video  # type: ignore[import-not-found]

from etholake.training import parallel
from etholake.training.fit import fit

GOLDEN = Path(__file__).with_name("golden_losses.json")
# Everything that is random is on, but for what differs by process: dropout and mixup.
CONFIG = {**SMALL, "threads": 1, "ema": 0.9, "focal_gamma": 1.0, "checkpoint_steps": 5, "weight_decay": 0.01}


def run(out: Path, checkpoints: Path | None = None, **changes: Any) -> dict[str, Any]:
    """Train on two labs; the report, with the times left out."""
    data = training_data([video(i, lab) for i, lab in enumerate(["A"] * 3 + ["B"] * 3, start=1)])
    with parallel.group() as group:
        report = fit(data, out, "smoke", {**CONFIG, **changes}, checkpoints=checkpoints, group=group)
        if group.leads:
            curve = [{k: v for k, v in row.items() if k != "seconds"} for row in report["history"]]
            report = {"history": curve, "validation": report["validation"], "processes": group.size}
            (out / "report.json").write_text(json.dumps(report))
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "--golden":
        with tempfile.TemporaryDirectory() as folder:
            losses = [row["train_loss"] for row in run(Path(folder))["history"]]
        GOLDEN.write_text(json.dumps(losses) + "\n")
    else:
        run(Path(sys.argv[1]), *(Path(folder) for folder in sys.argv[2:3]))
