"""The API for notebooks reads a small lake, trains and predicts, and refuses in whole sentences."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import small_lake
from lakes import open_lake

import etholake as el
from etholake import notebook
from etholake.dataset.labelled import LabelledVideo
from etholake.dataset.pose_tracks import PoseTracks
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import AwsError, DataError, SettingsError, UsageError
from etholake.events.types import Event
from etholake.models.boosted import forest
from etholake.models.boosted.config import BoostedConfig
from etholake.settings import Settings

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
TUTORIAL = TUTORIALS / "notebook.md"
NAMES = {1: "cage 4", 2: "cage 5"}
ABOUT = {"frames_per_second": small_lake.FPS, "behaviors_labeled": small_lake.TEXTS, "lab_id": "Lab A",
         "video_id": 1, "pix_per_cm_approx": 10.0, "video_width_pix": 600, "video_height_pix": 600}  # fmt: skip


@pytest.fixture(scope="module")
def lab_settings(mock_settings: Settings) -> Settings:
    """The small lake; two videos have a name, and one run has predicted."""
    made, lake = open_lake(mock_settings, "notebook")
    small_lake.fill(lake)
    rows = lake.read("metadata_train").to_pylist()
    named = [row | {"video_name": NAMES.get(row["video_id"])} for row in rows]
    lake.replace_table("metadata_train", pa.Table.from_pylist(named, lake.read("metadata_train").schema), "named")
    event = {"split": "train", "lab_id": "Lab A", "video_id": 1, "agent_id": 1, "target_id": 2, "action": "chase",
             "start_frame": 3, "stop_frame": 30, "confidence": 0.75}  # fmt: skip
    schema = lake.read("predictions", {"run_id": "none"}).schema
    lake.replace_table("predictions", pa.Table.from_pylist([event], schema), "one", {"run_id": "r1"})
    return made


@pytest.fixture
def lab(lab_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lake, opened as a notebook does: by the environment and by settings that are given."""
    monkeypatch.setenv("ETHOLAKE_BUCKET", lab_settings.bucket)
    monkeypatch.setenv("PORT", str(lab_settings.port))
    return el.open(database=lab_settings.database, workgroup=lab_settings.workgroup, stack=lab_settings.stack)


@pytest.fixture(scope="module")
def model(lab_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> notebook.TrainedModel:
    """Small trees of two videos, saved and loaded as any model."""
    lake, videos = notebook.NotebookLake(lab_settings), []
    for number in (2, 3):
        meta = VideoMeta.from_row(ABOUT | {"video_id": number})
        table = pa.Table.from_pandas(lake.tracks(number))
        events = [Event(number, **row) for row in small_lake.annotations()]
        videos.append(LabelledVideo(PoseTracks.from_curated(table, meta), tuple(events)))
    trees = forest.fit(videos, config=BoostedConfig(rounds=12, depth=3, eta=0.4, min_child_weight=5.0))
    folder = tmp_path_factory.mktemp("model")
    trees.save(folder)
    return lake.model(str(folder))


def test_importing_stays_light() -> None:
    light = "assert not {'numpy', 'pandas', 'pyarrow', 'torch', 'boto3'} & set(sys.modules)"
    code = f"import sys, etholake as el; {light}; el.open; {light}"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="'etholake' has no attribute 'opne'"):
        el.opne  # noqa: B018


