"""The command line: verbs, exit codes, where output goes. Stages have tests of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from collected import check_each

from etholake import cli

VERBS = (
    "config", "deploy", "destroy", "ingest", "etl", "query", "train", "serve", "predict", "evaluate", "package",
    "up", "down", "simulate", "demo", "features", "report", "cost",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`main` exports the target's variables into its process: keep them out of the other tests."""
    monkeypatch.setattr("os.environ", dict(os.environ))


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    def check(verb: str) -> None:
        with pytest.raises(SystemExit, match="0"):
            cli.main([verb, "--help"])
        assert f"etholake {verb}" in capsys.readouterr().out

    check_each(VERBS, check)


def test_a_stage_that_starts_a_job_imports_neither_pandas_nor_torch() -> None:
    """They take longer than the rest of a verb; the job itself imports them."""
    stages = ("cloud.deploy", "lake.etl", "model.train", "pipeline.machine", "serving.predict", "serving.serve")
    imports = "; ".join(f"import etholake.stages.{stage}" for stage in stages)
    command = [
        sys.executable,
        "-c",
        f"{imports}; import sys; print(sorted({{'pandas', 'torch'}} & sys.modules.keys()))",
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_wrong_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fly"])
    assert "invalid choice: 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query"], "query needs --sql TEXT, --file FILE or --name REPORT"),
        (["query", "--name", "x", "--param", "lab"], "written --param name=value"),
        (["query", "--file", "nowhere.sql"], "Cannot read nowhere.sql"),
    ],
)
def test_wrong_usage_exits_2_with_the_remedy(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_without_data_it_says_where_to_name_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MABE_DATA_DIR", raising=False)
    assert cli.main(["ingest"]) == 2
    assert "--data DIR, DATA=… with make, or the variable MABE_DATA_DIR" in capsys.readouterr().err


def test_when_nothing_answers_it_says_how_to_start(
    capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    assert cli.main(["deploy", "--port", str(unused_tcp_port)]) == 1
    assert "Nothing answers on target 'mock'" in capsys.readouterr().err


def test_config_as_json_names_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "--json", "--port", "4999"]) == 0
    assert json.loads(capsys.readouterr().out)["port"] == {"value": 4999, "source": "command line"}


def test_the_console_script_is_installed() -> None:
    script = Path(sys.executable).with_name("etholake")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.2.0"


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
