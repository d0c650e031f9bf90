"""Etholake's adapter of `local_mock`: what it translates, and that `local_mock` knows nothing of Etholake."""

import ast
import re
from pathlib import Path

import pytest

from etholake import local_server
from etholake.errors import AwsError, UsageError
from etholake.settings import Settings
from local_mock import errors

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"etholake", "dashboards", "glue_jobs", "benchmarks", "tests"}


def _imported(source: str) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "find_spec"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                names.add(str(first.value).partition(".")[0])
    return names


def test_local_mock_imports_nothing_of_etholake_nor_names_it() -> None:
    for path in sorted((ROOT / "local_mock").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        wrong = _imported(source) & FORBIDDEN
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}: local_mock must run without Etholake"
        assert not re.search(r"etholake", source, re.IGNORECASE), f"{path.relative_to(ROOT)} names Etholake"


def test_the_check_of_imports_sees_every_form() -> None:
    forms = ["import etholake.aws", "from etholake import aws", "def f():\n    import etholake",
             "importlib.import_module('etholake.aws')"]  # fmt: skip
    assert [_imported(form) & FORBIDDEN for form in forms] == [{"etholake"}] * 4
    assert _imported("from local_mock import lifecycle") & FORBIDDEN == set()


def test_settings_become_options() -> None:
    made = local_server.options(Settings(port=4711, state_dir="a", s3_root="b", region="eu-west-1"))
    assert (made.port, made.state_dir, made.s3_root, made.region) == (4711, Path("a"), Path("b"), "eu-west-1")
    assert (made.s3_endpoint, made.mount_variable) == (None, "ETHOLAKE_S3_MOUNT")
    beside = local_server.options(Settings(target="localstack", port=4566, mock_port=4999))
    assert (beside.port, beside.s3_endpoint) == (4999, "http://127.0.0.1:4566")


def test_errors_become_etholakes(monkeypatch: pytest.MonkeyPatch) -> None:
    from local_mock import lifecycle

    def failing(error: Exception) -> None:
        def up(_options: object) -> None:
            raise error

        monkeypatch.setattr(lifecycle, "up", up)

    failing(errors.UsageError("In use: stop it with `local-mock down`."))
    with pytest.raises(UsageError, match="In use: stop it with `etholake down`"):
        local_server.up(Settings())
    failing(errors.ServerError("It did not answer."))
    with pytest.raises(AwsError, match="It did not answer"):
        local_server.up(Settings())


def test_target_aws_needs_no_server_but_its_state_folder_is_asked(tmp_path: Path) -> None:
    on_aws = Settings(target="aws", state_dir=str(tmp_path))
    with pytest.raises(UsageError, match="answered by AWS"):
        local_server.up(on_aws)
    assert local_server.running(on_aws) is None
    assert local_server.down(on_aws) is False


def test_localstack_must_run_before_the_server_beside_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No LocalStack answers on port 1: run `make localstack`"):
        local_server.up(Settings(target="localstack", port=1, state_dir=str(tmp_path)))
