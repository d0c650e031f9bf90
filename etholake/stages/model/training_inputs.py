"""Everything that decides a training: tables, deployed code, options, hyper-parameters. Nothing is started here.

`training_plan` compares them with the last training of the lake, so that the same model is not trained twice.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etholake import aws
from etholake.code_fingerprint import code_fingerprint
from etholake.contract import CLIP_ZONE, CODE_ZONE, CURATED_ZONE, MODEL_ZONE
from etholake.dataset.clip_channel import CLIP_INDEX, CLIPS
from etholake.dataset.values import METADATA_NAMES, VALUES, VALUES_FILE, read_values, tasks_of
from etholake.digest import bytes_digest, fingerprint
from etholake.errors import AwsError, DataError, UsageError, suggestion
from etholake.generations import identity
from etholake.lake import Lake
from etholake.models.archive import metadata_of
from etholake.models.config import own_fields
from etholake.models.shipping import ENTRY_POINTS
from etholake.objects import object_exists, read_object
from etholake.settings import AUTO, Settings
from etholake.stages.model import backbones, models
from etholake.stages.model.clip_sets import clip_set_to_fine_tune, clip_set_to_train
from etholake.stages.model.training_checks import check_base, check_data
from etholake.stages.state import load_state, open_lake

__all__ = [
    "CHANNELS", "MODEL_SCRIPTS", "SOURCE", "STAGE", "TrainingOptions", "TrainingPlan", "channels", "clip_states",
    "deployed_fingerprint", "hyperparameters", "package_fingerprint", "recommended", "table_states",
    "trained_details", "training_plan",
]  # fmt: skip

STAGE = "train"
CHANNELS = {
    "tracking": "tracking_curated/split=train/",
    "metadata": "metadata_train/",
    "labels": "labeled_behaviors/",
    "annotations": "annotations_enriched/",
}
SOURCE = f"{CODE_ZONE}/sourcedir.tar.gz"
# A model is decided by what these scripts import; the last two are shipped with it.
MODEL_SCRIPTS = ("train.py", "inference.py", "serve.py")
AUTO_CONFIG, AUTO_FOLDS = "boosted,small,tcn", 5
OF_FOLDS = ("stack", "choose", "everything", "learning_curve")  # switches of a cross-validation
NO_PART_OF_A_MODEL = ("etholake.errors", "etholake.logs", "etholake.pages", "etholake.progress", "etholake.result")


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training beside its configuration; the defaults train one model on all labs.

    Attributes
    ----------
    folds
        Cross-validate by video in so many folds, into an ensemble; 0 trains one model.
    seeds
        Members of the ensemble for each fold and configuration.
    space
        The ensemble averages in this space: ``probability`` or ``logit``.
    stack
        Train a stacking model on an ensemble of each configuration.
    base
        A model to fine-tune by its own configuration, in any form that `etholake.stages.model.models` takes.
    labs
        Train on these labs only; () for all.
    choose
        Leave out a configuration of an ensemble if the out-of-fold score is better without it.
    everything
        An ensemble holds no video out: its out-of-fold score judges it.
    clips
        The set of clips that a model of pixels reads; "" for the lake's only one.
    fields
        Fields of the configuration to replace, or {configuration: fields} of several.
    weights
        Weights that backbones start with: a file, a folder, or an S3 URI of either; "" for random ones.
    trackers
        Experiment trackers that get the figures of epochs, too (`etholake.training.trackers`). They decide
        nothing: a training that differs in them only is not run again.
    tasks
        Tasks beside the actions, each with a head of its own, as `dataset.values` writes them; () for none.
    values
        A CSV file of values that tasks ask for beside those of the metadata; None for none.
    learning_curve
        With folds: train the first configuration on parts of the videos, too, and say what more videos promise.
    """

    folds: int = 0
    seeds: int = 1
    space: str = "probability"
    stack: bool = False
    base: str = ""
    labs: tuple[str, ...] = ()
    choose: bool = False
    everything: bool = False
    clips: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    trackers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    values: Path | None = None
    learning_curve: bool = False


@dataclass(frozen=True)
class TrainingPlan:
    """A training that would run on the tables as they are.

    Attributes
    ----------
    digest
        Fingerprint of the inputs.
    parameters
        Arguments of the training job.
    model
        Details of the model that the same inputs have already made; None if there is none.
    base
        ``s3://`` prefix of the model that is fine-tuned; None if none is.
    clip_set
        The set of clips that the training reads; "" if it reads tracks alone.
    weights
        ``s3://`` prefix of the weights that backbones start with; None for random ones.
    values
        ``s3://`` prefix of the values of tasks; "" without a file of them.
    extra
        The extra whose libraries the job needs beside those of every training; "" for none.
    """

    digest: str
    parameters: dict[str, Any]
    model: dict[str, Any] | None
    base: str | None = None
    clip_set: str = ""
    weights: str | None = None
    values: str = ""
    extra: str = ""


