"""`etholake figure` on the small lake of the reports: every kind is drawn, its rows and tests are right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etholake import cli
from etholake.errors import DataError, UsageError
from etholake.pages.figures import draw, style
from etholake.pages.figures.request import KINDS, FigureRequest
from etholake.pages.figures.statistics import compare, holm, interval_of_mean
from etholake.settings import Settings
from etholake.stages.lake import query
from etholake.stages.reports import figures


def drawn(at: Settings, request: FigureRequest) -> tuple[pd.DataFrame, str]:
    """Draw a figure; return its rows and the result's summary."""
    result = figures.run(at, request)
    assert request.out.stat().st_size > 1000
    return pd.read_csv(result.details["table"]), result.summary


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("ethogram", "trajectory")])
def test_a_figure_of_groups_is_drawn(at: Settings, tmp_path: Path, kind: str) -> None:
    rows, summary = drawn(at, FigureRequest(kind, tmp_path / f"{kind}.png", lab="east", group="treatment"))
    assert len(rows) > 1
    assert f"its {len(rows):,} rows" in summary
    column = "group_a" if kind == "comparison" else "group"
    assert set(rows[column]) <= {"drug", "saline"}


def test_a_comparison_has_the_numbers_of_the_view(at: Settings, tmp_path: Path) -> None:
    rows, _ = drawn(at, FigureRequest("comparison", tmp_path / "a.svg", lab="east", group="condition"))
    view = query.run_sql(
        at,
        "SELECT action, n_a, n_b, effect, effect_low, effect_high, p, p_holm FROM v_group_comparison "
        "WHERE lab_id = 'east' AND factor = 'condition' AND source = 'annotated' ORDER BY action",
    )
    expected = pd.DataFrame(view.rows, columns=view.columns)
    assert rows.p.notna().any()
    for column in ("n_a", "n_b", "effect", "p", "p_holm"):
        np.testing.assert_allclose(rows[column], expected[column].astype(float), rtol=1e-6, err_msg=column)
    for column in ("effect_low", "effect_high"):  # the view's quantile of t is an expansion, right to 0.04 %
        np.testing.assert_allclose(rows[column], expected[column].astype(float), rtol=2e-3, err_msg=column)


def test_an_ethogram_shows_annotation_and_run(at: Settings, tmp_path: Path) -> None:
    request = FigureRequest("ethogram", tmp_path / "e.pdf", videos=(30,), run_id="r1")
    rows, _ = drawn(at, request)
    assert set(rows.source) == {"annotated", "predicted"}
    rows, _ = drawn(at, replace(request, run_id=""))
    assert set(rows.source) == {"annotated"}


def test_the_same_figure_is_the_same_file(at: Settings, tmp_path: Path) -> None:
    for suffix in (".pdf", ".svg"):
        for name in ("one", "two"):
            figures.run(at, FigureRequest("budget", tmp_path / f"{name}{suffix}", lab="north"))
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_the_path_of_video_11_by_hand(at: Settings, tmp_path: Path) -> None:
    request = FigureRequest("trajectory", tmp_path / "t.png", videos=(11,), bodypart="tail_base")
    rows, summary = drawn(at, request)
    walker = rows[rows.mouse_id == 1]
    assert walker.x.tolist() == pytest.approx([second * 10 + 4 for second in range(10)])  # means of ten frames
    assert set(rows[rows.mouse_id == 2].video_second) == set(range(10))
    assert "that of its tail_base" in summary


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "etogram"}, r"no figure 'etogram'. Did you mean 'ethogram'"),
        ({"group": "treatmnt"}, r"no group 'treatmnt'"),
        ({"out": Path("a.gif")}, r"written as .pdf, .png, .svg"),
        ({"kind": "comparison"}, r"needs --group"),
        ({"kind": "ethogram"}, r"shows one video"),
        ({"kind": "trajectory", "videos": (1,), "group": "sex"}, r"has no --group"),
    ],
)
def test_a_wrong_request_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(FigureRequest("budget", Path("a.pdf")), **changes)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            FigureRequest("raster", Path("a.pdf"), lab="nowhere"),
            r"no events of lab nowhere annotated \(--run takes",
        ),
        (FigureRequest("budget", Path("a.pdf"), run_id="r9"), r"of any lab predicted by run r9"),
        (FigureRequest("speed", Path("a.pdf"), videos=(7,)), r"no tracks of video 7"),
        (FigureRequest("budget", Path("a.pdf"), lab="west", group="sex"), r"with a known sex"),
        (FigureRequest("heatmap", Path("a.pdf")), r"Some videos have a scale"),
    ],
)
def test_what_the_lake_lacks_is_named(at: Settings, request_: FigureRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        figures.run(at, request_)


def test_a_page_holds_only_so_many_rows() -> None:
    events = pd.DataFrame(
        {"group": "", "video": range(201), "agent_id": 1, "action": "rear", "start_s": 0.0, "stop_s": 1.0}
    )
    with style.styled(), pytest.raises(DataError, match=r"201 rows, and a page holds 200.*--videos"):
        draw.raster(events, "Events", ["rear"])


def test_no_pair_of_groups_is_no_comparison() -> None:
    shares = pd.DataFrame({"group": ["a"], "action": ["rear"], "percent": [1.0]})
    with style.styled(), pytest.raises(DataError, match="No two groups share an action"):
        draw.comparison(shares, compare({("a", "rear"): [1.0]}), "Difference")


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_few_or_equal_values_have_no_test() -> None:
    few, equal = compare({("a", "x"): [1, 2], ("b", "x"): [3, 4, 5], ("a", "y"): [0, 0, 0], ("b", "y"): [0, 0, 0]})
    assert (few.p, few.p_holm, few.effect) == (None, None, -2.5)
    assert (equal.p, equal.effect_low) == (None, None)
    assert np.isnan(interval_of_mean([1.0])).all()


def test_the_command_line_draws(at: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHOLAKE_BUCKET", at.bucket)
    monkeypatch.setenv("ETHOLAKE_DATABASE", at.database)
    monkeypatch.setenv("ETHOLAKE_WORKGROUP", at.workgroup)
    out = tmp_path / "budget.svg"
    words = ["figure", "budget", "--lab", "east", "--videos", "30", "--out", str(out), "--port", str(at.port)]
    assert cli.main(words) == 0
    assert "Time budget" in out.read_text()
