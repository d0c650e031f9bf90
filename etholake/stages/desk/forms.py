"""The forms of the desk: which verb each one runs, and which of its options a person can fill in. Pure.

A form knows no logic of its verb: it becomes a list of arguments, which the command line checks.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from etholake.errors import UsageError, raise_collected, suggestion
from etholake.models.registry import config_names
from etholake.settings import AUTO

__all__ = ["FORMS", "DeskField", "DeskForm", "arguments", "command", "form_named", "forms_json", "with_home"]


@dataclass(frozen=True)
class DeskField:
    """An option of a verb (``--fps``), or a positional argument (a name without dashes), as a field of a form.

    `choices` is () for free text; ``"configs"`` stands for the configurations of the installed families. A path
    may begin with ``~``, as no shell is there to replace it by the home folder.
    """

    option: str
    label: str
    kind: Literal["text", "number", "path"] = "text"
    choices: tuple[str, ...] = ()
    default: str = ""
    required: bool = False
    help: str = ""


@dataclass(frozen=True)
class DeskForm:
    """A verb of the command line with the fields that the desk shows, and arguments that are always given.

    `step` is the heading under which the page shows it; ``serves`` marks a verb that runs until it is stopped and
    prints the address of its page.
    """

    name: str
    step: str
    title: str
    verb: str
    text: str
    fields: tuple[DeskField, ...] = ()
    fixed: tuple[str, ...] = ()
    serves: bool = False


_FOLDER = DeskField("folder", "Your folder", "path", required=True, help="tracks, labels, videos; it is only read")
_DATA = DeskField("--out", "Data folder", "path", default="data", help="where the imported files are written")
_RATE = DeskField("--fps", "Frames per second", "number", help="where the files do not say it")
_CONFIG = DeskField("--config", "Model", choices=("configs",), default=AUTO)
_VIDEOS = DeskField("--videos", "Videos", help="numbers or names: 12,cage4; empty: all")

FORMS = (
    DeskForm(
        "look", "Import", "Look at a folder", "import", "Says what an import would do. Writes nothing.",
        (_FOLDER, _DATA, _RATE), ("--dry-run",),
    ),
    DeskForm(
        "import", "Import", "Import a folder", "import",
        "Writes tracks and labels in one layout, and the mapping of names, which you can edit below.",
        (
            _FOLDER, _DATA, _RATE,
            DeskField("--lab", "Lab", help="its name in the lake; empty: the folder's"),
            DeskField(
                "--unpaired", "Events without an end", choices=("error", "drop", "until-end"), default="error"
            ),
        ),
    ),
    DeskForm(
        "check", "Check", "Check the videos of a folder", "video-check",
        "Finds videos that are broken, or do not fit their tracks or labels.", (_FOLDER,),
    ),
    DeskForm("up", "Lake", "Start the local services", "up", "Starts the mock of AWS on this machine."),
    DeskForm("deploy", "Lake", "Make the lake", "deploy", "Creates bucket, catalog and roles, or updates them."),
    DeskForm(
        "ingest", "Lake", "Upload the data", "ingest", "Copies the data folder into the raw zone.",
        (DeskField("--data", "Data folder", "path", default="data", required=True),),
    ),
    DeskForm("etl", "Lake", "Make the tables", "etl", "Curates tracks and labels, and reports their quality."),
    DeskForm(
        "clips", "Clips", "Prepare clips", "clips", "Cuts the videos into clips of animals, for video models.",
        (
            DeskField("--length", "Frames a clip", "number", default="16"),
            DeskField("--crop-size", "Pixels a side", "number", default="112"),
        ),
    ),
    DeskForm(
        "train", "Train", "Train a classifier", "train",
        "Learns your behaviours from the labelled videos; some videos are held out for the score.",
        (
            _CONFIG,
            DeskField("--folds", "Folds", "number", help="5 judges every video by a model that has not seen it"),
            DeskField("--holdout", "Held-out videos", help="numbers or names: 12,cage4; empty: chosen by lab"),
        ),
    ),
    DeskForm(
        "predict", "Predict", "Predict events", "predict", "Finds behaviours in videos, with the newest model.",
        (
            DeskField("--split", "Videos of", choices=("test", "train"), default="test",
                      help="test: without labels; train: those that training held out"),
            _VIDEOS,
            DeskField("--output", "Table to write", "path", default="predictions.csv", required=True),
        ),
    ),
    DeskForm(
        "review", "Review", "Look and correct", "review",
        "Opens the page on which you see the videos, correct labels and judge predictions.",
        (DeskField("--user", "Your name", required=True, help="stands with every correction"),
         DeskField("--films", "Folder of films", "path", help="LAB/VIDEO.mp4 or VIDEO.mp4; may stay empty")),
        serves=True,
    ),
    DeskForm(
        "export", "Export", "Export for another tool", "export", "Writes labels or predictions as a tool's files.",
        (
            DeskField("--to", "Tool", default="boris", required=True,
                      choices=("annot", "boris", "csv", "ethovision-like", "jabs", "mabe", "nwb", "simba")),
            DeskField("--out", "Folder", "path", default="export", required=True),
            DeskField("--run", "Run", help="its predictions; empty: the annotations"),
            _VIDEOS,
        ),
    ),
)  # fmt: skip


def form_named(name: Any) -> DeskForm:
    """Return a form. Raises UsageError, naming the nearest one, if there is none of that name."""
    for form in FORMS:
        if form.name == name:
            return form
    raise UsageError(f"The desk has no form '{name}'. {suggestion(str(name), [f.name for f in FORMS])}")


def arguments(form: DeskForm, values: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a verb for what a person has filled in; an empty field is left out.

    A value stands behind ``--option=``, and a positional one behind ``--``: none can be taken for an option.

    Raises
    ------
    UsageError
        A value is missing, is no text, is none of the choices, or belongs to no field; all of them are named.
    """
    problems = [f"there is no field '{name}'" for name in values if name not in {f.option for f in form.fields}]
    options, positional = [], []
    for field in form.fields:
        value = values.get(field.option, "")
        if not isinstance(value, str) or "\0" in value:
            problems.append(f"{field.label} must be text, but is {value!r}")
            continue
        value = with_home(value.strip()) if field.kind == "path" else value.strip()
        choices = _choices(field)
        if not value:
            problems += [f"{field.label} is missing"] if field.required else []
        elif choices and value not in choices:
            problems.append(f"{field.label} must be one of {', '.join(choices)}, but is '{value}'")
        elif field.option.startswith("--"):
            options.append(f"{field.option}={value}")
        else:
            positional.append(value)
    raise_collected(UsageError, f"'{form.title}' cannot start", problems)
    return [form.verb, *form.fixed, *options, *(["--", *positional] if positional else [])]


def with_home(path: str) -> str:
    """Return a path with the home folder in place of a leading ``~``."""
    return str(Path.home()) + path[1:] if path == "~" or path.startswith("~/") else path


def command(words: Sequence[str]) -> str:
    """Return the command line of a list of arguments, to copy into a shell."""
    return shlex.join(["etholake", *words])


def forms_json() -> list[dict[str, Any]]:
    """Return the forms for the page."""
    return [
        asdict(form) | {"fields": [asdict(field) | {"choices": _choices(field)} for field in form.fields]}
        for form in FORMS
    ]


def _choices(field: DeskField) -> list[str]:
    return [AUTO, *config_names()] if field.choices == ("configs",) else list(field.choices)
