"""Stage import: turn any lab's folder into a folder in the data layout, by a mapping that a person can edit.

It looks at every file, guesses the mapping (or obeys the one of the last run), writes tracks and labels of each
video, and keeps mapping and report in ``imports/<run>/`` of the data folder. A second run redoes the videos whose
inputs, or whose part of the mapping, have changed. It never opens a connection, and never changes the folder that
it reads.

`job` imports one video, `outputs` writes what lies beside tracks and labels, `reporting` tells what happened;
names, guesses and conversions are in `etholake.formats`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from etholake.code_fingerprint import code_fingerprint
from etholake.contract import MAX_FPS
from etholake.errors import DataError, EtholakeError, UsageError
from etholake.formats import layout
from etholake.formats.base import ReadOptions
from etholake.formats.mapping import ImportMapping, joined, parse_mapping
from etholake.formats.mapping_file import mapping_text, updated_text
from etholake.formats.planning import ImportPlan, make_plan
from etholake.formats.report import markdown
from etholake.formats.survey import FileSurvey, RecordingCache, survey_file
from etholake.formats.walk import Found, identify, left_out_sentence, list_files
from etholake.progress import OnProgress, silent
from etholake.resources import package_folder
from etholake.result import StageResult
from etholake.stages.lake.import_folder.job import VideoJob, Written, write_video
from etholake.stages.lake.import_folder.outputs import (
    ImportState,
    merge_metadata,
    other_numbers,
    remove_videos,
)
from etholake.stages.lake.import_folder.reporting import make_report
from etholake.stages.lake.ingest.threads import each

__all__ = ["ImportOptions", "run"]

IMPORTS, MAPPING, STATE = "imports", "mapping.toml", "state.json"
_ENTRY = "etholake/stages/lake/import_folder/job.py"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class ImportOptions:
    """Options of the command line; None leaves a value to the mapping.

    `name` is the import's own, as in ``imports/<name>`` (default: the folder's).
    """

    lab: str | None = None
    name: str | None = None
    fps: float | None = None
    min_likelihood: float | None = None
    unpaired: Literal["error", "drop", "until-end"] | None = None
    point_events: Literal["leave-out", "one-frame"] | None = None
    unpickle: bool = False
    dry_run: bool = False


def run(
    folder: Path, out: Path, options: ImportOptions | None = None, on_progress: OnProgress | None = None
) -> StageResult:
    """Import a folder.

    Parameters
    ----------
    folder
        Holds files of tracks, labels and videos, in any arrangement of folders.
    out
        The data folder to write to; it may hold other imports, and other labs.

    Returns
    -------
    StageResult
        `details` is the report (`etholake.stages.lake.import_folder.reporting.make_report`); its `errors` are
        sentences on files and videos that could not be imported, the others were.

    Raises
    ------
    DataError
        The folder or the mapping cannot be read, or nothing at all could be imported.
    UsageError
        A name is impossible, the import's name belongs to another folder already, or another import is writing to
        the data folder now.
    """
    options = options or ImportOptions()
    _check(options)
    if folder.resolve() == out.resolve():
        raise UsageError(f"The import of {folder} cannot be written into {folder} itself: name another --out.")
    with contextlib.nullcontext() if options.dry_run else _held(out):
        return _run(folder, out, options, on_progress or silent)


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the lock of the data folder within the block; it ends with the process, however that ends.

    The folder itself is locked, so that no file is left; an empty folder is taken away again.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as err:
        raise UsageError(f"{out} cannot be a data folder ({err}): name another one with --out.") from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise UsageError(
            f"Another import is writing to {out}: wait until it has ended, or name another folder with --out."
        ) from err
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it holds something
            out.rmdir()
        os.close(descriptor)


def _run(folder: Path, out: Path, options: ImportOptions, tick: OnProgress) -> StageResult:
    at = out / IMPORTS / (options.name or _slug(folder.resolve().name))
    mapping_file = at / MAPPING
    own = _own_mapping(mapping_file, folder)
    code = _code()
    state = ImportState.read(at / STATE, code)
    read_options = _read_options(own, options)
    files, remarks = list_files(folder, skip=(out.resolve(),))
    cache = RecordingCache()
    surveys = _survey(folder, files, read_options, cache, state, tick)
    pose = [facts for s in surveys for facts in s.pose]
    labels = [item for s in surveys for item in s.labels]
    videos = [s.video for s in surveys if s.video]
    lab = options.lab or (own.lab if own else "") or _slug(folder.resolve().name)
    details = [row for s in surveys for row in s.details]
    if options.fps or (own and own.fps):  # what a person says counts more than a table
        details = [replace(row, fps=None) for row in details]
    taken = other_numbers(out, state.owned)
    plan = make_plan(str(folder.resolve()), lab, pose, labels, videos, taken, details)
    mapping = _with_options(joined(own, plan.mapping, state.seen) if own else plan.mapping, options)
    jobs, problems = _jobs(mapping, surveys)
    if not pose:
        raise DataError(_nothing(folder, surveys) + left_out_sentence(remarks))
    written: dict[str, Written] = {}
    failed, redone = dict(problems), 0
    if not options.dry_run:
        written, more, redone = _write_all(jobs, folder, out, read_options, cache, state, code, tick)
        failed |= more
    report = make_report(mapping, plan, surveys, remarks, written, failed, dry_run=options.dry_run)
    report |= {"run": at.name, "mapping": str(mapping_file), "out": str(out), "redone": redone}
    changed = redone
    if not options.dry_run:
        changed += _keep(at, mapping, plan, own, report, state, surveys, code)
    summary = report["summary"]
    if options.dry_run:
        return StageResult("import", "unchanged", f"nothing was written: {summary}", report)
    if not written:
        raise DataError(f"No video of {folder} could be imported:\n" + _listing(report["errors"]))
    status: Literal["done", "unchanged"] = "done" if changed else "unchanged"
    return StageResult("import", status, f"{summary} Mapping and report: {at}", report)


# --- options and mapping ----------------------------------------------------------------------------------
def _check(options: ImportOptions) -> None:
    for what, name in (("lab", options.lab), ("name", options.name)):
        if name is not None and not _NAME.fullmatch(name):
            raise UsageError(
                f"--{what} names a folder: at most 64 letters, digits, '_', '-' and '.', but it is {name!r}."
            )
    if options.fps is not None and not 0 < options.fps <= MAX_FPS:
        raise UsageError(
            f"--fps must be a number above 0 and at most {MAX_FPS:g} (high-speed cameras), but is {options.fps:g}."
        )
    if options.min_likelihood is not None and not 0 <= options.min_likelihood <= 1:
        raise UsageError(f"--min-likelihood must lie between 0 and 1, but is {options.min_likelihood}.")


def _slug(name: str) -> str:
    """Return a name made fit for a folder of the lake."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")[:64] or "lab"


