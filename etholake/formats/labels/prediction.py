"""Read frame-wise predictions `prediction_<video>_<trial>.csv` (Frame, Action) of trials of 360 frames.

Trial k of a video, from 1, is its pose frames (k - 1) * 360 and after; a file may have fewer rows (345 for windows
of 16 frames were classified), for the first frames of the trial. The actions are numbers; they are kept as names,
also 0, since the file does not say what they mean. Each frame has one action: the others were looked for there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etholake.errors import DataError
from etholake.formats.base import Bout, Detection, LabelFormat, LabelRecording, ReadOptions, Remark, ScoredSpan
from etholake.formats.dialect import own_name
from etholake.formats.labels.clock import MAX_FRAMES
from etholake.formats.labels.onehot import runs
from etholake.formats.labels.reading import first_rows, frame_at, quietly, read_table, video_name

__all__ = ["FORMAT", "TRIAL_FRAMES"]

TRIAL_FRAMES = 360
_NAME = re.compile(r"prediction_(.+)_([0-9]{1,6})", re.IGNORECASE)
_HEADER = ["frame", "action"]


class TrialPrediction(LabelFormat):
    """Frame-wise predictions of one trial."""

    name = "trial_prediction"
    title = "prediction of a trial (Frame, Action)"
    suffixes = (".csv",)

    @quietly
    def detect(self, path: Path) -> Detection | None:
        """Return a detection if file name and header are those of a trial."""
        rows = first_rows(path, 2)
        if _NAME.fullmatch(own_name(path)) and rows and [cell.strip().lower() for cell in rows[0]] == _HEADER:
            return Detection(1.0, "it is called prediction_<video>_<trial> and has the columns Frame and Action")
        return None

    def read(self, path: Path, options: ReadOptions) -> Iterator[LabelRecording]:
        """Yield the one recording of a file, in frames of the whole video."""
        del options  # frames have no ends
        match = _NAME.fullmatch(own_name(path))
        if not match or not int(match[2]) or int(match[2]) * TRIAL_FRAMES > MAX_FRAMES:
            raise DataError(f"{path}: expected a name like prediction_video_1.csv, which says the trial (from 1).")
        header, *body = read_table(path) or [[]]
        if [cell.lower() for cell in header] != _HEADER:
            raise DataError(f"{path}: expected the columns Frame and Action, but got {header}.")
        rows = [row for row in body if any(row)]
        if len(rows) > TRIAL_FRAMES:
            raise DataError(f"{path}: a trial has {TRIAL_FRAMES} frames, but the file has {len(rows)} rows.")
        actions = []
        for t, row in enumerate(rows):
            if len(row) != len(_HEADER) or not row[1] or frame_at(row[0], path, "Frame", t + 2) != t:
                raise DataError(f"{path}, line {t + 2}: expected frame {t} and its action, but got {row}.")
            actions.append(row[1])
        first = (int(match[2]) - 1) * TRIAL_FRAMES
        column_T = np.array(actions)
        names = sorted(set(actions))
        bouts = [Bout(name, first + a, first + b) for name in names for a, b in runs(column_T == name)]
        if not rows:
            raise DataError(f"{path}: the trial has no frame. Leave the file out, or predict the trial again.")
        text = (
            f"trial {match[2]} is frames {first} to {first + len(rows)} of the video ({TRIAL_FRAMES} a "
            "trial); the "
            f"meaning of action {', '.join(names)} is not in the file"
        )
        remarks = [Remark("assumed", text, path, remedy="name the actions in the mapping, or leave them out")]
        if len(rows) < TRIAL_FRAMES:
            text = f"trial {match[2]} has {len(rows)} of {TRIAL_FRAMES} frames: the rest is unlabelled"
            remarks.append(Remark("note", text, path))
        if len(names) == 1:
            text = (
                f"every frame of trial {match[2]} is of action {names[0]}: is that so, or did the classifier fail?"
            )
            remarks.append(Remark("note", text, path, remedy="leave the file out of labels of [videos]"))
        yield LabelRecording(
            video_name(match[1]),
            tuple(sorted(bouts, key=lambda bout: bout.start)),
            tuple(names),
            "frame",
            scored=tuple(ScoredSpan(name, first, first + len(rows)) for name in names),
            remarks=tuple(remarks),
            exclusive=True,
        )


FORMAT = TrialPrediction()
