"""Boosted trees (XGBoost) on rolling features, one booster per (lab, action): the baseline of the networks.

They are trained on the same tracks, labeled behaviors and folds as the networks. Stored as one UBJ file per
booster and `meta.json`; nothing is unpickled. Shape letters: T frames at 30 Hz, N rows, F features, A actions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from etholake.dataset.labelled import LabelledVideo, lab_actions, whole_spans
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.resampling import MODEL_FPS
from etholake.dataset.split import Span
from etholake.errors import ContractError, DataError
from etholake.events.post_processing import PostProcessing
from etholake.events.types import PairScores, mask
from etholake.features.encoder import Table, TableEncoder
from etholake.features.registry import table_encoder
from etholake.models.archive import META, ModelMetadata, read_meta, write_meta
from etholake.models.base import Model, ModelMixin
from etholake.models.boosted.config import BoostedConfig

__all__ = [
    "Boosted",
    "Booster",
    "Tables",
    "annotated_frames",
    "as_matrix",
    "fit",
    "grow_all",
    "in_parts",
    "labeled_pairs",
    "part_of",
    "read_model",
    "write_model",
]  # fmt: skip

INNER_PARTS = 3  # parts of the videos; each is left out once to choose the number of rounds
CHUNK_S = 900.0  # seconds of a video at once: bounds the memory, whatever the video's length
Tables = Iterator[tuple[slice, Table]]  # a range of frames at 30 Hz, and the features of these
TablesOf = Callable[[PoseTracks, int, int, tuple[int, int]], Tables]  # of (tracks, agent, target, frames)
_Rows = tuple[Table, Any, Any, Any]  # features, whether the action is there, weight, video of each row


@dataclass(frozen=True)
class Booster:
    """A trained booster and the names of its columns, in order."""

    booster: Any
    names: tuple[str, ...]

    def __call__(self, table: Table, start_T: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """Return probabilities [T]; `start_T` are the log odds that the trees were grown from, if any."""
        probabilities = self.booster.inplace_predict(as_matrix(table, self.names), base_margin=start_T)
        return np.asarray(probabilities, dtype=np.float32)


@dataclass
class Boosted(ModelMixin):
    """Trained boosters by (lab, action); an action that a lab's training data lack has none."""

    family: ClassVar[str] = "boosted"

    forests: Mapping[tuple[str, str], Booster]
    config: BoostedConfig = field(default_factory=BoostedConfig)
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    details: dict[str, Any] = field(default_factory=dict)
    part_map: str = ""  # a lab's own names of body parts (see `contract.unified_part_sources`)

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions for which any lab has a booster, sorted."""
        return tuple(sorted({action for _, action in self.forests}))

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs that have a booster, sorted."""
        return tuple(self.lab_actions)

    @property
    def lab_actions(self) -> dict[str, list[str]]:
        """{lab: actions that have a booster}, sorted."""
        by_lab: dict[str, list[str]] = defaultdict(list)
        for lab, action in sorted(self.forests):
            by_lab[lab].append(action)
        return dict(by_lab)

    def predict(self, tracks: PoseTracks, frames: tuple[int, int] | None = None) -> list[PairScores]:
        """Return the probabilities of every (agent, target) that can be predicted, on the video's own frames.

        For an unknown lab they are the mean over the boosters of all labs that have the action. With `frames`
        (start, stop) only these are computed; elsewhere is NaN.
        """
        return self.predict_together([self], tracks, frames)[0]

    @classmethod
    def predict_together(
        cls, models: Sequence[Boosted], tracks: PoseTracks, frames: tuple[int, int] | None = None
    ) -> list[list[PairScores]]:
        """Return what each model's `predict` returns; features that several models read are computed once."""
        scores: list[list[PairScores]] = [[] for _ in models]
        behaviors = [model.predicted_behaviors(tracks) for model in models]
        for name in dict.fromkeys(model.config.encoder for model in models):
            alike = [k for k, model in enumerate(models) if model.config.encoder == name]
            for agent, target in dict.fromkeys(pair for k in alike for pair in behaviors[k]):
                asked = {k: behaviors[k][agent, target] for k in alike if (agent, target) in behaviors[k]}
                T = len(tracks.xy_TMK2)
                values = {k: np.full((T, len(actions)), np.nan, dtype=np.float32) for k, actions in asked.items()}
                for inner, table in _tables(table_encoder(name), tracks, agent, target, frames):
                    for k, actions in asked.items():
                        values[k][inner] = models[k]._probabilities(tracks.lab_id, actions, table)
                for k, actions in asked.items():
                    scores[k].append(
                        PairScores(
                            tracks.video_id, tracks.lab_id, tracks.fps, agent, target, tracks.first_frame,
                            tuple(actions), tracks.to_video_frames(values[k]),
                        )
                    )  # fmt: skip
        return scores

    def _probabilities(self, lab_id: str, actions: Sequence[str], table: Table) -> npt.NDArray[np.float32]:
        """Return the probabilities of the table's frames [T, A]."""
        by_action = [[forest(table) for forest in self.boosters_of(lab_id, action)] for action in actions]
        return np.stack([np.mean(probabilities, axis=0) for probabilities in by_action], axis=1)

    def boosters_of(self, lab_id: str, action: str) -> list[Booster]:
        """Return the lab's booster of an action; for an unknown lab, those of all labs that have the action."""
        if any(lab == lab_id for lab, _ in self.forests):
            return [self.forests[lab_id, action]] if (lab_id, action) in self.forests else []
        return [forest for (_, name), forest in self.forests.items() if name == action]

    def save(self, folder: Path) -> None:
        """Write the boosters as numbered UBJ files, and `meta.json`."""
        features = table_encoder(self.config.encoder).description()
        write_model(folder, self, self.forests, {"config": asdict(self.config), "features": features})

    @classmethod
    def load(cls, folder: Path) -> Boosted:
        """Read a stored model. Raises ContractError that names what does not fit this code."""
        stored, forests, config = read_model(folder, cls.family)
        table_encoder(config.encoder).check(stored.more.get("features") or {}, str(folder))
        details = stored.details("config", "features", "forests")
        return cls(forests, config, stored.post_processing, details, stored.part_map)


