"""Put together the report of an import: files, matches, assumptions, losses, balances of points and bouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from etholake.formats.base import Remark
from etholake.formats.convert import Balance
from etholake.formats.facts import PoseFacts, remark_json
from etholake.formats.mapping import EACH, ImportMapping
from etholake.formats.planning import ImportPlan
from etholake.formats.survey import FileSurvey
from etholake.stages.lake.import_folder.job import Written

__all__ = ["make_report"]

_SHOWN = 5


def make_report(
    mapping: ImportMapping,
    plan: ImportPlan,
    surveys: Sequence[FileSurvey],
    remarks: Sequence[Remark],
    written: Mapping[str, Written],
    failed: Mapping[str, str],
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Return the report in JSON types.

    Returns
    -------
    dict
        `summary` (one sentence), `files` (the table's rows), `videos`, `needed`, `errors`, `assumed`, `left_out`,
        `notes`, `not_recognised`, and the balances `points` and `bouts`, in which
        ``in == written + the sum of left_out``.
    """
    pose = [facts for s in surveys for facts in s.pose]
    name_of = {key: name for name, rule in mapping.videos.items() for key in (rule.pose, *rule.labels, rule.video)}
    entries = [*map(remark_json, remarks)]
    for survey in surveys:
        entries += map(remark_json, survey.remarks)
        entries += [entry for facts in survey.pose for entry in _with_file(facts)]
        for item in survey.labels:
            entries += [{**remark_json(r), "file": item.file} for r in item.recording.remarks]
    entries += [entry for outcome in written.values() for entry in outcome.remarks]
    entries += _guesses(mapping, plan)
    entries += _unmatched(plan, surveys, name_of)
    points = _points(pose, mapping, plan, written, dry_run=dry_run)
    bouts = _bouts(surveys, mapping, written, dry_run=dry_run)
    recognised = [s for s in surveys if s.origin.title]
    report: dict[str, Any] = {
        "source": mapping.source, "lab": mapping.lab,
        "needed": _needed(mapping, written),
        "errors": [*(s.error for s in surveys if s.error), *_new(failed, surveys)],
        "assumed": [e for e in entries if e["kind"] == "assumed"],
        "left_out": [e for e in entries if e["kind"] == "left-out"],
        "notes": [e for e in entries if e["kind"] == "note"],
        "not_recognised": [s.origin.file for s in surveys if not s.origin.title and not s.error],
        "files": [row for s in recognised for row in _rows(s, plan, name_of)],
        "videos": [_video(name, mapping, outcome) for name, outcome in written.items()],
        "points": points.as_json(), "bouts": bouts.as_json(),
    }  # fmt: skip
    report["summary"] = _summary(report, len(mapping.videos), dry_run=dry_run)
    return report


def _new(failed: Mapping[str, str], surveys: Sequence[FileSurvey]) -> list[str]:
    """Return the sentences on videos that do not only repeat the error of a file."""
    errors = [s.error for s in surveys if s.error]
    return [text for text in failed.values() if not any(error in text for error in errors)]


def _with_file(facts: PoseFacts) -> list[dict[str, Any]]:
    return [{**entry, "file": facts.file} for entry in facts.remarks]


def _guesses(mapping: ImportMapping, plan: ImportPlan) -> list[dict[str, Any]]:
    """Return a remark for every value of the mapping that is still the guess."""
    entries = []
    parts = [
        f"'{own}' → {name} ({plan.notes['parts', own].removeprefix('a guess, ')})"
        for own, name in mapping.parts.items()
        if plan.mapping.parts.get(own) == name and "guess" in plan.notes.get(("parts", own), "")
    ]
    if parts:
        text = f"names of body parts are guessed: {', '.join(parts)}"
        entries.append(_entry("assumed", text, remedy="[parts] in mapping.toml"))
    for section in ("animals", "actions"):
        own: Mapping[str, Any] = getattr(mapping, section)
        guessed: Mapping[str, Any] = getattr(plan.mapping, section)
        for (at, key), note in plan.notes.items():
            if at != section or own.get(key) != guessed.get(key) or key not in own:
                continue
            if "guess" in note or own[key] == EACH:
                value = asdict(own[key]) if section == "actions" else own[key]
                shown = value
                if isinstance(value, dict):
                    shown = f"{value['name']} ({value['kind']})" if value["name"] else "left out"
                text = f"{section[:-1]} '{key}' → {shown}: {note}"
                entries.append(_entry("assumed", text, remedy=f"[{section}] in mapping.toml"))
    for name in plan.described:
        rule, guessed_rule = mapping.videos.get(name), plan.mapping.videos[name]
        if rule and (rule.fps, rule.pix_per_cm) == (guessed_rule.fps, guessed_rule.pix_per_cm):
            values = {"frames/s": rule.fps, "px/cm": rule.pix_per_cm}
            shown = " and ".join(f"{value:g} {unit}" for unit, value in values.items() if value)
            text = f"video '{name}' has {shown}, as the row '{plan.described[name]}' of video_info says"
            entries.append(_entry("assumed", text, remedy="[videos] in mapping.toml"))
    for key, match in {**plan.label_match, **plan.video_match}.items():
        if match.key and match.assumed:
            text = f"matched with {match.key}: {match.how}"
            entries.append(_entry("assumed", text, key, "[videos] in mapping.toml"))
    return entries


