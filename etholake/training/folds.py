"""Cross-validation: which videos are held out together, and when.

Videos whose tracks are the same (one recording, several annotators) stay together, also across labs. Folds are
alike in labs and actions. A lab of one recording is folded in time. Nothing depends on an order of files.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from etholake.dataset.labelled import LabelledVideo, TrainingData
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.split import Span, Split
from etholake.errors import UsageError

__all__ = ["make_folds", "track_hash"]

_Shares = Counter[tuple[str, ...]]  # of (lab,) and (lab, action): frames


def make_folds(data: TrainingData, n: int) -> tuple[Split, ...]:
    """`n` splits without validation: every frame of every video is in exactly one `test` part.

    Raises UsageError for fewer than two folds.
    """
    if n < 2:
        raise UsageError(f"Cross-validation needs at least 2 folds, but got {n}.")
    recordings = _recordings(data.videos)
    alone = _alone(recordings)
    tests: list[list[Span]] = [[] for _ in range(n)]
    for recording in alone:
        for video in recording:
            for fold, span in enumerate(_in_time(video, n)):
                tests[fold].append(span)
    for fold, recording in _spread([r for r in recordings if r not in alone], n):
        tests[fold] += [_whole(video) for video in recording]
    everything = [span for test in tests for span in test]
    return tuple(
        Split(tuple(s for s in _ordered(everything) if s not in test), (), tuple(_ordered(test))) for test in tests
    )


def track_hash(clip: PoseTracks) -> str:
    """The same for tracks that are the same to 0.01 cm, whatever their video is called."""
    rounded = np.round(np.nan_to_num(clip.xy_TMK2, nan=-1e6), 2) + np.float32(0)  # no negative zero
    digest = hashlib.sha256(repr((clip.xy_TMK2.shape, clip.first_frame)).encode())
    digest.update(np.ascontiguousarray(rounded).tobytes())
    digest.update(np.ascontiguousarray(clip.seen_TMK).tobytes())
    return digest.hexdigest()


def _recordings(videos: Sequence[LabelledVideo]) -> list[tuple[LabelledVideo, ...]]:
    """Videos by what they show, in the order of the tracks' hashes."""
    found: dict[str, list[LabelledVideo]] = defaultdict(list)
    for video in sorted(videos, key=lambda v: v.clip.video_id):
        found[track_hash(video.clip)].append(video)
    return [tuple(same) for _, same in sorted(found.items())]


def _alone(recordings: Sequence[tuple[LabelledVideo, ...]]) -> list[tuple[LabelledVideo, ...]]:
    """Recordings that are all that some lab has."""
    per_lab = Counter(lab for recording in recordings for lab in {v.clip.lab_id for v in recording})
    return [r for r in recordings if any(per_lab[v.clip.lab_id] == 1 for v in r)]


def _spread(
    recordings: Sequence[tuple[LabelledVideo, ...]], n: int
) -> list[tuple[int, tuple[LabelledVideo, ...]]]:
    """(fold, recording): those with most of something first, each to the fold that has least of what it brings."""
    shares = [_shares(recording) for recording in recordings]
    total: _Shares = sum(shares, Counter())
    folds: list[dict[tuple[str, ...], float]] = [defaultdict(float) for _ in range(n)]
    order = sorted(
        range(len(recordings)), key=lambda i: -max((shares[i][key] / total[key] for key in shares[i]), default=0)
    )
    placed = []
    for i in order:
        part = {key: frames / total[key] for key, frames in shares[i].items()}
        crowding = [sum(fold[key] * share for key, share in part.items()) for fold in folds]
        least = int(np.argmin(np.round(crowding, 9)))
        for key, share in part.items():
            folds[least][key] += share
        placed.append((least, recordings[i]))
    return placed


def _shares(recording: Sequence[LabelledVideo]) -> _Shares:
    counts: _Shares = Counter()
    for video in recording:
        counts[(video.clip.lab_id,)] += video.clip.n_frames
        for event in video.events:
            counts[(video.clip.lab_id, event.action)] += event.stop_frame - event.start_frame
    return +counts


def _whole(video: LabelledVideo) -> Span:
    return Span(video.clip.video_id, video.clip.lab_id, 0, video.clip.first_frame + video.clip.n_frames)


def _in_time(video: LabelledVideo, n: int) -> list[Span]:
    """Equal parts of the tracked frames; the first begins at frame 0, as that of a whole video does."""
    first, stop = video.clip.first_frame, video.clip.first_frame + video.clip.n_frames
    edges = [0, *(first + round(k * video.clip.n_frames / n) for k in range(1, n)), stop]
    return [Span(video.clip.video_id, video.clip.lab_id, low, high) for low, high in pairwise(edges)]


def _ordered(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda s: (s.lab_id, s.video_id, s.start_frame))
