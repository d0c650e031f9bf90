"""The rules on real files: every kind of dirt that is known to be in them is found where it is, and counted.

The files are read in place and nothing of them is kept: `MABE2025_DIR` (else ../shared/data/mabe2025) holds
`train.csv` and `train_annotation/<lab>/<video>.parquet` of MABe 2025, `REAL_TRACKS_DIR` (else ../shared/data/real)
real tracks in the same layout. Without them these tests are skipped.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from etholake.contract import ACTIONS, raw_key
from etholake.curate import quality
from etholake.curate.annotations import curate_annotations
from etholake.curate.file_reports import FileReport, assert_balance
from etholake.curate.metadata import CuratedMetadata, VideoRecord, curate_metadata, labeled_table, metadata_table
from etholake.curate.rawzone import RawObject
from etholake.curate.units import Unit
from etholake.curate.work import ANNOTATIONS, TRACKING, behavior_key, curate_annotation_unit, curate_tracking_unit
from etholake.pages.quality import render

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FOLDER = Path(os.environ.get("MABE2025_DIR", SHARED / "mabe2025"))
TRACKS = Path(os.environ.get("REAL_TRACKS_DIR", SHARED / "real"))
pytestmark = pytest.mark.skipif(
    not (FOLDER / "train.csv").is_file(), reason=f"no MABe 2025 metadata in {FOLDER}: set MABE2025_DIR"
)
STRAY = 1733903958  # annotated, of CRIM13, in no metadata
WITHOUT_TWIN = {390030205, 1270744933, 1859225348}  # ReflectiveManatee: nothing but the dirty item names attack
CLOCK = "AdaptableSnail"


@dataclass(frozen=True)
class Dirt:
    """The metadata, and the annotations of every lab as the job's workers curate them."""

    metadata: CuratedMetadata
    reports: list[FileReport]
    annotations: dict[str, pa.Table]
    summaries: dict[str, pa.Table]

    @property
    def videos(self) -> dict[int, VideoRecord]:
        return {video.video_id: video for video in self.metadata.videos}

    @property
    def flags(self) -> dict[tuple[str, str, int], list[str]]:
        """`metadata_train.flags`; no tracking was received."""
        files = {(str(r.lab_id), int(r.video_id or 0)): r for r in self.reports}
        rows = metadata_table(self.metadata.videos, {}, files).to_pylist()
        return {("train", row["lab_id"], row["video_id"]): row["flags"] for row in rows}

    def quality(self) -> quality.Quality:
        return quality.build([self.metadata.report, *self.reports], self.flags)

    def rows(self, rule: str) -> Counter[str]:
        """Rows that a rule flags or quarantines, by lab."""
        made = self.quality()
        return +Counter({lab: made.counts[lab, rule].rows for lab in made.labs if (lab, rule) in made.counts})

    def flagged(self, rule: str) -> Counter[str]:
        """Videos that a rule flags, by lab."""
        return Counter(lab for (_, lab, _), flags in self.flags.items() if rule in flags)


def raw_rows() -> list[dict[str, str]]:
    with (FOLDER / "train.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def edited(
    change: Callable[[dict[str, str]], Mapping[str, str]], rows: Iterable[dict[str, str]]
) -> CuratedMetadata:
    """Real rows of metadata with a change, curated."""
    changed = [{**row, **change(row)} for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(changed[0]))
    writer.writeheader()
    writer.writerows(changed)
    return curate_metadata(out.getvalue().encode(), "train")


def raw_object(path: Path, kind: str) -> RawObject:
    lab, video = path.parent.name.removeprefix("lab_id="), int(path.stem)
    return RawObject(raw_key("train", kind, lab, video), path.stat().st_size, "etag", "train", kind, lab, video)


@pytest.fixture(scope="module")
def annotated() -> dict[int, Path]:
    """The annotation file of each video."""
    return {int(path.stem): path for path in sorted((FOLDER / "train_annotation").glob("*/*.parquet"))}


