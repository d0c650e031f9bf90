"""Plan an import: which recordings are one video, which labels and video file belong to it, and under which names.

The result is a guessed mapping with a note for everything that was guessed, and the list of what stays unmatched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from etholake.contract import whole_number
from etholake.formats.facts import Labels, PoseFacts, VideoFile
from etholake.formats.guessing import guess_actions, guess_animals, guess_parts_of, guess_subjects
from etholake.formats.mapping import ImportMapping, VideoRule
from etholake.formats.matching import Candidate, Match, best_match, plain_stem, video_stem
from etholake.formats.video_table import VideoDetails

__all__ = ["ImportPlan", "make_plan", "video_number"]

# Of several files with the tracks of one video: smoothed before raw, then the more exact format.
TWIN_SLACK = 2  # frames by which two files of one video may differ: some tools leave empty frames out
# SimBA's folders: each holds a copy of a video's tracks, the most finished first.
_SIMBA_RESULTS = "machine_results"
_SIMBA_STAGES = (
    "targets_inserted", _SIMBA_RESULTS, "features_extracted", "outlier_corrected_movement_location",
    "outlier_corrected_movement", "input_csv",
)  # fmt: skip
_DLC_LABELLED = "labeled-data"
# Folders that say what made or holds the tracks, not which recording they are of.
_TOOL = (
    r"dlc|madlc|deeplabcut|sleap|jabs|nwb|simba|mars|anipose|slp|h5|hdf5|csv|tracks?|tracking|poses?|keypoints|"
    r"videos?"
)
_OF_TOOLS = re.compile(
    rf"(?:{_TOOL})(?:[ ._-](?:{_TOOL}|files?|outputs?|results?|predictions?|exports?))*", re.IGNORECASE
)
_PREFERRED = (".h5", ".hdf5", ".slp", ".nwb", ".nc", ".parquet", ".npy", ".csv")


@dataclass
class ImportPlan:
    """A guessed mapping and why it is so.

    `notes` by (section, key) say what was guessed; `label_match` and `video_match` how each file was matched, by
    its key; `twins` are the other files with the tracks of a video, by the key of the chosen one; `rivals` are
    other tools' tracks of that name, length and number of animals that are taken to be of another video, because
    they lie in another folder. `described` names, by video, the row of a table that gave its fps or px/cm.
    """

    mapping: ImportMapping
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    label_match: dict[str, Match] = field(default_factory=dict)
    video_match: dict[str, Match] = field(default_factory=dict)
    twins: dict[str, list[str]] = field(default_factory=dict)
    rivals: dict[str, list[str]] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)


def make_plan(
    source: str,
    lab: str,
    pose: Sequence[PoseFacts],
    labels: Sequence[Labels],
    videos: Sequence[VideoFile],
    taken: Collection[int] = (),
    details: Sequence[VideoDetails] = (),
) -> ImportPlan:
    """Return the plan for a folder.

    `taken` are video numbers that other imports of the same data folder use; `details` are rows of tables that
    describe videos: their frame rate counts where neither the video nor the tracks have one.
    """
    groups = _groups(pose)
    chosen = {group[0].key: group[0] for group in groups}
    candidates = [_candidate(group) for group in groups]
    plan = ImportPlan(ImportMapping(source, lab))
    plan.twins = {group[0].key: [facts.key for facts in group[1:]] for group in groups if len(group) > 1}
    videos_of = _match_videos(plan, groups, candidates, videos)
    candidates = [
        Candidate(c.key, c.folder, (*c.names, *(v.file for v in videos_of.get(c.key, ())))) for c in candidates
    ]
    labels_of = _match_labels(plan, chosen, candidates, labels)
    animals_of = {item.key: chosen[key].living for key, items in labels_of.items() for item in items}
    names = _names(groups, videos_of)
    rules: dict[str, VideoRule] = {}
    numbers = set(taken)
    for group in groups:
        facts = group[0]
        own_videos = videos_of.get(facts.key, [])
        name = _unused(names[facts.key], rules)
        number = video_number(lab, name, numbers)
        numbers.add(number)
        own_labels = tuple(item.key for item in labels_of.get(facts.key, ()))
        row = _row_of(name, details)
        has_rate = facts.fps or any(video.fps for video in own_videos)
        fps, pix_per_cm = (None if has_rate else row.fps, row.pix_per_cm) if row else (None, None)
        video_file = own_videos[0].file if own_videos else ""
        rules[name] = VideoRule(number, facts.key, own_labels, video_file, fps=fps, pix_per_cm=pix_per_cm)
        if row and (fps or pix_per_cm):
            plan.described[name] = row.name
        _note(plan, "labels", name, [plan.label_match[key].how for key in own_labels])
        _note(plan, "video", name, [plan.video_match[v.file].how for v in own_videos[:1]])
        rivals = [other.key for other in chosen.values() if other is not facts and _may_be_twin(facts, other)]
        if any(chosen[key].format != facts.format for key in rivals):
            plan.rivals[facts.key] = rivals
    parts, part_notes = guess_parts_of(chosen.values())
    animals = guess_animals(chosen.values())
    used = [item for items in labels_of.values() for item in items]
    subjects, subject_notes = guess_subjects(used, animals_of, animals)
    actions, action_notes = guess_actions(used, animals_of)
    for section, notes in (("parts", part_notes), ("animals", subject_notes), ("actions", action_notes)):
        plan.notes |= {(section, key): note for key, note in notes.items()}
    plan.mapping = ImportMapping(
        source, lab, animals={**animals, **subjects}, parts=parts, actions=actions, videos=rules
    )
    return plan


def _note(plan: ImportPlan, section: str, key: str, texts: Sequence[str]) -> None:
    if texts:
        plan.notes[section, key] = "; ".join(dict.fromkeys(texts))


# --- tracks -----------------------------------------------------------------------------------------------
def _groups(pose: Sequence[PoseFacts]) -> list[list[PoseFacts]]:
    """Return the recordings of each video, the one to import first.

    Two files are of one video if they agree in length and number of animals (or one has single frames of it, which
    were labelled for a training), and in their name but for what tools add to it, and lie in one folder, but for
    folders that are named after tools (`_folder`): if they have the same parts (a csv beside its h5, smoothed
    tracks beside raw ones) or are of different tools. Recordings of one file are videos of their own.
    """
    groups: list[list[PoseFacts]] = []
    for facts in pose:
        group = next((g for g in groups if all(_is_twin(facts, other) for other in g)), None)
        if group is None:
            groups.append([facts])
        else:
            group.append(facts)
    return [sorted(group, key=_preference) for group in groups]


def _is_twin(one: PoseFacts, other: PoseFacts) -> bool:
    return _folder(one) == _folder(other) and _may_be_twin(one, other)


def _may_be_twin(one: PoseFacts, other: PoseFacts) -> bool:
    """Return whether only the folders may tell that two files are of different videos."""
    sampled = _is_sample(one, other) or _is_sample(other, one)
    apart = one.format != other.format or sampled  # so that names of files and parts may differ
    return (
        one.file != other.file
        and (apart or set(one.parts) == set(other.parts))
        and (_name_one_video(one, other) if apart else _alike(one.file, other.file))
        and (sampled or _agree(one, other))
    )


def _name_one_video(one: PoseFacts, other: PoseFacts) -> bool:
    names, others = ({plain_stem(n) for n in (f.file, f.name, f.video) if n} for f in (one, other))
    return bool(names & others)


def _agree(one: PoseFacts, other: PoseFacts) -> bool:
    return abs(one.last_frame - other.last_frame) <= TWIN_SLACK and len(one.animals) == len(other.animals)


def _is_sample(one: PoseFacts, other: PoseFacts) -> bool:
    """Return whether `one` holds single frames of the video that `other` holds: those that a person labelled."""
    return _is_sparse(one) and not _is_sparse(other) and one.last_frame <= other.last_frame + TWIN_SLACK


def _is_sparse(facts: PoseFacts) -> bool:
    return 2 * facts.frames < facts.last_frame - facts.first_frame + 1


def _folder(facts: PoseFacts) -> PurePosixPath:
    """Return the folder of a file, without the parts of the path that only name a tool, or a stage of a project.

    DeepLabCut's projects have `videos` beside `labeled-data`, with a folder a video.
    """
    folder = PurePosixPath(facts.file).parent
    if folder.name in _SIMBA_STAGES:
        folder = folder.parent
    if folder.parent.name == _DLC_LABELLED:
        folder = folder.parent.parent
    return PurePosixPath(*(part for part in folder.parts if not _OF_TOOLS.fullmatch(part)))


def _row_of(name: str, details: Sequence[VideoDetails]) -> VideoDetails | None:
    """Return the row of a video's name, None if there is none, or several that differ."""
    rows = {row for row in details if _alike(row.name, name)}
    return rows.pop() if len(rows) == 1 else None


