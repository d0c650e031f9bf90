"""Define every data-quality rule: its id, how severe it is, and one sentence. The ids stand in the curated tables.

Severities:

- `repair`: the value was mended, nothing is lost (the repaired row says so);
- `flag`: the row is kept as it is and carries the rule's id (`flags`, `issue`);
- `quarantine`: the row (or the whole file) does not reach a curated table but `quarantine`, with the reason;
- `refuse`: the job stops, because every further result would be wrong.

A rule concerns rows, files or videos of some kinds of raw files; a limit (`parse_limits`) is a fraction of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etholake.contract.values import number as read_number
from etholake.errors import SettingsError, raise_collected, suggestion

Severity = Literal["repair", "flag", "quarantine", "refuse"]
Unit = Literal["row", "file", "video"]
KINDS = ("metadata", "tracking", "annotation")


@dataclass(frozen=True)
class Rule:
    """One rule. Its `sentence` says what is wrong and what is done about it.

    `unit` is what the rule judges, in raw files of the `kinds`; a video is a row of the metadata.
    """

    id: str
    severity: Severity
    sentence: str
    unit: Unit
    kinds: tuple[str, ...]


def _rules(unit: Unit, kinds: tuple[str, ...], *rows: tuple[str, Severity, str]) -> dict[str, Rule]:
    return {id_: Rule(id_, severity, sentence, unit, kinds) for id_, severity, sentence in rows}


RULES: Mapping[str, Rule] = _rules(  # files of any kind
    "file", KINDS,
    ("file-unreadable", "quarantine", "The file is empty, truncated or not of its format; it is left out whole."),
    ("file-too-long", "quarantine", "The file has more rows than a video can have points or bouts."),
    ("file-no-rows", "quarantine", "The file has its columns but not one row."),
    ("file-name", "quarantine", "The file's name is not <video_id>.parquet with a whole number."),
    ("column-missing", "quarantine", "The file lacks a column that its layout asks for; it is left out whole."),
    ("column-type", "quarantine", "A column has a type that cannot hold its values; the file is left out whole."),
    ("column-extra", "flag", "The file has columns that the layout does not know; they are not read."),
) | _rules(  # files of one video
    "file", ("tracking", "annotation"),
    ("video-without-metadata", "quarantine", "No metadata row names this lab and video: fps and scale unknown."),
) | _rules(  # tracking rows
    "row", ("tracking",),
    ("frame-invalid", "quarantine", "video_frame is missing or not a whole number."),
    ("frame-negative", "quarantine", "video_frame is below 0."),
    ("mouse-unknown", "quarantine", "mouse_id is missing or not one of 1 to 127."),
    ("bodypart-missing", "quarantine", "bodypart is missing or blank."),
    ("coordinate-missing", "quarantine", "x or y is null or NaN: the point was not measured."),
    ("coordinate-infinite", "quarantine", "x or y is infinite, or too large for a 32-bit number."),
    ("likelihood-low", "quarantine", "The point's likelihood is below the video's min_likelihood: it is missing."),
    ("point-at-origin", "flag", "x and y are exactly 0: many trackers write that for a part that they lost."),
    ("point-outside-frame", "flag", "The point lies outside the picture by more than a tenth of its larger side."),
    ("point-duplicate", "quarantine", "The point is there twice; the one with the smallest (x, y) is kept."),
) | _rules(  # tracking files
    "file", ("tracking",),
    ("mouse-not-in-metadata", "flag", "The tracking holds a mouse_id that the metadata does not name."),
    ("bodypart-not-in-metadata", "flag", "The tracking holds a body part that body_parts_tracked does not name."),
    ("centre-from-extent", "flag", "Without the frame size, cm count from the centre of the observed extent."),
    ("scale-implausible", "flag", "With this px/cm an animal, or the place that it uses, has an impossible size."),
    ("axes-exchanged", "flag", "The points fit the picture only if x and y change places."),
    ("frames-beyond-duration", "flag", "The tracking runs more than 2 % past fps x duration."),
    ("duration-implausible", "flag", "The tracking ends in the first tenth of fps x duration."),
) | _rules(  # metadata rows
    "row", ("metadata",),
    ("metadata-cells", "quarantine", "The row has more cells than the csv has columns."),
    ("metadata-id", "quarantine", "lab_id is blank, or video_id is not a whole number."),
    ("metadata-duplicate", "quarantine", "An earlier row names this lab and video already; that one is kept."),
) | _rules(  # metadata files
    "file", ("metadata",),
    ("metadata-column-missing", "flag", "The csv lacks a descriptive column; its values are null."),
) | _rules(  # videos, by their metadata and by what was received of them
    "video", ("metadata",),
    ("metadata-number", "flag", "A number cannot be read, or be true (below 0, likelihood above 1): it is null."),
    ("fps-missing", "flag", "frames_per_second is missing or not above 0: seconds and velocities are null."),
    ("fps-implausible", "flag", "Cameras have 5 to 1,000 frames/s: seconds and speeds are wrong by the factor."),
    ("scale-missing", "flag", "pix_per_cm_approx is missing or not above 0: cm and velocities are null."),
    ("frame-size-missing", "flag", "video_width_pix or video_height_pix is missing or not above 0."),
    ("body-parts-malformed", "flag", "body_parts_tracked is not a JSON list of names; it is null."),
    ("behaviors-repaired", "repair", "Stray quotes, blanks or repeats in behaviors_labeled were removed."),
    ("behaviors-malformed", "flag", "An item of behaviors_labeled is no 'mouse1,mouse2,action': see quarantine."),
    ("spans-malformed", "flag", "labeled_spans is no JSON of spans by item: no frame counts as looked at."),
    ("behaviors-empty", "flag", "behaviors_labeled is empty: nothing was looked for in this video."),
    ("video-without-tracking", "flag", "The metadata names a video of which no tracking was received."),
    ("video-without-annotation", "flag", "No annotation file of this train video was received."),
    ("mouse-untracked", "flag", "behaviors_labeled names a mouse that the tracking never shows."),
    ("labels-beyond-tracking", "flag", "An annotated interval ends more than 2 % past the last tracked frame."),
    ("video-in-both-splits", "flag", "train.csv and test.csv name the video: its labels teach what is tested."),
    ("label-clock", "flag", "A 25 fps video in a 30 fps lab: its labels may count on the 30 fps clock."),
) | _rules(  # annotated intervals
    "row", ("annotation",),
    ("interval-id", "quarantine", "agent_id or target_id is missing or not one of 1 to 127."),
    ("interval-action", "quarantine", "The action is missing or blank."),
    ("interval-action-respelled", "repair", "The action was written with other blanks, quotes or capitals."),
    ("interval-frames", "quarantine", "start_frame or stop_frame is missing, or start_frame is below 0."),
    ("interval-reversed", "quarantine", "stop_frame comes before start_frame."),
    ("interval-zero", "flag", "start_frame equals stop_frame: the event has no frame (kept; it scores nothing)."),
    ("interval-overlong", "flag", "The interval ends more than 2 % past fps x duration of the video."),
    ("interval-duplicate", "flag", "The same interval is annotated twice (kept; the score counts frames once)."),
    ("interval-unlabeled", "flag", "The triplet is not in behaviors_labeled, so the score counts it as missed."),
) | _rules(  # the raw zone as a whole
    "file", KINDS,
    ("raw-zone-empty", "refuse", "The raw zone holds no metadata and no tracking: nothing to curate."),
    ("rows-out-of-balance", "refuse", "Rows in do not equal rows curated plus rows quarantined."),
)  # fmt: skip

OVERLONG = 1.02  # frames may run this much past fps x duration, which is rounded in the metadata
SHORT = 0.1  # a tracking that ends before this share of fps x duration: one of them has another unit

# Flags after which figures of a whole video may be wrong, though no row is left out: etl and answers name them.
DOUBTS = frozenset({
    "axes-exchanged", "duration-implausible", "fps-implausible", "labels-beyond-tracking", "metadata-number",
    "point-at-origin", "point-outside-frame", "scale-implausible", "video-in-both-splits",
})  # fmt: skip


def parse_limits(text: str) -> dict[str, float]:
    """Return {rule: largest fraction} of a text like ``coordinate-missing=0.6``; {} of an empty one.

    Raises
    ------
    SettingsError
        A rule is unknown (the nearest one is named), is named twice, or stops the job at any share; or a share is
        no number from 0 to 1.
    """
    limits: dict[str, float] = {}
    problems = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        rule, _, number = (part.strip() for part in item.partition("="))
        if rule not in RULES:
            problems.append(f"there is no rule '{rule}'. {suggestion(rule, RULES)}")
        elif RULES[rule].severity == "refuse":
            problems.append(f"'{rule}' always stops the job and takes no limit")
        elif rule in limits:
            problems.append(f"'{rule}' is named twice")
        else:
            share = read_number(number)
            limits[rule] = -1.0 if share is None else share
            if not 0 <= limits[rule] <= 1:
                problems.append(f"expected {rule}=<share from 0 to 1>, but got '{item}'")
    raise_collected(SettingsError, "Limits of the data quality (quality_limits)", problems)
    return limits