def _own_mapping(path: Path, folder: Path) -> ImportMapping | None:
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"{path} cannot be read: {err}. Mend it, or delete it to start anew.") from err
    mapping = parse_mapping(text, str(path))
    if mapping.lab and not _NAME.fullmatch(mapping.lab):
        raise DataError(f"{path}: lab must be letters, digits, '_', '-' and '.', but is {mapping.lab!r}.")
    if mapping.source and Path(mapping.source) != folder.resolve():
        raise UsageError(
            f"The import '{path.parent.name}' is of {mapping.source}, not of {folder}: give this folder a name of "
            f"its own (--name), or, if the folder has moved, change source in {path}."
        )
    return mapping


def _read_options(own: ImportMapping | None, options: ImportOptions) -> ReadOptions:
    base = own or ImportMapping("", "")
    return ReadOptions(
        unpaired=options.unpaired or base.unpaired,
        point_events=options.point_events or base.point_events,
        unpickle=options.unpickle or base.unpickle,
    )


def _with_options(mapping: ImportMapping, options: ImportOptions) -> ImportMapping:
    """Return the mapping with what the command line says: it is kept there for the next run."""
    given = {
        name: getattr(options, name)
        for name in ("lab", "fps", "min_likelihood", "unpaired", "point_events")
        if getattr(options, name) is not None
    }
    return replace(mapping, **given, unpickle=mapping.unpickle or options.unpickle)


