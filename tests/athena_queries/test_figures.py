"""`etholake figure` on the small lake of the reports: every kind is drawn, its rows and tests are right."""

from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close the figures of a test."""
    yield
    from matplotlib import pyplot

    pyplot.close("all")


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
    assert "that of its tail_base, the mean of each second" in summary


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


LONG = [f"action {number} of a rather long name, as labs write them" for number in range(30)]
TITLE = "Ethogram, video 44566106, annotated, and predicted by 20261130T230912Z-4a00d9f0123456789"


def some_events(actions: list[str]) -> pd.DataFrame:
    """Return an event of every action at second 10 of one animal in each of two labs' videos of one number."""
    rows = [
        {"group": "all", "lab": lab, "video": 7, "agent_id": 1, "target_id": 1, "action": action,
         "source": "annotated", "start_s": 10.0 + number, "stop_s": 12.0 + number}
        for lab in ("east", "west") for number, action in enumerate(actions)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def shares_of(events: pd.DataFrame) -> pd.DataFrame:
    return events[["group", "lab", "video", "agent_id", "action"]].assign(percent=5.0)


def places() -> pd.DataFrame:
    walk = pd.DataFrame({"x": range(20), "y": range(20), "mouse_id": 1, "video": 7, "minute": 0, "speed": 3.0})
    return pd.concat([walk.assign(lab=lab, group=f"drug of {lab}") for lab in ("east", "west")])


@pytest.mark.parametrize("kind", ["ethogram", "raster", "budget", "heatmap", "trajectory", "speed"])
def test_no_text_of_a_figure_is_cut(kind: str) -> None:
    events = some_events(LONG)
    with style.styled():
        figure = {
            "ethogram": lambda: draw.ethogram(events, 60.0, TITLE),
            "raster": lambda: draw.raster(events, TITLE, LONG),
            "budget": lambda: draw.budget(shares_of(events), TITLE),
            "heatmap": lambda: draw.heatmap(places().assign(group=""), "cm", TITLE),
            "trajectory": lambda: draw.trajectory(places(), "cm", TITLE),
            "speed": lambda: draw.speed(places(), TITLE),
        }[kind]()
        figure.canvas.draw()
        axes = figure.axes[0]
        texts = [figure._suptitle, *figure.legends, axes.xaxis.label, axes.yaxis.label, *axes.get_yticklabels()]
        boxes = [text.get_window_extent() for text in texts if not hasattr(text, "get_text") or text.get_text()]
        assert all(figure.bbox.padded(1).fully_contains(*corner) for box in boxes for corner in box.corners())


def test_two_labs_with_a_video_of_one_number_are_two_videos() -> None:
    events = some_events(["rear", "sniff"])
    assert figures._counted_transitions(events).to_dict("records") == [
        {"group": "all", "action": "rear", "next_action": "sniff", "n": 2}
    ]
    minutes = places().assign(group="all")
    with style.styled():
        for figure in (draw.budget(shares_of(events), "Budget"), draw.speed(minutes, "Speed")):
            assert [text.get_text() for text in figure.legends[0].get_texts()] == ["all (n = 2)"]
        figure = draw.raster(events, "Events", ["rear", "sniff"])
        names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert names == ["all · east · 7 mouse1", "all · west · 7 mouse1"]
    for kind in ("ethogram", "trajectory"):
        request = FigureRequest(kind, Path("a.pdf"), videos=(7,))
        with pytest.raises(UsageError, match="Several labs have a video 7: name one with --lab: east, west"):
            figures._grouped(events.rename(columns={"lab": "lab_id"}), request, "events")


def test_time_begins_at_zero_and_minutes_are_whole() -> None:
    with style.styled():
        raster = draw.raster(some_events(["rear", "sniff"]), "Events", ["rear", "sniff"])
        assert raster.axes[0].get_xlim() == (0, 13)
        for last in (0, 1, 4):
            minutes = pd.concat([places().assign(minute=minute) for minute in range(last + 1)])
            axes = draw.speed(minutes, "Speed").axes[0]
            low, high = axes.get_xlim()
            assert [tick for tick in axes.get_xticks() if low <= tick <= high] == list(range(last + 1))


def test_n_is_that_of_each_action() -> None:
    """A lab that did not look for an action has no value of it."""
    looked_for = [("rear", video) for video in range(3)] + [("sniff", video) for video in range(5)]
    shares = pd.DataFrame([
        {"group": "all", "lab": "east", "video": video, "agent_id": 1, "action": action, "percent": 1.0 + video}
        for action, video in looked_for
    ])  # fmt: skip
    with style.styled():
        (legend,) = draw.budget(shares, "Budget").legends
    assert [text.get_text() for text in legend.get_texts()] == ["all (n = 3 to 5, by action)"]


def test_one_minute_has_an_interval_of_its_own() -> None:
    minutes = pd.concat([places().assign(group="all", speed=speed, mouse_id=speed) for speed in (1, 3)])
    with style.styled():
        axes = draw.speed(minutes.assign(minute=0), "Speed").axes[0]
    (line,) = (c for c in axes.collections if type(c).__name__ == "LineCollection")
    ((start, stop),) = line.get_segments()
    assert start[1] < 2 < stop[1]
    assert start[0] == stop[0] == 0


def test_a_comparison_without_an_interval_says_so() -> None:
    (few,) = compare({("a", "rear"): [1.0, 2.0, 3.0], ("b", "rear"): [5.0, 5.0, 5.0]})
    assert few.effect_low is None
    assert draw._significance(few).startswith("n = 3, 3, no interval, p = ")


def test_a_title_says_whose_data_it_shows() -> None:
    request = FigureRequest("ethogram", Path("a.pdf"), videos=(7,), run_id="r1")
    assert request.title == "Ethogram, video 7, annotated, and predicted by r1"
    assert replace(request, kind="budget", videos=(7, 8)).title == "Time budget, 2 videos, predicted by r1"
    assert replace(request, kind="speed", videos=(), lab="east").title == "Speed, east"


def test_a_page_holds_only_so_many_rows() -> None:
    events = pd.DataFrame(
        {
            "group": "",
            "lab": "a",
            "video": range(201),
            "agent_id": 1,
            "action": "rear",
            "start_s": 0.0,
            "stop_s": 1.0,
        }
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
