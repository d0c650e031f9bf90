"""Answer the tasks of a trained network for every animal of a video.

An animal is shown with the next one of the video, as in pre-training; alone if there is no other.

Shape letters: N windows, T frames of the video at 30 Hz, W frames of a window, V tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.windows import Window

if TYPE_CHECKING:
    from etholake.models.network_model import NetworkModel

__all__ = ["answers", "window_answers"]

BATCH = 64
Floats = npt.NDArray[np.float32]


def answers(model: NetworkModel, tracks: PoseTracks) -> list[dict[str, Any]]:
    """Return the answer to every task for every animal: ``{"task", "mouse_id", "value"}``.

    The value is a probability (0..1) or a number in the unit of the training values: the mean over overlapping
    windows. A task of frames also has ``by_second``, its mean in each second of the tracks.
    """
    tasks, T, W = model.config.asked(), len(tracks.xy_TMK2), model.config.window
    if not tasks:
        return []
    starts, result = model.window_starts(tracks), []
    for mouse in range(len(tracks.mouse_ids)):
        values_NWV = window_answers(model, tracks, mouse, starts)
        total_TV, count_T = np.zeros((T, len(tasks)), np.float32), np.zeros(T, np.float32)
        for start, values_WV in zip(starts, values_NWV, strict=True):
            n = min(W, T - start)
            total_TV[start : start + n] += values_WV[:n]
            count_T[start : start + n] += 1
        mean_TV = total_TV / count_T[:, None]
        for v, task in enumerate(tasks):
            answer: dict[str, Any] = {
                "task": str(task), "mouse_id": tracks.mouse_ids[mouse], "value": _rounded(mean_TV[:, v].mean()),
            }  # fmt: skip
            if task.by_frame:
                seconds = np.array_split(mean_TV[:, v], np.arange(round(MODEL_FPS), T, round(MODEL_FPS)))
                answer["by_second"] = [_rounded(second.mean()) for second in seconds]
            result.append(answer)
    return result


@torch.no_grad()
def window_answers(model: NetworkModel, tracks: PoseTracks, mouse: int, starts: Sequence[int]) -> Floats:
    """Return the answers [N, W, V] for an animal: probabilities of states, numbers in their own unit.

    `mouse` is its position in `mouse_ids`, `starts` are the first frames (at 30 Hz) of the N windows.
    """
    tasks, W = model.config.asked(), model.config.window
    other = (mouse + 1) % len(tracks.mouse_ids)
    device = next(model.network.parameters()).device
    lab = model.lab_index(tracks)
    model.network.eval()
    parts = []
    for first in range(0, len(starts), BATCH):
        chosen = starts[first : first + BATCH]
        windows = model.encoder.gather([Window(tracks, mouse, other, start) for start in chosen], W)
        labs_N = torch.full((len(chosen),), lab, device=device)
        labeled_NC = torch.zeros(len(chosen), len(model.actions), device=device)
        logits = model.network(model.inputs(windows.to(device)), labs_N, labeled_NC)
        parts.append(logits[..., len(model.actions) :].float().cpu().numpy())
    values_NWV = np.concatenate(parts)
    for v, task in enumerate(tasks):
        numbers = values_NWV[..., v]
        values_NWV[..., v] = 1 / (1 + np.exp(-numbers)) if task.is_state else numbers * task.scale + task.centre
    return values_NWV


def _rounded(value: Any) -> float:
    return round(float(value), 4)