# --- looking at the files ---------------------------------------------------------------------------------
def _survey(
    folder: Path,
    files: Sequence[Path],
    options: ReadOptions,
    cache: RecordingCache,
    state: ImportState,
    tick: OnProgress,
) -> list[FileSurvey]:
    """Return the survey of every file, in the order of `files`."""
    done: dict[str, FileSurvey] = {}
    context = asdict(options)

    def look(path: Path) -> FileSurvey:
        try:
            origin = identify(folder, path)
        except (OSError, EtholakeError) as err:
            name = path.relative_to(folder).as_posix()
            return FileSurvey(Found(name, path, 0, 0), error=f"{name}: cannot be read: {err}")
        earlier = state.files.get(origin.file)
        stamp = {"bytes": origin.bytes, "modified_ns": origin.modified_ns, "options": context}
        if earlier is not None and {name: earlier.get(name) for name in stamp} != stamp:
            earlier = None
        survey = survey_file(origin, options, cache, earlier)
        if survey.pose and not survey.error:
            state.files[origin.file] = stamp | {"pose": [facts.as_json() for facts in survey.pose]}
        elif survey.video and not survey.error:
            state.files[origin.file] = stamp | {"video": asdict(survey.video)}
        else:
            state.files.pop(origin.file, None)
        return survey

    for survey in each(_threads(), look, files):
        done[survey.origin.file] = survey
        tick(len(done), len(files), f"looking at {survey.origin.file}")
    for gone in state.files.keys() - done.keys():
        del state.files[gone]
    return [done[path.relative_to(folder).as_posix()] for path in files]


def _threads() -> int:
    return min(4, os.cpu_count() or 1)


def _nothing(folder: Path, surveys: Sequence[FileSurvey]) -> str:
    """Return the sentence for a folder without tracks: what was there instead, and what was wrong with it."""
    if errors := [s.error for s in surveys if s.error]:
        return f"No tracks of {folder} could be read:\n{_listing(errors)}"
    suffixes = sorted({s.origin.path.suffix.lower() or s.origin.path.name for s in surveys})
    seen = f"{len(surveys)} files ({', '.join(suffixes[:12])})" if surveys else "no files"
    return (
        f"No file of tracks was recognised in {folder}, which holds {seen}. `docs/formats.md` lists the formats "
        "that can be read."
    )


def _listing(sentences: Sequence[str]) -> str:
    return "\n".join(f"  - {sentence}" for sentence in sentences)


# --- writing ----------------------------------------------------------------------------------------------
def _jobs(mapping: ImportMapping, surveys: Sequence[FileSurvey]) -> tuple[list[VideoJob], dict[str, str]]:
    """Return the work of each video, and a sentence for every video whose files are not there."""
    pose = {facts.key: facts for s in surveys for facts in s.pose}
    labels = {item.key: item for s in surveys for item in s.labels}
    videos = {s.video.file: s.video for s in surveys if s.video}
    stamps = {s.origin.file: (s.origin.file, s.origin.bytes, s.origin.modified_ns) for s in surveys}
    errors = {s.origin.file: s.error for s in surveys if s.error}
    jobs, problems = [], {}
    for name, rule in mapping.videos.items():
        named: list[tuple[str, Mapping[str, Any]]] = [(rule.pose, pose), *((key, labels) for key in rule.labels)]
        named += [(rule.video, videos)] if rule.video else []
        missing = [key for key, present in named if key not in present]
        if missing:
            why = [errors.get(key.partition("::")[0], f"{key} is not there") for key in missing]
            problems[name] = f"'{name}' was not imported: {' '.join(why)}"
            continue
        own = tuple(labels[key] for key in rule.labels)
        video = videos.get(rule.video)
        files = dict.fromkeys([pose[rule.pose].file, *(item.file for item in own)])
        seen = tuple(stamps[file] for file in files)
        jobs.append(VideoJob(name, rule, mapping, pose[rule.pose], own, video, seen))
    return jobs, problems


