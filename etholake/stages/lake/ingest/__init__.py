"""Stage ingest: copy a folder in the MABe layout to the raw zone, bytes as received.

It is incremental by checksum (SHA-256, cached per path, size and times in the state folder), concurrent, and
resumable: a killed run leaves whole objects only, and the next one uploads the rest. The lake mirrors one folder:
objects that were ingested before and whose files have gone from the folder are removed, and the summary says so;
objects that others put into the raw zone are left alone. A damaged file is uploaded as it is, and reported: the
curation quarantines it, and the raw zone stays the record of what a lab sent.

`folder` lists the files, `footers` looks into them, `checksum_cache` remembers the results, `upload` brings a file
to its object. A file is read by the thread that uploads it; memory does not grow with the size of files, and per
file it is what names and checksums take.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etholake.errors import AwsError, UsageError, raise_collected
from etholake.progress import OnProgress
from etholake.result import StageResult
from etholake.settings import Settings
from etholake.stages.lake.ingest import lock
from etholake.stages.lake.ingest.checksum_cache import ChecksumCache, FileState
from etholake.stages.lake.ingest.folder import RawFile, list_folder, list_strays, scan
from etholake.stages.lake.ingest.footers import check
from etholake.stages.lake.ingest.threads import each
from etholake.stages.lake.ingest.upload import Outcome, bring
from etholake.stages.lake.ingest.zone import CHECKSUM, MANIFEST, RawZoneBucket

__all__ = ["MANIFEST", "RawFile", "check", "list_folder", "list_strays", "others", "run"]

GIVE_UP_AFTER = 10  # files in a row that got no answer from S3, each after botocore's own retries
_SHOWN = 20
Confirm = Callable[[list[str]], bool]  # takes the keys that would go


def run(
    settings: Settings,
    data: Path,
    on_progress: OnProgress | None = None,
    confirm_removal: Confirm | None = None,
) -> StageResult:
    """Make the raw zone mirror the folder.

    `confirm_removal` is asked, with the keys, before most of what an earlier run brought is removed: then `data`
    is likely another folder. Without it nothing is asked.

    Returns
    -------
    StageResult
        `details`: `uploaded, unchanged, removed, bytes`, and `bad_files` (sentences with the remedy).

    Raises
    ------
    DataError
        The folder is not in the layout, a folder in it cannot be read, or one video id stands in two labs.
    AwsError
        Files could not be uploaded (those are named) or removed: the others are there, and a re-run goes on. Or
        another run is changing the raw zone.
    UsageError
        The removal was not confirmed.
    """
    files, strays = scan(data)
    cache = ChecksumCache(data, Path(settings.state_dir) / "ingest-checksums.json")
    states = {file.key: cache.find(file) for file in files}
    zone = RawZoneBucket.read(settings)
    if (
        not _todo(zone, files, states)
        and not zone.present.keys() - states.keys()
        and _manifest(zone, states, {}) == zone.manifest
    ):
        return _result([], len(states), 0, _problems([], files, states, strays))
    gone = sorted(zone.manifest.keys() - states.keys())
    if confirm_removal and 2 * len(gone) > len(zone.manifest) and not confirm_removal(gone):
        shown = ", ".join(gone[:3]) + (", …" if gone[3:] else "")
        raise UsageError(
            f"The raw zone holds {len(zone.manifest)} files of an earlier folder; {len(gone)} of them are not in "
            f"{data} and would be removed ({shown}). Give --replace to remove them, or set ETHOLAKE_BUCKET and "
            "ETHOLAKE_DATABASE to keep both."
        )
    with lock.held(zone.s3, zone.bucket):
        return _mirror(settings, files, strays, cache, states, on_progress)


def _mirror(
    settings: Settings,
    files: Sequence[RawFile],
    strays: list[str],
    cache: ChecksumCache,
    states: dict[str, FileState | None],
    on_progress: OnProgress | None,
) -> StageResult:
    """Upload, write the manifest, remove: the work of `run`, on the zone as it is under the lock."""
    from botocore.exceptions import BotoCoreError

    zone = RawZoneBucket.read(settings)
    todo = _todo(zone, files, states)
    outcomes, failed = _bring_all(
        settings.ingest_threads, zone, [(f, states[f.key]) for f in todo], cache, on_progress
    )
    cache.keep_only(states.keys())
    cache.save()
    states |= {f.key: None for f in todo} | {o.file.key: o.state for o in outcomes}
    with contextlib.suppress(BotoCoreError) if failed else contextlib.nullcontext():
        zone.write_manifest(_manifest(zone, states, {o.file.key: o.etag for o in outcomes}))
    what = "Files that could not be uploaded; the others are there, run the same command again"
    raise_collected(AwsError, what, failed)
    removed = zone.remove(sorted(zone.present.keys() - states.keys()), settings.ingest_threads)
    bad = _problems(outcomes, files, states, strays)
    return _result(outcomes, sum(now is not None for now in states.values()), removed, bad)


def _todo(zone: RawZoneBucket, files: Sequence[RawFile], states: Mapping[str, FileState | None]) -> list[RawFile]:
    """Return the files whose object is absent or differs, as far as the cache knows them."""
    return [f for f in files if (before := states[f.key]) is None or zone.checksum_of(f.key) != before.sha256]


def _problems(
    outcomes: Sequence[Outcome],
    files: Sequence[RawFile],
    states: Mapping[str, FileState | None],
    strays: list[str],
) -> list[str]:
    unreadable = sorted(o.unreadable for o in outcomes if o.unreadable)
    return [
        *unreadable,
        *(f"{file.path}{text}" for file in files if (now := states[file.key]) for text in now.problems),
        *strays,
    ]


def others(settings: Settings, data: Path) -> list[str]:
    """Return the keys that were ingested before and are not in the folder: `run` would remove them."""
    files, _ = scan(data)
    return sorted(RawZoneBucket.read(settings).manifest.keys() - {file.key for file in files})


def _result(outcomes: Sequence[Outcome], readable: int, removed: int, bad: list[str]) -> StageResult:
    sizes = [o.state.size for o in outcomes if o.uploaded and o.state]
    details = {
        "uploaded": len(sizes), "unchanged": readable - len(sizes), "removed": removed, "bytes": sum(sizes),
        "bad_files": bad,
    }  # fmt: skip
    if not sizes and not removed:
        summary = f"all {readable} files are in the raw zone with the same checksum{_bad(bad)}"
        return StageResult("ingest", "unchanged", summary, details)
    summary = f"{len(sizes)} of {readable} files uploaded ({sum(sizes) / 1e6:.1f} MB)"
    summary += f", {removed} removed that are gone from the folder" if removed else ""
    return StageResult("ingest", "done", summary + _bad(bad), details)


def _bad(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    more = f"\n  - … and {len(problems) - _SHOWN} more (--json lists all)" if len(problems) > _SHOWN else ""
    return f"; {len(problems)} files need a look:" + "".join(f"\n  - {p}" for p in problems[:_SHOWN]) + more


def _bring_all(
    threads: int,
    zone: RawZoneBucket,
    files: Sequence[tuple[RawFile, FileState | None]],
    cache: ChecksumCache,
    on_progress: OnProgress | None,
) -> tuple[list[Outcome], list[str]]:
    """Upload the files; return their outcomes, and sentences on those that failed. Gives up if S3 is gone."""
    from botocore.exceptions import BotoCoreError

    outcomes: list[Outcome] = []
    failed: list[str] = []
    in_a_row = 0
    with contextlib.closing(each(threads, lambda f: bring(zone, *f), files)) as results:
        for done, outcome in enumerate(results, start=1):
            outcomes.append(outcome)
            if outcome.error is not None:
                failed.append(f"{outcome.file.path}: {outcome.error}")
            elif outcome.state is not None:
                cache.add(outcome.file, outcome.state)
            if on_progress:
                on_progress(done, len(files), outcome.file.path.name)
            in_a_row = in_a_row + 1 if isinstance(outcome.error, BotoCoreError) else 0
            if in_a_row == GIVE_UP_AFTER and done < len(files):
                left = f"{len(files) - done} others: not tried, since {in_a_row} in a row got no answer."
                return outcomes, [*sorted(failed), left]
    return outcomes, sorted(failed)


def _manifest(
    zone: RawZoneBucket, states: Mapping[str, FileState | None], etags: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the new manifest. A file that could not be uploaded keeps its entry if that is still true."""
    entries: dict[str, dict[str, Any]] = {}
    for key, state in states.items():
        if state is not None:
            etag = etags.get(key) or zone.present[key]
            entries[key] = {CHECKSUM: state.sha256, "etag": etag, "size": state.size}
        elif zone.checksum_of(key) is not None:
            entries[key] = dict(zone.manifest[key])
    return entries
