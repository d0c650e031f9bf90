"""Structured logs: every line is a JSON object with time, level, run, stage, video, event, message, and more.

A run is one invocation of the command line (of `make`, for all its targets), with every job that it starts:
whoever starts another process hands the run's id on, as the variable `ETHOLAKE_RUN_ID` or the argument
``--run_id``. At a terminal the lines go to ``<state_dir>/logs/<run>.jsonl`` (`to_file`), in jobs to stdout and so
to CloudWatch (`to_stdout`). Where neither was called, nothing is written: a library is silent.

`event` is for programs: ``start`` and ``end`` of a stage, ``failed``, ``job``, ``retry``, ``quarantined``,
``skipped``, ``note``. A line has `FIELDS` and then the fields of its event (rows, seconds, …).
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
from typing import Any

from etholake.errors import UsageError
from etholake.result import StageResult

__all__ = [
    "ARGUMENT", "FIELDS", "VARIABLE", "add_fields", "add_result", "checked", "folder", "log_event", "parse",
    "run_id", "silence", "stage", "to_file", "to_stdout",
]  # fmt: skip

VARIABLE, ARGUMENT = "ETHOLAKE_RUN_ID", "--run_id"
FIELDS = ("time", "level", "run", "stage", "video", "event", "message")  # video where there is one
MAX_BYTES, MAX_RUNS = 8 << 20, 200  # of one file, of which one older part is kept; files in the folder
LONGEST = 4000  # characters of a text: CloudWatch takes 256 kB a line, a person far less
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_tree = logging.getLogger("etholake")  # of every module; its warnings go to the terminal, as without this module
_log = logging.getLogger("etholake.run")  # of `log_event` alone
_log.addHandler(logging.NullHandler())
_log.propagate = False


@dataclass(frozen=True)
class _Stage:
    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict)  # of the line at its end


_stage: ContextVar[_Stage | None] = ContextVar("stage", default=None)


# --- the run ----------------------------------------------------------------------------------------------
def run_id() -> str:
    """Return the run that this process belongs to: that of the environment, else a new one.

    Raises UsageError for a name that `checked` refuses.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        named = os.environ[VARIABLE] = f"{now}-{secrets.token_hex(3)}"
    return checked(named)


def checked(name: str) -> str:
    """Return the name of a run, which is also the name of a file. Raises UsageError if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A run ({VARIABLE}) names a file: expected up to 100 letters, digits, '.', '_' and '-', but got "
            f"'{name}'."
        )
    return name


def folder(state_dir: str | Path) -> Path:
    """Return the folder in which the runs of this machine are logged."""
    return Path(state_dir) / "logs"


# --- where the lines go -----------------------------------------------------------------------------------
def to_file(state_dir: str | Path) -> Path:
    """Write from now on to the run's file, which is made with its first line; the newest `MAX_RUNS` files stay."""
    directory = folder(state_dir)
    path = directory / f"{run_id()}.jsonl"
    with contextlib.suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        oldest_first = sorted(directory.glob("*.jsonl"), key=lambda p: p.stat().st_mtime)
        for old in [p for p in oldest_first if p != path][: -MAX_RUNS + 1 or None]:
            old.unlink()
            old.with_name(old.name + ".1").unlink(missing_ok=True)
    _use(_File(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True))
    _tree.addHandler(_Warnings(logging.WARNING))
    return path


def to_stdout(argv: Sequence[str] = ()) -> None:
    """Write from now on to stdout; the run is the one that the job's arguments name (``--run_id RUN``), if any."""
    words = [word for argument in argv for word in argument.split("=", 1)]
    if ARGUMENT in words[:-1]:
        os.environ[VARIABLE] = words[words.index(ARGUMENT) + 1]
    _use(_Stdout())
    _tree.propagate = False  # a host's own root handler would write every line twice


def silence() -> None:
    """Stop writing."""
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
    """Write to a file; one that cannot be written (disk full, read-only) is reported once, and stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        silence()
        print(f"etholake: {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)


class _Stdout(logging.Handler):
    """Write to the stdout of the moment, which a test or a job may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


class _Warnings(logging.Handler):
    """Print the warnings of modules on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)


class _Lines(logging.Formatter):
    """Format a record as one JSON object; lines of other modules have no event."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", {}))
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        now, default = _stage.get(), "failed" if record.levelno >= logging.ERROR else "note"
        line = {
            "time": at.replace("+00:00", "Z"), "level": record.levelname, "run": run_id(),
            "stage": fields.pop("stage", None) or (now.name if now else record.name.removeprefix("etholake.")),
            "video": fields.pop("video", None), "event": fields.pop("event", default),
            "message": _short(record.getMessage()),
        }  # fmt: skip
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if line["video"] is None:
            del line["video"]
        line |= {name: _plain(value) for name, value in fields.items() if name not in FIELDS}
        return json.dumps(line, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):  # NaN is no JSON
        return None
    return _short(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


# --- writing lines ----------------------------------------------------------------------------------------
def log_event(
    event: str, message: str, *, level: int = logging.INFO, video: int | None = None, **fields: Any
) -> None:
    """Write one line. `fields` are JSON values under names of the event's own."""
    _log.log(level, "%s", message, extra={"fields": {"event": event, "video": video, **fields}})


@contextlib.contextmanager
def stage(name: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Write a line at the start of a stage, and one at its end with its seconds and the dict that is yielded.

    A failure is written with its exception, and raised again. Every line of the block carries the stage's name.
    """
    end_fields: dict[str, Any] = {}
    before, began = _stage.set(_Stage(name, end_fields)), time.monotonic()
    try:
        log_event("start", f"{name} has started", **fields)
        try:
            yield end_fields
        except BaseException as err:
            failure = {"error": type(err).__name__, "seconds": round(time.monotonic() - began, 2)}
            message = str(err) or type(err).__name__
            end_fields.pop("message", None)  # of a result that was reported before the failure
            log_event("failed", message, level=logging.ERROR, **{**end_fields, **failure})
            raise
        message = str(end_fields.pop("message", f"{name} is done"))
        seconds = round(time.monotonic() - began, 2)
        log_event("end", message, **{"status": "done", **end_fields, "seconds": seconds})
    finally:
        _stage.reset(before)


def add_result(result: StageResult) -> None:
    """Add a result's sentence, status, plain values and counts to the line at the end of the running stage."""
    details = result.details | dict(result.details.get("metrics") or {}) | dict(result.details.get("scores") or {})
    plain = {k: v for k, v in details.items() if isinstance(v, str | int | float | bool)}
    counts = {k: len(v) for k, v in result.details.items() if isinstance(v, list)}
    add_fields(**plain | counts | {"status": result.status, "message": result.summary})


def add_fields(**fields: Any) -> None:
    """Add fields to the line at the end of the running stage; do nothing outside a stage."""
    if (now := _stage.get()) is not None:
        now.fields.update(fields)


# --- reading ----------------------------------------------------------------------------------------------
def parse(text: str) -> dict[str, Any] | None:
    """Return a line as its fields; None for a line that this module did not write (a job's other output)."""
    if not text.startswith("{"):
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None
    ours = isinstance(line, Mapping) and {"time", "run", "stage", "event"} <= line.keys()
    return dict(line) if ours else None