def fit(
    videos: Sequence[LabelledVideo], spans: Sequence[Span] | None = None, config: BoostedConfig | None = None
) -> Boosted:
    """Train one booster per (lab, action) that occurs in `spans` (default: the whole videos).

    A frame counts only for the labeled behaviors (agent, target, action) of its video. Raises DataError if no
    action occurs.
    """
    config = config or BoostedConfig()
    encoder = table_encoder(config.encoder)

    def tables(tracks: PoseTracks, agent: int, target: int, frames: tuple[int, int]) -> Tables:
        return _tables(encoder, tracks, agent, target, frames)

    return Boosted(grow_all(videos, whole_spans(videos) if spans is None else spans, tables, config), config)


def grow_all(
    videos: Sequence[LabelledVideo],
    spans: Sequence[Span],
    tables: TablesOf,
    config: BoostedConfig,
    start: Callable[[str], str] | None = None,
) -> dict[tuple[str, str], Booster]:
    """Train one booster per (lab, action).

    Its rows are those that `tables(tracks, agent, target, frames)` returns for every pair of the lab's videos.
    With `start` (action -> name of a column of log odds) the trees only add to that column, and as many rounds are
    grown as help on videos that were left out (none, if none helps). Rows without a value in that column are left
    out. Raises DataError if no labeled behavior occurs in the spans.
    """
    occurring = {(lab, a) for lab, actions in lab_actions(videos, spans).items() for a in actions}
    if not occurring:
        raise DataError("No labeled behavior occurs in the training videos: there is nothing to learn.")
    rows = _rows_by_action(videos, spans, tables, occurring, config)
    forests = {}
    for at, parts in sorted(rows.items()):
        names = [*dict.fromkeys(name for part, *_ in parts for name in part)]
        matrix = np.concatenate([as_matrix(part, names) for part, *_ in parts])
        y, weight, by_video = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
        if start is None:
            forests[at] = grow(matrix, y, weight, names, config)
        elif start(at[1]) in names:
            start_N = matrix[:, names.index(start(at[1]))]
            present = ~np.isnan(start_N)
            x, y, weight, start_N, by_video = (v[present] for v in (matrix, y, weight, start_N, by_video))
            rounds = _rounds_that_help(x, y, weight, start_N, by_video, config)
            forests[at] = grow(x, y, weight, names, replace(config, rounds=rounds), start_N)
    return forests