def _alike(one: str | None, other: str | None) -> bool:
    return bool(one and other) and plain_stem(one or "") == plain_stem(other or "")


def _preference(facts: PoseFacts) -> tuple[object, ...]:
    lower = facts.file.lower()
    suffix = next((i for i, s in enumerate(_PREFERRED) if lower.endswith(s)), len(_PREFERRED))
    folder = PurePosixPath(facts.file).parent.name
    stage = _SIMBA_STAGES.index(folder) if folder in _SIMBA_STAGES else len(_SIMBA_STAGES)
    return (_is_sparse(facts), stage, "filtered" not in lower, suffix, -facts.present, facts.key)


def _stem(facts: PoseFacts) -> str:
    return video_stem(facts.video or facts.name or facts.file)


def _video_of(group: Sequence[PoseFacts]) -> str:
    """Return the video's own name: as its first file that names a video says, else by the file's name."""
    return _stem(next((facts for facts in group if facts.video), group[0]))


def _candidate(group: Sequence[PoseFacts]) -> Candidate:
    facts = group[0]
    names = [name for item in group for name in (item.video, item.name, item.file) if name]
    if facts.several:
        names = [name for name in (facts.video, facts.name) if name]
    return Candidate(facts.key, PurePosixPath(facts.file).parent.as_posix(), tuple(names))


