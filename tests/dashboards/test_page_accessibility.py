"""Pages that are files (dashboards, a video, an evaluation, a run, …) break no rule of axe-core, at any width."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate.test_quality import REPORTS, VIDEOS
from evaluation.test_evaluation_page import SAID, TRUTH
from evaluation.test_evaluation_page import page as evaluation_page
from pipeline.test_run_report import LINES
from test_dashboard_page import LOADED, packed

from browsers import faults
from etholake.curate import quality
from etholake.pages import curves, drift, run_report
from etholake.pages import quality as quality_page
from etholake.pages.dashboards import page as dashboard_page
from etholake.stages.reports import run_report as report
from etholake.stages.serving.drift import FEATURES, baseline, compare

SIZES = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
def open_file(chromium_browser: Any, tmp_path: Path) -> Any:
    """Return a function that opens a page's text in a window of a width and a colour scheme."""
    opened = []

    def open_(text: str, width: int, scheme: str) -> Any:
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        # axe is no script of the page, whose own policy lets only its scripts run
        shown = chromium_browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
        )
        opened.append(shown)
        shown.goto(file.as_uri())
        return shown

    yield open_
    for shown in opened:
        shown.close()


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_evaluation_and_the_quality_break_no_rule(
    open_file: Callable[..., Any], axe: str, width: int, scheme: str
) -> None:
    quality_text = quality_page.render(
        json.loads(quality.build(REPORTS, VIDEOS, {"coordinate-missing": 0.5}).as_json())
    )
    texts = {"evaluation": evaluation_page(TRUTH, SAID), "quality": quality_text}
    problems = [
        (name, *fault) for name, text in texts.items() for fault in faults(open_file(text, width, scheme), axe)
    ]
    assert problems == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_report_of_a_run_and_the_curves_break_no_rule(
    open_file: Callable[..., Any], axe: str, width: int, scheme: str
) -> None:
    place = "/aws/sagemaker/TrainingJobs: etholake-train-ade78b-20261130231150/algo-1-1796080311"
    collected = report.collect("20261130T230925Z-629dc1", LINES) | {
        "notes": [], "hours": 0.07, "prices": "2025",
        "cost": [{"stage": "predict: train", "work": "1 × ml.m5.large, 10 s", "usd": 0.0003, "per": ""},
                 {"stage": "serving", "work": "1 request", "usd": 0.045, "per": "1,000 requests"}],
        "logs": [{"what": "a job's lines (CloudWatch)", "where": place, "link": ""}],
    }  # fmt: skip
    rows = [{"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.25}]
    texts = {"report": run_report.render(collected), "curves": curves.render({"a-job": rows})}
    problems = [
        (name, *fault) for name, text in texts.items() for fault in faults(open_file(text, width, scheme), axe)
    ]
    assert problems == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_drift_breaks_no_rule(open_file: Callable[..., Any], axe: str, width: int, scheme: str) -> None:
    training = np.arange(100.0)
    requested = {"same": training, "moderate": training + 5, "drifted": training + 1000}
    features = [row for values in requested.values() for row in drift_rows(training, values)]
    details = {"endpoint": "etholake", "requests": 20, "model_fingerprint": "abc", "other_models": 1,
               "unreadable": 0, "features": features, "enough": True}  # fmt: skip
    text = drift.render(details, same=0.1, drifted=0.25, fewest_requests=5)
    assert faults(open_file(text, width, scheme), axe) == []


def drift_rows(training: Any, requests: Any) -> list[dict[str, Any]]:
    """Return a feature of training compared with that of requests."""
    nothing = {name: np.empty(0) for name in FEATURES}
    kept = baseline(nothing | {"speed_cm_s": training}, "abc", 1)
    return compare(kept, nothing | {"speed_cm_s": requests})


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_no_tab_of_the_dashboards_breaks_a_rule(
    open_file: Callable[..., Any], axe: str, width: int, scheme: str
) -> None:
    shown = open_file(dashboard_page.render(LOADED, packed(), facts="Facts.", read="Read."), width, scheme)
    shown.wait_for_selector("body[data-ready]")
    problems = []
    for tab in shown.locator("[role=tab]").all():
        tab.click()
        shown.wait_for_selector("body[data-ready]")
        problems += [(tab.inner_text(), *fault) for fault in faults(shown, axe)]
    assert problems == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_page_of_a_video_breaks_no_rule(
    open_file: Callable[..., Any], video_file: Path, axe: str, width: int, scheme: str
) -> None:
    shown = open_file(video_file.read_text(encoding="utf-8"), width, scheme)
    shown.wait_for_selector("body[data-ready='41']")
    assert faults(shown, axe) == []
