"""Make folds for cross-validation.

Videos with the same tracks (one recording, several annotators) are in the same fold, also across labs. Folds are
similar in labs and actions. A lab with one recording is folded in time. Nothing depends on the order of files.
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

_FrameCounts = Counter[tuple[str, ...]]  # frames by (lab,) and (lab, action)


def make_folds(data: TrainingData, n: int, test: Sequence[Span] = ()) -> tuple[Split, ...]:
    """Return at most `n` splits without validation: every frame of every video is in exactly one `test` part.

    Videos that lie in the spans of `test` are in no fold, so that the folds are even without them. There are no
    more folds than the lab with most recordings has recordings (if no lab has a single one, which is cut in time).
    Raises UsageError for fewer than two folds, and if `test` leaves nothing.
    """
    if n < 2:
        raise UsageError(f"Cross-validation needs at least 2 folds, but got {n}.")
    videos = [video for video in data.videos if not _covered(video, test)]
    if not videos:
        raise UsageError("After holding out videos none is left to train on: hold out fewer.")
    recordings = _recordings(videos)
    alone = _only_ones(recordings)
    if not alone:
        per_lab = Counter(lab for r in recordings for lab in {v.tracks.lab_id for v in r})
        n = min(n, max(per_lab.values()))
    tests: list[list[Span]] = [[] for _ in range(n)]
    for recording in alone:
        for video in recording:
            for fold, span in enumerate(_in_time(video, n)):
                tests[fold].append(span)
    for fold, recording in _assign([r for r in recordings if r not in alone], n):
        tests[fold] += [_whole(video) for video in recording]
    everything = [span for test in tests for span in test]
    return tuple(
        Split(tuple(s for s in _ordered(everything) if s not in test), (), tuple(_ordered(test))) for test in tests
    )


def track_hash(tracks: PoseTracks) -> str:
    """Return a digest that is the same for tracks that are equal to 0.01 cm, whatever their video is called."""
    rounded = np.round(np.nan_to_num(tracks.xy_TMK2, nan=-1e6), 2) + np.float32(0)  # no negative zero
    digest = hashlib.sha256(repr((tracks.xy_TMK2.shape, tracks.first_frame)).encode())
    digest.update(np.ascontiguousarray(rounded).tobytes())
    digest.update(np.ascontiguousarray(tracks.observed_TMK).tobytes())
    return digest.hexdigest()


def _recordings(videos: Sequence[LabelledVideo]) -> list[tuple[LabelledVideo, ...]]:
    """Group videos by their tracks, in the order of the tracks' digests."""
    by_hash: dict[str, list[LabelledVideo]] = defaultdict(list)
    for video in sorted(videos, key=lambda v: v.tracks.video_id):
        by_hash[track_hash(video.tracks)].append(video)
    return [tuple(same) for _, same in sorted(by_hash.items())]


def _only_ones(recordings: Sequence[tuple[LabelledVideo, ...]]) -> list[tuple[LabelledVideo, ...]]:
    """Return recordings that are the only one of some lab."""
    per_lab = Counter(lab for recording in recordings for lab in {v.tracks.lab_id for v in recording})
    return [r for r in recordings if any(per_lab[v.tracks.lab_id] == 1 for v in r)]


def _assign(
    recordings: Sequence[tuple[LabelledVideo, ...]], n: int
) -> list[tuple[int, tuple[LabelledVideo, ...]]]:
    """Assign recordings to folds greedily and return (fold, recording).

    Recordings with the largest fraction of a lab or an action come first; each goes to the fold with the fewest
    frames of its labs and actions.
    """
    counts = [_frame_counts(recording) for recording in recordings]
    total: _FrameCounts = sum(counts, Counter())
    folds: list[dict[tuple[str, ...], float]] = [defaultdict(float) for _ in range(n)]
    order = sorted(
        range(len(recordings)), key=lambda i: -max((counts[i][key] / total[key] for key in counts[i]), default=0)
    )
    placed = []
    for i in order:
        part = {key: frames / total[key] for key, frames in counts[i].items()}
        crowding = [sum(fold[key] * fraction for key, fraction in part.items()) for fold in folds]
        least = int(np.argmin(np.round(crowding, 9)))
        for key, fraction in part.items():
            folds[least][key] += fraction
        placed.append((least, recordings[i]))
    return placed


def _frame_counts(recording: Sequence[LabelledVideo]) -> _FrameCounts:
    counts: _FrameCounts = Counter()
    for video in recording:
        counts[(video.tracks.lab_id,)] += video.tracks.n_frames
        for event in video.events:
            counts[(video.tracks.lab_id, event.action)] += event.stop_frame - event.start_frame
    return +counts


def _covered(video: LabelledVideo, test: Sequence[Span]) -> bool:
    """Return whether the whole video is in one of the spans."""
    tracks = video.tracks
    return any(
        span.video_id == tracks.video_id
        and span.start_frame <= tracks.first_frame
        and span.stop_frame >= tracks.first_frame + tracks.n_frames
        for span in test
    )


def _whole(video: LabelledVideo) -> Span:
    return Span(video.tracks.video_id, video.tracks.lab_id, 0, video.tracks.first_frame + video.tracks.n_frames)


def _in_time(video: LabelledVideo, n: int) -> list[Span]:
    """Return equal parts of the tracked frames; the first begins at frame 0, as the span of a whole video does."""
    first, stop = video.tracks.first_frame, video.tracks.first_frame + video.tracks.n_frames
    edges = [0, *(first + round(k * video.tracks.n_frames / n) for k in range(1, n)), stop]
    return [Span(video.tracks.video_id, video.tracks.lab_id, low, high) for low, high in pairwise(edges)]


def _ordered(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda s: (s.lab_id, s.video_id, s.start_frame))