def _names(groups: Sequence[Sequence[PoseFacts]], videos_of: Mapping[str, Sequence[VideoFile]]) -> dict[str, str]:
    """Return the name of each video by the key of its tracks.

    It is the video's own name; where two would have the same one, that of the file of tracks, then its path.
    """
    chosen = [group[0] for group in groups]
    stems = {group[0].key: _video_of(group) for group in groups}
    stems |= {key: video_stem(videos[0].file) for key, videos in videos_of.items() if videos}
    files = {f.key: _file_name(f, PurePosixPath(f.file).name) for f in chosen}
    paths = {f.key: _file_name(f, f.file) for f in chosen}
    names = {}
    for key in stems:
        levels = (kind for kind in (stems, files, paths) if list(kind.values()).count(kind[key]) == 1)
        names[key] = next(levels, paths)[key]
    return names


def _file_name(facts: PoseFacts, file: str) -> str:
    plain = file.rpartition(".")[0] or file
    return f"{plain}::{facts.label}" if facts.several else plain


def _unused(name: str, names: Collection[str]) -> str:
    number, unused = 2, name
    while unused in names:
        unused, number = f"{name} #{number}", number + 1
    return unused


def video_number(lab: str, name: str, taken: Collection[int]) -> int:
    """Return a stable number for a video: its name if that is a whole number, else nine digits of a hash."""
    number = whole_number(name)
    if number is not None and str(number) == name and number > 0 and number not in taken:
        return number
    digest = int.from_bytes(hashlib.sha256(f"{lab}/{name}".encode()).digest()[:8], "big")
    number = 100_000_000 + digest % 900_000_000
    while number in taken:
        number += 1
    return number


# --- videos and labels ------------------------------------------------------------------------------------
def _match_videos(
    plan: ImportPlan,
    groups: Sequence[Sequence[PoseFacts]],
    candidates: Sequence[Candidate],
    videos: Sequence[VideoFile],
) -> dict[str, list[VideoFile]]:
    """Return the video files by key of their tracks."""
    assigned: dict[str, list[VideoFile]] = {}
    for video in videos:
        folder = PurePosixPath(video.file).parent.as_posix()
        match = best_match([], [video.file], folder, candidates)
        plan.video_match[video.file] = match
        if match.key:
            assigned.setdefault(match.key, []).append(video)
    lonely = [v for v in videos if plan.video_match[v.file].key is None]
    for video in lonely:  # the only video beside the only tracks of a folder, as long as these
        folder = PurePosixPath(video.file).parent.as_posix()
        beside = [c for c in candidates if c.folder == folder and c.key not in assigned]
        alone = [v for v in lonely if PurePosixPath(v.file).parent.as_posix() == folder]
        if len(beside) == 1 and len(alone) == 1:
            facts = next(group[0] for group in groups if group[0].key == beside[0].key)
            length = facts.frame_count or facts.last_frame + 1
            if video.frames and abs(video.frames - length) <= 1:
                how = "the only video beside the only tracks of its folder, and as long as these"
                plan.video_match[video.file] = Match(beside[0].key, how, assumed=True)
                assigned.setdefault(beside[0].key, []).append(video)
    return assigned


def _match_labels(
    plan: ImportPlan, chosen: dict[str, PoseFacts], candidates: Sequence[Candidate], labels: Sequence[Labels]
) -> dict[str, list[Labels]]:
    """Return the labels by key of the tracks that they belong to."""
    assigned: dict[str, list[Labels]] = {}
    for item in labels:
        folder = PurePosixPath(item.file).parent.as_posix()
        media, names = item.recording.media, [item.recording.name]
        if not item.several:
            names.append(item.file)
        same_file = [key for key, facts in chosen.items() if facts.file == item.file]
        if len(same_file) == 1:
            match = Match(same_file[0], "labels and tracks lie in one file")
        else:
            match = best_match(media, names, folder, candidates)
        plan.label_match[item.key] = match
        if match.key:
            assigned.setdefault(match.key, []).append(item)
    for items in assigned.values():
        _leave_out_results(plan, items)
    lonely = [item for item in labels if plan.label_match[item.key].key is None and not item.recording.media]
    free = [c for c in candidates if c.key not in assigned]
    if len(lonely) == 1 and len(free) == 1 and len(labels) == 1:
        item, facts = lonely[0], chosen[free[0].key]
        length, own = facts.frame_count or facts.last_frame + 1, item.recording.frame_count
        if own is None or abs(own - length) <= 1:
            how = "the only labels beside the only tracks"
            plan.label_match[item.key] = Match(free[0].key, how, assumed=True)
            assigned[free[0].key] = [item]
    return assigned


def _leave_out_results(plan: ImportPlan, items: list[Labels]) -> None:
    """Take SimBA's results of a classifier off the labels of a video that has annotations, too."""
    results = [item for item in items if PurePosixPath(item.file).parent.name == _SIMBA_RESULTS]
    if len(results) < len(items):
        for item in results:
            items.remove(item)
            plan.label_match[item.key] = Match(None, "results of a classifier, beside annotations of the video")
