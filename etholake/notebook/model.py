"""A trained model as notebooks use it: events and probabilities of a video's tracks, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etholake.contract import RAW_TRACKING_COLUMNS
from etholake.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from etholake.dataset.pose_tracks import PoseTracks
    from etholake.models.base import Model

__all__ = ["VIDEO_ATTRIBUTE", "TrainedModel"]

VIDEO_ATTRIBUTE = "etholake_video"  # in `DataFrame.attrs`: the metadata of the video whose tracks the table holds
_CURATED_COLUMNS = {"x_cm": "float", "y_cm": "float", "is_imputed": "boolean"}  # beside those of raw tracks


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in a notebook. Make it with `NotebookLake.train` or `NotebookLake.model`.

    Attributes
    ----------
    model
        The model itself, of any family.
    max_gap_frames
        The longest gap (frames) that is filled in tracks that are not curated yet.

    Examples
    --------
    >>> model = lake.model()
    >>> model.predict(lake.tracks("cage 4"))
    """

    model: Model
    max_gap_frames: int

    def __repr__(self) -> str:
        """Return one line: a notebook shows it, and the trees of a model would fill pages."""
        return f"TrainedModel of family '{self.family}', actions: {', '.join(self.actions)}"

    @property
    def family(self) -> str:
        """The name of the model's family."""
        return self.model.family

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that the model can predict."""
        return self.model.actions

    def predict(self, tracks: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the events that the model predicts in the tracks of one video.

        Parameters
        ----------
        tracks
            What `NotebookLake.tracks` returns; or rows with ``video_frame``, ``mouse_id``, ``bodypart``, ``x``,
            ``y`` (px), which are curated first.
        metadata
            Of tracks that do not come from the lake: ``frames_per_second`` and ``behaviors_labeled`` (the wanted
            behaviours, like ``["mouse1,mouse2,chase", "mouse1,self,rear"]``); ``lab_id``, ``video_id``,
            ``pix_per_cm_approx``, ``video_width_pix``, ``video_height_pix`` where they are known.

        Returns
        -------
        pandas.DataFrame
            ``video_id``, ``agent_id``, ``target_id``, ``action``, ``start_frame``, ``stop_frame`` (exclusive),
            ``confidence`` (0 to 1). `DataFrame.attrs` holds ``notes``: what is not predicted, and why.

        Raises
        ------
        UsageError
            The tracks bring no metadata and none are given, or a column is missing.
        DataError
            The tracks or the metadata cannot be used; the message says why.

        Examples
        --------
        >>> model.predict(lake.tracks("cage 4"))
        >>> about = {"frames_per_second": 30, "behaviors_labeled": ["mouse1,mouse2,chase"]}
        >>> model.predict(pd.read_parquet("tracks.parquet"), about)
        """
        import pandas as pd

        poses = self._poses(tracks, metadata)
        columns = ["video_id", "agent_id", "target_id", "action", "start_frame", "stop_frame", "confidence"]
        rows = [{"video_id": event.video_id, **event.to_dict()} for event in self.model.events(poses)]
        events = pd.DataFrame(rows, columns=columns)
        events.attrs["notes"] = self.model.notes(poses)
        return events

    def probabilities(self, tracks: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the probability of every behaviour at every frame; `predict` describes parameters and errors.

        Returns
        -------
        pandas.DataFrame
            One row a frame, ``video_frame`` as the index; one column (``agent_id``, ``target_id``, ``action``) a
            behaviour. NaN where nothing is predicted.

        Examples
        --------
        >>> model.probabilities(lake.tracks("cage 4"))[1, 2, "chase"].plot()
        """
        import pandas as pd

        curves = {
            (pair.agent_id, pair.target_id, action): pd.Series(
                values, index=range(pair.first_frame, pair.first_frame + len(values))
            )
            for pair in self.model.predict(self._poses(tracks, metadata))
            for action, values in zip(pair.actions, pair.probabilities_TA.T, strict=True)
        }
        table = pd.DataFrame(curves)
        table.index.name = "video_frame"
        if curves:
            table.columns.names = ["agent_id", "target_id", "action"]
        return table

    def _poses(self, tracks: pd.DataFrame, metadata: Mapping[str, Any] | None) -> PoseTracks:
        from etholake.dataset.pose_tracks import PoseTracks
        from etholake.dataset.video_meta import VideoMeta

        given = metadata or tracks.attrs.get(VIDEO_ATTRIBUTE)
        if given is None:
            raise UsageError(
                "These tracks do not say what video they are of: take them from `lake.tracks(video)`, or give "
                'metadata={"frames_per_second": …, "behaviors_labeled": ["mouse1,mouse2,chase", …]}.'
            )
        meta = VideoMeta.from_row({"video_id": 0, "lab_id": "notebook", **given})
        if "x_cm" in tracks.columns:
            table = _arrow(tracks, RAW_TRACKING_COLUMNS | _CURATED_COLUMNS)
            return PoseTracks.from_curated(table, meta, self.model.part_sources)
        table = _arrow(tracks, RAW_TRACKING_COLUMNS)
        return PoseTracks.from_raw(
            table, meta, max_gap_frames=self.max_gap_frames, sources=self.model.part_sources
        )


def _arrow(tracks: pd.DataFrame, types: Mapping[str, str]) -> Any:
    """Return columns of a DataFrame as an Arrow table of the contract's types.

    Raises UsageError for columns that are not there, DataError for values of another type.
    """
    import pyarrow as pa

    from etholake.contract import arrow_type

    if absent := [name for name in types if name not in tracks.columns]:
        raise UsageError(f"The tracks lack the columns {', '.join(absent)}.")
    columns = {}
    for name, kind in types.items():
        try:
            columns[name] = pa.Array.from_pandas(tracks[name]).cast(arrow_type(kind))
        except pa.ArrowException as err:
            raise DataError(f"Column '{name}' of the tracks must be {kind}: {err}") from err
    return pa.table(columns)
