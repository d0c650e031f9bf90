"""Values of animals and videos that a network can learn beside actions, and the tasks that ask for them.

A value has a name (``sex``, ``weight``) and holds for one animal or all of a video, in all of its frames or some.
The metadata of the lake bring some (`METADATA_NAMES`); any other comes from a CSV file (`read_values`). A task
asks for one of them:

``state:sex=male``
    whether the value is this one, for a clip (a window) as a whole
``regression:weight``
    a number, for a clip as a whole
``frame_regression:speed``
    a number for every frame

Shape letters: T frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.contract import ANIMAL_ARRAYS, MAX_MICE, MOUSE_ATTRIBUTES, number, whole_number
from etholake.csv_rows import open_rows
from etholake.errors import DataError, UsageError, raise_collected, suggestion

__all__ = [
    "ALL", "METADATA_NAMES", "VALUES", "VALUES_FILE", "Task", "Value", "metadata_values", "read_values", "scaled",
    "tasks_of",
]  # fmt: skip

VALUES = "values"  # the channel of a training with the CSV file, whose name is VALUES_FILE
VALUES_FILE = "values.csv"
ALL = 0  # the number that stands for every animal of a video
KINDS = ("state", "regression", "frame_regression")
NEEDED, OPTIONAL = ("video_id", "name", "value"), ("mouse_id", "start_frame", "stop_frame")
_OF_ANIMALS = tuple(name for name in MOUSE_ATTRIBUTES if name != "id")
_OF_VIDEOS = ("species", "arena_shape", "arena_type")
METADATA_NAMES = (*_OF_ANIMALS, *_OF_VIDEOS)


@dataclass(frozen=True)
class Value:
    """One value of an animal (`ALL`: of every animal) in frames ``[start_frame, stop_frame)``; None: no limit."""

    name: str
    text: str
    mouse_id: int = ALL
    start_frame: int | None = None
    stop_frame: int | None = None


@dataclass(frozen=True)
class Task:
    """A question about a value. `centre` and `scale` standardise the numbers of a regression.

    `positive` is the value that a state is asked for; "" for a regression.
    """

    kind: str
    name: str
    positive: str = ""
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Task:
        """Read ``state:sex=male``, ``regression:weight`` or ``frame_regression:speed``. Raises UsageError."""
        kind, _, rest = text.partition(":")
        name, _, positive = (part.strip() for part in rest.partition("="))
        if kind.strip() not in KINDS or not name or bool(positive) != (kind.strip() == "state"):
            raise UsageError(
                f"A task is written state:NAME=VALUE, regression:NAME or frame_regression:NAME, but got '{text}'."
            )
        return cls(kind.strip(), name, positive)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" + (f"={self.positive}" if self.positive else "")

    @property
    def is_state(self) -> bool:
        """Return whether the answer is a probability."""
        return self.kind == "state"

    @property
    def by_frame(self) -> bool:
        """Return whether every frame has an answer of its own."""
        return self.kind == "frame_regression"

    def number(self, text: str) -> float:
        """Return a value as a target: 1 or 0 of a state (in any case), the standardised number of a regression.

        Raises DataError if a regression's value is no number.
        """
        if self.is_state:
            return float(text.casefold() == self.positive.casefold())
        value = number(text)
        if value is None:
            raise DataError(
                f"Task '{self}' needs numbers, but a value of '{self.name}' is '{text}': give numbers with "
                "--values."
            )
        return (value - self.centre) / self.scale

    def targets(
        self, values: Iterable[Value], mouse_id: int, frame_T: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return the targets [T] of an animal at (ascending) frames of the video, and where there are any.

        A value of the animal itself takes precedence over one of every animal, a later one over an earlier.
        """
        target_T, known_T = np.zeros(len(frame_T), np.float32), np.zeros(len(frame_T), np.bool_)
        own = [value for value in values if value.name == self.name and value.mouse_id in (ALL, mouse_id)]
        for value in sorted(own, key=lambda value: value.mouse_id != ALL):
            low = 0 if value.start_frame is None else int(np.searchsorted(frame_T, value.start_frame))
            high = len(frame_T) if value.stop_frame is None else int(np.searchsorted(frame_T, value.stop_frame))
            target_T[low:high] = self.number(value.text)
            known_T[low:high] = True
        return target_T, known_T


def tasks_of(texts: Sequence[str] | str) -> tuple[Task, ...]:
    """Return the tasks of a list, or of a text with commas.

    Raises UsageError for one that is malformed or named twice.
    """
    if isinstance(texts, str):
        texts = [text for text in texts.split(",") if text.strip()]
    tasks = tuple(Task.parse(text) for text in texts)
    if twice := sorted({str(task) for task in tasks if tasks.count(task) > 1}):
        raise UsageError(f"Tasks are named twice: {', '.join(twice)}. Name each once.")
    return tasks


