"""Make requests about videos of the lake in the form that a model reads: tracks alone, or tracks and clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etholake import aws
from etholake.dataset.clip_channel import INDEX_COLUMNS
from etholake.errors import DataError
from etholake.models.archive import metadata_of
from etholake.objects import read_object
from etholake.stages.model.clip_sets import clip_set_of_archive
from etholake.stages.serving.videos import REQUEST_TYPE, Videos, request_body
from etholake.video import clip_request
from etholake.video.recipe import ClipRecipe

__all__ = ["ModelRequests"]


@dataclass(frozen=True)
class ModelRequests:
    """Requests to one model.

    Attributes
    ----------
    videos
        The videos of a split.
    clip_set
        The set of clips that the model was trained on; "" for a model of tracks.
    has_tasks
        The model answers tasks beside the actions, so that it can be asked about videos without labeled behaviors.
    """

    videos: Videos
    clip_set: str = ""
    has_tasks: bool = False
    _by_lab: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of_model(cls, videos: Videos, uri: str) -> ModelRequests:
        """Return requests to the model in an archive of S3."""
        archive = read_object(aws.client(videos.settings, "s3"), uri)
        return cls(videos, clip_set_of_archive(archive), bool(metadata_of(archive, uri).get("tasks")))

    def unusable(self, row: Mapping[str, Any]) -> str:
        """Return what the metadata of a video lack for a request; "" if nothing."""
        if not row["frames_per_second"]:
            return "no frames_per_second"
        if row["behaviors_labeled"] or self.has_tasks:
            return ""
        return "no labelled behaviours (behaviors_labeled is empty)"

    @property
    def content_type(self) -> str:
        """The media type of the requests."""
        return clip_request.CLIP_REQUEST if self.clip_set else REQUEST_TYPE

    @property
    def suffix(self) -> str:
        """The end of the name of an object with a request."""
        return ".tar" if self.clip_set else ".parquet"

    def body(self, video_id: int, table: Any) -> bytes:
        """Return the request about a video with its curated rows, and the clips of the same frames.

        Raises DataError if the model's set of clips has none of the video.
        """
        import pyarrow.compute as pc

        row = self.videos.rows[video_id]
        tracks = request_body(row, table)
        if not self.clip_set:
            return tracks
        windows = self._windows_of(row["lab_id"]).get(video_id)
        if not windows:
            raise DataError(f"the set of clips {self.clip_set} has none of video {video_id}")
        stop = pc.max(table["video_frame"]).as_py() + 1
        wanted = {window["member"] for window in windows if window["first_frame"] < stop}
        keys = sorted({window["shard"] for window in windows if window["member"] in wanted})
        lake = self.videos.lake
        shards = (read_object(lake.s3, f"s3://{lake.bucket}/{key}") for key in keys)
        recipe = ClipRecipe.from_dict(self._partition(row["lab_id"])["report"]["recipe"])
        return clip_request.write(tracks, self.clip_set, recipe, shards, wanted.__contains__)

    def states(self, labs: list[str]) -> list[Any]:
        """Return the states of the labs' clips, for a fingerprint of results."""
        return [self._partition(lab).get("generation") for lab in labs] if self.clip_set else []

    def _partition(self, lab_id: str) -> dict[str, Any]:
        keys = {"clip_set": self.clip_set, "lab_id": lab_id}
        return self.videos.lake.current("clips", keys) or {}

    def _windows_of(self, lab_id: str) -> dict[int, list[dict[str, Any]]]:
        """Return the rows of table `clips` of a lab by video; they are read once."""
        if lab_id not in self._by_lab:
            keys, by_video = {"clip_set": self.clip_set, "lab_id": lab_id}, defaultdict(list)
            for window in self.videos.lake.read("clips", keys, INDEX_COLUMNS).to_pylist():
                by_video[window["video_id"]].append(window)
            self._by_lab[lab_id] = by_video
        return self._by_lab[lab_id]
