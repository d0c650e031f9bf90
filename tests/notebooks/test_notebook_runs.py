"""The notebooks, executed from a fresh kernel against the mock: simulated labs, one lab by hand, an empty lake."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from dashboards.export_notebooks import FOLDER, execute, main
from etholake import aws, simulate
from etholake.contract import arrow_schema
from etholake.lake import Lake
from etholake.settings import Settings
from etholake.stages.cloud import deploy
from etholake.stages.lake import etl, ingest, query

pytestmark = pytest.mark.long
Use = Callable[[Settings], None]


def texts(notebook: Any) -> dict[str, str]:
    """{cell: what it printed}."""
    printed = {}
    for cell in notebook.cells:
        streams = [output for output in cell.get("outputs", []) if output.output_type == "stream"]
        assert [o.text for o in streams if o.name == "stderr"] == [], cell.id
        printed[cell.id] = "".join(output.text for output in streams)
    return printed


def pictures(notebook: Any) -> list[str]:
    """The cells that drew."""
    return [c.id for c in notebook.cells if any("image/png" in o.get("data", {}) for o in c.get("outputs", []))]


def probe(name: str, folder: Path, **values: str) -> tuple[Any, dict[str, Any]]:
    """The notebook executed with a cell at its end that tells `values` (Python expressions)."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    pairs = ", ".join(f"{key!r}: {expression}" for key, expression in values.items())
    tell = f"import json\nprint(json.dumps({{{pairs}}}, default=float))"
    notebook.cells.append(new_code_cell(tell, id="probe"))
    nbformat.write(notebook, folder / f"{name}.ipynb")
    done = execute(folder / f"{name}.ipynb")
    return done, json.loads(texts(done)["probe"])


