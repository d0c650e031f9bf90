"""A lab unlike the others, from its folder to a score: five flies, odd names everywhere, unlikely points.

Two videos of 300 frames at 30 frames/s. Fly a of five walks along x; part p of it lies 10 px lower. Of the first
video, ten points of the first part have a likelihood of 0.2.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab_folder import boris_csv, deeplabcut_csv, walk_xy

from etholake import cli
from etholake.formats.base import ReadOptions
from etholake.formats.registry import FORMATS

pytestmark = [pytest.mark.server, pytest.mark.jvm, pytest.mark.slow]

FLIES = tuple(f"Fly {n}" for n in range(1, 6))
PARTS = ("Wing-tip L", "Abdomen_7", "probóscis")
NAMES = ("Käfig 4, Tag 1", "0012")
BOUTS = [
    (1.0, 2.0, "Fly 5", "Wing Extension"), (3.0, 4.0, "Fly 1", "chase_away"), (5.0, 6.0, "Fly 2", "SHAKE"),
    (7.0, 8.0, "Fly 5", "Wing Extension"),
]  # fmt: skip
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the lab's files, and a mock of its own; the environment names it."""
    root = tmp_path_factory.mktemp("odd lab")
    likelihood = np.full((300, 5, 3), 0.9)
    likelihood[10:20, 0, 0] = 0.2
    for name, scores in zip(NAMES, (likelihood, None), strict=True):
        deeplabcut_csv(root / "flies" / f"{name}.csv", walk_xy(300, 5, 3), PARTS, FLIES, scores)
        boris_csv(root / "flies" / "labels" / f"{name}.csv", f"{name}.mp4", BOUTS, length=10.0)
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in (("ETHOLAKE_STATE_DIR", "state"), ("ETHOLAKE_S3_ROOT", "s3")):
            patch.setenv(name, str(root / folder))
        patch.setenv("PORT", "0")
        patch.chdir(root)
        assert cli.main(["up", "--json"]) == 0
        mock = json.loads((root / "state" / "mock.json").read_text())
        patch.setenv("PORT", str(mock["port"]))
        yield root
        cli.main(["down", "--json"])


@pytest.fixture
def etholake(place: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb of the command line; return what it prints as JSON."""

    def run(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        outcome = cli.main([*arguments, "--json"])
        printed = capsys.readouterr()
        assert outcome == code, printed.err
        return json.loads(printed.out) if code == 0 else printed.err

    return run


def test_1_the_folder_is_imported(etholake: Run, place: Path) -> None:
    etholake("import", str(place / "flies"), "--out", "data", "--min-likelihood", "0.5")
    mapping = place / "data" / "imports" / "flies" / "mapping.toml"
    text = mapping.read_text().replace("# species =", 'species = "fly"')
    text = text.replace('"Wing Extension" = { name = "wing extension", kind = "pair"',
                        '"Wing Extension" = { name = "wing extension", kind = "self"')  # fmt: skip
    mapping.write_text(text)
    report = etholake("import", str(place / "flies"), "--out", "data")
    assert report["points"] == {"in": 9000, "written": 9000, "left_out": {}}
    rows = list(csv.DictReader((place / "data" / "train.csv").open(newline="")))
    assert {row["video_name"] for row in rows} == set(NAMES)
    assert {(row["species"], row["min_likelihood"], row["mouse5_id"]) for row in rows} == {("fly", "0.5", "Fly 5")}


def test_2_it_becomes_tables(etholake: Run) -> None:
    etholake("deploy")
    etholake("ingest", "--data", "data")
    curated = etholake("etl")
    assert (curated["rows_in"], curated["rows_quarantined"]) == (curated["rows_curated"] + 10, 10)
    sql = "SELECT rule, sum(rows) AS n FROM quarantine GROUP BY rule"
    assert etholake("query", "--sql", sql) == [{"rule": "likelihood-low", "n": 10}]
    sql = """SELECT mouse_id, count(DISTINCT bodypart) AS parts, count(likelihood) AS n FROM tracking_curated
        GROUP BY mouse_id ORDER BY mouse_id"""
    expected = [{"mouse_id": n, "parts": 3, "n": 1800 - 10 * (n == 1)} for n in range(1, 6)]
    assert etholake("query", "--sql", sql) == expected
    sql = "SELECT DISTINCT agent_id, action FROM annotations_enriched WHERE is_labeled ORDER BY 1, 2"
    pairs = {(row["agent_id"], row["action"]) for row in etholake("query", "--sql", sql)}
    assert pairs == {(5, "wing extension"), (1, "chase_away"), (2, "shake")}
    events = etholake(
        "query", "--name", "events_of_video", "--param", "lab_id=flies", "--param", "video_id=Käfig 4, Tag 1"
    )
    first = events[0]
    assert (first["start_frame"], first["stop_frame"], first["action"]) == (30, 60, "wing extension")


def test_3_pages_exports_and_scores_name_it(etholake: Run, place: Path) -> None:
    page = etholake("video", "--video", "Käfig 4, Tag 1", "--out", "dist/page.html")
    text = (place / "dist" / "page.html").read_text(encoding="utf-8")
    assert page["events"] > 0
    assert "fly5" in text
    assert "K\\u00e4fig 4, Tag 1" in text or "Käfig 4, Tag 1" in text
    error = etholake("video", "--video", "Käfig 4, Tag 2", code=2)
    assert "there is no video 'Käfig 4, Tag 2'. Did you mean 'Käfig 4, Tag 1'?" in error
    made = etholake(
        "export", "--to", "csv", "--out", "labels", "--videos", '"Käfig 4, Tag 1"', "--actions", "shake"
    )
    (recording,) = FORMATS.get("interval_csv").read(Path(made["files"][0]), ReadOptions())  # type: ignore[attr-defined]
    assert recording.name == "Käfig 4, Tag 1"
    assert {(b.action, b.agent, b.start, b.stop) for b in recording.bouts} == {("shake", "mouse2", 150, 180)}

    rows = list(csv.DictReader((place / "data" / "train.csv").open(newline="")))
    number = next(row["video_id"] for row in rows if row["video_name"] == "0012")
    submission = place / "submission.csv"
    submission.write_text(
        "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n"
        f"0,{number},mouse5,self,wing extension,30,60\n1,{number},mouse5,self,wing extension,210,240\n"
    )
    arguments = (
        "--submission",
        str(submission),
        "--data",
        "data",
        "--videos",
        "0012",
        "--html",
        "dist/scores.html",
    )
    scores = etholake("evaluate", *arguments)
    assert "Video 0012" in (place / "dist" / "scores.html").read_text(encoding="utf-8")
    assert scores["labs"]["flies"]["actions"]["wing extension"] == 1.0
    assert scores["labs"]["flies"]["actions"]["chase_away"] == 0.0