def _entry(kind: str, text: str, file: str | None = None, remedy: str = "") -> dict[str, Any]:
    return {"kind": kind, "text": text, "file": file, "line": None, "remedy": remedy}


def _unmatched(
    plan: ImportPlan, surveys: Sequence[FileSurvey], name_of: Mapping[str, str]
) -> list[dict[str, Any]]:
    entries = []
    remedy = "name it in [videos] of mapping.toml"
    for survey in surveys:
        for item in survey.labels:
            if item.key not in name_of:
                how = plan.label_match[item.key].how
                text = f"{len(item.recording.bouts)} labelled bouts are not used: {how}"
                entries.append(_entry("left-out", text, item.key, remedy))
        if survey.video and survey.video.file not in name_of:
            how = plan.video_match[survey.video.file].how
            entries.append(_entry("note", f"the video is not used: {how}", survey.video.file, remedy))
    twins = {twin: key for key, others in plan.twins.items() for twin in others}
    for survey in surveys:
        for facts in survey.pose:
            if facts.key in name_of:
                continue
            other = twins.get(facts.key)
            text = f"{facts.points:,} points are not used: "
            text += (
                f"{other} holds the tracks of the same video" if other else "the mapping names no video with it"
            )
            entries.append(_entry("left-out", text, facts.key, remedy))
    for key, others in plan.rivals.items():
        if key in name_of and (imported := [other for other in others if other in name_of]):
            text = f"is taken for another video than {', '.join(imported)}, though name, length and animals agree"
            entries.append(
                _entry("assumed", text, key, "of tracks of one video, remove all but one from [videos]")
            )
    return entries


def _points(
    pose: Sequence[PoseFacts],
    mapping: ImportMapping,
    plan: ImportPlan,
    written: Mapping[str, Written],
    *,
    dry_run: bool,
) -> Balance:
    """Return the balance of all points of all readable files. Raises AssertionError if one is missing from it."""
    total = Balance()
    by_pose = {rule.pose: name for name, rule in mapping.videos.items()}
    twins = {twin for others in plan.twins.values() for twin in others}
    for facts in pose:
        name = by_pose.get(facts.key)
        if name is not None and name in written:
            total.add(written[name].points)
            continue
        total.total += facts.points
        reason = "video that could not be written"
        if name is None:
            reason = "another file of the same video" if facts.key in twins else "video left out by the mapping"
        elif dry_run:
            reason = "not written by a dry run"
        total.left_out[reason] += facts.points
    total.check("points of the import")
    return total


def _bouts(
    surveys: Sequence[FileSurvey], mapping: ImportMapping, written: Mapping[str, Written], *, dry_run: bool
) -> Balance:
    """Return the balance of all bouts of all readable label files."""
    total = Balance()
    for outcome in written.values():
        total.add(outcome.bouts)
    used = {key for name, rule in mapping.videos.items() if name in written for key in rule.labels}
    named = {key for rule in mapping.videos.values() for key in rule.labels}
    for item in (item for survey in surveys for item in survey.labels):
        if item.key in used:
            continue
        count = len(item.recording.bouts)
        reason = "video that could not be written" if item.key in named else "labels without tracks"
        total.total += count
        total.left_out["not written by a dry run" if dry_run and item.key in named else reason] += count
    total.left_out = +total.left_out
    total.check("bouts of the import")
    return total


