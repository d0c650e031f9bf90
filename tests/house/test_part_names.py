"""Names of body parts that labs write are guessed, and what is guessed or not read is said."""

import numpy as np
import pyarrow as pa
import pytest

from etholake.contract import BODY_PARTS, guess_part, guess_parts
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("nose", "snout Snout NoseTip"),
        ("ear_left", "leftear left_ear l_ear EarL Ear_left LeftEar ear_left_tip"),
        ("ear_right", "rightear r_ear EarR"),
        ("side_right", "righthip hipRight right_side"),
        ("body_center", "bodycentre center mid_back Centroid"),
        ("tail_base", "tail tailbase TailBase tail_1 tail_start"),
    ],
)
def test_a_name_is_guessed(part: str, names: str) -> None:
    guesses = {name: guess_part(name) for name in names.split()}
    assert guesses == dict.fromkeys(guesses, part)


def test_what_says_nothing_or_is_known_is_not_guessed() -> None:
    names = (*BODY_PARTS, "tail_end", "tail2", "implant", "left", "right_paw", "nose1", "")
    assert {name: part for name in names if (part := guess_part(name))} == {}


def test_of_two_names_for_one_part_one_is_read() -> None:
    assert guess_parts(["head", "snout"], ()) == {"snout": "nose"}
    assert guess_parts(["tail", "tailbase"], ()) == {"tail": "tail_base"}


def test_guessed_and_unread_names_are_notes_of_the_video() -> None:
    names, frames = ("snout", "leftear", "tail", "implant"), 60
    rows = [(f, name, f + 10.0 * k) for k, name in enumerate(names) for f in range(frames)]
    x = pa.array([r[2] for r in rows], pa.float32())
    table = pa.table({
        "video_frame": pa.array([r[0] for r in rows], pa.int32()),
        "mouse_id": pa.array([1] * len(rows), pa.int8()),
        "bodypart": [r[1] for r in rows], "x": x, "y": x, "x_cm": x, "y_cm": x,
        "is_imputed": pa.array([False] * len(rows)),
    })  # fmt: skip
    tracks = PoseTracks.from_curated(table, VideoMeta(1, "Lab", 30.0, 1.0))
    measured = {part for k, part in enumerate(tracks.parts) if np.isfinite(tracks.xy_TMK2[:, 0, k]).all()}
    assert measured == {"nose", "ear_left", "tail_base"}
    guessed, unread = tracks.notes
    assert "leftear as ear_left" in guessed
    assert "setting part_map" in guessed
    assert unread.startswith("body parts that only trees read, by their own names: implant;")