@pytest.fixture(scope="module")
def intervals(annotated: dict[int, Path]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Starts and stops of each video as they lie in the files: counted here without the product."""
    return {
        number: tuple(pq.read_table(path)[name].to_numpy().astype(int) for name in ("start_frame", "stop_frame"))
        for number, path in annotated.items()
    }  # type: ignore[misc]


@pytest.fixture(scope="module")
def dirt(annotated: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Dirt:
    """Everything curated by the workers' own function; the bucket is a folder that links to the real files."""
    mount = tmp_path_factory.mktemp("mount")
    raw_zone = mount / "lake" / "raw-zone" / "train_annotation"
    raw_zone.mkdir(parents=True)
    metadata = curate_metadata((FOLDER / "train.csv").read_bytes(), "train")
    reports, annotations, summaries = [], {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETHOLAKE_S3_MOUNT", str(mount))
        for lab in sorted({path.parent.name for path in annotated.values()}):
            (raw_zone / f"lab_id={lab}").symlink_to(FOLDER / "train_annotation" / lab)
            files = tuple(raw_object(p, "annotation") for p in annotated.values() if p.parent.name == lab)
            videos = {video.video_id: video for video in metadata.videos if video.lab_id == lab}
            target = f"curated-zone/{ANNOTATIONS}/lab_id={lab}/gen/part.parquet"
            reports += curate_annotation_unit(Unit("train", lab, target, files, videos), "lake")[0]
            annotations[lab] = pq.read_table(mount / "lake" / target, partitioning=None)
            summaries[lab] = pq.read_table(mount / "lake" / behavior_key(target), partitioning=None)
    return Dirt(metadata, reports, annotations, summaries)


# --- behaviors_labeled ------------------------------------------------------------------------------------
def test_stray_quotes_are_repaired_in_every_video_of_two_labs_and_nowhere_else(dirt: Dirt) -> None:
    quoted = Counter(row["lab_id"] for row in raw_rows() if "'" in row["behaviors_labeled"])
    assert quoted == {"DeliriousFly": 6, "ReflectiveManatee": 20}
    assert dirt.flagged("behaviors-repaired") == quoted
    assert dirt.flagged("behaviors-malformed") == {}
    triplets = labeled_table(dirt.metadata.videos)
    assert set(triplets["action"].to_pylist()) <= set(ACTIONS)


def test_an_item_with_quotes_and_its_clean_twin_are_one_triplet(dirt: Dirt) -> None:
    """Each dirty list names every action twice, but in three videos, where attack has no clean twin."""
    clean = {lab: set() for lab in ("DeliriousFly", "ReflectiveManatee")}
    for row in raw_rows():
        if row["lab_id"] in clean:
            items = json.loads(row["behaviors_labeled"])
            clean[row["lab_id"]] |= {item for item in items if "'" not in item}
    assert {lab: len(items) for lab, items in clean.items()} == {"DeliriousFly": 3, "ReflectiveManatee": 2}
    for video in dirt.metadata.videos:
        if video.lab_id in clean:
            assert set(video.values["behaviors_labeled"]) == clean[video.lab_id]
    repaired = labeled_table(dirt.metadata.videos).filter(pc.field("repaired"))
    assert set(repaired["video_id"].to_pylist()) == WITHOUT_TWIN
    assert set(repaired["action"].to_pylist()) == {"attack"}
    assert repaired.num_rows == 3


@pytest.mark.parametrize("empty", ["", "NaN", "[]"])
def test_empty_lists_mean_that_nothing_was_looked_for(dirt: Dirt, empty: str) -> None:
    assert dirt.flagged("behaviors-empty") == {"SparklingTapir": 15}
    rows = [row for row in raw_rows() if not row["behaviors_labeled"].strip()]
    assert len(rows) == 15
    videos = edited(lambda _: {"behaviors_labeled": empty}, rows).videos
    assert [video.flags for video in videos] == [("behaviors-empty",)] * 15
    assert labeled_table(videos).num_rows == 0


# --- intervals --------------------------------------------------------------------------------------------
def test_intervals_of_no_frame_are_flagged(
    dirt: Dirt, annotated: dict[int, Path], intervals: dict[int, tuple[np.ndarray, np.ndarray]]
) -> None:
    """59 in the files; 4 of them are of the video without metadata, and go to quarantine with its file."""
    counts: Counter[str] = Counter()
    for number, (start, stop) in intervals.items():
        counts[annotated[number].parent.name] += int((start == stop).sum())
    assert +counts == {"CRIM13": 54, "CalMS21_supplemental": 3, "CalMS21_task1": 1, "CalMS21_task2": 1}
    start, stop = intervals[STRAY]
    assert int((start == stop).sum()) == 4
    assert dirt.rows("interval-zero") == +counts - Counter({"CRIM13": 4})
    zero = pa.concat_tables(dirt.annotations.values()).filter(pc.field("duration_frames") == 0)
    assert set(zero["issue"].to_pylist()) == {"interval-zero"}


def test_intervals_beyond_the_video_are_flagged(
    dirt: Dirt, intervals: dict[int, tuple[np.ndarray, np.ndarray]]
) -> None:
    counted: Counter[str] = Counter()
    over = {}
    for row in raw_rows():
        end = 1.02 * float(row["frames_per_second"]) * float(row["video_duration_sec"])
        _, stop = intervals.get(int(row["video_id"]), (np.array([]), np.array([])))
        if (stop > end).any():
            counted[row["lab_id"]] += int((stop > end).sum())
            over[int(row["video_id"])] = 1.02 * stop.max() / end
    assert counted == {
        "InvincibleJellyfish": 432, "CRIM13": 288, "GroovyShrew": 144, "CalMS21_task1": 49, "CalMS21_task2": 34,
        "SparklingTapir": 5, "TranquilPanther": 5, "ReflectiveManatee": 1,
    }  # fmt: skip
    assert (counted.total(), len(over)) == (958, 106)
    assert max(over.values()) == pytest.approx(5.82, abs=0.01)
    assert dirt.rows("interval-overlong") == counted
    assert {r.video_id for r in dirt.reports if "interval-overlong" in r.flags} == set(over)


def test_there_is_no_repeated_interval_and_one_put_in_is_found(dirt: Dirt, annotated: dict[int, Path]) -> None:
    assert dirt.rows("interval-duplicate") == {}
    path = next(path for path in annotated.values() if path.parent.name == "PleasantMeerkat")
    table = pq.read_table(path)
    twice = curate_annotations(pa.concat_tables([table, table]), dirt.videos[int(path.stem)], "raw-zone/x")
    assert twice.report.flagged_rows == {"interval-duplicate": table.num_rows}
    assert twice.report.rows_curated == 2 * table.num_rows


# --- what was received of a video -------------------------------------------------------------------------
def test_the_annotations_of_a_video_without_metadata_are_quarantined_whole(dirt: Dirt) -> None:
    [report] = [report for report in dirt.reports if "video-without-metadata" in report.flags]
    assert (report.lab_id, report.video_id, report.rows_in, report.rows_quarantined) == ("CRIM13", STRAY, 29, 29)
    [row] = report.quarantine
    assert (row["rule"], row["rows"], row["row_number"]) == ("video-without-metadata", 29, None)
    assert str(STRAY) in row["detail"]
    assert STRAY not in dirt.annotations["CRIM13"]["video_id"].to_pylist()


def test_videos_without_an_annotation_file_are_flagged(dirt: Dirt) -> None:
    assert dirt.flagged("video-without-annotation") == {"SparklingTapir": 15, "PleasantMeerkat": 1}
    assert dirt.flagged("video-without-tracking").total() == 862


def test_a_second_row_of_a_video_is_quarantined(dirt: Dirt) -> None:
    rows = raw_rows()
    assert len({(row["lab_id"], row["video_id"]) for row in rows}) == len(rows) == 862
    twice = edited(lambda _: {}, [*rows, *rows[:3]])
    assert [r["rule"] for r in twice.report.quarantine] == ["metadata-duplicate"] * 3
    assert twice.videos == dirt.metadata.videos


# --- clocks and scales ------------------------------------------------------------------------------------
def test_the_label_clock_is_flagged_in_four_videos_and_repaired_on_demand(
    dirt: Dirt, annotated: dict[int, Path], intervals: dict[int, tuple[np.ndarray, np.ndarray]]
) -> None:
    suspects = [video for video in dirt.metadata.videos if "label-clock" in video.flags]
    assert [(video.lab_id, video.fps) for video in suspects] == [(CLOCK, 25.0)] * 4
    assert (
        dirt.rows("label-clock") == {CLOCK: sum(len(intervals[v.video_id][0]) for v in suspects)} == {CLOCK: 904}
    )
    for video in suspects:
        table = pq.read_table(annotated[video.video_id])
        start, stop = intervals[video.video_id]
        key = raw_key("train", "annotation", CLOCK, video.video_id)
        plain = curate_annotations(table, video, key).table
        mended = curate_annotations(table, video, key, repair_label_clock=True)
        assert sorted(plain["start_frame"].to_pylist()) == sorted(start.tolist())
        assert set(plain["issue"].to_pylist()) == set(mended.table["issue"].to_pylist()) == {"label-clock"}
        assert mended.table.num_rows == table.num_rows
        own = sorted(zip(*(mended.table[n].to_pylist() for n in ("start_frame", "stop_frame")), strict=True))
        expected = sorted(zip(np.floor(start * 25 / 30 + 0.5), np.floor(stop * 25 / 30 + 0.5), strict=True))
        assert own == expected  # every real interval is long enough not to vanish
        seconds = np.sort(mended.table["start_sec"].to_numpy())
        np.testing.assert_allclose(seconds, np.sort(start) / 30, atol=0.5 / 25 + 1e-9)


def test_the_labels_of_those_videos_were_converted_from_25_to_30_frames_and_the_repair_undoes_it(
    dirt: Dirt, intervals: dict[int, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Frame f at 25 fps becomes round(1.2 f) at 30 fps, which never leaves the rest 3 when divided by 6."""
    assert 3 not in {round(1.2 * frame) % 6 for frame in range(10_000)}
    rests: dict[tuple[str, bool], Counter[int]] = {}
    for video in dirt.metadata.videos:
        if video.fps == 25 and video.video_id in intervals:
            frames = np.concatenate(intervals[video.video_id])
            key = (video.lab_id, "label-clock" in video.flags)
            rests.setdefault(key, Counter()).update((frames[frames > 0] % 6).tolist())
            if "label-clock" in video.flags:
                own = np.floor(frames * 25 / 30 + 0.5)
                assert np.array_equal(np.floor(own * 30 / 25 + 0.5), frames)
    suspects = rests.pop((CLOCK, True))
    assert (suspects.total(), suspects[3]) == (1808, 0)
    assert {lab for lab, _ in rests} == {"CRIM13", "CautiousGiraffe", "ReflectiveManatee", "UppityFerret"}
    for counts in rests.values():  # other labs at 25 fps: a sixth leaves the rest 3
        assert 0.1 < counts[3] / counts.total() < 0.2


def test_the_other_labels_are_not_rescaled(dirt: Dirt, annotated: dict[int, Path]) -> None:
    for number, path in list(annotated.items())[::50]:
        video = dirt.videos.get(number)
        if video is None or "label-clock" in video.flags:
            continue
        table = pq.read_table(path)
        plain, mended = (
            curate_annotations(table, video, "x", repair_label_clock=on).table for on in (False, True)
        )
        assert plain.equals(mended)


@pytest.mark.parametrize("scale", ["", "0", "0.0", "nan", "-3"])
def test_a_scale_that_is_missing_or_zero_is_null_and_flagged(dirt: Dirt, scale: str) -> None:
    """The real file has all of them, so they are taken away."""
    scales = [video.values["pix_per_cm_approx"] for video in dirt.metadata.videos]
    assert (min(scales), max(scales)) == (5.5, 65.0)
    assert dirt.flagged("scale-missing") == {}
    for video in edited(lambda _: {"pix_per_cm_approx": scale}, raw_rows()[::100]).videos:
        assert video.values["pix_per_cm_approx"] is None
        assert "scale-missing" in video.flags


# --- tracks -----------------------------------------------------------------------------------------------
@pytest.mark.skipif(not (TRACKS / "train.csv").is_file(), reason=f"no tracks in {TRACKS}: set REAL_TRACKS_DIR")
@pytest.mark.parametrize("lost", [None, 2])
def test_a_mouse_that_was_looked_for_but_never_tracked_is_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int | None
) -> None:
    metadata = curate_metadata((TRACKS / "train.csv").read_bytes(), "train")
    [video] = [video for video in metadata.videos if video.lab_id == "EthomePair"]
    table = pq.read_table(TRACKS / "train_tracking" / video.lab_id / f"{video.video_id}.parquet")
    own = (
        tmp_path / "lake" / "raw-zone" / "train_tracking" / f"lab_id={video.lab_id}" / f"{video.video_id}.parquet"
    )
    own.parent.mkdir(parents=True)
    pq.write_table(table.filter(pc.field("mouse_id") != (lost or 0)), own)
    monkeypatch.setenv("ETHOLAKE_S3_MOUNT", str(tmp_path))
    target = f"curated-zone/{TRACKING}/split=train/lab_id={video.lab_id}/gen/part.parquet"
    unit = Unit("train", video.lab_id, target, (raw_object(own, "tracking"),), {video.video_id: video})
    [report] = curate_tracking_unit(unit, "lake", 15)
    assert report.rows_curated + report.rows_quarantined == (table.num_rows if lost is None else report.rows_in)
    assert report.mice == ((1, 2) if lost is None else (1,))
    key = (video.lab_id, video.video_id)
    flags = metadata_table([video], {key: report}, {key: FileReport("f", "annotation", "train")})
    assert flags["flags"].to_pylist() == [[] if lost is None else ["mouse-untracked"]]


# --- all of it --------------------------------------------------------------------------------------------
def test_no_row_is_lost_and_nothing_else_is_wrong(dirt: Dirt, annotated: dict[int, Path]) -> None:
    assert_balance([dirt.metadata.report, *dirt.reports])
    made = dirt.quality()
    assert made.unbalanced == []
    assert made.sums[None, "metadata"] == quality.Sums(1, 862, 862, 862)
    assert made.sums[None, "annotation"] == quality.Sums(847, 0, 83620, 83591, 29)
    assert len(annotated) == 847
    assert {rule: (c.rows, c.files, c.videos) for (lab, rule), c in made.counts.items() if lab is None} == {
        "behaviors-repaired": (0, 0, 26), "behaviors-empty": (0, 0, 15), "label-clock": (904, 4, 4),
        "video-without-tracking": (0, 0, 862), "video-without-annotation": (0, 0, 16),
        "video-without-metadata": (29, 1, 0), "interval-zero": (55, 22, 0), "interval-overlong": (958, 106, 0),
    }  # fmt: skip


def test_the_summaries_count_every_event(dirt: Dirt) -> None:
    assert set(dirt.summaries) == set(dirt.annotations)
    for lab, table in dirt.annotations.items():
        summary, keys = dirt.summaries[lab], ["video_id", "agent_id", "target_id", "action"]
        counted = pc.subtract(table["counted_stop_frame"], table["counted_start_frame"])
        expected = table.append_column("counted", counted).group_by(keys).aggregate(
            [("counted", "sum"), ("counted", "count")]
        )  # fmt: skip
        assert summary.num_rows == expected.num_rows
        for name, aggregate in (("frames", "counted_sum"), ("events", "counted_count")):
            one, other = ({tuple(r[k] for k in keys): r[c] for r in t.select([*keys, c]).to_pylist()}
                          for t, c in ((summary, name), (expected, aggregate)))  # fmt: skip
            assert one == other
    assert sum(sum(t["events"].to_pylist()) for t in dirt.summaries.values()) == 83591


def test_the_page_of_the_real_files_is_small_and_says_what_is_known(dirt: Dirt) -> None:
    page = render(json.loads(dirt.quality().as_json())).encode()
    assert len(page) < 200_000
    for text in (b"84,482 rows in 848 raw files of 19 labs", b"958 of 83,620 rows", b"26 of 862 videos"):
        assert text in page
