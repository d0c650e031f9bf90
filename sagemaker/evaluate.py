"""Entry point of the evaluation job: a submission and the raw zone's ground truth in, the official score out.

Run it by hand on downloaded folders:

    python evaluate.py --metadata raw-zone/metadata --annotations raw-zone/train_annotation \
        --submission folder/with/submission.csv --output out [--videos 12,34]

`output` gets `evaluation.json`: the score of `stages.model.evaluate`, and the figures once more in the form of
SageMaker's model quality, which the model registry shows. The metric itself is `etholake.events.metric`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

SPLIT = "train"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the job's arguments."""
    parser = argparse.ArgumentParser(description="Score a submission.")
    for name, text in (
        ("metadata", "folder with train.csv"),
        ("annotations", "folder of lab_id=<lab>/<video>.parquet"),
        ("submission", "folder with one CSV"),
        ("output", "folder for evaluation.json"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)
    parser.add_argument("--videos", default="", help="score these video ids only, 12,34")
    parser.add_argument("--run_id", default="", help="run of the command line that started the job, for the log")
    return parser.parse_args(argv)


def lay_out(metadata: Path, annotations: Path, folder: Path) -> Path:
    """Make the MABe layout in `folder` of links to the raw zone's files; return the folder."""
    (folder / f"{SPLIT}.csv").symlink_to((metadata / f"{SPLIT}.csv").resolve())
    for path in sorted(annotations.glob("lab_id=*/*.parquet")):
        target = folder / f"{SPLIT}_annotation" / path.parent.name.removeprefix("lab_id=") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.resolve())
    return folder


def quality(scores: dict[str, Any]) -> dict[str, Any]:
    """Return the scores with `multiclass_classification_metrics`, which the model registry shows."""
    figures = {"f_score": {"value": scores["score"], "standard_deviation": "NaN"}}
    figures |= {
        f"f_score_{lab}": {"value": entry["score"], "standard_deviation": "NaN"}
        for lab, entry in sorted(scores["labs"].items())
    }
    return {**scores, "multiclass_classification_metrics": figures}


def main() -> None:
    """Parse, score, write; what a user can mend is printed without a traceback."""
    arguments = parse()
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from etholake import logs
    from etholake.errors import EtholakeError, no_space
    from etholake.stages.model.evaluate import evaluate, logged_scores

    files = sorted(arguments.submission.glob("*.csv"))
    if len(files) != 1:
        sys.exit(f"{arguments.submission} must hold one submission CSV, but holds {len(files)}.")
    videos = [int(video) for video in arguments.videos.split(",") if video] or None
    logs.to_stdout(sys.argv)
    try:
        with logs.stage("evaluate job"), tempfile.TemporaryDirectory() as folder:
            data = lay_out(arguments.metadata, arguments.annotations, Path(folder))
            scores = evaluate(data, files[0], videos)
            logs.add_fields(**logged_scores(scores))
    except Exception as err:
        reason = str(err) if isinstance(err, EtholakeError) else no_space(err)
        if reason is None:
            raise
        sys.exit(f"{type(err).__name__}: {reason}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "evaluation.json").write_text(json.dumps(quality(scores), indent=1), encoding="utf-8")
    print(f"official score {scores['score']:.4f} over {len(scores['labs'])} labs", flush=True)


if __name__ == "__main__":
    main()
