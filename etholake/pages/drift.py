"""The page of the drift report: what an endpoint was asked, feature by feature, against the training videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from etholake.pages.templating import render as render_template

__all__ = ["render"]


def render(report: Mapping[str, Any], *, same: float, drifted: float, fewest_requests: int) -> str:
    """Return the page without scripts; bars are fractions per decile of training, those of the requests in colour.

    Parameters
    ----------
    report
        The details of stage drift: ``endpoint``, ``model_fingerprint``, ``requests``, ``features`` (each with
        ``psi``, ``ks``, ``verdict``, ``expected`` and ``actual`` fractions per bin), …
    same, drifted
        Limits of the population stability index.
    fewest_requests
        Requests below which the report does not judge.
    """
    features = sorted(report["features"], key=lambda feature: -(feature["psi"] or 0))
    verdicts = Counter(feature["verdict"] for feature in features)
    tiles = (
        (f"{report['requests']:,}", "requests compared", "the newest captured ones", ""),
        (
            f"{verdicts['drifted']:,}",
            "features drifted",
            f"PSI from {drifted}",
            _tone(verdicts["drifted"], report),
        ),
        (f"{verdicts['moderate']:,}", "moderately", f"PSI from {same} to {drifted}", ""),
        (f"{verdicts['same']:,}", "the same", f"PSI below {same}", ""),
        (f"{report['other_models']:,}", "left out", "requests to other models", ""),
        (f"{report['unreadable']:,}", "left out", "that cannot be read", ""),
    )
    rows = [{**feature, "bins": _bins(feature)} for feature in features]
    return render_template("drift.html", report=report, tiles=tiles, rows=rows, fewest_requests=fewest_requests)


def _tone(drifted: int, report: Mapping[str, Any]) -> str:
    """Return red where a feature drifted; green only where there were enough requests to judge."""
    return "bad" if drifted else "good" if report["enough"] else ""


def _bins(feature: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return (height of training, height of requests) of each bin, in per cent of the highest."""
    expected = feature["expected"]
    actual = feature["actual"] or [0.0] * len(expected)
    highest = max([*expected, *actual, 1e-9])
    return [(100 * e / highest, 100 * a / highest) for e, a in zip(expected, actual, strict=True)]
