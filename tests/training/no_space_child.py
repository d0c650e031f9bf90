"""The training job's entry point on small data, with a largest file size. A script of the test, not a test.

python no_space_child.py LIMIT CHECKPOINTS     (bytes; 0: no limit), with the SM_ variables of a job
"""

from __future__ import annotations

import importlib.util
import resource
import sys
from pathlib import Path
from typing import Any

import torch
import training_run  # type: ignore[import-not-found]

ENTRY = Path(__file__).resolve().parents[2] / "sagemaker" / "train.py"


def main(limit: int, checkpoints: Path) -> None:
    """Run `train.main` with the data of `training_run` in the place of channels."""
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("train_job", ENTRY)
    assert spec is not None
    assert spec.loader is not None
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)

    def train(arguments: object, folders: object, model_dir: Path, *_: object) -> dict[str, Any]:
        return training_run.run(model_dir, checkpoints)

    job.train = train
    sys.argv = ["train.py"]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    job.main()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