@pytest.fixture(scope="module")
def simulated(mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three simulated labs, ingested and curated; nothing is predicted yet."""
    folder = tmp_path_factory.mktemp("notebooks")
    settings = replace(
        mock_settings,
        bucket="nb-lake",
        database="nb_db",
        workgroup="nb",
        stack="nb",
        state_dir=str(folder / "state"),
    )
    simulate.simulate(folder / "data", labs=3, videos=2, seconds=20.0, seed=3)
    deploy.run(settings)
    ingest.run(settings, folder / "data")
    etl.run(settings)
    return settings


def predict(settings: Settings) -> None:
    """Commit a run whose events are those of the annotations."""
    import pyarrow as pa

    columns = "split, lab_id, video_id, agent_id, target_id, action, start_frame, stop_frame, start_sec, stop_sec"
    annotations = query.run_sql(settings, f"SELECT {columns}, 9e-1 AS confidence FROM annotations_enriched")
    table = pa.Table.from_pylist(
        [dict(zip(annotations.columns, row, strict=True)) for row in annotations.rows],
        schema=arrow_schema("predictions"),
    )
    lake = Lake(aws.client(settings, "s3"), aws.client(settings, "glue"), settings.bucket, settings.database)
    lake.replace_table("predictions", table, "one", {"run_id": "copy"})


def test_make_notebooks_on_simulated_labs(
    simulated: Settings, use: Use, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    use(simulated)
    assert main(["--out", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == [str(tmp_path / "athena_eda.html"), str(tmp_path / "eda.html")]
    assert err == ""
    pages = {name: (tmp_path / f"{name}.html").read_text() for name in ("eda", "athena_eda")}
    assert pages["eda"].count('alt="Plot: ') == pages["eda"].count('src="data:image/png;base64,') == 10
    assert pages["athena_eda"].count('src="data:image/png;base64,') == 4
    assert "make train serve predict" in pages["athena_eda"]  # no predictions is no error


def test_predictions_are_drawn_where_there_are_any(simulated: Settings, use: Use, tmp_path: Path):
    use(simulated)
    predict(simulated)
    done, values = probe("athena_eda", tmp_path, runs="runs.to_dict('list')")
    assert "runs" in pictures(done)
    assert set(values["runs"]["run_id"]) == {"copy"}
    assert values["runs"]["predicted"] == pytest.approx(values["runs"]["annotated"])


def test_one_lab_by_hand(one_lab: Settings, use: Use, tmp_path: Path):
    use(one_lab)
    done, values = probe(
        "eda",
        tmp_path,
        videos="videos.to_dict('records')",
        rigs="rigs.to_dict('records')",
        schemes="schemes[['lab_id', 'parts', 'videos']].values.tolist()",
        classes="classes.to_dict('records')",
        medians="durations.set_index('action')['median'].to_dict()",
        seconds='seconds.loc["Jane\'s"].to_dict()',
        in_vain='in_vain.loc["Jane\'s"].to_dict()',
        track="path(tracks.loc[0]).set_index(['mouse_id', 'video_frame']).loc[(2, 120)].to_dict()",
        drawn="len(path(tracks.loc[0]))",
        unmeasured="points.groupby('bodypart')['unmeasured'].first().to_dict()",
        share='share.loc["Jane\'s"].to_dict()',
    )
    assert values["videos"] == [{"lab_id": "Jane's", "train": 1, "annotated": 1, "test": 0, "in_both": 0}]
    rig = {"lab_id": "Jane's", "frames_per_second": 10.0, "minutes": 1.0, "width": 640, "height": 480, "n_mice": 2}
    assert values["rigs"] == [rig]
    assert values["schemes"] == [["Jane's", "hip_left hip_right nose", 1]]
    assert values["classes"] == [
        {"action": "chase", "is_self": False, "events": 6, "seconds": 12.0},
        {"action": "rear", "is_self": True, "events": 1, "seconds": 1.0},
    ]
    assert values["medians"] == {"chase": 2.0, "rear": 1.0}
    assert values["seconds"] == {"chase": 12.0, "dig": 0.0, "rear": 1.0}
    assert values["in_vain"] == {"chase": False, "dig": True, "rear": False}
    assert values["track"] == pytest.approx({"x": 1.0, "y": 1.0})  # 120 / 60 cm, less 1: the middle of the hips
    assert values["drawn"] == 2 * 300  # two mice, every other frame of 600
    assert values["unmeasured"] == pytest.approx(
        {"hip_left": 0.0, "hip_right": 0.0, "nose": 12.5}
    )  # 25 of 2 × 100
    assert values["share"] == pytest.approx({"pair": 100 * 12 / 13, "self": 100 / 13})
    assert len(pictures(done)) == 9
    assert texts(done)["split"] == "The lake holds no test video: there is nothing to compare.\n"


def test_clients_by_hand(one_lab: Settings, use: Use, tmp_path: Path):
    use(one_lab)
    done, values = probe(
        "athena_eda",
        tmp_path,
        where="[lab, part, step]",
        speed="speed.groupby('track')['speed'].agg(['count', 'min', 'max']).to_dict('index')",
        lengths="lengths.to_dict('records')",
    )
    assert values["where"] == ["Jane's", "hip_left", 1]
    assert values["speed"] == {f"7/{mouse}": {"count": 60, "min": 1.0, "max": 1.0} for mouse in (1, 2)}
    chase = {"lab_id": "Jane's", "action": "chase", "events": 6, "p25": 2.0, "median": 2.0, "p75": 2.0}
    rear = {"lab_id": "Jane's", "action": "rear", "events": 1, "p25": 1.0, "median": 1.0, "p75": 1.0}
    assert values["lengths"] == [chase, rear]
    assert texts(done)["same"].startswith("The same 2 rows")


def test_an_empty_lake_says_so_in_every_section(empty_lake: Settings, use: Use):
    use(empty_lake)
    done = execute(FOLDER / "eda.ipynb")
    assert pictures(done) == []
    printed = texts(done)
    sections = [c.id.removesuffix("-question") for c in done.cells if c.id.endswith("-question")]
    assert len(sections) == 10
    for section in sections:
        assert "The lake holds no" in printed[section] or printed[section].startswith("No "), section
    athena = execute(FOLDER / "athena_eda.ipynb")
    assert pictures(athena) == ["tables", "cost"]
    assert "The lake holds no annotated event" in texts(athena)["lengths"]