def training_plan(
    settings: Settings, config_name: str, holdout: Sequence[int] = (), options: TrainingOptions | None = None
) -> TrainingPlan:
    """Return what a training on the tables as they are would be.

    Raises
    ------
    DataError
        The curated zone is empty, or has no labelled video.
    UsageError
        The options contradict each other or the tables (`training_checks.check_data`, `clip_sets`), or the model
        to fine-tune is not there.
    AwsError
        No code is deployed.
    """
    options = options or TrainingOptions()
    if options.base and options.folds:
        raise UsageError("--from fine-tunes one model: leave --folds out.")
    if options.base and options.weights:
        raise UsageError("A model of --from brings its own weights: leave --weights out.")
    if not options.folds and options.learning_curve:
        raise UsageError("A learning curve needs folds that judge the models: say --folds 5, too.")
    if not options.folds and ("," in config_name or options.stack):
        raise UsageError("Several configurations, or a stack of them, are cross-validated: say --folds 5, too.")
    configs = config_name.split(",")
    has_tasks = options.tasks or any("tasks" in own_fields(options.fields, name, configs) for name in configs)
    if has_tasks and options.folds:
        raise UsageError("--tasks gives heads to one network: leave --folds out.")
    if options.values and not options.tasks:
        raise UsageError("--values has the values that --tasks ask for: name these, too.")
    inputs, code = table_states(settings), deployed_fingerprint(settings)
    parameters = hyperparameters(settings, config_name, holdout, options)
    lake, base = open_lake(settings), None
    if options.base:
        archive = models.pack(settings, options.base)
        check_base(metadata_of(archive, options.base), options.fields, options.tasks)
        base = models.stage(settings, archive)
        clip_set = clip_set_to_fine_tune(lake, archive, options.clips)
        extra = backbones.extra_of_archive(archive)
    else:
        clip_set = clip_set_to_train(lake, config_name, options.clips)
        extra = backbones.extra_of_config(config_name, options.fields)
    clips = clip_states(lake, clip_set)
    weights = backbones.stage(settings, options.weights, config_name, options.fields) if options.weights else None
    values = _staged_values(settings, options) if options.values else ""
    digest = fingerprint(inputs, code, parameters, *filter(None, (base, clips, weights, values)))
    trained = trained_details(settings, digest)
    if trained is None:
        check_data(lake, holdout, options.labs, settings.part_map)
    return TrainingPlan(digest, parameters, trained, base, clip_set, weights, values, extra)


def _staged_values(settings: Settings, options: TrainingOptions) -> str:
    """Copy the file of values into the model zone, named by its content; return the prefix for a channel.

    Raises DataError for a file that cannot be used, UsageError for a task whose value is nowhere.
    """
    assert options.values
    names = {value.name for values in read_values(options.values).values() for value in values}
    for task in tasks_of(options.tasks):
        if task.name not in (*names, *METADATA_NAMES):
            raise UsageError(
                f"Task '{task}' asks for '{task.name}', which {options.values} does not have. "
                f"{suggestion(task.name, (*names, *METADATA_NAMES))}"
            )
    content = options.values.read_bytes()
    prefix = f"{MODEL_ZONE}/values/{bytes_digest(content)[:16]}/"
    aws.client(settings, "s3").put_object(Bucket=settings.bucket, Key=prefix + VALUES_FILE, Body=content)
    return f"s3://{settings.bucket}/{prefix}"


def recommended(
    config_name: str, options: TrainingOptions, holdout: Sequence[int] = ()
) -> tuple[str, TrainingOptions, str]:
    """Return the configuration and the options that `auto` stands for, and a sentence that says what and why.

    Any other configuration stays as it is, with an empty sentence. Pure.
    """
    if config_name != AUTO or options.base:
        return config_name, options, ""
    chosen = replace(
        options, folds=options.folds or AUTO_FOLDS, space="logit", choose=not options.stack,
        everything=not holdout and not options.stack,
    )  # fmt: skip
    held_out = (
        f"the {len(set(holdout))} held-out videos are in none of them" if holdout else "no video is held out"
    )
    return (
        AUTO_CONFIG,
        chosen,
        f"Configuration auto: the mean of {AUTO_CONFIG.replace(',', ', ')}, because trees and networks make "
        f"different mistakes; {chosen.folds} folds by video ({held_out}) choose thresholds and members, then what "
        "is kept trains on everything. After the first fold of each the progress says how long the rest takes on "
        "this machine. `--config boosted,tcn --folds 5` leaves out `small`, which takes most of the time; "
        "`--config tiny` trains one small network only.",
    )


def trained_details(settings: Settings, digest: str) -> dict[str, Any] | None:
    """Return the details of the newest model if `digest` made it and its archive is still there, else None."""
    state = load_state(settings, STAGE)
    if state.get("fingerprint") != digest:
        return None
    details: dict[str, Any] = state["details"]
    return details if object_exists(aws.client(settings, "s3"), details["model_uri"]) else None


