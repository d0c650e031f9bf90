"""Entry point of the training job: channels in, model folder out.

Run it by hand on downloaded channels (each a copy of a folder of the curated zone):

    SM_MODEL_DIR=model SM_CHANNEL_TRACKING=… SM_CHANNEL_METADATA=… SM_CHANNEL_LABELS=… \
    SM_CHANNEL_ANNOTATIONS=… python train.py --config tiny
    … python train.py --config boosted                                the baseline of boosted trees
    … python train.py --config w64,w128 --folds 5 --seeds 3       an ensemble, cross-validated by video
    … python train.py --config boosted,small --folds 5 --stack 1  a stack on an ensemble of each configuration
    … SM_CHANNEL_MODEL=… python train.py --labs NewLab                goes on with the model.tar.gz in that folder
    … SM_CHANNEL_BACKBONE=… python train.py --config crop_sequence    begins with the weights in that folder
    … torchrun --nproc-per-node 2 train.py --config base          several processes for one model

Paths come from `SM_*` only. With `SM_CHECKPOINT_DIR` a job that was killed and is started again resumes exactly.
It prints one line an epoch, `epoch=… train_loss=… val_score=…`, which the job's metric definitions read. The model
folder also gets `code/`: `inference.py`, `serve.py` and the package `etholake` that trained it, so that a model is
always served by its own code. The learning itself is in `etholake.training`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DEFAULT_CONFIG = "tiny"
SHIPPED = ("inference.py", "serve.py")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the job's hyper-parameters."""
    parser = argparse.ArgumentParser(description="Train a behaviour classifier from the curated zone.")
    parser.add_argument(
        "--config", default=DEFAULT_CONFIG, help="named configuration; of an ensemble several, a,b"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=0, help="an ensemble of so many folds by video; 0: one model")
    parser.add_argument(
        "--seeds", type=int, default=1, help="seeds of every fold and configuration of an ensemble"
    )
    parser.add_argument("--space", default="probability", help="an ensemble averages probability or logit")
    parser.add_argument("--stack", type=int, default=0, help="1: a stack on an ensemble of each configuration")
    parser.add_argument("--choose", type=int, default=0, help="1: leave a configuration out if that is better")
    parser.add_argument("--everything", type=int, default=0, help="1: an ensemble holds no video out")
    parser.add_argument("--learning_curve", type=int, default=0, help="1: score models of fewer videos, too")
    parser.add_argument("--holdout", default="", help="video ids to hold out, 12,34; chosen per lab if empty")
    parser.add_argument("--labs", default="", help="train on these labs only, a,b; all if empty")
    parser.add_argument("--part_map", default="", help="names of your own body parts: snout=nose,hip_l=side_left")
    parser.add_argument("--overrides", default="{}", help="JSON: fields, or (several) {configuration: fields}")
    parser.add_argument("--trackers", default="", help="also send figures to tensorboard,mlflow,wandb")
    parser.add_argument("--tasks", default="", help="tasks beside the actions: state:sex=male,regression:age")
    parser.add_argument("--pretrain", type=int, default=0, help="1: learn from all tracks, without labels")
    parser.add_argument("--run_id", default="", help="run of the command line that started the job, for the log")
    parser.add_argument("--max_gap_frames", type=int, default=15, help="gap that curation of raw requests fills")
    return parser.parse_args(argv)


