"""Simulated labs: the layout, the bytes, the motion, the dirt, and the speed."""

import csv
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etholake.contract import BODY_PARTS, RAW_METADATA_COLUMNS, arrow_type
from etholake.contract import RAW_ANNOTATION_COLUMNS as ANNOTATION
from etholake.contract import RAW_TRACKING_COLUMNS as TRACKING
from etholake.curate.behaviors import parse_labeled
from etholake.errors import DataError, UsageError
from etholake.simulate import add_tracking, simulate
from etholake.simulate.kinematics import KINEMATICS
from etholake.simulate.motion import Scene, SimulatedEvent, tracks
from etholake.simulate.rigs import annotate, rig
from etholake.simulate.rigs import names as lab_names


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digest(folder: Path) -> str:
    parts = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        parts.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return parts.hexdigest()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sim") / "labs"
    simulate(out, labs=6, videos=3, seconds=30, seed=5, dirt=0.3)
    return out


# --- layout -----------------------------------------------------------------------------------------------
def test_the_layout_is_that_of_the_contract(data: Path) -> None:
    for split, videos in (("train", 18), ("test", 6)):
        table = rows(data / f"{split}.csv")
        assert list(table[0]) == list(RAW_METADATA_COLUMNS)
        assert len(RAW_METADATA_COLUMNS) == 38
        assert len(table) == videos
        for row in table:
            track = pq.read_table(data / f"{split}_tracking" / row["lab_id"] / f"{row['video_id']}.parquet")
            expected = pa.schema([(name, arrow_type(kind)) for name, kind in TRACKING.items()])
            assert track.schema.equals(expected)
            parts = set(track["bodypart"].unique().to_pylist())
            assert parts == set(json.loads(row["body_parts_tracked"])) <= set(BODY_PARTS)
            frames = float(row["frames_per_second"]) * float(row["video_duration_sec"])
            assert min(track["video_frame"].to_pylist()) >= 0
            assert max(track["video_frame"].to_pylist()) < frames
    for path in (data / "train_annotation").glob("*/*.parquet"):
        expected = pa.schema([(name, arrow_type(kind)) for name, kind in ANNOTATION.items()])
        assert pq.read_schema(path).equals(expected)
    assert not (data / "test_annotation").exists() or not list((data / "test_annotation").rglob("*.parquet"))


def test_everything_says_that_it_is_simulated(data: Path) -> None:
    assert "simulated" in (data / "SIMULATED.txt").read_text()
    for row in rows(data / "train.csv") + rows(data / "test.csv"):
        assert row["lab_id"].startswith("Sim")
        assert (row["tracking_method"], row["mouse1_strain"]) == ("simulated", "simulated")


def test_rigs_are_heterogeneous(data: Path) -> None:
    table = rows(data / "train.csv")
    sizes = {len(json.loads(row["body_parts_tracked"])) for row in table}
    assert (min(sizes), max(sizes)) == (4, 18)
    rates = {float(row["frames_per_second"]) for row in table}
    assert (min(rates), max(rates)) == (10.0, 120.0)
    mice = {sum(bool(row[f"mouse{n}_id"]) for n in range(1, 5)) for row in table}
    assert mice == {2, 3, 4}
    assert len({row["pix_per_cm_approx"] for row in table}) == 6


def test_points_stay_in_the_picture(data: Path) -> None:
    """Body centres keep off the walls; a nose or a tail reaches over them by less than a body."""
    for row in rows(data / "train.csv"):
        track = pq.read_table(data / "train_tracking" / row["lab_id"] / f"{row['video_id']}.parquet")
        slack = 11 * float(row["pix_per_cm_approx"])
        for axis, size in (("x", "video_width_pix"), ("y", "video_height_pix")):
            values = track[axis].to_numpy()
            assert np.isfinite(values).all()
            assert values.min() > -slack
            assert values.max() < float(row[size]) + slack


# --- determinism and arguments ----------------------------------------------------------------------------
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, labs=["SimOne", "Two"], videos=1, seconds=8, seed=seed, dirt=0.2)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")
    assert {row["lab_id"] for row in rows(tmp_path / "a" / "train.csv")} == {"SimOne", "SimTwo"}