def table_states(settings: Settings, tables: Collection[str] | None = None) -> list[Any]:
    """Return ``[table, partition, identity]`` of everything that the channels hold, or of some `tables`.

    Raises DataError if a table has no data.
    """
    lake = open_lake(settings)
    states = []
    for folder in CHANNELS.values():
        table = folder.partition("/")[0]
        if tables is not None and table not in tables:
            continue
        partitions = [p for p in lake.partitions(table) if p.get("split", "train") == "train"]
        if not partitions:
            raise DataError(f"Table {table} of the curated zone is empty: run `make etl` first.")
        states += [[table, partition, identity(lake.current(table, partition))] for partition in partitions]
    return states


def clip_states(lake: Lake, clip_set: str) -> list[Any]:
    """Return ``[partition, identity]`` of a set of clips; [] without a set."""
    partitions = [keys for keys in lake.partitions("clips") if keys["clip_set"] == clip_set] if clip_set else []
    return [[keys, identity(lake.current("clips", keys))] for keys in partitions]


def deployed_fingerprint(settings: Settings, scripts: Collection[str] = MODEL_SCRIPTS) -> str:
    """Return the fingerprint of what `scripts` import, as deployed (not as it lies on this machine).

    Foreign families in the package count as well. Raises AwsError if no code is deployed, ContractError if a
    script is not in it.
    """
    from botocore.exceptions import ClientError

    try:
        body = read_object(aws.client(settings, "s3"), f"s3://{settings.bucket}/{SOURCE}")
    except ClientError as err:
        raise AwsError(
            f"The code of the training job is not at s3://{settings.bucket}/{SOURCE}: run `make deploy` first."
        ) from err
    return package_fingerprint(body, scripts)


def package_fingerprint(archive: bytes, scripts: Collection[str] = MODEL_SCRIPTS) -> str:
    """Return the fingerprint of what `scripts` and foreign families of a source package (tar.gz) import. Pure."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        members = [(member.name, content.extractfile(member)) for member in content.getmembers()]
        files = {name: stream.read() for name, stream in members if stream is not None}
    sources = {name: text for name, text in files.items() if name.endswith(".py")}
    modules = [
        value.partition(":")[0].strip().replace(".", "/")
        for name, text in files.items()
        if name.endswith(f".dist-info/{ENTRY_POINTS}")
        for _, _, value in (line.partition("=") for line in text.decode().splitlines() if "=" in line)
    ]
    foreign = {path for module in modules for path in (f"{module}.py", f"{module}/__init__.py") if path in sources}
    return code_fingerprint(sources, [*scripts, *sorted(foreign)], NO_PART_OF_A_MODEL)


def hyperparameters(
    settings: Settings, config_name: str, holdout: Sequence[int], options: TrainingOptions | None = None
) -> dict[str, Any]:
    """Return the arguments of `sagemaker/train.py`. Pure."""
    parameters: dict[str, Any] = {
        "config": config_name,
        "seed": settings.seed,
        "max_gap_frames": settings.max_gap_frames,
    }
    if holdout:
        parameters["holdout"] = ",".join(str(video) for video in sorted(set(holdout)))
    if settings.part_map:
        parameters["part_map"] = settings.part_map
    if options and options.labs:
        parameters["labs"] = ",".join(sorted(set(options.labs)))
    if options and options.fields:
        parameters["overrides"] = json.dumps(dict(options.fields), sort_keys=True)
    if options and options.tasks:
        parameters["tasks"] = ",".join(options.tasks)
    if options and options.folds:
        parameters |= {"folds": options.folds, "seeds": options.seeds, "space": options.space}
        parameters |= {name: 1 for name in OF_FOLDS if getattr(options, name)}
    return parameters


def channels(
    settings: Settings, base: str | None = None, clip_set: str = "", weights: str | None = None, values: str = ""
) -> dict[str, str]:
    """Return the ``s3://`` prefix of every channel. Pure.

    `base` is that of a model to fine-tune, `clip_set` the set of clips that a model of pixels reads, `weights`
    that of the weights that backbones start with, `values` that of the values of tasks.
    """
    bucket = f"s3://{settings.bucket}"
    prefixes = {name: f"{bucket}/{CURATED_ZONE}/{folder}" for name, folder in CHANNELS.items()}
    if clip_set:
        prefixes[CLIPS] = f"{bucket}/{CLIP_ZONE}/{clip_set}/"
        prefixes[CLIP_INDEX] = f"{bucket}/{CURATED_ZONE}/clips/clip_set={clip_set}/"
    more = {"model": base, backbones.BACKBONE: weights, VALUES: values}
    return prefixes | {name: prefix for name, prefix in more.items() if prefix}