def read(environ: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders of the channels: {"tracking": …, "metadata": …, "labels": …, "annotations": …}."""
    names = json.loads(environ.get("SM_CHANNELS", '["tracking", "metadata", "labels", "annotations"]'))
    wanted = [name for name in names if f"SM_CHANNEL_{name.upper()}" in environ]
    return {name: Path(environ[f"SM_CHANNEL_{name.upper()}"]) for name in wanted}


def train(
    arguments: argparse.Namespace, folders: Mapping[str, Path], model_dir: Path, output_dir: Path, scratch: Path
) -> dict[str, Any]:
    """Fit and store the model; return its report. Tracks are memory-mapped from `scratch`."""
    from etholake import logs
    from etholake.dataset.labelled import load_training_data, of_labs
    from etholake.dataset.split import choose, joined
    from etholake.dataset.values import tasks_of
    from etholake.training import parallel
    from etholake.training.cross import fit_folds
    from etholake.training.cross_plan import CrossValidationPlan
    from etholake.training.finetune import joined_part_map
    from etholake.training.fit import annotated, fit

    if arguments.pretrain:
        return pretrain(arguments, folders, model_dir, scratch)
    began = time.monotonic()
    base, weights = base_model(folders, scratch), folders.get("backbone")
    part_map = joined_part_map(base.part_map if base else "", arguments.part_map)
    overrides, configs = json.loads(arguments.overrides), tuple(arguments.config.split(","))
    if arguments.tasks:
        overrides |= {"tasks": arguments.tasks}
    given = overrides.get("tasks", ())
    tasks = tasks_of(given) if given or base is None else base.config.asked()
    data = load_training_data(folders, scratch / "tracks", part_map, tasks)
    if arguments.labs:
        data = of_labs(data, arguments.labs.split(","))
    seconds = round(time.monotonic() - began, 2)
    frames = sum(len(video.tracks.xy_TMK2) for video in data.videos)
    message = f"{len(data.videos)} labelled videos read in {seconds:.1f} s"
    logs.log_event("note", message, videos=len(data.videos), rows=frames, seconds=seconds)
    for note in data.notes:
        logs.log_event("skipped", note, level=logging.WARNING)
    holdout = [int(video) for video in arguments.holdout.split(",") if video]
    split = choose([annotated(v) for v in data.videos if v.tracks.labeled_behaviors], holdout)
    # Videos that have a task's value alone.
    split = joined(split, choose([annotated(v) for v in data.videos if not v.tracks.labeled_behaviors]))
    with parallel.group() as group, epochs_to(arguments, output_dir, leads=group.leads) as on_epoch:
        if arguments.folds:
            seeds = tuple(range(arguments.seed, arguments.seed + arguments.seeds))
            plan = CrossValidationPlan(
                configs,
                arguments.folds,
                seeds,
                arguments.space,
                bool(arguments.stack),
                bool(arguments.choose),
                bool(arguments.learning_curve),
            )
            test = () if arguments.everything else split.test
            return fit_folds(
                data, model_dir, plan, overrides, on_epoch, test=test, scratch=output_dir,
                checkpoints=checkpoints(os.environ), group=group, weights=weights,
            )  # fmt: skip
        return fit(
            data, model_dir, arguments.config, overrides, on_epoch, split=split, seed=arguments.seed,
            checkpoints=checkpoints(os.environ), group=group, base=base, weights=weights,
        )  # fmt: skip


def pretrain(
    arguments: argparse.Namespace, folders: Mapping[str, Path], model_dir: Path, scratch: Path
) -> dict[str, Any]:
    """Pre-train and store a model on all tracks; return its report."""
    from etholake import logs
    from etholake.dataset.labelled import load_all_tracks
    from etholake.training.pretrain import pretrain as learn

    videos, notes, digest = load_all_tracks(folders, scratch / "tracks", arguments.part_map)
    logs.log_event("note", f"{len(videos)} videos read, labelled or not", videos=len(videos))
    for note in notes:
        logs.log_event("skipped", note, level=logging.WARNING)
    return learn(
        videos, model_dir, arguments.config, json.loads(arguments.overrides), say, seed=arguments.seed,
        checkpoints=checkpoints(os.environ), data_fingerprint=digest, part_map=arguments.part_map,
    )  # fmt: skip


def base_model(folders: Mapping[str, Path], scratch: Path) -> Any:
    """Return the model in the channel `model`, to be fine-tuned; None without that channel.

    Raises UsageError for a model of a family that cannot be fine-tuned.
    """
    if "model" not in folders:
        return None
    from etholake.models.archive import ARCHIVE, load_model
    from etholake.models.registry import FAMILIES
    from etholake.models.tarball import unpack

    model = load_model(unpack((folders["model"] / ARCHIVE).read_bytes(), scratch / "base", ARCHIVE))
    FAMILIES.get(model.family).check_fine_tuning()
    return model


def epochs_to(arguments: argparse.Namespace, output_dir: Path, *, leads: bool) -> AbstractContextManager[Any]:
    """Return a context that gives the callback for epochs: `say`, and the trackers of the leading process."""
    from etholake.training.trackers import tracked

    names = [name for name in arguments.trackers.split(",") if name] if leads else []
    parameters = {name: str(value) for name, value in vars(arguments).items() if value not in ("", 0, "{}")}
    return tracked(say, names, output_dir / "trackers", arguments.run_id or arguments.config, parameters)


def checkpoints(environ: Mapping[str, str]) -> Path | None:
    """Return the folder in which a run keeps its state, in case it is killed; None for nowhere."""
    named = environ.get("SM_CHECKPOINT_DIR")
    return Path(named) if named else None


def say(epoch: int, epochs: int, row: Mapping[str, float | None]) -> None:
    """Print one line per epoch, which the metric definitions of the job match."""
    loss, score = (
        "none" if row[name] is None else f"{row[name]:.5f}"  # none (trees, no validation videos): no metric value
        for name in ("train_loss", "val_score")
    )
    left = f" left={row['left_s']:.0f}s" if row.get("left_s") else ""  # of a cross-validation, as measured so far
    print(f"epoch={epoch} epochs={epochs} train_loss={loss} val_score={score}{left}", flush=True)


def write(arguments: argparse.Namespace, report: Mapping[str, Any], model_dir: Path, output_dir: Path) -> None:
    """Write the model's code beside the model, and the report as the job's output.

    The code includes foreign families that the model uses.
    """
    code = model_dir / "code"
    code.mkdir(parents=True, exist_ok=True)
    for name in SHIPPED:
        shutil.copyfile(HERE / name, code / name)
    import etholake
    from etholake.models.shipping import ship_plugins

    ship_plugins(model_dir, code)
    shutil.copytree(Path(etholake.__file__).parent, code / "etholake", ignore=NOT_SHIPPED, dirs_exist_ok=True)
    (code / "serving.json").write_text(json.dumps({"max_gap_frames": arguments.max_gap_frames}), encoding="utf-8")
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "report.json").write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")


def main() -> None:
    """Parse, read, train, write; what a user can mend is printed as a sentence, without a traceback."""
    from etholake import logs
    from etholake.errors import EtholakeError, no_space

    arguments = parse()
    model_dir = Path(os.environ["SM_MODEL_DIR"])
    output_dir = Path(os.environ.get("SM_OUTPUT_DATA_DIR", model_dir.parent / "output"))
    leads = os.environ.get("RANK", "0") == "0"
    if leads:
        logs.to_stdout(sys.argv)
    try:
        with logs.stage("train job", config=arguments.config), tempfile.TemporaryDirectory() as scratch:
            report = train(arguments, read(os.environ), model_dir, output_dir, Path(scratch))
            if leads:
                write(arguments, report, model_dir, output_dir)
            logs.add_fields(val_score=(report.get("validation") or {}).get("score"))
    except Exception as err:
        reason = str(err) if isinstance(err, EtholakeError) else no_space(err)
        if reason is None:
            raise
        if failure := os.environ.get("SM_OUTPUT_FAILURE"):
            with contextlib.suppress(OSError):  # the disk may be full for this file, too
                Path(failure).write_text(reason, encoding="utf-8")
        sys.exit(f"{type(err).__name__}: {reason}")
    if leads:
        print(f"model written to {model_dir}", flush=True)


if __name__ == "__main__":
    main()
