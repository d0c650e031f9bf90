"""Define the curated tables: grain, columns, types, units, partitions and order.

Types are written in the Hive/Athena vocabulary. Units: `px` pixels of the video, `cm`, `s`; `frame` counts from 0
on the video's own clock; an interval is `start_frame <= f < stop_frame`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etholake.contract.raw_layout import ANIMAL_ARRAYS, MOUSE_COLUMNS


@dataclass(frozen=True)
class Column:
    """One column: Athena type, unit or meaning, and whether a value may be missing."""

    name: str
    type: str
    comment: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One curated table. Its `partitions` are Hive partition keys (strings), not stored in the files.

    A `log` has no generations: files are added to it one by one (`Lake.append`), and none is ever replaced.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    partitions: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    log: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns in the files, in the order of the DDL; without the partition keys."""
        return tuple(c.name for c in self.columns)


def _c(name: str, type_: str, comment: str = "", *, nullable: bool = True) -> Column:
    return Column(name, type_, comment, nullable)


_LAB = _c("lab_id", "string", "laboratory", nullable=False)
_VIDEO = _c("video_id", "bigint", "video", nullable=False)
_AGENT = _c("agent_id", "tinyint", "acting animal, from 1", nullable=False)
_TARGET = _c("target_id", "tinyint", "target animal, from 1; equal to agent_id for a self action", nullable=False)
_ACTION = _c("action", "string", "behaviour", nullable=False)
_START = _c("start_frame", "int", "first frame", nullable=False)
_STOP = _c("stop_frame", "int", "frame after the last one (exclusive)", nullable=False)