def _write_all(
    jobs: Sequence[VideoJob],
    folder: Path,
    out: Path,
    options: ReadOptions,
    cache: RecordingCache,
    state: ImportState,
    code: str,
    tick: OnProgress,
) -> tuple[dict[str, Written], dict[str, str], int]:
    """Return what was written by video, a sentence for every video that failed, and how many were written anew."""
    written: dict[str, Written] = {}
    failed: dict[str, str] = {}
    before = state.videos
    prints = {job.name: job.fingerprint(code) for job in jobs}
    todo = []
    for job in jobs:
        entry = before.get(job.name)
        if entry and entry["fingerprint"] == prints[job.name] and _is_there(out, job):
            written[job.name] = Written.from_json(entry["written"])
        else:
            todo.append(job)

    def work(job: VideoJob) -> tuple[VideoJob, Written | str]:
        try:
            return job, write_video(job, folder, out, options, cache)
        except EtholakeError as err:
            return job, str(err)
        except (OSError, MemoryError, ValueError, KeyError, IndexError, TypeError) as err:
            return job, f"'{job.name}': {job.rule.pose} cannot be converted ({type(err).__name__}: {err})."

    for count, (job, outcome) in enumerate(each(_threads(), work, todo), start=1):
        tick(count, len(todo), f"writing {job.name}")
        if isinstance(outcome, str):
            failed[job.name] = outcome
        else:
            written[job.name] = outcome
    state.videos = {
        job.name: {
            "fingerprint": prints[job.name], "split": job.rule.split, "lab": job.mapping.lab,
            "video_id": job.rule.video_id, "written": written[job.name].as_json(),
        }
        for job in jobs
        if job.name in written
    }  # fmt: skip
    remove_videos(out, _owned(before) - state.owned)
    rows: dict[str, list[dict[str, Any]]] = {}
    for job in jobs:
        if job.name in written:
            rows.setdefault(job.rule.split, []).append(written[job.name].row)
    merge_metadata(out, rows, _owned(before))
    return {job.name: written[job.name] for job in jobs if job.name in written}, failed, len(todo) - len(failed)


def _owned(videos: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str, int]]:
    return ImportState(videos=dict(videos)).owned  # type: ignore[arg-type]


def _is_there(out: Path, job: VideoJob) -> bool:
    at = (out, job.rule.split, job.mapping.lab, job.rule.video_id)
    return layout.tracking_path(*at).is_file() and (not job.labels or layout.annotation_path(*at).is_file())


def _keep(
    at: Path,
    mapping: ImportMapping,
    plan: ImportPlan,
    own: ImportMapping | None,
    report: dict[str, Any],
    state: ImportState,
    surveys: Sequence[FileSurvey],
    code: str,
) -> int:
    """Write mapping, report and state; returns 1 if the report changed. A mapping that says all stays as it is."""
    if own is None:
        layout.write_text(at / MAPPING, mapping_text(mapping, plan.notes))
    elif own != mapping:
        before = (at / MAPPING).read_text(encoding="utf-8")
        layout.write_text(at / MAPPING, updated_text(before, mapping, plan.notes))
    state.seen = sorted(
        {facts.key for s in surveys for facts in s.pose}
        | {item.key for s in surveys for item in s.labels}
        | {s.video.file for s in surveys if s.video}
    )
    stable = {name: value for name, value in report.items() if name != "redone"}
    text = json.dumps(stable, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
    path = at / "report.json"
    changed = not (path.is_file() and path.read_bytes() == text.encode())
    layout.write_text(path, text)
    layout.write_text(at / "report.md", markdown(report))
    state.write(at / STATE, code)
    return int(changed)


@cache
def _code() -> str:
    """Return the fingerprint of the code that decides what is written."""
    package = package_folder()
    sources = {
        f"etholake/{path.relative_to(package).as_posix()}": path.read_bytes()
        for folder in ("formats", "contract", "stages/lake/import_folder", ".")
        for path in (package / folder).glob("**/*.py" if folder != "." else "*.py")
    }
    return code_fingerprint(sources, [_ENTRY])
