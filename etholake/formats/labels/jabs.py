"""Read JABS annotations (JSON): blocks with inclusive ends; `present: false` is a negative, else unlabelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etholake.errors import DataError, raise_collected
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, ScoredSpan
from etholake.formats.labels.directed import split_name
from etholake.formats.labels.reading import frame_at, json_ends, quietly, read_json, video_name

__all__ = ["FORMAT"]


class JabsAnnotations(LabelFormat):
    """JABS annotations of one video."""

    name = "jabs_annotations"
    title = "JABS annotations"
    suffixes = (".json",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if the JSON has the keys that JABS writes for every video."""
        text = json_ends(path)
        if '"num_frames":' in text and '"labels":{' in text and '"file":' in text:
            return Detection(1.0, "it is JSON with file, num_frames and labels of JABS")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file. Identities keep their numbers, from 0, as names."""
        del options  # every block has both ends
        content = read_json(path)
        labels = content.get("labels") if isinstance(content, dict) else None
        if not isinstance(content, dict) or not isinstance(labels, dict):
            raise DataError(f"{path}: JABS annotations have the key 'labels', but this JSON lacks it.")
        bouts: list[Bout] = []
        scored: list[ScoredSpan] = []
        vocabulary: list[str] = []
        problems = []
        for identity, behaviours in labels.items():
            if not isinstance(behaviours, dict):
                raise DataError(f"{path}: the labels of identity '{identity}' must be an object of behaviours.")
            for behaviour, blocks in behaviours.items():
                action, agent, target = split_name(behaviour)
                agent = agent or str(identity)
                vocabulary.append(action)
                for number, block in enumerate(blocks if isinstance(blocks, list) else [blocks], start=1):
                    try:
                        first, stop, present = _block(path, f"block {number} of '{behaviour}' ({identity})", block)
                    except DataError as err:
                        problems.append(str(err))
                        continue
                    scored.append(ScoredSpan(action, first, stop, agent))
                    if present:
                        bouts.append(Bout(action, first, stop, agent, target))
        raise_collected(DataError, f"{path}: blocks that cannot be read", problems)
        file = content.get("file")
        frames = content.get("num_frames")
        yield LabelRecording(
            video_name(file) if isinstance(file, str) and file else video_name(path.stem),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            tuple(dict.fromkeys(vocabulary)),
            "frame",
            scored=tuple(scored),
            animals=tuple(dict.fromkeys(str(identity) for identity in labels)),
            frame_count=None if frames is None else frame_at(frames, path, "num_frames"),
            media=(file,) if isinstance(file, str) else (),
        )


def _block(path: Path, what: str, block: object) -> tuple[int, int, bool]:
    """Return (first frame, frame after the last one, whether the behaviour is there) of a block."""
    if not isinstance(block, dict) or not isinstance(block.get("present"), bool):
        raise DataError(f"{path}: {what} must have start, end and present (true or false).")
    first, last = (frame_at(block.get(key), path, f"'{key}' of {what}") for key in ("start", "end"))
    if last < first or first < 0:
        raise DataError(
            f"{path}: {what} runs from frame {first} to {last}; the end must not lie before the start."
        )
    return first, last + 1, block["present"]


FORMAT = JabsAnnotations()
