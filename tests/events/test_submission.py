"""The submission CSV: round trip, and each thing that the official scorer would refuse or ignore."""

from pathlib import Path

import pytest

from etholake.contract import SUBMISSION_COLUMNS
from etholake.errors import DataError
from etholake.events.submission import read_as_official, read_csv, write_csv
from etholake.events.types import Event

HEAD = ",".join(SUBMISSION_COLUMNS)


def written(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "s.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_it_is_written_as_the_competition_wants_it(tmp_path: Path):
    path = tmp_path / "new" / "s.csv"
    events = [Event(2, 1, 1, "rear", 5, 9, 0.3), Event(1, 2, 1, "chase", 0, 4, 0.9)]
    assert write_csv(path, events) == 2
    assert path.read_text() == f"{HEAD}\n0,1,mouse2,mouse1,chase,0,4\n1,2,mouse1,self,rear,5,9\n"
    assert read_csv(path) == [Event(1, 2, 1, "chase", 0, 4), Event(2, 1, 1, "rear", 5, 9)]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("column", SUBMISSION_COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str):
    head = ",".join(c for c in SUBMISSION_COLUMNS if c != column)
    with pytest.raises(DataError, match=f"{column} is missing"):
        read_csv(written(tmp_path, "1,2,3,4,5,6", head=head))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,1,1,mouse2,chase,0,4", "row 0: agent_id is '1'.*write 'mouse1'"),
        ("0,1,mouse1,2,chase,0,4", "row 0: target_id is '2'.*write 'mouse2'"),
        ("0,1,mouse1,mouse1,rear,0,4", "the agent itself.*write 'self'"),
        ("0,1,self,mouse1,rear,0,4", "agent_id is 'self'.*write mouse1, mouse2, …"),
        ("0,1,mouse1,nobody,rear,0,4", r"target_id is 'nobody'.*\(or 'self'\)"),
        ("0,1,mouse1,self,rear,9,4", "start_frame 9 is after stop_frame 4"),
        ("0,1,mouse1,self,rear,0.5,4", "start_frame must be a whole number, but got '0.5'"),
        ("0,1,mouse1,self,rear,0,4.0", "stop_frame must be a whole number, but got '4.0'; write it without a"),
        ("0,1,mouse1,self,rear,0,2147483648", "stop_frame must be a whole number.* at most 2147483647"),
        ("0,1,mouse1,self,rear,-9223372036854775807,4", "start_frame must be a whole number.* at most"),
        ("0,,mouse1,self,rear,0,4", "video_id must be a whole number, but got ''"),
        ("0,1,mouse1,self,,0,4", "action is empty"),
        ("0,1,mouse1", "must be a whole number"),
    ],
)
def test_rows_that_would_be_refused_or_ignored(tmp_path: Path, line: str, message: str):
    with pytest.raises(DataError, match=message):
        read_csv(written(tmp_path, line))


def test_all_bad_rows_are_counted_and_the_first_shown(tmp_path: Path):
    path = written(tmp_path, "0,1,mouse1,mouse2,chase,0,4", *["1,1,1,2,chase,0,4"] * 25)
    with pytest.raises(DataError, match=r"(?s)row 1: .*row 10: .*and 15 more"):
        read_csv(path)


def test_an_empty_interval_is_allowed(tmp_path: Path):
    assert read_csv(written(tmp_path, "0,1,mouse1,self,rear,4,4")) == [Event(1, 1, 1, "rear", 4, 4)]


def test_empty_and_unreadable_files(tmp_path: Path):
    with pytest.raises(DataError, match="submission is empty"):
        read_csv(written(tmp_path))
    with pytest.raises(DataError, match="cannot be read as a submission"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a submission"):
        read_csv(tmp_path / "b.csv")
    (tmp_path / "void.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"row_id, video_id.* is missing"):
        read_csv(tmp_path / "void.csv")


def test_as_the_official_scorer_reads_rows_that_match_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    rows = [
        "0,7,mouse1,mouse2,attack,0,9", "1,7,mouse1,mouse1,rear,0,9", "2,7,1,2,attack,9,12",
        "3,7,mouse1,self,rear,3,5", "4,7,mouse2,mouse1,,0,9", "5,7,mouse1,mouse2,Attack,20,30",
        '6,7,mouse1,"""self""",rear,3,5', "7,7,mouse1, self,rear,3,5", "8,7,mouse1,mouse2, attack,20,30",
    ]  # fmt: skip
    header = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    events, ignored = read_as_official(path)
    assert [(e.agent_id, e.target_id, e.action) for e in events] == [(1, 2, "attack"), (1, 1, "rear")]
    assert ignored == {
        "self target written as the mouse itself instead of 'self'": 1,
        "agent or target is not written mouse1, mouse2, … or self": 3,
        "action is not written as in behaviors_labeled, in lower-case letters without quotes or blanks around": 2,
        "no action": 1,
    }
    with pytest.raises(DataError, match="mouse1"):
        read_csv(path)


@pytest.mark.parametrize(
    "row",
    [
        "0,7,mouse1,mouse2,attack,9,3",
        "0,1_0,mouse1,mouse2,attack,0,9",
        "0,7,mouse1,mouse2,attack,0.0,9",
        "0,7,mouse1,mouse2,attack,0,nan",
        "0,7,mouse1,mouse2,attack,0",
    ],
)
def test_where_the_official_scorer_fails_so_does_reading(tmp_path: Path, row: str) -> None:
    path = tmp_path / "submission.csv"
    path.write_text(f"row_id,video_id,agent_id,target_id,action,start_frame,stop_frame\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match="at which the official scorer fails"):
        read_as_official(path)