def test_a_folder_is_made_again_by_its_own_arguments_only(tmp_path: Path) -> None:
    out = tmp_path / "a"
    simulate(out, labs=1, videos=1, seconds=5, seed=0)
    before = digest(out)
    (out / "train.csv").unlink()  # as a killed run leaves it
    simulate(out, labs=1, videos=1, seconds=5, seed=0)
    assert digest(out) == before
    with pytest.raises(UsageError, match="holds something already"):
        simulate(out, labs=1, videos=1, seconds=5, seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"videos": 0},
        {"seconds": 0},
        {"seconds": math.inf},
        {"dirt": 1.5},
        {"seed": -1},
        {"test_videos": -1},
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="Expected videos >= 1"):
        simulate(tmp_path / "x", **({"labs": 1, "videos": 1, "seconds": 5, "seed": 0} | wrong))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("labs", [0, [], ["A", "A"], ["../out"]])
def test_lab_names_that_are_none_are_refused(tmp_path: Path, labs: object) -> None:
    with pytest.raises(UsageError, match="different names of letters and digits"):
        simulate(tmp_path / "x", labs=labs, videos=1, seconds=5, seed=0)


# --- motion follows behaviour -----------------------------------------------------------------------------
SCENE = Scene(frames=300, mice=2, fps=30.0, width_cm=50, height_cm=50)
PARTS = ("nose", "body_center", "tail_base")


def act(action: str, *, alone: bool) -> dict[str, float]:
    """One bout in frames 100..200: medians over several seeds, in cm and cm/s."""
    events = []
    for seed in range(12):
        bout = SimulatedEvent(100, 200, 0, 0 if alone else 1, action)
        xy = tracks(SCENE, [bout], PARTS, np.random.default_rng(seed))[100:195]
        speed = np.linalg.norm(np.diff(xy[:, :, 1], axis=0), axis=-1) * 30
        gap = np.linalg.norm(xy[:, 0, 1] - xy[:, 1, 1], axis=-1)
        length = np.linalg.norm(xy[:, 0, 0] - xy[:, 0, 2], axis=-1)
        nose = xy[:, 0, 0] - xy[:, 0, 1]
        events.append(
            (np.median(speed[:, 0]), np.median(speed[:, 1]), np.median(gap), gap[-1] - gap[0],
             speed[:, 0].max(), np.median(length), np.std(np.diff(np.unwrap(np.arctan2(nose[:, 1], nose[:, 0])))))
        )  # fmt: skip
    names = ("speed", "target_speed", "gap", "gap_change", "top_speed", "length", "head_swing")
    return dict(zip(names, np.median(np.array(events), axis=0), strict=True))


def test_pair_behaviours_have_their_distances() -> None:
    chase, follow, sniff = (act(name, alone=False) for name in ("chase", "follow", "sniff"))
    assert chase["speed"] > 20 > follow["speed"] > sniff["speed"]
    assert chase["target_speed"] > 20
    assert sniff["gap"] < 8 < chase["gap"] + follow["gap"]
    attack = act("attack", alone=False)
    assert attack["gap"] < 5
    assert attack["speed"] > 2 * attack["target_speed"]
    assert act("approach", alone=False)["gap_change"] < -3
    assert act("escape", alone=False)["gap_change"] > 5
    assert act("escape", alone=False)["top_speed"] > 30 > act("avoid", alone=False)["top_speed"]


def test_self_behaviours_have_their_postures() -> None:
    rear, groom, rest, run = (act(name, alone=True) for name in ("rear", "selfgroom", "rest", "run"))
    assert rear["length"] < 0.6 * run["length"]
    assert rest["speed"] < 1
    assert run["speed"] > 25
    assert groom["head_swing"] > 5 * rest["head_swing"]


