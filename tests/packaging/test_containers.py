"""The files for containers fit the project: versions, files, verbs and ports. No engine is here to build them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from etholake import cli
from etholake.settings import Settings
from etholake.storage import MOUNT

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_the_image_installs_what_make_installs() -> None:
    (torch,) = re.findall(r"torch==([\d.]+)", DOCKERFILE)
    assert f"torch=={torch}" in (ROOT / "Makefile").read_text()
    assert "python:3.11" in DOCKERFILE
    assert "openjdk-17" in DOCKERFILE
    for source in re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists()


def test_what_is_sent_to_the_build_is_there_and_no_more_than_is_packed() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [name for name in kept if not (ROOT / name).exists()] == []
    needed = {"pyproject.toml", "requirements.lock", "setup.py", "README.md", "LICENSE", "MANIFEST.in"}
    assert needed <= set(kept)
    packed = 'include = ["etholake*", "local_mock*", "dashboards*"]'
    assert packed in (ROOT / "pyproject.toml").read_text()
    assert {"etholake", "local_mock", "dashboards"} <= set(kept)


def test_the_image_runs_as_a_user_with_volumes_and_a_health_check() -> None:
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith(("#", " "))]
    assert [line for line in lines if line.startswith("USER")] == ["USER etholake"]
    assert lines.index("USER etholake") > max(
        i for i, line in enumerate(lines) if line.startswith(("RUN", "COPY"))
    )
    assert 'VOLUME ["/data", "/lake"]' in lines
    variables = dict(re.findall(r"(ETHOLAKE_\w+)=(\S+)", DOCKERFILE))
    fields = {f"ETHOLAKE_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert variables
    assert set(variables) <= fields
    (check,) = re.findall(r'CMD \["python", "-c", "(.*)"\]', DOCKERFILE)
    compile(check, "HEALTHCHECK", "exec")


def test_the_services_of_compose_are_verbs_with_ports_of_their_own() -> None:
    services = COMPOSE["services"]
    ports = []
    for name in ("desk", "review"):
        words = [word.replace("${REVIEWER:-reviewer}", "reviewer") for word in services[name]["command"]]
        parsed = cli._parser().parse_args(words)
        assert parsed.verb == name
        assert services[name]["environment"]["HEALTH_PORT"] == str(parsed.serve_at)
        ports.append(parsed.serve_at)
    assert len({*ports, Settings.port}) == 3
    assert all(service["network_mode"] == "host" for service in services.values())


def test_the_local_services_of_compose_take_their_options() -> None:
    from local_mock import cli as local_mock_cli

    parsed = local_mock_cli._parser().parse_args(COMPOSE["services"]["services"]["command"])
    assert (parsed.port, str(parsed.s3_root)) == (Settings.port, "/lake/s3")
    assert parsed.mount_variable == MOUNT