def _rows_by_action(
    videos: Sequence[LabelledVideo],
    spans: Sequence[Span],
    tables: TablesOf,
    occurring: set[tuple[str, str]],
    config: BoostedConfig,
) -> dict[tuple[str, str], list[_Rows]]:
    """Return the drawn rows by (lab, action), for each span and pair in which the action was labelled."""
    by_id = {v.tracks.video_id: v for v in videos}
    fraction = _fractions(by_id, spans, occurring, config.max_rows)
    random = np.random.default_rng(config.seed or 0)
    rows: dict[tuple[str, str], list[_Rows]] = defaultdict(list)
    for span in spans:
        video, frames = by_id[span.video_id], (span.start_frame, span.stop_frame)
        for (agent, target), actions in labeled_pairs(video, occurring).items():
            true = {action: annotated_frames(video, (agent, target, action)) for action in actions}
            observed = {action: video.looked_for((agent, target, action)) for action in actions}
            for inner, table in tables(video.tracks, agent, target, frames):
                for action in actions:
                    at, y = (span.lab_id, action), true[action][inner]
                    weight = np.where(y, *reversed(fraction[at]))
                    if (looked_for := observed[action]) is not None:
                        weight = weight * looked_for[inner]
                    chosen = np.flatnonzero(random.random(len(y)) < weight)
                    part = {name: x[chosen] for name, x in table.items()}
                    videos_N = np.full(len(chosen), span.video_id)
                    rows[at].append((part, y[chosen], 1 / weight[chosen], videos_N))
    return rows


