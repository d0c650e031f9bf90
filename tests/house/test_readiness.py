"""A verb that cannot start says in one sentence what to run: nothing answers, another program does, no lake."""

import dataclasses
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from collected import check_each

from etholake import aws, cli, local_server
from etholake.cli import demo
from etholake.settings import Settings
from etholake.stages import readiness
from local_mock import lifecycle

WORDS = {
    "predict": ["--split", "test", "--output", "x.csv"], "query": ["--name", "lake_overview"],
    "video": ["--video", "1"], "agreement": ["anna", "ben"], "figure": ["budget"],
    "ingest": ["--data", "data"], "overlay": ["--video", "1", "--out", "o.mp4"],
    "metrics": ["--out", "m"], "export": ["--to", "csv", "--out", "e"], "compare": ["a", "b", "--data", "data"],
}  # fmt: skip
OWN_FILE = {"evaluate"}  # reads its submission before it asks a service


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`main` exports the target's variables into its process: keep them out of the other tests."""
    monkeypatch.setattr("os.environ", dict(os.environ))
    os.environ["ETHOLAKE_STATE_DIR"] = str(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    header = "lab_id,video_id,frames_per_second,video_duration_sec"
    (tmp_path / "data" / "train.csv").write_text(f"{header}\nA,1,30,1\n")


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that knows no path, as of another project."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def stranger() -> Iterator[int]:
    """The port of another program."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_verb_says_that_nothing_answers(capsys: pytest.CaptureFixture[str], free_port: int) -> None:
    def check(verb: str) -> None:
        assert cli.main([verb, *WORDS.get(verb, []), "--port", str(free_port)]) == 1
        errors = capsys.readouterr().err
        assert (
            f"Nothing answers on target 'mock', port {free_port} of 127.0.0.1. Start it with `make up`" in errors
        )

    check_each(sorted((readiness.ANSWERED | readiness.DEPLOYED) - OWN_FILE), check)


def test_every_verb_names_another_program_on_the_port(capsys: pytest.CaptureFixture[str], stranger: int) -> None:
    def check(verb: str) -> None:
        assert cli.main([verb, *WORDS.get(verb, []), "--port", str(stranger)]) == 1
        assert f"Another program answers on port {stranger}" in capsys.readouterr().err

    check_each(sorted((readiness.ANSWERED | readiness.DEPLOYED) - OWN_FILE), check)


def test_a_program_that_speaks_no_http_is_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"220 mail\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        assert lifecycle.occupant(listener.getsockname()[1]) == "other"


def test_before_deploy_every_verb_says_to_deploy(
    capsys: pytest.CaptureFixture[str], mock_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETHOLAKE_BUCKET", "never-made")
    assert lifecycle.occupant(mock_settings.port) == "local_mock"

    def check(verb: str) -> None:
        assert cli.main([verb, *WORDS.get(verb, []), "--port", str(mock_settings.port)]) == 1
        assert "There is no bucket 'never-made' on target mock" in (errors := capsys.readouterr().err)
        assert f"nothing for `{verb}` to work on: run `make deploy` first" in errors

    check_each(sorted(readiness.DEPLOYED - OWN_FILE), check)
    assert not list((Path(os.environ["ETHOLAKE_STATE_DIR"])).glob("logs/*"))  # what cannot start is no run


def test_what_needs_no_service_runs_without_one(capsys: pytest.CaptureFixture[str], free_port: int) -> None:
    assert cli.main(["query", "--list", "--port", str(free_port)]) == 0
    assert "lake_overview" in capsys.readouterr().out
    assert cli.main(["query", "--port", str(free_port)]) == 2  # wrong usage is named first
    assert "query needs --sql TEXT" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "taken"), [(["--port", "4711"], 4711), ([], 0)])
def test_the_demo_takes_the_port_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, given: list[str], taken: int
) -> None:
    """Stop at the start of the server: what port it would take is all that matters here."""
    asked: list[int] = []

    def up(settings: Settings) -> None:
        asked.append(settings.port)
        raise KeyboardInterrupt

    monkeypatch.setattr(local_server, "up", up)
    monkeypatch.setattr(demo.local_server, "running", lambda _: None)
    assert cli.main(["demo", *given]) == 130
    assert asked == [taken]
    monkeypatch.setenv("PORT", "4712")
    cli.main(["demo"])
    assert asked[-1] == 4712


def test_a_table_that_is_not_made_yet_says_what_to_run(mock_settings: Settings) -> None:
    from etholake.errors import AwsError
    from etholake.stages.lake import query

    name = "readiness"
    place = {"OutputLocation": "s3://readiness/results/"}
    aws.client(mock_settings, "s3").create_bucket(Bucket=name)
    aws.client(mock_settings, "athena").create_work_group(Name=name, Configuration={"ResultConfiguration": place})
    settings = dataclasses.replace(mock_settings, database="default", workgroup=name)
    cases = [
        ("metadata_train", "is a table of the lake that is not made yet: run `make ingest etl` first"),
        ("v_events", "is a view of the lake that is not made yet: run `make ingest etl dashboards` first"),
        ("metadata_trian", r"Did you mean 'metadata_train'\?"),
    ]
    for table, message in cases:
        with pytest.raises(AwsError, match=message):
            query.run_sql(settings, f"SELECT 1 FROM {table}")
