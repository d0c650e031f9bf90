"""The lake as notebooks use it: its videos, tracks, events and reports as tables, and training on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etholake.contract import SPLITS
from etholake.errors import DataError, UsageError, suggestion
from etholake.notebook.model import VIDEO_ATTRIBUTE, TrainedModel
from etholake.progress import progress
from etholake.settings import AUTO, Settings

if TYPE_CHECKING:
    import pandas as pd

    from etholake.stages.video_names import NamedVideo

__all__ = ["NotebookLake"]

VideoName = int | str
_KEYS = ("split", "lab_id", "video_id")
_EVENT = ("agent_id", "target_id", "action", "start_frame", "stop_frame", "start_sec", "stop_sec")


@dataclass(frozen=True)
class NotebookLake:
    """The lake as notebooks use it. Make it with `etholake.open`.

    Attributes
    ----------
    settings
        The settings with which every stage is asked.

    Examples
    --------
    >>> lake = el.open()
    >>> lake.events("cage 4", action="chase")
    """

    settings: Settings

    def videos(self, *, lab: str = "", split: str = "") -> pd.DataFrame:
        """Return one row a video, with all of its metadata.

        Parameters
        ----------
        lab, split
            Only videos of this lab, of this split (``train`` or ``test``); "" for all.

        Returns
        -------
        pandas.DataFrame
            ``split`` and the columns of `metadata_train`; by lab and number. A missing value is NA.

        Raises
        ------
        UsageError
            The lake has no such lab or split.

        Examples
        --------
        >>> lake.videos(lab="my_lab").groupby("tracking_method").size()
        """
        import pandas as pd

        from etholake.stages.state import open_lake

        if split and split not in SPLITS:
            raise UsageError(f"There is no split '{split}'. {suggestion(split, SPLITS)}")
        lake = open_lake(self.settings)
        tables = []
        for name in [split] if split else SPLITS:
            table = lake.read(f"metadata_{name}").to_pandas(types_mapper=_nullable)
            table.insert(0, "split", name)
            tables.append(table)
        rows = pd.concat(tables, ignore_index=True)
        if lab:
            labs = sorted(rows["lab_id"].unique())
            if lab not in labs:
                raise UsageError(f"The lake has no lab '{lab}'. {suggestion(lab, labs)}")
            rows = rows[rows["lab_id"] == lab]
        return rows.sort_values(["lab_id", "video_id"], ignore_index=True)

    def tracks(self, video: VideoName, *, parts: Sequence[str] = ()) -> pd.DataFrame:
        """Return the curated tracks of a video, one row a point.

        Parameters
        ----------
        video
            Its number, its own name, or ``lab/name``.
        parts
            Only these body parts, in the lab's own names; () for all.

        Returns
        -------
        pandas.DataFrame
            ``video_frame`` (from 0), ``mouse_id`` (from 1), ``bodypart``, ``x``, ``y`` (px), ``x_cm``, ``y_cm``
            (cm from the arena's centre; NaN without a scale), ``z`` (px, of three-dimensional tracks), ``speed``
            (cm/s), ``is_imputed``; by animal, part, frame. A point that is missing has no row. `DataFrame.attrs`
            holds what `TrainedModel.predict` needs.

        Raises
        ------
        UsageError
            The lake has no such video or part.
        DataError
            The video has no tracking.

        Examples
        --------
        >>> nose = lake.tracks("cage 4", parts=["nose"])
        >>> nose.groupby("mouse_id")["speed"].mean()
        """
        from etholake.stages.serving.videos import METADATA_FIELDS, REQUEST_COLUMNS, Videos

        chosen = self._video(video)
        videos = Videos(self.settings, chosen.split)
        if chosen.video_id not in videos.rows:
            raise DataError(f"Video {video} of lab {chosen.lab_id} has no tracking.")
        rows = videos.tracks(chosen.video_id, columns=(*REQUEST_COLUMNS, "speed")).to_pandas()
        if absent := sorted(set(parts) - set(rows["bodypart"])):
            listed = suggestion(absent[0], sorted(rows["bodypart"].unique()))
            raise UsageError(f"Video {video} has no body part '{absent[0]}'. {listed}")
        if parts:
            rows = rows[rows["bodypart"].isin(parts)]
        rows = rows.sort_values(["mouse_id", "bodypart", "video_frame"], ignore_index=True)
        metadata = videos.rows[chosen.video_id]
        rows.attrs[VIDEO_ATTRIBUTE] = {name: metadata[name] for name in METADATA_FIELDS}
        return rows

    def events(
        self, video: VideoName | None = None, *, lab: str = "", action: str = "", run: str = ""
    ) -> pd.DataFrame:
        """Return annotated events, or those that a run predicted.

        Parameters
        ----------
        video
            Only this video: its number, its own name, or ``lab/name``; None for all.
        lab, action
            Only this lab, this action; "" for all.
        run
            A run of predictions, as `runs` lists them; "" for the annotations.

        Returns
        -------
        pandas.DataFrame
            One row an event: ``split``, ``lab_id``, ``video_id``, ``agent_id``, ``target_id`` (the agent itself
            for a self action), ``action``, ``start_frame``, ``stop_frame`` (exclusive), ``start_sec``,
            ``stop_sec`` (s), and of a run ``confidence`` (0 to 1).

        Raises
        ------
        UsageError
            The lake has no such video or run.

        Examples
        --------
        >>> lake.events("cage 4")["action"].value_counts()
        >>> lake.events(action="chase", run=lake.runs()[0])
        """
        from etholake.stages.lake.query import literal

        conditions, values = [], []
        if run:
            runs = self.runs()
            if run not in runs:
                raise UsageError(f"No run '{run}' has predicted. {suggestion(run, runs)}")
            conditions.append("run_id = ?")
            values.append(literal(run))
        if video is not None:
            chosen = self._video(video)
            conditions.append("split = ? AND lab_id = ? AND video_id = ?")
            values += [literal(chosen.split), literal(chosen.lab_id), str(chosen.video_id)]
        for column, wanted in (("lab_id", lab), ("action", action)):
            if wanted:
                conditions.append(f"{column} = ?")
                values.append(literal(wanted))
        table = "predictions" if run else "annotations_enriched"
        columns = ", ".join([*_KEYS, *_EVENT, *(["confidence"] if run else [])])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        order = "lab_id, video_id, start_frame, agent_id, target_id, action"
        return self.sql(f"SELECT {columns} FROM {table}{where} ORDER BY {order}", values)  # noqa: S608

    def runs(self) -> list[str]:
        """Return the ids of the runs that have predicted events, as `events` takes them.

        Examples
        --------
        >>> lake.runs()
        """
        runs = self.sql("SELECT DISTINCT run_id FROM predictions ORDER BY run_id")["run_id"]
        return [str(run) for run in runs]

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """Run one statement in Athena.

        Parameters
        ----------
        statement
            The SQL, with ``?`` where a parameter stands.
        parameters
            Values of the ``?``, in order; digits that are text stand in quotes: ``"'12'"``.

        Raises
        ------
        AwsError
            Athena refused the statement; the message has its reason.
        UsageError
            `parameters` is a text, not a list of values.

        Examples
        --------
        >>> lake.sql("SELECT action, count(*) AS n FROM annotations_enriched GROUP BY action")
        """
        import pandas as pd

        from etholake.stages.lake import query

        if isinstance(parameters, (str, bytes)):  # a sequence, too, but of its characters
            raise UsageError(f"Give the parameters as a list: [{parameters!r}].")
        result = query.run_sql(self.settings, statement, [str(value) for value in parameters])
        return pd.DataFrame(result.rows, columns=result.columns)

    def report(self, name: str, **parameters: Any) -> pd.DataFrame:
        """Run one of the reports that ``etholake query --list`` shows; its parameters are given by their names.

        Raises
        ------
        UsageError
            There is no such report, or a parameter is missing, unknown or of the wrong type.

        Examples
        --------
        >>> lake.report("lake_overview")
        """
        import pandas as pd

        from etholake.stages.lake import query

        result = query.run_report(self.settings, name, {key: str(value) for key, value in parameters.items()})
        return pd.DataFrame(result.rows, columns=result.columns)

    def train(
        self,
        config: str = AUTO,
        *,
        holdout: Sequence[VideoName] = (),
        labs: Sequence[str] = (),
        folds: int = 0,
        seeds: int = 1,
        fields: Mapping[str, Any] | None = None,
        weights: str = "",
    ) -> TrainedModel:
        """Train a classifier on the lake, as ``etholake train`` does, with its progress shown.

        Parameters
        ----------
        config
            As ``--config``: ``auto``, a preset, a family, ``family:preset``; several by comma with `folds`.
        holdout
            Videos that training must not see; () lets the stage choose them by lab.
        labs
            Train on these labs only; () for all.
        folds, seeds
            Cross-validate by video in so many folds, with so many seeds; 0 folds train one model.
        fields
            Fields of the configuration to replace, ``{"epochs": 20}``; of several {configuration: fields}.
        weights
            Weights that an image or video backbone starts with: a file, a folder or an S3 URI; "" for random ones.

        Returns
        -------
        TrainedModel
            The new model, or the one that the same data, code and options have made before.

        Raises
        ------
        UsageError
            There is no such configuration or video, or the options contradict each other.
        DataError
            The lake has no labelled video.
        AwsError
            The training job failed; the message has its reason.

        Examples
        --------
        >>> model = lake.train("boosted", holdout=["cage 4"])
        >>> model.predict(lake.tracks("cage 4"))
        """
        from etholake.stages.model import train as stage

        numbers = [self._video(video).video_id for video in holdout]
        options = stage.TrainingOptions(
            folds=folds, seeds=seeds, labs=tuple(labs), fields=fields or {}, weights=weights
        )
        with progress("train") as tick:
            details = stage.run(self.settings, config, numbers, tick, options).details
        return self.model(str(details["model_uri"]))

    def model(self, name: str = "current") -> TrainedModel:
        """Load a model: ``current`` (the newest of the lake), a folder, a ``model.tar.gz``, or its ``s3://`` URI.

        Raises
        ------
        UsageError
            There is no such model.
        DataError
            The lake has no model yet.

        Examples
        --------
        >>> model = lake.model()
        >>> model.actions
        """
        from etholake.models.archive import load_model
        from etholake.stages.model.models import unpacked

        with unpacked(self.settings, name) as folder:
            return TrainedModel(load_model(folder), self.settings.max_gap_frames)

    def _video(self, video: VideoName) -> NamedVideo:
        from etholake.stages import video_names

        videos = video_names.videos_of_lake(self.settings)
        (number,) = video_names.find_videos([str(video)], videos, "The lake")
        return next(one for one in videos if one.video_id == number)


def _nullable(kind: Any) -> Any:
    """Return pandas' nullable type of an Arrow type: a missing number then turns no whole numbers into floats."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    if pa.types.is_integer(kind):
        return {8: pd.Int8Dtype(), 32: pd.Int32Dtype(), 64: pd.Int64Dtype()}[kind.bit_width]
    return None