def _needed(mapping: ImportMapping, written: Mapping[str, Written]) -> list[str]:
    """Return what only a person can say: frames per second, px/cm, who does what to whom."""
    sentences = []
    no_fps = [name for name, outcome in written.items() if not outcome.row["frames_per_second"]]
    if no_fps:
        sentences.append(
            f"Frames per second of {_named(no_fps)}: give --fps, or fps in mapping.toml. Without them there are "
            "no seconds and no speeds, and no model can learn from these videos."
        )
    no_scale = [name for name, outcome in written.items() if not outcome.pix_per_cm]
    if no_scale:
        sentences.append(
            f"Pixels per cm of {_named(no_scale)}: give pix_per_cm, the arena's size or a body's length in "
            "mapping.toml. Without them there are no cm and no speeds; models take the body's length as scale."
        )
    unknown = [name for name, number in mapping.animals.items() if number == EACH]
    if unknown:
        sentences.append(
            f"Which animal is {', '.join(map(repr, unknown))}? Give the number in [animals] of mapping.toml; "
            "until then these labels stand for every animal."
        )
    return sentences


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more videos" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more


def _rows(survey: FileSurvey, plan: ImportPlan, name_of: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the table's rows of one file: one for each recording."""
    rows: list[dict[str, Any]] = []
    title = survey.origin.title
    twins = {twin: key for key, others in plan.twins.items() for twin in others}
    for facts in survey.pose:
        matched = (
            f"video '{name_of[facts.key]}'" if facts.key in name_of else f"as {twins.get(facts.key, 'nothing')}"
        )
        rows.append(
            {
                "file": facts.key, "what it is": title, "frames": facts.frames, "animals": len(facts.animals),
                "parts": len(facts.parts), "fps": _figure(facts.fps), "matched": matched,
            }
        )  # fmt: skip
    for item in survey.labels:
        name, match = name_of.get(item.key), plan.label_match[item.key]
        matched = (
            f"video '{name}' ({match.how if match.key else 'by the mapping'})" if name else f"no: {match.how}"
        )
        actions = dict.fromkeys(bout.action for bout in item.recording.bouts)
        rows.append(
            {
                "file": item.key, "what it is": title, "fps": _figure(item.recording.fps), "matched": matched,
                "labels": f"{len(item.recording.bouts)} of {len(actions)}" if actions else "0",
                "animals": len({b.agent for b in item.recording.bouts if b.agent}) or "",
            }
        )  # fmt: skip
    if survey.video:
        name, match = name_of.get(survey.video.file), plan.video_match[survey.video.file]
        matched = (
            f"video '{name}' ({match.how if match.key else 'by the mapping'})" if name else f"no: {match.how}"
        )
        frames, fps = survey.video.frames or "", _figure(survey.video.fps)
        rows.append(
            {"file": survey.video.file, "what it is": title, "frames": frames, "fps": fps, "matched": matched}
        )
    if survey.details:
        own = {row.name for row in survey.details}
        videos = [name for name, row in plan.described.items() if row in own]
        matched = f"fps or px/cm of {_named(videos)}" if videos else "no: no video of these names lacks them"
        rows.append({"file": survey.origin.file, "what it is": title, "matched": matched})
    if not rows:
        matched = "error, see below" if survey.error else "no: it is empty"
        rows.append({"file": survey.origin.file, "what it is": title, "matched": matched})
    return rows


def _figure(value: float | None) -> str:
    return f"{value:g}" if value else ""


def _video(name: str, mapping: ImportMapping, outcome: Written) -> dict[str, Any]:
    rule = mapping.videos[name]
    return {
        "name": name, "video_id": rule.video_id, "split": rule.split, "pose": rule.pose,
        "labels": list(rule.labels), "video": rule.video,
        "fps": outcome.row["frames_per_second"] or None, "pix_per_cm": outcome.pix_per_cm,
        "points": outcome.points.as_json(), "bouts": outcome.bouts.as_json(), "label_rows": outcome.label_rows,
        "behaviors_labeled": outcome.row["behaviors_labeled"],
    }  # fmt: skip


def _summary(report: Mapping[str, Any], planned: int, *, dry_run: bool) -> str:
    points, bouts = report["points"], report["bouts"]
    videos = planned if dry_run else len(report["videos"])
    left = sum(points["left_out"].values())
    noun = "video" if videos == 1 else "videos"
    sentence = (
        f"{videos} {noun} of lab '{report['lab']}': {points['in']:,} points in, {points['written']:,} written, "
        f"{left:,} left out; {bouts['written']:,} of {bouts['in']:,} labelled bouts."
    )
    nouns = {"needed": "open question", "assumed": "assumption", "errors": "error"}
    counts = [f"{n} {noun}{'s' if n != 1 else ''}" for name, noun in nouns.items() if (n := len(report[name]))]
    return f"{sentence} {', '.join(counts)}." if counts else sentence