def scaled(tasks: Sequence[Task], values_by_video: Mapping[int, Sequence[Value]]) -> tuple[Task, ...]:
    """Return the tasks, those of regressions with centre and scale of the values of some videos.

    Raises UsageError for a name that no value has, and DataError if a state has the asked value everywhere or
    nowhere, or the numbers of a regression are all the same: there is nothing to tell apart.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for values in values_by_video.values():
        for value in values:
            texts[value.name].append(value.text)
    return tuple(_scaled(task, texts) for task in tasks)


def _scaled(task: Task, texts: Mapping[str, list[str]]) -> Task:
    if task.name not in texts:
        raise UsageError(
            f"Task '{task}' asks for '{task.name}', which no training video has, neither in the metadata nor in "
            f"--values. {suggestion(task.name, texts) if texts else 'None has any value.'}"
        )
    numbers = np.array([task.number(text) for text in texts[task.name]])
    if numbers.min() == numbers.max():
        others = sorted(set(texts[task.name]))
        raise DataError(
            f"Task '{task}' has nothing to tell apart: every value of '{task.name}' in the training videos is "
            f"{' or '.join(others[:5])}. Add videos of another value, or leave the task out."
        )
    return task if task.is_state else replace(task, centre=float(numbers.mean()), scale=float(numbers.std()))


def metadata_values(row: Mapping[str, Any]) -> tuple[Value, ...]:
    """Return the values (`METADATA_NAMES`) of a row of `metadata_train`; what is not given is unknown."""
    values = [Value(name, text) for name in _OF_VIDEOS if (text := _text(row.get(name)))]
    for name in _OF_ANIMALS:
        array = row.get(ANIMAL_ARRAYS.get(name, "")) or [row.get(f"mouse{n + 1}_{name}") for n in range(MAX_MICE)]
        values += [Value(name, text, n) for n, entry in enumerate(array, start=1) if (text := _text(entry))]
    return tuple(values)


def read_values(path: Path) -> dict[int, tuple[Value, ...]]:
    """Return {video: values} of a CSV file.

    Its columns are ``video_id, name, value``, and as far as wanted ``mouse_id`` (empty: every animal),
    ``start_frame`` and ``stop_frame`` (exclusive; empty: the whole video). A row without a value says nothing.

    Raises DataError, with all problems at once, for a file that cannot be read, lacks a column, has another one,
    or has a row that is wrong or contradicts another.
    """
    with open_rows(path, "values") as opened:
        rows, columns = list(opened), opened.columns
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if missing or unknown:
        raise DataError(
            f"{path}: expected the columns {', '.join(NEEDED)} and, if wanted, {', '.join(OPTIONAL)}, but "
            f"{missing} are missing and {unknown} are unknown."
        )
    by_video: dict[int, list[Value]] = defaultdict(list)
    problems = []
    for line, row in enumerate(rows, start=2):
        if not _text(row["value"]):
            continue
        numbers = {name: whole_number(_text(row.get(name))) for name in ("video_id", *OPTIONAL)}
        wrong = [
            name for name in numbers if numbers[name] is None and (name == "video_id" or _text(row.get(name)))
        ]
        start, stop = numbers["start_frame"], numbers["stop_frame"]
        if wrong or not _text(row["name"]):
            problems.append(f"line {line}: {', '.join(wrong) or 'name'} is missing or no whole number")
        elif start is not None and stop is not None and start >= stop:
            problems.append(f"line {line}: start_frame {start} is not before stop_frame {stop}")
        else:
            value = Value(_text(row["name"]), _text(row["value"]), numbers["mouse_id"] or ALL, start, stop)
            by_video[int(numbers["video_id"] or 0)].append(value)
    problems += [problem for video, values in by_video.items() for problem in _contradictions(video, values)]
    raise_collected(DataError, f"{path} cannot be used", problems)
    if not by_video:
        raise DataError(f"{path} has no value.")
    return {video: tuple(values) for video, values in sorted(by_video.items())}


def _contradictions(video: int, values: Sequence[Value]) -> list[str]:
    """Return a sentence for each two values of one animal and name whose frames overlap."""
    groups: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for value in values:
        stop = np.inf if value.stop_frame is None else value.stop_frame
        groups[value.name, value.mouse_id].append((value.start_frame or 0, stop))
    return [
        f"video {video} has two values of '{name}'"
        + (f" of mouse {mouse}" if mouse else "")
        + f" at frame {start}"
        for (name, mouse), spans in groups.items()
        for (_, stop), (start, _) in pairwise(sorted(spans))
        if start < stop
    ]


def _text(value: Any) -> str:
    """Return a cell as text without blanks at its ends; "" where it is missing."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() == "nan" else text