def as_matrix(table: Table, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return columns in the order of `names` [T, F]; a name that the table lacks is a column of NaN."""
    absent = np.full(len(next(iter(table.values()))), np.nan, dtype=np.float32)
    return np.stack([table.get(name, absent) for name in names], axis=1)


def grow(
    matrix_NF: npt.NDArray[np.float32],
    true_N: npt.NDArray[np.bool_],
    weight_N: npt.NDArray[np.float64],
    names: Sequence[str],
    config: BoostedConfig,
    start_N: npt.NDArray[np.float32] | None = None,
) -> Booster:
    """Train one booster; columns that are constant or have no value are left out."""
    import xgboost

    with np.errstate(invalid="ignore"):
        useful = np.flatnonzero(np.nan_to_num(matrix_NF).std(axis=0) > 0)
    data = xgboost.QuantileDMatrix(
        matrix_NF[:, useful], true_N, weight=weight_N, base_margin=start_N, max_bin=64, nthread=config.threads
    )
    booster = xgboost.train(config.parameters(), data, num_boost_round=config.rounds)
    return Booster(booster, tuple(names[int(i)] for i in useful))


def _rounds_that_help(
    matrix_NF: npt.NDArray[np.float32],
    true_N: npt.NDArray[np.bool_],
    weight_N: npt.NDArray[np.float64],
    start_N: npt.NDArray[np.float32],
    video_N: npt.NDArray[np.int64],
    config: BoostedConfig,
) -> int:
    """Return the number of rounds with the least log loss on videos that were left out, one part at a time.

    Returns 0 for a single video, of which nothing can be left out.
    """
    import xgboost

    videos = np.unique(video_N)
    if len(videos) < 2:
        return 0
    loss = np.zeros(config.rounds + 1)
    for part in (videos[k::INNER_PARTS] for k in range(min(INNER_PARTS, len(videos)))):
        out = np.isin(video_N, part)
        train, held_out = (
            xgboost.DMatrix(
                matrix_NF[at], true_N[at], weight=weight_N[at], base_margin=start_N[at], nthread=config.threads
            )
            for at in (~out, out)
        )
        losses: dict[str, dict[str, list[float]]] = {}
        xgboost.train(
            config.parameters(), train, config.rounds, evals=[(held_out, "out")], evals_result=losses,
            verbose_eval=False,
        )  # fmt: skip
        at_first = np.average(np.logaddexp(0, np.where(true_N, -start_N, start_N)[out]), weights=weight_N[out])
        loss += weight_N[out].sum() * np.array([at_first, *losses["out"]["logloss"]])
    return int(np.argmin(loss))


def write_model(
    folder: Path, model: Model, forests: Mapping[tuple[str, str], Booster], own: Mapping[str, Any]
) -> None:
    """Write boosters as numbered UBJ files, and `meta.json`, which names their labs, actions and columns.

    `own` are further entries of `meta.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, ((lab, action), forest) in enumerate(sorted(forests.items())):
        forest.booster.save_model(folder / f"forest-{number:04d}.ubj")
        rows.append({"lab": lab, "action": action, "features": list(forest.names)})
    write_meta(folder, model, {"forests": rows, **own})


def read_model(folder: Path, family: str) -> tuple[ModelMetadata, dict[tuple[str, str], Booster], BoostedConfig]:
    """Read what `write_model` wrote, with a `config` among `own`. Raises ContractError for anything else."""
    stored = read_meta(folder, family)
    try:
        rows = [(row["lab"], row["action"], tuple(row["features"])) for row in stored.more["forests"]]
        config = BoostedConfig(**stored.more["config"])
    except (KeyError, TypeError) as err:
        raise ContractError(f"{folder / META} does not fit this code: {err!r}. Train the model again.") from err
    forests = {
        (lab, action): _read_forest(folder / f"forest-{n:04d}.ubj", names)
        for n, (lab, action, names) in enumerate(rows)
    }
    return stored, forests, config


def _read_forest(path: Path, names: tuple[str, ...]) -> Booster:
    """Read a stored booster. Raises ContractError if it cannot be read or has another number of features."""
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as err:
        raise ContractError(f"{path} cannot be read: {str(err).splitlines()[0]}") from err
    if booster.num_features() != len(names):
        raise ContractError(f"{path} has {booster.num_features()} features, but its {META} names {len(names)}.")
    return Booster(booster, names)


def part_of(tracks: PoseTracks, inner: slice) -> PoseTracks:
    """Return a range of frames at 30 Hz of a video; its own frames no longer fit and must not be used."""
    return replace(
        tracks, xy_TMK2=tracks.xy_TMK2[inner], observed_TMK=tracks.observed_TMK[inner],
        own_TMJ2=tracks.own_TMJ2[inner], skipped=tracks.skipped + inner.start,
    )  # fmt: skip


# --- frames and rows ---------------------------------------------------------------------------------------
def _tables(
    encoder: TableEncoder, tracks: PoseTracks, agent: int, target: int, frames: tuple[int, int] | None
) -> Tables:
    one, other = tracks.mouse_ids.index(agent), tracks.mouse_ids.index(target)
    for inner, around in in_parts(tracks, frames, encoder.context_s):
        table = encoder.table(part_of(tracks, around), one, other)
        inside = slice(inner.start - around.start, inner.stop - around.start)
        yield inner, {name: x[inside] for name, x in table.items()}


def in_parts(
    tracks: PoseTracks, frames: tuple[int, int] | None, context_s: float
) -> Iterator[tuple[slice, slice]]:
    """Yield ranges of frames at 30 Hz that cover `frames` (None: all), `CHUNK_S` at a time.

    Each comes with the wider range that its features look at (`context_s` to either side).
    """
    T, context = len(tracks.xy_TMK2), round(context_s * MODEL_FPS)
    first, last = (0, T) if frames is None else map(int, np.searchsorted(tracks.frame_times(), frames))
    first, last = max(0, first - 1), min(T, last + 1)  # the video's own frames lie between two of these
    for start in range(first, last, round(CHUNK_S * MODEL_FPS)):
        stop = min(last, start + round(CHUNK_S * MODEL_FPS))
        yield slice(start, stop), slice(max(0, start - context), min(T, stop + context))


def labeled_pairs(video: LabelledVideo, occurring: set[tuple[str, str]]) -> dict[tuple[int, int], list[str]]:
    """Return {(agent, target): labeled actions} of tracked animals, of the (lab, action) that occur."""
    by_pair: dict[tuple[int, int], list[str]] = defaultdict(list)
    for agent, target, action in video.tracks.labeled_behaviors:
        if (video.tracks.lab_id, action) in occurring and {agent, target} <= set(video.tracks.mouse_ids):
            by_pair[agent, target].append(action)
    return by_pair


def annotated_frames(video: LabelledVideo, triplet: tuple[int, int, str]) -> npt.NDArray[np.bool_]:
    """Return whether the action is annotated at each frame at 30 Hz [T].

    The annotation of the nearest of the video's own frames counts.
    """
    tracks = video.tracks
    own = [e for e in video.events if (e.agent_id, e.target_id, e.action) == triplet]
    nearest = np.clip(np.round(tracks.frame_times()).astype(int) - tracks.first_frame, 0, tracks.n_frames - 1)
    return mask(own, tracks.first_frame, tracks.n_frames)[nearest]


def _fractions(
    by_id: Mapping[int, LabelledVideo], spans: Sequence[Span], occurring: set[tuple[str, str]], max_rows: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the fractions of negative and of positive frames to train on, by (lab, action)."""
    inner: dict[tuple[str, str], Any] = defaultdict(lambda: np.zeros(2))
    for span in spans:
        video = by_id[span.video_id]
        inside = np.searchsorted(video.tracks.frame_times(), (span.start_frame, span.stop_frame))
        for pair, actions in labeled_pairs(video, occurring).items():
            for action in actions:
                true_T, looked_for_T = annotated_frames(video, (*pair, action)), video.looked_for((*pair, action))
                if looked_for_T is None:
                    looked_for_T = np.ones_like(true_T)
                true = int((true_T & looked_for_T)[slice(*inside)].sum())
                inner[span.lab_id, action] += (int(looked_for_T[slice(*inside)].sum()) - true, true)
    fractions = {}
    for at, (false, true) in inner.items():
        kept = min(true, max(max_rows / 2, max_rows - false))
        fractions[at] = (min(1.0, (max_rows - kept) / max(false, 1)), kept / max(true, 1))
    return fractions
