"""The drift measure on distributions whose figures can be worked out by hand."""

import numpy as np
import pyarrow as pa
import pytest
import small_lake  # type: ignore[import-not-found]

from etholake.contract import UNIFIED_PARTS, unified_part_sources
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.pages.drift import render
from etholake.stages.serving.drift import FEATURES, baseline, clip_features, compare

RNG = np.random.default_rng(0)


def values(**given: np.ndarray) -> dict[str, np.ndarray]:
    return {name: given.get(name, np.empty(0)) for name in FEATURES}


def row(reference: np.ndarray, now: np.ndarray) -> dict[str, object]:
    kept = baseline(values(speed_cm_s=reference), "f", 3)
    (only,) = compare(kept, values(speed_cm_s=now))
    return only


def test_the_same_distribution_is_the_same() -> None:
    shift = row(RNG.normal(size=5000), RNG.normal(size=5000))
    assert shift["psi"] < 0.01
    assert shift["ks"] < 0.05
    assert shift["verdict"] == "same"


def test_psi_and_ks_of_a_known_shift() -> None:
    shift = row(np.arange(1000.0), np.arange(1000.0) % 500)  # all in the lower half: shares 0.2 where 0.1 was
    floor = 1e-4
    wanted = 5 * (0.2 - 0.1) * np.log(2) + 5 * (floor - 0.1) * np.log(floor / 0.1)
    assert shift["psi"] == pytest.approx(wanted, rel=0.01)
    assert shift["ks"] == pytest.approx(0.5, abs=0.005)
    assert shift["verdict"] == "drifted"


def test_values_beyond_training_and_constants_are_seen() -> None:
    assert row(np.full(50, 30.0), np.full(9, 30.0))["verdict"] == "same"
    assert row(np.full(50, 30.0), np.full(9, 25.0))["verdict"] == "drifted"
    assert row(np.arange(100.0), np.array([1e6]))["actual"][-1] == 1.0
    assert row(np.arange(100.0), np.empty(0))["verdict"] == "no values"


def test_features_of_a_motion_that_can_be_read_off() -> None:
    T, step = 40, 0.5  # two animals, 8 cm long, 10 cm apart, at 15 cm/s
    xy = np.full((T, 2, len(UNIFIED_PARTS), 2), np.nan, dtype=np.float32)
    at = step * np.arange(T, dtype=np.float32)
    for mouse, y in enumerate((0.0, 10.0)):
        xy[:, mouse, UNIFIED_PARTS.index("nose")] = np.stack([at + 4, np.full(T, y)], axis=1)
        xy[:, mouse, UNIFIED_PARTS.index("tail_base")] = np.stack([at - 4, np.full(T, y)], axis=1)
    meta = VideoMeta.from_row(
        {"video_id": 1, "lab_id": "A", "frames_per_second": 30.0, "pix_per_cm_approx": 12.0,
         "behaviors_labeled": ["mouse1,mouse2,chase"]}
    )  # fmt: skip
    tracks = object.__new__(PoseTracks)
    object.__setattr__(tracks, "xy_TMK2", xy)
    object.__setattr__(tracks, "meta", meta)
    features = clip_features(tracks)
    assert features["speed_cm_s"] == pytest.approx(15.0)
    assert features["body_length_cm"] == pytest.approx(8.0)
    assert features["pair_distance_cm"] == pytest.approx(10.0)
    assert set(features["parts_seen"]) == {2.0}
    assert (features["frames_per_second"][0], features["pix_per_cm"][0], features["animals"][0]) == (
        30.0,
        12.0,
        2.0,
    )


def test_the_page_says_what_is_too_little_and_escapes() -> None:
    details = {"endpoint": "<e>", "requests": 2, "model_fingerprint": "abc", "other_models": 1, "unreadable": 0,
               "features": [row(np.arange(9.0), np.arange(9.0))], "enough": False}  # fmt: skip
    text = render(details, same=0.1, drifted=0.25, fewest_requests=5)
    assert "too few to judge" in text
    assert "&lt;e&gt;" in text
    assert "<script" not in text


def renamed(names: dict[str, str], map_: str = "") -> dict[str, np.ndarray]:
    """Features of a lab's video whose body parts are called otherwise."""
    columns = small_lake.tracks(1)
    columns["bodypart"] = np.array([names.get(part, part) for part in columns["bodypart"]])
    meta = VideoMeta.from_row(
        {"video_id": 1, "lab_id": "A", "frames_per_second": small_lake.FPS, "pix_per_cm_approx": 10.0}
    )
    return clip_features(PoseTracks.from_curated(pa.table(columns), meta, unified_part_sources(map_)))


def verdicts(now: dict[str, np.ndarray]) -> set[object]:
    return {feature["verdict"] for feature in compare(baseline(renamed({}), "f", 1), now)}


def test_the_same_part_under_another_name_is_no_drift() -> None:
    other_lab = {"nose": "head", "neck": "spine_1", "hip_left": "lateral_left", "hip_right": "lateral_right"}
    assert verdicts(renamed(other_lab)) == {"same"}  # by the contract's own map
    own = {"nose": "snout", "tail_base": "rump"}
    assert verdicts(renamed(own, "snout=nose,rump=tail_base")) == {"same"}  # by the model's part map
    assert "drifted" in verdicts(renamed(own))  # without it two parts of every animal are missing
