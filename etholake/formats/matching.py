"""Match tracks, labels and videos by their names: each tool adds something of its own to the video's name.

DeepLabCut adds its scorer (``DLC_resnet50_…shuffle1_500000_filtered``), SLEAP ``.predictions`` or ``.analysis``,
JABS ``_pose_est_v5``, BORIS keeps the name of the media file. `video_stem` takes these off. No file is opened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath

__all__ = ["Candidate", "Match", "best_match", "plain_stem", "video_stem"]

SUFFIXES = (
    ".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv", ".webm", ".seq", ".h5", ".hdf5", ".csv",
    ".tsv", ".txt", ".xlsx", ".slp", ".nwb", ".npy", ".json", ".boris", ".annot", ".nc", ".parquet", ".mat",
    ".pkl", ".gz",
)  # fmt: skip
# Endings that tools put after the video's name, longest first; taken off again and again.
_ENDINGS = re.compile(
    r"""(?:
      DLC[_-]?[A-Za-z0-9].*shuffle\d+.*                 # DeepLabCut's scorer and everything after it
    | DeepCut_.*shuffle\d+.* | _superanimal_.*
    | _pose_est_v\d+ | [._-]predictions? | [._-]analysis | [._-]tracked | [._-]cleaned | [._-]proofread
    | [._-]filtered | [._-]labell?ed | _(?:el|bx|sk|full|meta|skeleton|assemblies)
    | [._-]multiple_behaviors | [._-](?:annotations?|behaviou?rs?|events?|labels?|scored|scoring|boris|annot)
    | [._-]targets_inserted | [._-]pose | [._-]keypoints
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_SLEAP = re.compile(r"^.+\.\d{3}_(?P<video>.+)$")  # labels.v001.000_video.analysis.h5
_SLEAP_ENDING = re.compile(r"\.analysis(?:\.(?:h5|csv|nix))?$", re.IGNORECASE)
_SHORTEST = 4  # characters of a name that may be a part of another


def video_stem(name: str) -> str:
    """Return the video's own name from the name of a file of any tool, without folder and endings."""
    stem = PurePosixPath(name.replace("\\", "/")).name
    if _SLEAP_ENDING.search(stem) and (match := _SLEAP.match(stem)):
        stem = match["video"]
    while True:
        shorter = _without_suffix(stem)
        cut = _ENDINGS.sub("", shorter)
        shorter = cut or shorter
        if shorter == stem:
            return stem
        stem = shorter


def _without_suffix(name: str) -> str:
    lower = name.lower()
    return next((name[: -len(s)] for s in SUFFIXES if lower.endswith(s) and len(name) > len(s)), name)


@dataclass(frozen=True)
class Candidate:
    """A thing that may be matched: its key, the folder where its file lies, and the names that it goes by."""

    key: str
    folder: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The result of matching: the candidate's key (None: no match), how it was found, whether that is a guess."""

    key: str | None
    how: str
    assumed: bool = False


def best_match(named: Sequence[str], own: Sequence[str], folder: str, candidates: Sequence[Candidate]) -> Match:
    """Return the candidate that a file belongs to.

    Parameters
    ----------
    named
        Video files that the file itself names; they come first, and contradict a match by the file's own name.
    own
        The file's own names (of the recording, of the file).
    folder
        Folder of the file. Of several candidates with one name that one is meant whose folders are nearest to the
        named video's path, else to this folder: `labels/cage1` or `cage1/labels` to `tracks/cage1`.
    """
    by_name: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        for name in dict.fromkeys(plain_stem(n) for n in candidate.names):
            by_name.setdefault(name, []).append(candidate)
    for names, how in ((named, "the file names its video {}"), (own, "the same name {}")):
        folders = [*filter(None, map(_folders, named)), _folders(f"{folder}/file")]
        for stem in dict.fromkeys(video_stem(n) for n in names if n):
            if hits := by_name.get(plain_stem(stem)):
                return _choose(hits, folders, how.format(f"'{stem}'"), names)
        if partly := _partial(names, by_name):
            return _choose(partly[1], folders, f"'{partly[0]}' is a part of the name", names, assumed=True)
    return Match(None, "no file of tracks has this name")


def plain_stem(name: str) -> str:
    """Return a video's own name for a comparison: without regard to capitals and to how accents are encoded."""
    return unicodedata.normalize("NFC", video_stem(name)).casefold()


def _folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path of any system, for a comparison."""
    plain = unicodedata.normalize("NFC", path.replace("\\", "/")).casefold()
    return tuple(part for part in PurePosixPath(plain).parts[:-1] if part not in {"/", "."})


def _choose(
    hits: Sequence[Candidate],
    folders: Sequence[tuple[str, ...]],
    how: str,
    names: Sequence[str],
    *,
    assumed: bool = False,
) -> Match:
    """Return the only hit, else the only one whose folder is told.

    It is told by a name that holds the name of the folder, too (`day1_mouse2` for `day1/mouse2`), else by one of
    `folders` that it is nearest to, the first that tells.
    """
    if len(hits) == 1:
        return Match(hits[0].key, how, assumed)
    stems = [plain_stem(name) for name in names if name]
    parts_in_name = []
    for candidate in hits:
        parts = _folders(f"{candidate.folder}/file")
        parts_in_name.append({part for part in parts if any(_has_word(part, stem) for stem in stems)})
    most = max(map(len, parts_in_name))
    if most and [len(parts) for parts in parts_in_name].count(most) == 1:
        place = [len(parts) for parts in parts_in_name].index(most)
        shown = ", ".join(f"'{part}'" for part in sorted(parts_in_name[place]))
        return Match(hits[place].key, f"{how}, and so is the folder {shown}", assumed=True)
    for own in folders:
        nearness = [_nearness(own, _folders(f"{c.folder}/file")) for c in hits]
        best = max(nearness)
        if best > (False, 0, 0) and nearness.count(best) == 1:
            return Match(hits[nearness.index(best)].key, how, assumed)
    return Match(None, f"{how}, but several have it: {', '.join(sorted(c.key for c in hits))}")


def _nearness(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[bool, int, int]:
    """Return whether two paths are the same, and how many folders they share at their ends and beginnings."""
    ways = (zip(reversed(one), reversed(other), strict=False), zip(one, other, strict=False))
    end, beginning = (sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], way)) for way in ways)
    return one == other, end, beginning


def _partial(names: Sequence[str], by_name: Mapping[str, list[Candidate]]) -> tuple[str, list[Candidate]] | None:
    """Return the longest name that begins or ends another one at a separator, and its candidates."""
    hits: dict[str, list[Candidate]] = {}
    for stem in (plain_stem(n) for n in names if n):
        for name, candidates in by_name.items():
            short, long = sorted((stem, name), key=len)
            if len(short) >= _SHORTEST and short != long and _at_separator(short, long):
                hits[short] = [*hits.get(short, []), *candidates]
    if not hits:
        return None
    longest = max(hits, key=len)
    return longest, list(dict.fromkeys(hits[longest]))


def _has_word(part: str, stem: str) -> bool:
    """Return whether a name holds another one between separators."""
    return part != stem and bool(re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", stem))


def _at_separator(short: str, long: str) -> bool:
    at = re.escape(short)
    return bool(re.search(rf"^{at}(?![^\W_])|(?<![^\W_]){at}$", long))
