"""Refuse a training that cannot work before its job starts: configurations, part map, labs, held-out videos.

The job would find the same faults, but minutes later and on a machine that is paid for. Configurations are checked
where the command runs (`check_configurations`), because a family of another distribution is installed there; the
rest by the tables of the lake (`check_data`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from etholake.contract import unified_part_sources
from etholake.dataset.values import tasks_of
from etholake.errors import DataError, UsageError, raise_collected, suggestion
from etholake.lake import Lake
from etholake.models.config import check_same_network, own_fields
from etholake.models.registry import FAMILIES, resolve

__all__ = ["check_base", "check_configurations", "check_data"]

SHOWN = 10  # videos that a message names


def check_configurations(
    config_name: str, fields: Mapping[str, Any] | None = None, tasks: Collection[str] = ()
) -> None:
    """Raise UsageError for an entry of a list ``a,b`` that is no configuration, or lacks one of `fields`.

    The message has the nearest name. With `tasks` also for a family that has no heads for them, and for a task
    that is not written as it must be.
    """
    names = config_name.split(",")
    for name in names:
        family, _ = resolve(name, own_fields(fields, name, names))
        if tasks and not family.can_answer_tasks:
            able = ", ".join(other.name for other in FAMILIES if other.can_answer_tasks)
            raise UsageError(f"The family '{family.name}' learns actions only: --tasks needs one of {able}.")
    tasks_of(tuple(tasks))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"Configurations are named twice: {', '.join(twice)}. Name each once; --seeds repeats it."
        )


def check_base(metadata: Mapping[str, Any], fields: Mapping[str, Any], tasks: Collection[str] = ()) -> None:
    """Raise UsageError if the model of a `meta.json` cannot be fine-tuned, or not with these fields and tasks."""
    family: Any = FAMILIES.get(metadata["family"])
    family.check_fine_tuning()
    if tasks and not family.can_answer_tasks:
        raise UsageError(f"The family '{family.name}' of the model learns actions only: leave --tasks out.")
    config, more = family.config_from_json(metadata["config"]), {"tasks": ",".join(tasks)} if tasks else {}
    check_same_network(config, family.replaced(config, {**fields, **more}))


def check_data(lake: Lake, holdout: Collection[int] = (), labs: Collection[str] = (), part_map: str = "") -> None:
    """Check the options of a training against the tables of the lake.

    Parameters
    ----------
    holdout
        Videos to hold out. Each must be labelled, and of `labs`; at least one other must be left.
    labs
        Labs to train on; each must have a labelled video. Empty means all.
    part_map
        ``own=unified,…``; every own name must be a body part of some video.

    Raises
    ------
    SettingsError
        The part map is not written as it must be.
    DataError
        No video has tracks, labeled behaviors and annotated events.
    UsageError
        Anything else; all problems are in one message.
    """
    unified_part_sources(part_map)
    rows = lake.read("metadata_train", None, _METADATA).to_pylist()
    metadata = {row["video_id"]: row for row in rows if row["has_tracking"]}
    events = {
        row["video_id"]
        for partition in lake.partitions("annotations_enriched")
        for row in lake.read(
            "annotations_enriched", partition, ["split", "video_id", "start_frame", "stop_frame"]
        ).to_pylist()
        if row["split"] == "train" and row["start_frame"] < row["stop_frame"]
    }
    behaviors = {
        row["video_id"]
        for row in lake.read("labeled_behaviors", None, ["split", "video_id"]).to_pylist()
        if row["split"] == "train"
    }
    labelled = {video: str(metadata[video]["lab_id"]) for video in sorted(metadata.keys() & events & behaviors)}
    if not labelled:
        raise DataError(
            f"No video can teach: of the {len(metadata)} training videos with tracks "
            f"{len(metadata.keys() & behaviors)} have labeled behaviors (behaviors_labeled) and "
            f"{len(metadata.keys() & events)} have annotated events, and none has both. Ingest annotations of "
            "labeled behaviors and run etl."
        )
    problems = [
        *_problems_of_labs(labs, set(labelled.values())),
        *_problems_of_holdout(holdout, metadata, labelled, labs),
        *_problems_of_parts(part_map, metadata.values()),
    ]
    raise_collected(UsageError, "This training cannot work", problems)


_METADATA = ["video_id", "lab_id", "has_tracking", "body_parts_tracked"]


def _problems_of_labs(labs: Collection[str], with_labels: Collection[str]) -> Iterator[str]:
    for lab in sorted(set(labs) - set(with_labels)):
        yield f"lab {lab} has no labelled video. {suggestion(lab, with_labels)}"


def _problems_of_holdout(
    holdout: Collection[int], metadata: Mapping[int, Any], labelled: Mapping[int, str], labs: Collection[str]
) -> Iterator[str]:
    usable = [video for video, lab in labelled.items() if not labs or lab in labs]
    for video in sorted(set(holdout) - set(usable)):
        if video in labelled:
            yield f"video {video} cannot be held out: its lab {labelled[video]} is not among --labs"
        elif video in metadata:
            yield f"video {video} cannot be held out: it has no annotated events of labeled behaviors to judge by"
        else:
            yield f"video {video} cannot be held out: the lake has no training video of this id"
    if set(holdout) - set(usable) and usable:
        more = ", …" if len(usable) > SHOWN else ""
        yield f"labelled videos are {', '.join(map(str, usable[:SHOWN]))}{more}"
    if usable and set(usable) <= set(holdout):
        yield "every labelled video is held out: none is left to learn from"


def _problems_of_parts(part_map: str, rows: Collection[Mapping[str, Any]]) -> Iterator[str]:
    tracked = {part for row in rows for part in row["body_parts_tracked"] or ()}
    own = {item.partition("=")[0].strip() for item in part_map.split(",")} - {""}
    for part in sorted(own - tracked) if tracked else ():  # tables of earlier versions may not name the parts
        yield f"part_map names '{part}', which no video has. {suggestion(part, tracked)}"
