"""Options that contradict each other are refused, help lists the verbs in groups, the shell can complete them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etholake import cli
from etholake.cli import GROUPS


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", dict(os.environ))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("query --list --param a=b", "--list does not go together with --param"),
        ("query --sql x --json --format csv", "--json does not go together with --format"),
        ("dashboards --serve --publish arn --out x.html", "--serve does not go together with --publish, --out"),
        ("dashboards --theme arn", "--theme says something about --publish: give --publish as well"),
        ("video --video 1 --serve --out x.html", "--serve does not go together with --out"),
        ("train --from m --folds 5", "--from does not go together with --folds"),
        ("train --tasks state:sex=male --folds 5", "--tasks does not go together with --folds"),
        ("train --values a.csv", "--values says something about --tasks"),
        ("evaluate --submission a --model b", "--model says something about --html"),
        ("train --stack", "--stack says something about --folds"),
        ("train --seeds 3", "--seeds says something about --folds"),
        ("train --space logit", "--space says something about --folds"),
        ("pipeline --status --tune", "--status does not go together with --tune"),
        ("pipeline --stop --config tiny", "--stop does not go together with --config"),
        ("pipeline --jobs 3", "--jobs says something about --tune"),
        ("predict --tracks a --metadata b --videos 1 --output c", "--tracks does not go together with --videos"),
        ("predict --split test --metadata b --output c", "--metadata says something about --tracks"),
        ("predict --video a --metadata b --videos 1 --output c", "--video does not go together with --videos"),
        ("predict --video a --output c", "--video FILE needs --metadata FILE"),
        ("predict --split test --timeline a --output c", "--timeline says something about --video"),
        ("evaluate --submission a --as-job --html b", "--as-job does not go together with --html"),
        ("simulate --out a --add-to b --seconds 3", "--add-to does not go together with --seconds"),
        ("simulate --out a --add-to b --labs 3", "--add-to keeps the labs of its folder"),
    ],
)
def test_options_that_clash_say_so(line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    assert sentence in capsys.readouterr().err


def test_help_lists_every_verb_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    titles = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":")]
    assert titles[-len(GROUPS) :] == [title for title, _ in GROUPS]
    block = text.split("the lake:")[1].split("\n\n")[0]
    assert [line.split()[0] for line in block.strip().splitlines()] == [
        "import",
        "ingest",
        "etl",
        "compact",
        "vacuum",
        "export",
        "query",
    ]


def completions(line: str) -> set[str]:
    """Return what the shell would be offered at the end of `line`."""
    code = "import os; os.dup2(1, 8); from etholake.cli import main; main()"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    return {word.strip() for word in done.stdout.split("\n") if word.strip()}


def test_the_shell_completes_verbs_options_and_reports() -> None:
    assert completions("etholake e") == {"etl", "evaluate", "explain", "export"}
    assert "--folds" in completions("etholake train --fo")
    reports = {path.stem for path in Path("athena_queries/reports").glob("lake*.sql")}
    assert reports <= completions("etholake query --name lake")