@pytest.mark.parametrize("action", sorted(KINEMATICS))
def test_every_behaviour_moves_bodies_without_jumps(action: str) -> None:
    """No body centre crosses more than 180 cm/s (an attack shakes), whatever is asked of it for how long."""
    alone = KINEMATICS[action].relation == "alone"
    bouts = [
        SimulatedEvent(60, 61, 0, 0 if alone else 1, action),
        SimulatedEvent(100, 300, 1, 1 if alone else 0, action),
    ]
    xy = tracks(SCENE, bouts, PARTS, np.random.default_rng(1))
    assert np.isfinite(xy).all()
    speed = np.linalg.norm(np.diff(xy[:, :, 1], axis=0), axis=-1) * 30
    assert speed.max() < 180


def test_the_annotator_is_late_merges_and_drops_what_is_short() -> None:
    lab = rig("SimAny", 0, 0)
    habits = {"delay_s": 0.1, "shortest_s": 0.2, "merge_s": 0.5, "fps": 30.0, "annotated": ("sniff",)}
    lab = type(lab)(**{**vars(lab), **habits})
    happened = [
        SimulatedEvent(0, 30, 0, 1, "sniff"),
        SimulatedEvent(40, 60, 0, 1, "sniff"),  # 9 frames after the first one's written end: merged
        SimulatedEvent(100, 130, 0, 1, "sniff"),
        SimulatedEvent(110, 113, 1, 0, "sniff"),  # too short
        SimulatedEvent(200, 230, 0, 0, "rear"),  # not looked for
    ]
    assert annotate(lab, happened, 120) == [
        SimulatedEvent(3, 61, 0, 1, "sniff"),
        SimulatedEvent(103, 120, 0, 1, "sniff"),
    ]


# --- dirt -------------------------------------------------------------------------------------------------
def test_without_dirt_every_point_is_there(tmp_path: Path) -> None:
    simulate(tmp_path / "a", labs=2, videos=3, seconds=6, seed=0, dirt=0)
    table = rows(tmp_path / "a" / "train.csv")
    videos = {row["video_id"] for row in table}
    assert {p.stem for p in (tmp_path / "a" / "train_annotation").rglob("*.parquet")} == videos
    for row in table:
        assert not parse_labeled(row["behaviors_labeled"]).repaired
        mice = sum(bool(row[f"mouse{n}_id"]) for n in range(1, 5))
        points = mice * len(json.loads(row["body_parts_tracked"]))
        file = tmp_path / "a" / "train_tracking" / row["lab_id"] / f"{row['video_id']}.parquet"
        frames = round(float(row["frames_per_second"]) * 6)
        assert pq.read_metadata(file).num_rows == frames * points


def test_all_kinds_of_dirt_occur(tmp_path: Path) -> None:
    out = tmp_path / "a"
    simulate(out, labs=2, videos=6, seconds=60, seed=2, dirt=0.8)
    table = rows(out / "train.csv")
    videos = {row["video_id"] for row in table}
    annotated = {p.stem for p in (out / "train_annotation").rglob("*.parquet")}
    assert annotated - videos, "an annotated video that the metadata do not name"
    unlabelled = [row for row in table if not row["behaviors_labeled"]]
    assert unlabelled
    assert not annotated & {row["video_id"] for row in unlabelled}
    assert any(parse_labeled(row["behaviors_labeled"]).repaired for row in table), "stray quotes"
    zero = overlong = 0
    for row in table:
        if row["video_id"] in annotated:
            intervals = pq.read_table(out / "train_annotation" / row["lab_id"] / f"{row['video_id']}.parquet")
            start, stop = (intervals[name].to_numpy() for name in ("start_frame", "stop_frame"))
            zero += int((start == stop).sum())
            overlong += int((stop > 1.02 * 60 * float(row["frames_per_second"])).sum())
    assert zero
    assert overlong
    lab, mice = table[0]["lab_id"], 2
    track = pq.read_table(out / "train_tracking" / lab / f"{table[0]['video_id']}.parquet")
    whole = 60 * 30 * mice * len(json.loads(table[0]["body_parts_tracked"]))
    assert 0.3 * whole < track.num_rows < 0.9 * whole
    assert len(track["video_frame"].unique()) < 60 * 30, "whole frames are missing"