def _metadata(name: str) -> Table:
    return Table(
        name,
        "video",
        (
            _LAB,
            _VIDEO,
            _c("video_name", "string", "the video's own name; null where the lab names it by its number"),
            _c("species", "string", "as given by the lab; null stands for mice"),
            *(_c(column, "string", "as given by the lab") for column in MOUSE_COLUMNS),
            *(
                _c(column, "array<string>", f"{attribute} of every animal, from animal 1; null where not given")
                for attribute, column in ANIMAL_ARRAYS.items()
            ),
            _c("frames_per_second", "double", "frames/s"),
            _c("video_duration_sec", "double", "s"),
            _c("pix_per_cm_approx", "double", "px/cm, approximate"),
            _c("video_width_pix", "int", "px"),
            _c("video_height_pix", "int", "px"),
            _c("arena_width_cm", "double", "cm"),
            _c("arena_height_cm", "double", "cm"),
            _c("arena_shape", "string"),
            _c("arena_type", "string"),
            _c("body_parts_tracked", "array<string>", "parts of the tracking, sorted"),
            _c(
                "behaviors_labeled",
                "array<string>",
                "repaired 'mouse1,mouse2,attack' items, sorted, distinct",
            ),
            _c("tracking_method", "string"),
            _c("min_likelihood", "double", "points below it were taken for missing; null without a limit"),
            _c("n_mice", "tinyint", "animals named by the metadata"),
            _c("has_tracking", "boolean", "a tracking file was received", nullable=False),
            _c("has_annotation", "boolean", "an annotation file was received", nullable=False),
            _c("flags", "array<string>", "ids of the data-quality rules that fired, sorted", nullable=False),
        ),
        sort=("lab_id", "video_id"),
    )


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        _metadata("metadata_train"),
        _metadata("metadata_test"),
        Table(
            "labeled_behaviors",
            "(video, agent, target, action) that was looked for",
            (
                _c("split", "string", "train or test", nullable=False),
                _LAB, _VIDEO, _AGENT, _TARGET, _ACTION,
                _c("is_self", "boolean", "agent and target are the same mouse", nullable=False),
                _c("repaired", "boolean", "the item had stray quotes or blanks", nullable=False),
                _c("spans", "string", "JSON [[start, stop], …] of the frames that were looked at; null for all"),
            ),
            sort=("lab_id", "video_id", "agent_id", "target_id", "action"),
        ),
        Table(
            "tracking_curated",
            "(video, frame, mouse, bodypart)",
            (
                _VIDEO,
                _c("video_frame", "int", "frame, 0-based", nullable=False),
                _c("mouse_id", "tinyint", "animal, from 1", nullable=False),
                _c("bodypart", "string", "name as tracked by the lab", nullable=False),
                _c("x", "float", "px, origin top left, right", nullable=False),
                _c("y", "float", "px, origin top left, down", nullable=False),
                _c("x_cm", "float", "cm from the arena centre; null without px/cm"),
                _c("y_cm", "float", "cm from the arena centre; null without px/cm"),
                _c("vx", "float", "cm/s over the true elapsed frames; null at a track's start"),
                _c("vy", "float", "cm/s over the true elapsed frames; null at a track's start"),
                _c("speed", "float", "cm/s, hypot(vx, vy)"),
                _c("is_imputed", "boolean", "filled by curation, not measured", nullable=False),
                _c("z", "float", "px, of three-dimensional tracks; else null"),
                _c("likelihood", "float", "0..1, as the tracker gave it; null where imputed or not given"),
            ),
            partitions=("split", "lab_id"),
            sort=("video_id", "mouse_id", "bodypart", "video_frame"),
        ),
        Table(
            "track_summary",
            "(video, mouse, bodypart) of the tracking",
            (
                _VIDEO,
                _c("mouse_id", "tinyint", "animal, from 1", nullable=False),
                _c("bodypart", "string", "name as tracked by the lab", nullable=False),
                _c("first_frame", "int", "first measured frame", nullable=False),
                _c("last_frame", "int", "last measured frame", nullable=False),
                _c("frames_present", "int", "frames in which any part of the mouse was measured", nullable=False),
                _c("points_measured", "int", nullable=False),
                _c("points_imputed", "int", nullable=False),
                _c("points_missing", "int", "frames_present - measured - imputed", nullable=False),
                _c("gaps", "int", "runs of unmeasured frames within first..last", nullable=False),
                _c("gap_frames", "int", "frames in those runs", nullable=False),
                _c("longest_gap_frames", "int", "frames; 0 without a gap", nullable=False),
                _c("tracked_sec", "double", "s over which the velocity is defined; null without it"),
                _c("path_cm", "double", "cm moved in tracked_sec; null without velocity"),
                _c("max_speed", "float", "cm/s; null without velocity"),
                _c("jumps", "int", "steps longer than JUMP_CM at over JUMP_SPEED; null without velocity"),
            ),
            partitions=("split", "lab_id"),
            sort=("video_id", "mouse_id", "bodypart"),
        ),
        Table(
            "annotations_enriched",
            "annotated event",
            (
                _c("split", "string", "train or test", nullable=False),
                _VIDEO, _AGENT, _TARGET, _ACTION, _START, _STOP,
                _c("frames_per_second", "double", "frames/s"),
                _c("start_sec", "double", "s"),
                _c("stop_sec", "double", "s"),
                _c("duration_frames", "int", "stop_frame - start_frame", nullable=False),
                _c("duration_sec", "double", "s"),
                _c("counted_start_frame", "int", "first frame not covered by an earlier event", nullable=False),
                _c("counted_stop_frame", "int", "stop_frame, cut at the video's end", nullable=False),
                _c("counted_sec", "double", "s of the counted frames: sums count a frame once"),
                _c("is_self", "boolean", nullable=False),
                _c("is_labeled", "boolean", "the triplet is in behaviors_labeled", nullable=False),
                _c("agent_strain", "string"), _c("agent_sex", "string"),
                _c("target_strain", "string"), _c("target_sex", "string"),
                _c("issue", "string", "id of the data-quality rule that fired, null if none"),
            ),
            partitions=("lab_id",),
            sort=("video_id", "start_frame", "agent_id", "target_id", "action"),
        ),
        Table(
            "behavior_summary",
            "(split, video, agent, target, action) that was annotated at least once",
            (
                _c("split", "string", "train or test", nullable=False),
                _VIDEO, _AGENT, _TARGET, _ACTION,
                _c("is_self", "boolean", nullable=False),
                _c("is_labeled", "boolean", "the triplet is in behaviors_labeled", nullable=False),
                _c("agent_strain", "string"), _c("agent_sex", "string"),
                _c("target_strain", "string"), _c("target_sex", "string"),
                _c("events", "int", nullable=False),
                _c("frames", "bigint", "annotated frames, each counted once, within the video", nullable=False),
                _c("seconds", "double", "s of `frames`; null without fps"),
                _c("median_sec", "double", "s"), _c("max_sec", "double", "s"),
                _c("first_start_sec", "double", "s"), _c("last_stop_sec", "double", "s"),
            ),
            partitions=("lab_id",),
            sort=("video_id", "agent_id", "target_id", "action"),
        ),
        Table(
            "class_distribution_stats",
            "(lab, action)",
            (
                _LAB, _ACTION,
                _c("videos", "int", "videos in which it occurs", nullable=False),
                _c("events", "int", nullable=False),
                _c("frames", "bigint", nullable=False),
                _c("seconds", "double", "s"),
                _c("share", "double", "share of the lab's annotated seconds"),
                _c("mean_sec", "double", "s"), _c("median_sec", "double", "s"), _c("p95_sec", "double", "s"),
            ),
            sort=("lab_id", "action"),
        ),
        Table(
            "curation_files",
            "raw file: rows_in = rows_curated + rows_quarantined",
            (
                _c("source_file", "string", "key below the raw zone", nullable=False),
                _c("kind", "string", "metadata, tracking or annotation", nullable=False),
                _c("split", "string", nullable=False),
                _c("lab_id", "string"),
                _c("video_id", "bigint"),
                _c("rows_in", "bigint", nullable=False),
                _c("rows_curated", "bigint", "rows of the input that reached a curated table", nullable=False),
                _c("rows_quarantined", "bigint", nullable=False),
                _c("rows_imputed", "bigint", "rows added by filling, counted apart", nullable=False),
                _c("flags", "array<string>", "ids of the rules that fired, sorted", nullable=False),
            ),
            sort=("kind", "split", "lab_id", "video_id"),
        ),
        Table(
            "quarantine",
            "rejected row or file",
            (
                _c("source_file", "string", "key below the raw zone", nullable=False),
                _c("split", "string"), _c("lab_id", "string"), _c("video_id", "bigint"),
                _c("row_number", "bigint", "0-based row of the source file; null for a whole file"),
                _c("rows", "bigint", "how many input rows this row stands for", nullable=False),
                _c("rule", "string", "id of the rule", nullable=False),
                _c("detail", "string", "what was expected, what was found", nullable=False),
                _c("payload", "string", "the row as JSON; null for a whole file"),
            ),
            sort=("source_file", "row_number"),
        ),
        Table(
            "videos",
            "video file of the raw zone",
            (
                _VIDEO,
                _c("source_file", "string", "key below the raw zone", nullable=False),
                _c("camera", "string", "name of a further camera; null: the film that the tracks were made of"),
                _c("bytes", "bigint", nullable=False),
                _c("sha256", "string", "of the file's bytes, hex", nullable=False),
                _c("error", "string", "why it cannot be read; null if it can: all that follows is then set"),
                _c("container", "string", "mov (and mp4), avi or matroska"),
                _c("codec", "string", "h264, mpeg4, …"),
                _c("pixel_format", "string", "yuv420p, yuv420p10le (10 bits), gray, …"),
                _c("width", "int", "px, as stored"),
                _c("height", "int", "px, as stored"),
                _c("rotation", "int", "degrees counter-clockwise, to be applied when it is shown"),
                _c("frames_per_second", "double", "frames/s; the average of a varying rate"),
                _c("variable_frame_rate", "boolean", "frames are unevenly spaced in time"),
                _c("frames", "int", "counted packets"),
                _c("declared_frames", "int", "frames as the header tells; null if it does not"),
                _c("duration_sec", "double", "s, from the first frame to the end of the last"),
                _c("start_sec", "double", "s, time of the first frame"),
                _c("keyframe_distance", "int", "most frames from one key frame to the next or the end"),
                _c("tracked_frames", "int", "last frame of the curated tracks + 1; null without tracks"),
                _c("frame_map", "string", "equal, off_by_one or offset; null without tracks"),
                _c("frame_difference", "int", "tracked frames (of a further camera: of the first film) - frames"),
                _c("flags", "array<string>", "what a user should know, sorted", nullable=False),
            ),
            partitions=("lab_id",),
            sort=("video_id", "source_file"),
        ),
        Table(
            "clips",
            "(clip set, video, agent, target, window) of pixels",
            (
                _VIDEO,
                _c("agent_id", "tinyint", "animal, 1..; 0 where nobody tells them apart", nullable=False),
                _c("target_id", "tinyint", "second animal of a joint crop; null for a window of one"),
                _c("first_frame", "int", nullable=False),
                _c("last_frame", "int", "inclusive", nullable=False),
                _c("frames_per_second", "double", "frames/s", nullable=False),
                _c("crop_size", "int", "px, side of the written crop", nullable=False),
                _c("pad_ratio", "double", "border around a box, share of its longer side", nullable=False),
                _c("box_source", "string", "pose, background, onnx, ultralytics or file", nullable=False),
                _c("frames_missing", "int", "frames in which the animal was not found", nullable=False),
                _c("has_pose", "boolean", "a key point of the window was seen", nullable=False),
                _c("parts", "array<string>", "key points, in the order of the shard", nullable=False),
                _c("x0", "float", "px of the frame: crop of the middle frame", nullable=False),
                _c("y0", "float", "px", nullable=False),
                _c("x1", "float", "px", nullable=False),
                _c("y1", "float", "px", nullable=False),
                _c("action", "string", "label that covers most frames of the window; null if none does"),
                _c("action_share", "double", "share of the frames that it covers, 0..1"),
                _c("shard", "string", "key of the tar in the bucket", nullable=False),
                _c("member", "string", "name of the window in the tar", nullable=False),
                _c("swapped", "boolean", "the tar has agent and target the other way round", nullable=False),
            ),
            partitions=("clip_set", "lab_id"),
            sort=("video_id", "agent_id", "target_id", "first_frame"),
        ),
        Table(
            "predictions",
            "predicted event",
            (
                _c("split", "string", nullable=False),
                _LAB, _VIDEO, _AGENT, _TARGET, _ACTION, _START, _STOP,
                _c("start_sec", "double", "s"), _c("stop_sec", "double", "s"),
                _c("confidence", "double", "mean probability over the event's frames, 0..1"),
            ),
            partitions=("run_id",),
            sort=("lab_id", "video_id", "start_frame", "agent_id", "target_id"),
        ),
        Table(
            "predicted_videos",
            "video that a run predicted, whether or not it found an event",
            (
                _c("split", "string", nullable=False),
                _LAB, _VIDEO,
                _c("start_frame", "int", "first frame that was predicted", nullable=False),
                _c("stop_frame", "int", "frame after the last predicted one (exclusive)", nullable=False),
            ),
            partitions=("run_id",),
            sort=("lab_id", "video_id"),
        ),
        Table(
            "task_predictions",
            "(run, video, animal, task), or a second of it, that a model answered beside the actions",
            (
                _c("split", "string", nullable=False),
                _LAB, _VIDEO,
                _c("mouse_id", "tinyint", "animal, 1..", nullable=False),
                _c("task", "string", "as `train --tasks` writes it: state:sex=male", nullable=False),
                _c("second", "int", "second of the tracks, from 0; null: the mean over all of them"),
                _c("value", "double", "state: probability, 0..1; else in the unit of the training's values"),
            ),
            partitions=("run_id",),
            sort=("lab_id", "video_id", "mouse_id", "task", "second"),
        ),
        Table(
            "out_of_fold",
            "(run, video, agent, target, action, frame) that a model of cross-validation had not seen",
            (
                _LAB, _VIDEO, _AGENT, _TARGET, _ACTION,
                _c("video_frame", "int", "frame, 0-based", nullable=False),
                _c("probability", "float", "0..1, rounded to 0.001", nullable=False),
                _c("fold", "tinyint", "fold that held the frame out", nullable=False),
                _c("frames_per_second", "double", "frames/s", nullable=False),
            ),
            partitions=("run_id",),
            sort=("lab_id", "video_id", "agent_id", "target_id", "action", "video_frame"),
        ),
        Table(
            "scores",
            "(run, lab, action)",
            (
                _LAB, _ACTION,
                _c("f_score", "double", "frame-wise F1 pooled over the lab's scored videos"),
                _c("precision", "double"), _c("recall", "double"),
                _c("tp_frames", "bigint"), _c("fp_frames", "bigint"), _c("fn_frames", "bigint"),
                _c("videos", "int", "videos scored", nullable=False),
            ),
            partitions=("run_id",),
            sort=("lab_id", "action"),
        ),
        Table(
            "score_details",
            "(run, lab, action)",
            (
                _LAB, _ACTION,
                _c("f_low", "double", "2.5 % of the frame-wise F over bootstrapped videos; null with one video"),
                _c("f_high", "double", "97.5 % of it"),
                _c("bouts_true", "int", "annotated bouts", nullable=False),
                _c("bouts_predicted", "int", "predicted bouts", nullable=False),
                _c("bouts_matched", "int", "pairs of them with IoU >= 0.5", nullable=False),
                _c("bout_f_score", "double", "F1 of bouts", nullable=False),
                _c("start_error_sec", "double", "s, median absolute, of matched bouts"),
                _c("stop_error_sec", "double", "s, median absolute, of matched bouts"),
                _c("start_bias_sec", "double", "s, mean of predicted minus annotated"),
                _c("stop_bias_sec", "double", "s, mean of predicted minus annotated"),
                _c("average_precision", "double", "of frame-wise probabilities; null without them"),
                _c("calibration_error", "double", "expected calibration error, 0..1; null without probabilities"),
            ),
            partitions=("run_id",),
            sort=("lab_id", "action"),
        ),
        Table(
            "score_confusion",
            "(run, lab, annotated action, predicted action)",
            (
                _LAB,
                _c("true_action", "string", "annotated; none where nothing was", nullable=False),
                _c("predicted_action", "string", "predicted; none where nothing was", nullable=False),
                _c("frames", "bigint", "frames of one agent and target", nullable=False),
            ),
            partitions=("run_id",),
            sort=("lab_id", "true_action", "predicted_action"),
        ),
        Table(
            "score_calibration",
            "(run, lab, action, tenth of the probability) that holds a frame",
            (
                _LAB, _ACTION,
                _c("bin", "tinyint", "0..9: probability from bin/10 to (bin+1)/10", nullable=False),
                _c("frames", "bigint", nullable=False),
                _c("mean_probability", "double", "0..1", nullable=False),
                _c("share_true", "double", "share of the frames that are annotated", nullable=False),
            ),
            partitions=("run_id",),
            sort=("lab_id", "action", "bin"),
        ),
        Table(
            "corrections",
            "bout of a reviewer's change, as it was after the change",
            (
                _c("split", "string", "train or test", nullable=False),
                _VIDEO,
                _c("change", "int", "number of the change of this video, from 1", nullable=False),
                _c("operation", "string", "create, move, split, accept, …", nullable=False),
                _c("reviewer", "string", "name of the annotator", nullable=False),
                _c("changed_at", "string", "UTC, ISO 8601", nullable=False),
                _c("undoes", "int", "the change that was taken back, null if none"),
                _c("bout_id", "string", "the same for all states of a bout", nullable=False),
                _c("source", "string", "annotation, prediction, review or looked_for", nullable=False),
                _c("run_id", "string", "run that predicted the bout, null if none"),
                _AGENT, _TARGET, _ACTION, _START, _STOP,
                _c("confidence", "double", "of the prediction, 0..1"),
                _c("status", "string", "kept (a label), open, rejected or deleted", nullable=False),
            ),
            partitions=("lab_id",),
            sort=("video_id", "change", "start_frame", "agent_id", "target_id", "action"),
            log=True,
        ),
    )
}  # fmt: skip
