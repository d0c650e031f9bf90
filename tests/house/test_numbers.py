"""A text that is no plain number is one nowhere: options, settings, parameters, requests, files, configurations.

Python's `int` and `float` take underscores, digits of every script, NaN and infinities: a rate of ``29_97`` would
be 2,997 frames/s without a word.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etholake import cli
from etholake.cli import common
from etholake.contract import SUBMISSION_COLUMNS, parse_limits
from etholake.dataset.video_meta import VideoMeta
from etholake.errors import DataError, EtholakeError, SettingsError, UsageError
from etholake.events.submission import read_as_official, read_csv
from etholake.formats.dialect import Dialect
from etholake.formats.mapping import parse_mapping
from etholake.formats.pose.number_table import read_numbers
from etholake.models.config import overridden
from etholake.models.registry import resolve
from etholake.settings import load
from etholake.settings import resolve as resolve_settings
from etholake.stages.desk.service import _whole
from etholake.stages.lake.query import _guess, run_report
from etholake.stages.review.library import VideoLibrary
from etholake.stages.review.service import _key

ODD = ("1_000", "٣", "１２", "²", "0x10", "1e309", "NaN", "inf", "-inf", "5 000", "3,5", "abc")
OPTIONS = (
    "up --port", "import x --fps", "import x --min-likelihood", "vacuum --older-than", "train --folds",
    "train --seeds", "tune --jobs", "pipeline --max-quarantined", "registry --approve", "clips --length",
    "clips --pad-ratio", "simulate --out x --seconds", "simulate --out x --dirt", "simulate --out x --seed",
    "overlay --video 1 --speed", "cost --hours", "cost --queries", "review --serve-at", "dashboards --serve",
)  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_takes_plain_numbers_only(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ODD:
        with pytest.raises(SystemExit, match="2"):
            cli.main(f"{option}={text}".split(" ", option.count(" ")))
        assert f"but got '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (common.positive, {"0.5": 0.5, " 5 ": 5.0, "+5": 5.0, "1e3": 1000.0}, ("0", "-1")),
        (common.not_negative, {"0": 0.0, "24": 24.0}, ("-0.1",)),
        (common.share, {"0": 0.0, "1": 1.0, "0.5": 0.5}, ("1.01", "-0.1", "50")),
        (common.port, {"0": 0, "65535": 65535}, ("-1", "65536", "99999")),
        (common.whole, {"0": 0, "12": 12}, ("-1", "1.5", "1e3")),
    ],
)
def test_ranges_of_options(kind: Callable[[str], float], good: dict[str, float], bad: tuple[str, ...]) -> None:
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
            kind(text)


@pytest.mark.parametrize("text", ODD)
def test_a_setting_takes_plain_numbers_only(text: str) -> None:
    for variable in ("PORT", "ETHOLAKE_SEED", "ETHOLAKE_MAX_GAP_FRAMES"):
        with pytest.raises(SettingsError, match="must be a whole number"):
            resolve_settings({variable: text})


@pytest.mark.parametrize(
    "line", ["port = 4566.5", "seed = true", "bucket = true", "data = ['a']", "region = {a = 1}"]
)
def test_a_setting_of_another_type_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "etholake.toml").write_text(f"{line}\n")
    with pytest.raises(SettingsError, match=r"must be a (whole number|text), but got"):
        resolve_settings({"ETHOLAKE_CONFIG": str(tmp_path / "etholake.toml")})


@pytest.mark.parametrize("share", ["0_1", "٠", "nan", "1e309", "5%"])
def test_a_limit_is_a_plain_number(share: str) -> None:
    with pytest.raises(SettingsError, match="share from 0 to 1"):
        parse_limits(f"interval-zero={share}")


@pytest.mark.parametrize("text", ODD)
def test_a_parameter_of_a_query_is_a_number_or_a_text(text: str) -> None:
    assert _guess(text) == f"'{text}'"


@pytest.mark.parametrize("text", [*ODD, "99999999999999999999"])
def test_a_parameter_of_a_report_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="'mouse_id' must be a whole number"):
        run_report(load(), "trajectory", {"video_id": "1", "bodypart": "nose", "mouse_id": text})


@pytest.mark.parametrize(
    "text", [text for text in ODD if "inf" not in text and text not in ("1e309", "NaN", "3,5")]
)
@pytest.mark.parametrize("rows", [["0,{}", "1,2"], ["0,{}", "1"]], ids=["whole", "short rows"])
def test_a_coordinate_that_is_no_number_is_named(text: str, rows: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    path.write_text("".join(f"{row.format(text)}\n" for row in rows))
    with pytest.raises(DataError, match=r"line 1, column 'x': '.*' is no number"):
        read_numbers(path, skip_rows=0, index_columns=1, names=["x"], dialect=Dialect("utf-8-sig", ",", ".", 0))


def test_an_infinite_coordinate_is_none_in_every_table(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    for lines in ("0,inf\n1,-Infinity\n", "0,inf\n1,-Infinity\n2\n3,4\n"):  # read fast, and row by row
        path.write_text(lines)
        table = read_numbers(
            path, skip_rows=0, index_columns=1, names=["x"], dialect=Dialect("utf-8-sig", ",", ".", 0)
        )
        assert [abs(value) for value in table.values[:2, 0]] == [float("inf")] * 2


def test_an_animal_in_digits_of_another_script_matches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(f"{','.join(SUBMISSION_COLUMNS)}\n0,1,mouse1٢,self,rear,0,5\n")
    with pytest.raises(DataError, match="matches nothing in behaviors_labeled"):
        read_csv(path)
    assert sum(read_as_official(path)[1].values()) == 1


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "1e12", "1000.1", "true", "'30'"])
@pytest.mark.parametrize("place", ["fps = {}", "[videos.a]\nvideo_id = 1\npose = 'p'\nfps = {}"])
def test_a_rate_of_a_mapping_is_one_of_a_camera(rate: str, place: str) -> None:
    with pytest.raises(DataError, match="fps must be a number above 0 and at most 1000"):
        parse_mapping(place.format(rate), "mapping.toml")


@pytest.mark.parametrize("value", ["1_0", "٣", 60, 1.01, -0.1, True, "0x1"])
def test_a_likelihood_of_a_request_is_from_0_to_1(value: object) -> None:
    row = {"video_id": 1, "lab_id": "L", "frames_per_second": 30, "min_likelihood": value}
    with pytest.raises(DataError, match="min_likelihood must be"):
        VideoMeta.from_row(row)
    assert VideoMeta.from_row(row | {"min_likelihood": 1}).min_likelihood == 1


@pytest.mark.parametrize("text", [*ODD, "-1", "1.5", "99999999999999999999"])
def test_a_request_of_the_pages_names_plain_numbers(text: str) -> None:
    library = VideoLibrary([])
    for ask in (
        lambda: _whole({"job": text}, "job"),
        lambda: _key({"video": text}),
        lambda: library.page({"page": text}),
    ):
        with pytest.raises(UsageError, match="number"):
            ask()


@pytest.mark.parametrize(
    "fields",
    [
        {"lr": float("nan")}, {"lr": float("inf")}, {"lr": -1}, {"lr": "abc"}, {"lr": True}, {"epochs": "1_000"},
        {"epochs": 1.5}, {"epochs": 0}, {"batch": -64}, {"accumulate": 0}, {"window": 0}, {"step": 0},
        {"positive_fraction": 7}, {"ema": 2}, {"clip": 0}, {"patience": -1}, {"threads": -3}, {"compile": "maybe"},
        {"weight_decay": None}, {"batches_per_epoch": 0}, {"name": 5}, {"augmentation": 3},
        {"augmentation": {"noise_cm": -1}}, {"augmentation": {"rotate": 1}}, {"augmentation": {"max_stretch": 0}},
        {"augmentation": {"drop_part": 1.5}}, {"augmentation": {"noise_cm": float("nan")}},
    ],
)  # fmt: skip
def test_a_field_of_a_configuration_has_its_type_and_range(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(EtholakeError, match=f"{name}(' of a configuration|\\.| must be)"):
        resolve("small", fields)
    for kept in (
        {"batches_per_epoch": None},
        {"batches_per_epoch": 2},
        {"lr": 1},
        {"augmentation": {"reflect": 0}},
    ):
        resolve("small", kept)


def test_a_field_of_trees_has_its_type() -> None:
    with pytest.raises(UsageError, match="eta must be a number, but is 'fast'"):
        resolve("boosted", {"eta": "fast"})


@pytest.mark.parametrize(
    "fields",
    [
        {"rounds": -1}, {"depth": 99}, {"eta": 0}, {"eta": 1.5}, {"subsample": -0.1}, {"colsample": 2}, {"l2": -1},
        {"min_child_weight": -1}, {"max_rows": 0}, {"threads": -1}, {"seed": -1},
    ],
)  # fmt: skip
def test_a_field_of_trees_has_its_range(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(UsageError, match=f"(?s)These trees cannot be grown.*{name} must be "):
        resolve("boosted", fields)


def test_a_field_whose_type_is_not_known_takes_any_value() -> None:
    """A plug-in may import the names of its types for type checkers only."""

    @dataclass(frozen=True)
    class Plugin:
        anything: Any = None
        hidden: "OnlyForTypeCheckers | None" = None  # type: ignore[name-defined]  # noqa: F821, UP037

    assert overridden(Plugin(), {"anything": 4, "hidden": "x"}, "The configuration") == Plugin(4, "x")
