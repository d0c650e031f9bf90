"""Measure what each group of features is worth to trees on real tracks, beside the yardstick's own features.

.venv/bin/python benchmarks/ingredients.py --data DIR [--lab LAB] [--seeds 3] [--work DIR] [--json] [GROUP ...]

DIR is a folder in the MABe layout, LAB one with 30 frames/s. A GROUP is `all` (what `boosted` reads), `without
time`, `without own`, `without place`, `without apart` (distances whichever animal has which part), or `yardstick`
(the features of `yardstick.py` under the same trees). Every video is held out once, nothing is chosen on it, and
the decisions of a video are fitted on the out-of-fold probabilities of the others. The trees are smaller than the
product's (one frame of nine, 120 rounds), so that a group takes a minute. Printed as by `recognisers.py`: F and
average precision with intervals, also of the difference to every group before. --work keeps probabilities.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xgboost
import yardstick
from figures import parser, show
from numpy.typing import NDArray
from recognisers import Apart, Folds, Judged, _read, _write, read_lab

from etholake.events.types import PairScores
from etholake.features.rolling import pair_table
from etholake.models.boosted.forest import as_matrix

EVERY, ROUNDS = 9, 120  # one frame of so many teaches
PLACE = ("x", "y", "from", "wall", "corner", "heading")  # second words of the place's columns
PARAMETERS = {
    "objective": "binary:logistic", "tree_method": "hist", "max_bin": 64, "max_depth": 5, "eta": 0.1,
    "subsample": 0.5, "colsample_bytree": 0.15, "min_child_weight": 20.0, "lambda": 5.0, "nthread": 1,
    "verbosity": 0,
}  # fmt: skip
GROUPS: dict[str, Callable[[str], bool]] = {
    "all": lambda _name: True,
    "without time": lambda name: name != "session time",
    "without own": lambda name: " own " not in name,
    "without place": lambda name: name.split()[1] not in PLACE,
    "without apart": lambda name: not name.startswith(("least ", "most ")) or " own " in name,
}
YARDSTICK = "yardstick"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("groups", nargs="*", default=["all", "without time", "without own", YARDSTICK])
    options.add_argument("--data", type=Path, required=True, help="folder in the MABe layout")
    options.add_argument("--lab", default="BlossomSocial")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--work", type=Path, help="where probabilities are kept (default: nowhere)")
    given = options.parse_args()
    data = read_lab(given.data, given.lab)
    videos = tuple(v.tracks.video_id for v in data.videos)[: 3 if given.quick else None]
    with tempfile.TemporaryDirectory(prefix="etholake-ingredients-") as temporary:
        folds = TreeFolds(given.data, data, videos, given.work or Path(temporary))
        judged: dict[str, Judged] = {}
        for seed in range(given.seeds):
            for group in given.groups:
                name = f"{group}@{seed}"
                judged[name] = Judged.of(folds, name, nested=False)
                of_this_seed = {other: one for other, one in judged.items() if other.endswith(f"@{seed}")}
                show(judged[name].figures(name, of_this_seed), as_json=given.json)
                sys.stdout.flush()


@dataclass(frozen=True)
class TreeFolds(Folds):
    """Probabilities of videos by small trees on one group of features; kept in `work`."""

    def probabilities(self, name: str, video: int, apart: Apart = frozenset()) -> list[PairScores]:  # noqa: ARG002
        """Return the scores of a video by trees of the other videos."""
        folder = self.work / name.replace(" ", "-")
        if not all((folder / f"{each}.npz").is_file() for each in self.videos):
            folder.mkdir(parents=True, exist_ok=True)
            for each, scores in self._out_of_fold(*name.split("@")).items():
                _write(folder / f"{each}.npz", scores)
            recipe = [PARAMETERS, ROUNDS, EVERY, self.data.fingerprint]
            (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
        return _read(folder / f"{video}.npz", self.by_id[video].tracks)

    @cached_property
    def tables(self) -> dict[tuple[int, int, int], tuple[list[str], NDArray[np.float32]]]:
        """{(video, agent, target): names and columns at the video's own frames [T, F]}."""
        made = {}
        for video in self.videos:
            tracks = self.by_id[video].tracks
            for agent, target in yardstick.pairs(self.by_id[video]):
                table = pair_table(tracks, *(tracks.mouse_ids.index(mouse) for mouse in (agent, target)))
                made[video, agent, target] = (list(table), as_matrix(table, list(table)))
        return made

    def _columns(self, group: str) -> dict[tuple[int, int, int], NDArray[np.float32]]:
        """Return the columns of a group by (video, agent, target), in one order, as the trees see them."""
        if group == YARDSTICK:
            return {
                (video, *pair): yardstick.features(self.source, self.by_id[video], *pair)
                for video in self.videos
                for pair in yardstick.pairs(self.by_id[video])
            }
        every = list(dict.fromkeys(n for names, _ in self.tables.values() for n in names if GROUPS[group](n)))
        return {at: _ordered(names, x, every) for at, (names, x) in self.tables.items()}

    def _out_of_fold(self, group: str, seed: str) -> dict[int, list[PairScores]]:
        x_by_pair = self._columns(group)
        ats = list(x_by_pair)
        actions = sorted({a for video in self.videos for *_, a in self.by_id[video].tracks.labeled_behaviors})
        rows = xgboost.QuantileDMatrix(
            np.concatenate([x_by_pair[at][::EVERY] for at in ats]), max_bin=64, nthread=1
        )
        video_N = np.concatenate([np.full(len(x_by_pair[at][::EVERY]), at[0]) for at in ats])
        out: dict[tuple[int, int, int], list[NDArray[np.float32]]] = {at: [] for at in ats}
        for action in actions:
            truth = {at: yardstick.truth(self.by_id[at[0]], (*at[1:], action)) for at in ats}
            rows.set_label(np.concatenate([truth[at][::EVERY] for at in ats]))
            for video in self.videos:
                rows.set_weight(np.where(video_N == video, 1e-12, 1.0))  # the held-out video teaches nothing
                booster = xgboost.train(PARAMETERS | {"seed": int(seed)}, rows, ROUNDS)
                for at in ats:
                    if at[0] == video:
                        out[at].append(booster.inplace_predict(x_by_pair[at]))
        made: dict[int, list[PairScores]] = {video: [] for video in self.videos}
        for (video, agent, target), columns in out.items():
            t = self.by_id[video].tracks
            who = video, t.lab_id, t.fps, agent, target, t.first_frame
            made[video].append(PairScores(*who, tuple(actions), np.stack(columns, axis=1)))
        return made


def _ordered(names: Sequence[str], x_TF: NDArray[np.float32], wanted: Sequence[str]) -> NDArray[np.float32]:
    """Return the wanted columns; NaN where there is none."""
    at = {name: i for i, name in enumerate(names)}
    made = np.full((len(x_TF), len(wanted)), np.nan, dtype=np.float32)
    present = [j for j, name in enumerate(wanted) if name in at]
    made[:, present] = x_TF[:, [at[wanted[j]] for j in present]]
    return made


if __name__ == "__main__":
    main()