def test_videos_have_their_metadata(lab: Any) -> None:
    videos = lab.videos()
    assert videos["video_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert videos["video_name"].tolist()[:2] == ["cage 4", "cage 5"]
    assert set(videos["split"]) == {"train"}
    assert str(videos["video_width_pix"].dtype) == "Int32"
    assert lab.videos(lab="Lab B", split="train")["video_id"].tolist() == [4, 5, 6]


def test_tracks_are_the_rows_of_one_video(lab: Any) -> None:
    nose = lab.tracks("cage 4", parts=["nose"])
    assert len(nose) == 2 * small_lake.FRAMES
    assert nose["video_frame"].tolist()[:3] == [0, 1, 2]
    expected = small_lake.tracks(1)
    first = expected["x_cm"][(expected["video_frame"] == 7) & (expected["bodypart"] == "nose")]
    assert nose[nose["video_frame"] == 7]["x_cm"].tolist() == pytest.approx(first.tolist(), abs=1e-5)
    assert len(lab.tracks(1)) == len(lab.tracks("Lab A/1")) == len(expected["x"])


def test_events_are_annotations_or_a_run(lab: Any) -> None:
    chase = lab.events("cage 4", action="chase")
    true = [row for row in small_lake.annotations() if row["action"] == "chase"]
    assert chase[["start_frame", "stop_frame"]].to_numpy().tolist() == [
        [row["start_frame"], row["stop_frame"]] for row in true
    ]
    assert len(lab.events(lab="Lab B")) == 3 * len(small_lake.annotations())
    assert lab.runs() == ["r1"]
    predicted = lab.events(run="r1")
    assert predicted[["video_id", "action", "confidence"]].to_numpy().tolist() == [[1, "chase", 0.75]]
    assert lab.events("cage 5", run="r1").empty


def test_sql_and_reports(lab: Any) -> None:
    counted = lab.sql("SELECT count(*) AS n FROM annotations_enriched WHERE video_id = ?", [1])
    assert counted["n"].tolist() == [len(small_lake.annotations())]
    assert not lab.report("lake_overview").empty


def test_a_model_is_one_line_in_a_notebook(model: Any) -> None:
    assert repr(model) == f"TrainedModel of family '{model.family}', actions: {', '.join(model.actions)}"
    assert len(repr(model)) < 300


def test_a_model_predicts_tracks_of_the_lake_and_of_a_file(lab: Any, model: Any) -> None:
    assert (model.family, set(model.actions)) == ("boosted", {"chase", "rest"})
    tracks = lab.tracks("cage 4")
    events = model.predict(tracks)
    assert events.columns.tolist()[:4] == ["video_id", "agent_id", "target_id", "action"]
    chase = next(row for row in small_lake.annotations() if row["action"] == "chase")
    curves = model.probabilities(tracks)
    assert (curves.index.tolist()[0], len(curves)) == (0, small_lake.FRAMES)
    middle = (chase["start_frame"] + chase["stop_frame"]) // 2
    assert curves[1, 2, "chase"][middle] > curves[1, 1, "rest"][middle]
    raw = tracks[["video_frame", "mouse_id", "bodypart", "x", "y"]].astype({"mouse_id": "int64", "x": "float64"})
    raw.attrs.clear()
    assert model.predict(raw, ABOUT)["action"].tolist() == events["action"].tolist()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda lab: lab.tracks("cage 6"), UsageError, "there is no video 'cage 6'.*Did you mean 'cage 5'"),
        (lambda lab: lab.tracks(1, parts=["nse"]), UsageError, "no body part 'nse'.*nose"),
        (lambda lab: lab.events(run="r3"), UsageError, "No run 'r3' has predicted.*r1"),
        (lambda lab: lab.videos(split="trian"), UsageError, "no split 'trian'.*train"),
        (lambda lab: lab.videos(lab="Lab C"), UsageError, "no lab 'Lab C'.*Lab B"),
        (lambda lab: lab.sql("SELECT wrong FROM predictions"), AwsError, "wrong"),
        (lambda lab: lab.sql("SELECT ?", "chase"), UsageError, r"parameters as a list: \['chase'\]"),
        (lambda lab: lab.model("nowhere"), UsageError, "no model at 'nowhere'"),
        (lambda lab: lab.train("bosted"), UsageError, "no model configuration 'bosted'.*boosted"),
        (lambda _: el.open(port=1), AwsError, "Nothing answers"),
        (lambda _: el.open(bukket="x"), SettingsError, "unknown setting 'bukket'.*bucket"),
    ],
)
def test_refusals_are_sentences(lab: Any, ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(lab)


def test_a_model_refuses_tracks_that_it_cannot_know(lab: Any, model: Any) -> None:
    bare = pd.DataFrame({"video_frame": [0], "mouse_id": [1], "bodypart": ["nose"], "x": [1.0], "y": ["left"]})
    with pytest.raises(UsageError, match="do not say what video they are of"):
        model.predict(bare)
    with pytest.raises(DataError, match="Column 'y' of the tracks must be float"):
        model.predict(bare, ABOUT)
    with pytest.raises(UsageError, match="lack the columns x, y"):
        model.predict(bare.drop(columns=["x", "y"]), ABOUT)
    with pytest.raises(DataError, match="frames_per_second"):
        model.predict(bare, {"behaviors_labeled": []})


def test_every_public_function_has_examples_that_parse() -> None:
    methods = [
        member
        for kind in (notebook.NotebookLake, notebook.TrainedModel)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    ]
    members = [el.open, el.train, *methods]
    assert len(members) > 10
    for member in members:
        examples = doctest.DocTestParser().get_examples(inspect.getdoc(member) or "")
        assert examples, member.__qualname__
        for example in examples:
            compile(example.source, member.__qualname__, "single")


@pytest.mark.long
def test_train_in_a_notebook(mock_settings: Settings, tmp_path: Path) -> None:
    made = small_lake.make(mock_settings, tmp_path)
    lab = notebook.NotebookLake(made)
    trained = el.train("boosted", lake=lab, holdout=["Lab A/1", 4])
    events = trained.predict(lab.tracks(1))
    assert set(events["action"]) <= {"chase", "rest"}
    assert not events.empty
    pd.testing.assert_frame_equal(lab.model().predict(lab.tracks(1)), events)  # the newest of the lake
    assert lab.train("boosted", holdout=[1, 4]).actions == trained.actions  # it is there already


def test_the_statements_of_the_sql_tutorial_answer(lab: Any) -> None:
    statements = re.findall(r"```sql\n(.*?)```", (TUTORIALS / "sql.md").read_text(), re.DOTALL)
    answers = [lab.sql(statement) for statement in statements]
    assert len(answers) == 6
    videos, actions, looked_for, tracks, places, shared = answers
    assert len(videos) == 6
    bouts = len(small_lake.annotations())
    assert actions["events"].sum() == 6 * bouts
    assert looked_for["events"].sum() == 6 * bouts
    assert tracks["points"].tolist() == [small_lake.FRAMES] * 2
    assert places["frames"].sum() == 3 * small_lake.FRAMES
    assert places["cm_from_the_centre"].between(10, 20).all()
    assert shared[["video_id", "frames_shared"]].to_numpy().tolist() == [[1, 27]]  # frames 3 to 29 of a chase


@pytest.mark.long
def test_the_tutorial_runs_as_it_is_written(
    mock_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = small_lake.make(mock_settings, tmp_path)
    for name in ("bucket", "database", "workgroup", "stack", "state_dir", "port"):
        monkeypatch.setenv(f"ETHOLAKE_{name.upper()}", str(getattr(made, name)))
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert len(blocks) > 7
    cells: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(TUTORIAL), "exec"), cells)
    assert set(cells["predicted"]["action"]) <= {"chase", "rest"}
    assert len(cells["curves"]) == small_lake.FRAMES
