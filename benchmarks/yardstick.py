"""The yardstick of the recognisers: XGBoost on rolling distances and speeds, as many labs write it. No benchmark.

It reads the raw tracks and knows nothing of Etholake's features: every body part of the lab by its own name, gaps
of half a second filled linearly, distances between and within the two animals, speeds over three lags, means and
deviations over three windows; one classifier an action, probabilities smoothed over 1.5 s. `recognisers.py` trains
it on the same folds as the product's models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from etholake.dataset.labelled import LabelledVideo
from etholake.events.smoothing import smoothed_pair
from etholake.events.types import PairScores, mask

LAGS, WINDOWS = (1, 5, 15), (15, 61, 181)  # frames, at some 30 a second
FILLED, SMOOTHED_S = 15, 1.5  # frames; seconds
PARAMETERS = {
    "objective": "binary:logistic", "tree_method": "hist", "max_bin": 64, "max_depth": 6, "eta": 0.07,
    "subsample": 0.5, "colsample_bytree": 0.3, "nthread": 1, "verbosity": 0,
}  # fmt: skip
ROUNDS, EVERY = 200, 3  # trees; frames of which one teaches, since neighbours are alike
RECIPE = [LAGS, WINDOWS, FILLED, SMOOTHED_S, PARAMETERS, ROUNDS, EVERY]


def features(folder: Path, video: LabelledVideo, agent: int, target: int) -> NDArray[np.float32]:
    """Return what is known of a pair at each frame of the video [T, F]."""
    tracks = video.tracks
    raw = pd.read_parquet(folder / "train_tracking" / tracks.lab_id / f"{tracks.video_id}.parquet")
    raw[["x", "y"]] /= tracks.meta.pix_per_cm or 1.0
    wide = raw.pivot_table(index="video_frame", columns=["mouse_id", "bodypart"], values=["x", "y"])
    frames = range(tracks.first_frame, tracks.first_frame + tracks.n_frames)
    wide = wide.reindex(frames).interpolate(limit=FILLED, limit_area="inside")
    parts = sorted(raw["bodypart"].unique())
    at = {
        (mouse, part): wide.reindex(columns=[("x", mouse, part), ("y", mouse, part)]).to_numpy()
        for mouse in (agent, target)
        for part in parts
    }
    points = list(at.values())
    now = {f"d{i},{j}": np.hypot(*(points[i] - points[j]).T) for i in range(len(points)) for j in range(i)}
    for i, point in enumerate(points):
        for lag in LAGS:
            moved = np.full(len(point), np.nan)
            moved[lag:] = np.hypot(*(point[lag:] - point[:-lag]).T)
            now[f"v{i},{lag}"] = moved
    table = pd.DataFrame(now)
    rolled = [
        getattr(table.rolling(window, center=True, min_periods=1), kind)()
        for window in WINDOWS
        for kind in ("mean", "std")
    ]
    return np.concatenate([table, *rolled], axis=1).astype(np.float32)


def predict(
    folder: Path, learnt: Sequence[LabelledVideo], wanted: Sequence[LabelledVideo], seed: int
) -> dict[int, list[PairScores]]:
    """Train on some videos; return the probabilities of the labeled pair actions of others, by video."""
    actions = sorted({action for v in learnt for _, _, action in v.tracks.labeled_behaviors})
    x_by_pair = {
        (v.tracks.video_id, *pair): features(folder, v, *pair) for v in (*learnt, *wanted) for pair in pairs(v)
    }
    boosters = {}
    for action in actions:
        rows = [(v, pair) for v in learnt for pair in pairs(v) if (*pair, action) in v.tracks.labeled_behaviors]
        true = np.concatenate([truth(v, (*pair, action))[::EVERY] for v, pair in rows])
        x = np.concatenate([x_by_pair[v.tracks.video_id, *pair][::EVERY] for v, pair in rows])
        data = xgboost.QuantileDMatrix(x, true, max_bin=64, nthread=1)
        boosters[action] = xgboost.train(PARAMETERS | {"seed": seed}, data, ROUNDS)
    made: dict[int, list[PairScores]] = {}
    for v in wanted:
        t = v.tracks
        for agent, target in pairs(v):
            x = x_by_pair[t.video_id, agent, target]
            p = np.stack([boosters[action].inplace_predict(x) for action in actions], axis=1)
            who = t.video_id, t.lab_id, t.fps, agent, target, t.first_frame
            made.setdefault(t.video_id, []).append(smoothed_pair(PairScores(*who, tuple(actions), p), SMOOTHED_S))
    return made


def pairs(video: LabelledVideo) -> list[tuple[int, int]]:
    """Return the (agent, target) of the labeled behaviors between two animals."""
    return sorted({(agent, target) for agent, target, _ in video.tracks.labeled_behaviors if agent != target})


def truth(video: LabelledVideo, triplet: tuple[int, int, str]) -> NDArray[np.bool_]:
    """Return where a behavior is annotated [T]."""
    own = [e for e in video.events if (e.agent_id, e.target_id, e.action) == triplet]
    return mask(own, video.tracks.first_frame, video.tracks.n_frames)
