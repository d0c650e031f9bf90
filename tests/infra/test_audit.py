"""`make audit`: locks are exact, advisories are matched, and what no index knows is never called safe."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "infra" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["audit"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_locked_package_has_an_exact_version_and_a_hash(audit: ModuleType) -> None:
    for lock in audit.LOCKS:
        packages, problems = audit.locked((ROOT / lock).read_text())
        assert problems == []
        assert len(packages) > 50


def test_a_lock_that_is_not_exact_is_told(audit: ModuleType) -> None:
    text = (
        "# a comment\nA.b==1.0 \\\n    --hash=sha256:00\nc>=2 --hash=sha256:00\nd==3\ne==4.*  --hash=sha256:00\n"
    )
    packages, problems = audit.locked(text)
    assert packages == [("a-b", "1.0")]
    assert problems == ["c has no exact version.", "d 3 has no hash.", "e has no exact version."]


def record(id_: str, events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "A_b"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": id_, "summary": "bad\n thing", "affected": [affected], **more}


@pytest.mark.parametrize(
    ("version", "advisories"),
    [
        ("0.9", []), ("1.0", ["X"]), ("1.4.9", ["X"]), ("1.5rc1", ["X"]), ("1.5", []), ("2.0", ["X", "Y"]),
        ("2.1", ["Y"]), ("2.2", []), ("nonsense", []),
    ],
)  # fmt: skip
def test_versions_are_matched_as_osv_says(audit: ModuleType, version: str, advisories: list[str]) -> None:
    ranges = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.0.1"}]
    records = [
        record("X", ranges),
        record("Y", [{"introduced": "2.0"}, {"last_affected": "2.1"}]),
        record("W", [{"introduced": "0"}], withdrawn="2026-01-01T00:00:00Z"),
    ]
    outcome = audit.by_osv([("a-b", version), ("other", "1.0")], records)
    assert outcome.findings == [f"a-b {version}: {id_} bad thing" for id_ in advisories]
    assert (outcome.audited, outcome.exit_code) == (2, 1 if advisories else 0)


def test_records_are_read_from_a_zip_and_a_folder(audit: ModuleType, tmp_path: Path) -> None:
    text = json.dumps(record("X", [{"introduced": "0"}]))
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "X.json").write_text(text)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("X.json", text)
    for path in ("records", "all.zip"):
        assert [r["id"] for r in audit.osv_records(tmp_path / path)] == ["X"]
    (tmp_path / "empty").mkdir()
    assert audit.main(["--osv", str(tmp_path / "empty")]) == audit.INCOMPLETE
    assert audit.main(["--osv", str(tmp_path / "all.zip")]) == 0, "none of our packages is called A_b"


def test_what_pip_audit_skips_is_not_called_safe(audit: ModuleType) -> None:
    """pip-audit ends with 0 and "No known vulnerabilities found" where PyPI's JSON API cannot be reached."""
    skipped = {"dependencies": [{"name": "requests", "skip_reason": "Dependency not found on PyPI"}], "fixes": []}
    outcome = audit.pip_audit_report(
        [("requests", "2.19.0")], json.dumps(skipped), "No known vulnerabilities found"
    )
    assert (outcome.audited, outcome.unaudited, outcome.exit_code) == (0, ["requests 2.19.0"], audit.INCOMPLETE)
    lines = audit.report(outcome, 1)
    assert "NOT AUDITED: requests 2.19.0" in lines
    assert lines.endswith("0 of 1 locked packages audited, 0 findings.")


def test_findings_of_pip_audit_are_told_and_failures_too(audit: ModuleType) -> None:
    bad = {"name": "requests", "version": "2.19.0", "vulns": [{"id": "PYSEC-1", "description": "d"}]}
    answer = {"dependencies": [bad, {"name": "good", "version": "1", "vulns": []}]}
    outcome = audit.pip_audit_report([("requests", "2.19.0"), ("good", "1")], json.dumps(answer), "")
    assert (outcome.findings, outcome.audited, outcome.exit_code) == (["requests 2.19.0: PYSEC-1 d"], 2, 1)
    failed = audit.pip_audit_report([("good", "1")], "", "a\nConnectionError: no route")
    assert "ConnectionError: no route" in audit.report(failed, 1)
    assert failed.exit_code == audit.INCOMPLETE


def test_images_are_listed_with_or_without_digest(audit: ModuleType) -> None:
    assert audit.base_images(f"# x\nFROM python:3.11\nRUN a\nFROM a/b@sha256:{'0' * 64} AS c\n") == [
        "python:3.11: by tag only",
        f"a/b@sha256:{'0' * 64}: by digest",
    ]
