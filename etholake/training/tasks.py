"""Judge the tasks of a trained network on held-out spans.

Shape letters: N clips or frames with a known value, T frames of the video at 30 Hz, W frames of a window, V tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.split import Span
from etholake.dataset.values import Task
from etholake.evaluation.tasks import judge_numbers, judge_states
from etholake.models.network_model import NetworkModel

__all__ = ["judge_tasks"]

Floats = npt.NDArray[np.float32]


def judge_tasks(
    model: NetworkModel, videos: Sequence[LabelledVideo], spans: Sequence[Span]
) -> dict[str, dict[str, Any]]:
    """Return {task: figures} on the clips (for a task of frames: the frames) of spans with a known value.

    Figures: `videos` and `samples` (numbers of them), and those of `evaluation.tasks`.
    """
    tasks, by_id = model.config.asked(), {video.tracks.video_id: video for video in videos}
    samples: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in tasks]
    judged: list[set[int]] = [set() for _ in tasks]
    for span in spans:
        video = by_id[span.video_id]
        tracks, frames = video.tracks, (span.start_frame, span.stop_frame)
        starts, at_T = model.window_starts(tracks, frames), np.round(tracks.frame_times())
        for mouse, mouse_id in enumerate(tracks.mouse_ids):
            targets = [task.targets(video.values, mouse_id, at_T) for task in tasks]
            if not any(known_T.any() for _, known_T in targets):
                continue
            values_NWV = model.window_answers(tracks, mouse, starts)
            for v, (task, (target_T, known_T)) in enumerate(zip(tasks, targets, strict=True)):
                judged_T = known_T & (at_T >= frames[0]) & (at_T < frames[1])
                true_T = target_T * task.scale + task.centre
                for values in _judged_values(starts, values_NWV[..., v], true_T, judged_T):
                    for kept, values_n in zip(samples[v], values, strict=True):
                        kept.append(values_n if task.by_frame else values_n.mean(keepdims=True))
                    judged[v].add(span.video_id)
    return {
        str(task): {"videos": len(judged[v]), **_figures(task, *map(_joined, samples[v]))}
        for v, task in enumerate(tasks)
    }


def _judged_values(
    starts: Sequence[int], values_NW: Floats, true_T: Floats, judged_T: npt.NDArray[np.bool_]
) -> Iterator[tuple[Floats, Floats]]:
    """Yield (answers, true values) at the judged frames of each window that has some."""
    for start, values_W in zip(starts, values_NW, strict=True):
        frames = slice(start, start + len(values_W))
        judged_W = judged_T[frames]
        if judged_W.any():
            yield values_W[: len(judged_W)][judged_W], true_T[frames][judged_W]


def _figures(task: Task, answer_N: Floats, true_N: Floats) -> dict[str, Any]:
    figures = judge_states(answer_N, true_N >= 0.5) if task.is_state else judge_numbers(answer_N, true_N)
    return {"samples": len(true_N), **figures}


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
