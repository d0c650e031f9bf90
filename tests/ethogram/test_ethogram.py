"""The ethogram as text and as a picture: where a bar stands, read from what was drawn."""

from pathlib import Path

import numpy as np

from etholake.evaluation.ethogram import PREDICTED, TRUTH, Ethogram
from etholake.events.types import Event


def event(agent: int, target: int, action: str, start: int, stop: int) -> Event:
    return Event(7, agent, target, action, start, stop)


SHOWN = Ethogram(
    "video 7", 10.0, 0, 1000,
    truth=[event(1, 2, "chase", 0, 500), event(2, 2, "rear", 500, 501)],
    predicted=[event(1, 2, "chase", 250, 750), event(1, 2, "sniff", 2000, 2100)],
)  # fmt: skip


def test_rows_are_those_of_the_shown_part() -> None:
    assert SHOWN.rows == [(1, 2, "chase"), (2, 2, "rear")]


def test_text_has_truth_above_prediction_and_seconds_below() -> None:
    title, truth, predicted, rear, rear_predicted, axis = SHOWN.text(width=133).splitlines()
    assert title == "video 7: truth (t) above prediction (p)"
    assert truth == "mouse1 chase mouse2".ljust(31) + "t " + "█" * 50
    assert predicted == " " * 31 + "p " + " " * 25 + "█" * 50
    assert rear == "mouse2 rear self".ljust(31) + "t " + " " * 50 + "▁", "a short event still shows"
    assert rear_predicted.strip() == "p"
    assert axis.split() == ["0", "25", "50", "75", "100", "s"]
    assert axis.index("50") == 33 + round(0.5 * 99)


def test_a_part_in_the_middle_is_cut_at_its_edges() -> None:
    part = Ethogram("v", 10.0, 400, 600, SHOWN.truth, SHOWN.predicted)
    truth = part.text(width=133).splitlines()[1]
    assert truth.endswith("t " + "█" * 50)


def test_nothing_to_show_is_still_drawn(tmp_path: Path) -> None:
    empty = Ethogram("v", 30.0, 0, 300, [], [])
    assert empty.text().splitlines()[0].startswith("v: truth")
    empty.save_png(tmp_path / "folder" / "empty.png")
    assert (tmp_path / "folder" / "empty.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_has_truth_above_prediction_at_the_right_time(tmp_path: Path) -> None:
    """Chase is annotated 0-50 s, predicted 25-75 s: find the bars by colour, below the legend."""
    import matplotlib as mpl
    import matplotlib.image

    SHOWN.save_png(tmp_path / "e.png")
    picture = matplotlib.image.imread(tmp_path / "e.png")[:, :, :3]
    boxes = {}
    for name, colour in (("truth", TRUTH), ("predicted", PREDICTED)):
        hit = (np.abs(picture - np.array(mpl.colors.to_rgb(colour))) < 0.02).all(axis=2)
        runs = hit.sum(axis=1)
        lines = np.flatnonzero(runs > 0.25 * picture.shape[1])  # the long bars only
        columns = np.flatnonzero(hit[lines].all(axis=0))
        boxes[name] = (lines.mean(), columns.min(), columns.max())
    assert boxes["truth"][0] < boxes["predicted"][0], "truth is above"
    quarter = (boxes["predicted"][2] - boxes["truth"][1]) / 3
    assert abs(boxes["truth"][2] - (boxes["truth"][1] + 2 * quarter)) < 5
    assert abs(boxes["predicted"][1] - (boxes["truth"][1] + quarter)) < 5
