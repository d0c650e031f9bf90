"""Structured logs: every line is a JSON object with time, level, run, stage, video, event, message, and more.

A run is one invocation of the command line (of `make`, for all its targets), with every job that it starts:
whoever starts another process hands the run's id on, as the variable `ETHOLAKE_RUN_ID` or the argument
``--run_id``. At a terminal the lines go to ``<state_dir>/logs/<run>.jsonl`` (`to_file`), in jobs to stdout and so
to CloudWatch (`to_stdout`). Where neither was called, nothing is written: a library is silent.

`event` is for programs: ``start`` and ``end`` of a stage, ``failed``, ``job``, ``retry``, ``quarantined``,
``skipped``, ``note``. A line is `FIELDS` and then whatever the event knows (rows, seconds, …).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etholake.errors import UsageError

if TYPE_CHECKING:
    from etholake.result import StageResult

__all__ = [
    "ARGUMENT", "FIELDS", "VARIABLE", "add", "checked", "conclude", "folder", "parse", "run_id", "silence",
    "stage", "tell", "to_file", "to_stdout",
]  # fmt: skip

VARIABLE, ARGUMENT = "ETHOLAKE_RUN_ID", "--run_id"
FIELDS = ("time", "level", "run", "stage", "video", "event", "message")  # video where there is one
MAX_BYTES, MAX_RUNS = 8 << 20, 200  # of one file, of which one older part is kept; files in the folder
LONGEST = 4000  # characters of a text: CloudWatch takes 256 kB a line, a person far less
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_tree = logging.getLogger("etholake")  # of every module; what it warns of is seen on a terminal, as without us
_log = logging.getLogger("etholake.run")  # of `tell` alone
_log.addHandler(logging.NullHandler())
_log.propagate = False


@dataclass(frozen=True)
class _Stage:
    name: str = ""
    found: dict[str, Any] = field(default_factory=dict)  # told at its end


_stage: ContextVar[_Stage | None] = ContextVar("stage", default=None)


# --- the run ----------------------------------------------------------------------------------------------
def run_id() -> str:
    """The run that this process belongs to; a new one if nobody has said. Raises UsageError for an unfit name."""
    named = os.environ.get(VARIABLE)
    if not named:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        named = os.environ[VARIABLE] = f"{now}-{secrets.token_hex(3)}"
    return checked(named)


def checked(name: str) -> str:
    """The name of a run, which is also a file's. Raises UsageError if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A run ({VARIABLE}) names a file: expected up to 100 letters, digits, '.', '_' and '-', but got "
            f"'{name}'."
        )
    return name


def folder(state_dir: str | Path) -> Path:
    """Where the runs of this machine are logged."""
    return Path(state_dir) / "logs"


# --- where the lines go -----------------------------------------------------------------------------------
def to_file(state_dir: str | Path) -> Path:
    """Write from now on to the run's file, which is made with its first line; of old runs `MAX_RUNS` stay."""
    place = folder(state_dir)
    path = place / f"{run_id()}.jsonl"
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        known = sorted(place.glob("*.jsonl"), key=lambda p: p.stat().st_mtime)
        for old in [p for p in known if p != path][: -MAX_RUNS + 1 or None]:
            old.unlink()
            old.with_name(old.name + ".1").unlink(missing_ok=True)
    _use(_File(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True))
    _tree.addHandler(_Warnings(logging.WARNING))
    return path


def to_stdout(argv: Sequence[str] = ()) -> None:
    """Write from now on to stdout, as the run that the job's arguments name (``--run_id RUN``), if they do."""
    words = [word for argument in argv for word in argument.split("=", 1)]
    if ARGUMENT in words[:-1]:
        os.environ[VARIABLE] = words[words.index(ARGUMENT) + 1]
    _use(_Stdout())
    _tree.propagate = False  # a host's own root handler would write every line twice


def silence() -> None:
    """Write nothing any more."""
    for logger in (_log, _tree):
        for handler in [h for h in logger.handlers if isinstance(h, _File | _Stdout | _Warnings)]:
            logger.removeHandler(handler)
            handler.close()
    _tree.propagate = True


def _use(handler: logging.Handler) -> None:
    silence()
    handler.setFormatter(_Lines())
    for logger in (_log, _tree):
        logger.addHandler(handler)
    _log.setLevel(logging.INFO)


class _File(RotatingFileHandler):
    """A log that cannot be written (disk full, read-only) is said once, and stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        silence()
        print(f"etholake: {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)


class _Stdout(logging.Handler):
    """The stdout of the moment: what a test or a job puts in its place is respected."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


class _Warnings(logging.Handler):
    """What modules warn of, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)


class _Lines(logging.Formatter):
    """A record as one JSON object; lines of other modules have no event."""

    def format(self, record: logging.LogRecord) -> str:
        known = dict(getattr(record, "known", {}))
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        now, default = _stage.get(), "failed" if record.levelno >= logging.ERROR else "note"
        line = {
            "time": at.replace("+00:00", "Z"), "level": record.levelname, "run": run_id(),
            "stage": known.pop("stage", None) or (now.name if now else record.name.removeprefix("etholake.")),
            "video": known.pop("video", None), "event": known.pop("event", default),
            "message": _short(record.getMessage()),
        }  # fmt: skip
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if line["video"] is None:
            del line["video"]
        line |= {name: _plain(value) for name, value in known.items() if name not in FIELDS}
        return json.dumps(line, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):  # NaN is no JSON
        return None
    return _short(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


# --- what is told -----------------------------------------------------------------------------------------
def tell(event: str, message: str, *, level: int = logging.INFO, video: int | None = None, **known: Any) -> None:
    """One line. `known` are JSON values under the event's own names."""
    _log.log(level, "%s", message, extra={"known": {"event": event, "video": video, **known}})


@contextlib.contextmanager
def stage(name: str, **known: Any) -> Iterator[dict[str, Any]]:
    """A line at the start of a stage and one at its end, with its seconds and what was put into the dict yielded.

    A failure is told with its exception, and raised again. Within, every line carries the stage's name.
    """
    found: dict[str, Any] = {}
    before, began = _stage.set(_Stage(name, found)), time.monotonic()
    try:
        tell("start", f"{name} has started", **known)
        try:
            yield found
        except BaseException as err:
            said = str(err) or type(err).__name__
            ended = {"error": type(err).__name__, "seconds": round(time.monotonic() - began, 2)}
            tell("failed", said, level=logging.ERROR, **{**found, **ended})
            raise
        said = str(found.pop("message", f"{name} is done"))
        tell("end", said, **{"status": "done", **found, "seconds": round(time.monotonic() - began, 2)})
    finally:
        _stage.reset(before)


def conclude(result: StageResult) -> None:
    """What the stage that runs will say at its end: the result's sentence and status, plain values and counts."""
    told = result.details | dict(result.details.get("metrics") or {}) | dict(result.details.get("scores") or {})
    plain = {k: v for k, v in told.items() if isinstance(v, str | int | float | bool)}
    counts = {k: len(v) for k, v in result.details.items() if isinstance(v, list)}
    add(**plain | counts | {"status": result.status, "message": result.summary})


def add(**known: Any) -> None:
    """More of what the stage that runs will say at its end."""
    if (now := _stage.get()) is not None:
        now.found.update(known)


# --- reading ----------------------------------------------------------------------------------------------
def parse(text: str) -> dict[str, Any] | None:
    """The line as it was told; None for what is none of ours (a job's other output)."""
    if not text.startswith("{"):
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None
    ours = isinstance(line, Mapping) and {"time", "run", "stage", "event"} <= line.keys()
    return dict(line) if ours else None
