"""The distribution `local-mock`: what it lists, and that it works in an environment that has nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "local_mock"


def test_every_package_and_file_of_the_folder_is_in_the_distribution() -> None:
    setuptools = tomllib.loads((SOURCE / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in SOURCE.rglob("*.py") if "build" not in path.relative_to(SOURCE).parts}
    names = sorted(".".join(("local_mock", *folder.relative_to(SOURCE).parts)) for folder in folders)
    assert sorted(setuptools["packages"]) == names
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    kinds = {path.suffix for path in files} - {".py", ".toml", ""}
    assert kinds <= {Path(pattern).suffix or pattern for pattern in setuptools["package-data"]["*"]}


def test_its_versions_hold_what_this_repository_has_locked() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.split(" ")[0].split("==") for line in lines if "==" in line and line[0].isalpha())
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[requirement.name]), requirement


@pytest.mark.long
def test_it_is_installed_into_an_empty_environment_and_answers(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    source = tmp_path / "local_mock"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    venv, suite = tmp_path / "venv", tmp_path / "suite"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON", "LOCAL_MOCK_"))}

    def run(*command: object) -> str:
        done = subprocess.run(
            [os.fspath(word) for word in command],  # type: ignore[call-overload]
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return str(done.stdout)

    run(uv, "venv", "-q", "--python", sys.executable, venv)
    run(uv, "pip", "install", "-q", "--python", venv / "bin" / "python", f"{source}[pytest]")
    shutil.rmtree(source)  # nothing but the installed package is left
    packages = {line.partition("==")[0] for line in run(uv, "pip", "freeze", "--python", venv).splitlines()}
    assert "local-mock @" in " ".join(packages)
    assert not packages & {"etholake", "torch", "pyspark", "pandas", "awswrangler"}

    shutil.copytree(ROOT / "tests" / "local_mock" / "standalone", suite)
    assert "5 passed" in run(venv / "bin" / "python", "-m", "pytest", suite)

    command = venv / "bin" / "local-mock"
    up = json.loads(run(command, "up", "--json", "--port", "0"))
    environment |= up["env"]
    try:
        script = (
            "import boto3; s3 = boto3.client('s3'); s3.create_bucket(Bucket='made'); "
            "s3.put_object(Bucket='made', Key='k', Body=b'1'); print(len(s3.list_buckets()['Buckets']))"
        )
        assert run(venv / "bin" / "python", "-c", script) == "1\n"
        assert json.loads(run(command, "status", "--json"))["pid"] == up["pid"]
    finally:
        assert json.loads(run(command, "down", "--json")) == {"stopped": True}