def test_swaps_exchange_sides_and_mice() -> None:
    from etholake.simulate.dirt import dirty_tracks

    parts = ("ear_left", "ear_right", "nose")
    clean = np.zeros((30000, 2, 3, 2), np.float32) + np.arange(6, dtype=np.float32).reshape(2, 3)[:, :, None]
    dirty = dirty_tracks(clean.copy(), parts, 30.0, 1.0, np.random.default_rng(0))
    seen = {tuple(frame.ravel().astype(int)) for frame in dirty[..., 0]}
    assert (3, 4, 5, 0, 1, 2) in seen, "identities"
    assert (1, 0, 2, 3, 4, 5) in seen, "left and right of mouse 1"
    assert np.array_equal(np.sort(dirty[..., 0].reshape(30000, 6), axis=1), clean[..., 0].reshape(30000, 6))


# --- tracks for annotations that exist --------------------------------------------------------------------
@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """Two labs that have labels and no tracks: one chases in frames 300..390 and rears in 600..690."""
    source = tmp_path / "source"
    base = dict.fromkeys(RAW_METADATA_COLUMNS, "") | {
        "frames_per_second": "30", "video_duration_sec": "30", "pix_per_cm_approx": "20",
        "video_width_pix": "1000", "video_height_pix": "800", "tracking_method": "DeepLabCut",
        "mouse1_strain": "CD1", "mouse2_strain": "CD1",
    }  # fmt: skip
    parts = {"Alpha": ["body_center", "nose", "tail_base"], "Beta": ["ear_left", "ear_right", "nose", "tail_base"]}
    table = []
    for n, (lab, names) in enumerate(parts.items(), start=1):
        behaviors = ["mouse1,mouse2,chase", "mouse1,self,rear", "mouse1,mouse2,serenade"]
        listed = {"body_parts_tracked": json.dumps(names), "behaviors_labeled": json.dumps(behaviors)}
        table.append(base | {"lab_id": lab, "video_id": str(n)} | listed)
        columns = {
            "agent_id": [1, 1, 1, 1], "target_id": [2, 1, 2, 2],
            "action": ["chase", "rear", "serenade", "chase"],
            "start_frame": [300, 600, 800, 890], "stop_frame": [390, 690, 860, 5000],
        }  # fmt: skip
        schema = pa.schema([(name, arrow_type(kind)) for name, kind in ANNOTATION.items()])
        path = source / "train_annotation" / lab / f"{n}.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(columns, schema=schema), path)
    with (source / "train.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, RAW_METADATA_COLUMNS)
        writer.writeheader()
        writer.writerows(table)
    return source


def test_tracks_follow_given_annotations(annotated: Path, tmp_path: Path) -> None:
    report = add_tracking(annotated, tmp_path / "out", videos=5, seed=0, dirt=0)
    assert (report.labs, report.videos) == (2, 2)
    track = pq.read_table(tmp_path / "out" / "train_tracking" / "Alpha" / "1.parquet")
    assert track.num_rows == 900 * 2 * 3
    xy = np.stack([track["x"].to_numpy(), track["y"].to_numpy()], axis=1).reshape(900, 2, 3, 2) / 20
    assert track["bodypart"][:3].to_pylist() == ["body_center", "nose", "tail_base"]
    length = np.linalg.norm(xy[:, 0, 1] - xy[:, 0, 2], axis=1)
    assert np.median(length[610:680]) < 0.6 * np.median(length[100:290])
    speed = np.linalg.norm(xy[10:, :, 0] - xy[:-10, :, 0], axis=-1) * 3
    assert np.median(speed[310:375, 0]) > 20
    assert np.median(speed[310:375, 0]) > 2 * np.median(speed[100:290, 0])
    copied = rows(tmp_path / "out" / "train.csv")
    assert [row["tracking_method"] for row in copied] == ["simulated", "simulated"]
    assert [row["mouse1_strain"] for row in copied] == ["CD1", "CD1"]
    given, kept = (pq.read_table(at / "train_annotation/Beta/2.parquet") for at in (annotated, tmp_path / "out"))
    assert kept.equals(given)


def test_only_the_chosen_videos_are_copied_if_wanted(annotated: Path, tmp_path: Path) -> None:
    add_tracking(annotated, tmp_path / "one", videos=1, labs=["Beta"], seed=0, only_chosen=True)
    assert [row["video_id"] for row in rows(tmp_path / "one" / "train.csv")] == ["2"]
    assert [p.name for p in (tmp_path / "one" / "train_annotation").rglob("*.parquet")] == ["2.parquet"]
    add_tracking(annotated, tmp_path / "all", videos=1, labs=["Beta"], seed=0)
    methods = {row["lab_id"]: row["tracking_method"] for row in rows(tmp_path / "all" / "train.csv")}
    assert methods == {"Alpha": "DeepLabCut", "Beta": "simulated"}
    assert "videos 2 only" in (tmp_path / "all" / "SIMULATED.txt").read_text()


def test_a_source_that_cannot_be_used_is_named(annotated: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no train\.csv"):
        add_tracking(tmp_path, tmp_path / "out", videos=1)
    with pytest.raises(DataError, match=r"no annotated video of \['Gamma'\]"):
        add_tracking(annotated, tmp_path / "out", videos=1, labs=["Gamma"])
    with pytest.raises(UsageError, match="holds something already"):
        add_tracking(annotated, annotated, videos=1)
    text = (annotated / "train.csv").read_text().replace(",20,", ",,")
    (annotated / "train.csv").write_text(text)
    with pytest.raises(DataError, match="Video 1 of Alpha: pix_per_cm_approx must be a number above 0"):
        add_tracking(annotated, tmp_path / "out", videos=1, labs=["Alpha"])


def test_a_lab_of_one_animal_explores_its_objects_and_climbs_at_the_wall(tmp_path: Path) -> None:
    """The seventh lab: names of its own, two objects that stay; the agent is where its action happens."""
    simulate(tmp_path, labs=7, videos=2, seconds=60, seed=0, dirt=0, test_videos=0)
    assert not (tmp_path / "test.csv").exists(), "ingest refuses metadata without videos"
    lab = lab_names(7)[-1]
    videos = [row for row in rows(tmp_path / "train.csv") if row["lab_id"] == lab]
    parts = set(json.loads(videos[0]["body_parts_tracked"]))
    assert {"snout", "leftear", "tail_1", "object_1", "object_2"} <= parts
    assert videos[0]["mouse2_id"] == ""
    seen: set[str] = set()
    for row in videos:
        scale, fps = float(row["pix_per_cm_approx"]), float(row["frames_per_second"])
        sides = np.array([float(row["arena_width_cm"]), float(row["arena_height_cm"])])
        tracks = pd.read_parquet(tmp_path / "train_tracking" / lab / f"{row['video_id']}.parquet")
        by_part = tracks.groupby("bodypart", observed=True)
        at = {part: own.set_index("video_frame")[["x", "y"]] / scale for part, own in by_part}
        for part in ("object_1", "object_2"):
            assert np.ptp(at[part].to_numpy(), axis=0).max() < 1e-3
        annotation = pd.read_parquet(tmp_path / "train_annotation" / lab / f"{row['video_id']}.parquet")
        for event in annotation.itertuples():
            assert event.agent_id == event.target_id == 1
            seen.add(event.action)
            there = slice(event.start_frame + round(0.5 * fps), event.stop_frame - round(0.3 * fps))
            nose = at["snout"].to_numpy()[there]
            if not len(nose):
                continue
            if event.action == "exploreobject":
                objects = [at[part].to_numpy()[there] for part in ("object_1", "object_2")]
                assert np.median(np.min([np.linalg.norm(nose - xy, axis=1) for xy in objects], axis=0)) < 4
            elif event.action == "climb":
                assert np.median(np.minimum(nose, sides - nose).min(axis=1)) < 3
    assert seen == {"climb", "exploreobject", "selfgroom"}
