"""Hold the locked dependencies against published advisories: ``make audit``.

    python infra/audit.py                      # asks PyPI, with pip-audit in an environment of its own
    python infra/audit.py --osv all.zip        # without a network: the PyPI records of osv.dev, a zip or a folder

Both lock files are read (the product's and LocalStack's). Every requirement must have an exact version and hashes.
Exit code 0: everything was audited and nothing is known against it. 1: something is, or a lock is not exact. 3:
not everything could be audited, because no index of advisories was reachable, or because it does not have a
package; that is no pass. Base images are listed as a reminder: one without a digest is not refused.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "etholake/localstack/requirements.lock")
PIP_AUDIT = "pip-audit==2.10.1"
FOUND, INCOMPLETE = 1, 3
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?P<exact>==(?P<version>[^\s;\\]+))?")
_IMAGE = re.compile(r"^FROM\s+(?P<image>\S+)", re.MULTILINE | re.IGNORECASE)
Package = tuple[str, str]  # canonical name, version


@dataclass
class Audit:
    """Outcome: `findings` are sentences, `unaudited` are packages about which no index said anything."""

    audited: int = 0
    findings: list[str] = field(default_factory=list)
    unaudited: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return the exit code of the script."""
        return FOUND if self.findings else INCOMPLETE if self.unaudited else 0


def locked(text: str) -> tuple[list[Package], list[str]]:
    """Return the packages of a lock file, and a sentence for each one without an exact version or a hash. Pure."""
    packages, problems = [], []
    for line in text.replace("\\\n", " ").splitlines():
        match = _REQUIREMENT.match(line.strip())
        if match is None:
            continue
        name = canonicalize_name(match["name"])
        if not match["exact"] or "*" in match["version"]:
            problems.append(f"{name} has no exact version.")
        elif "--hash=sha256:" not in line:
            problems.append(f"{name} {match['version']} has no hash.")
        else:
            packages.append((str(name), match["version"]))
    return packages, problems


def base_images(dockerfile: str) -> list[str]:
    """Return a line for each image that a Dockerfile starts from. Pure."""
    images = _IMAGE.findall(dockerfile)
    return [f"{image}: {'by digest' if '@sha256:' in image else 'by tag only'}" for image in images]


# --- the records of osv.dev, without a network ----------------------------------------------------------------
def osv_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a zip or a folder of JSON files."""
    if path.is_dir():
        yield from (json.loads(file.read_text(encoding="utf-8")) for file in sorted(path.rglob("*.json")))
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def affects(affected: Mapping[str, Any], version: str) -> bool:
    """Return whether an `affected` entry of an OSV record covers a version (https://ossf.github.io/osv-schema/)."""
    if version in affected.get("versions", ()):
        return True
    try:
        ours = Version(version)
        return any(
            _within(ours, events["events"])
            for events in affected.get("ranges", ())
            if events.get("type") == "ECOSYSTEM"
        )
    except InvalidVersion:
        return False


def _within(version: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """Return whether a version is in a range: from `introduced` to before `fixed`, or up to `last_affected`."""
    inside = False
    for event in sorted(events, key=_position):
        at = _position(event)[0]
        if "introduced" in event and version >= at:
            inside = True
        elif ("fixed" in event and version >= at) or ("last_affected" in event and version > at):
            inside = False
    return inside


def _position(event: Mapping[str, str]) -> tuple[Version, int]:
    ((kind, text),) = event.items()
    return Version("0.dev0" if text == "0" else text), int(kind != "introduced")


def by_osv(packages: Iterable[Package], records: Iterable[Mapping[str, Any]]) -> Audit:
    """Hold packages against OSV records. Withdrawn records count for nothing. Pure."""
    versions = dict(packages)
    audit = Audit(audited=len(versions))
    seen = 0
    for record in records:
        seen += 1
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", ()):
            package = affected.get("package", {})
            name = canonicalize_name(package.get("name", ""))
            if package.get("ecosystem") == "PyPI" and name in versions and affects(affected, versions[name]):
                audit.findings.append(_finding(name, versions[name], record["id"], record.get("summary", "")))
    if not seen:
        return Audit(unaudited=[f"{name} {version}" for name, version in versions.items()])
    return audit


# --- PyPI's advisories, by pip-audit --------------------------------------------------------------------------
def by_pip_audit(packages: Iterable[Package]) -> Audit:
    """Ask PyPI about the packages. Those that pip-audit skips are unaudited; it says that it knows nothing bad."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    wanted = list(packages)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in wanted), encoding="utf-8")
        command = [
            uv, "tool", "run", "--python", "3.11", PIP_AUDIT, "--requirement", str(file), "--no-deps",
            "--disable-pip", "--progress-spinner", "off", "--format", "json",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        except OSError as err:
            return Audit(unaudited=[f"everything: {uv} cannot be run ({err})"])
    return pip_audit_report(wanted, done.stdout, done.stderr)


def pip_audit_report(packages: Iterable[Package], output: str, errors: str) -> Audit:
    """Return what pip-audit's JSON says about the packages. Pure."""
    try:
        entries = {canonicalize_name(entry["name"]): entry for entry in json.loads(output)["dependencies"]}
    except (ValueError, KeyError, TypeError):
        reason = (errors.strip().splitlines() or ["it wrote nothing"])[-1]
        return Audit(unaudited=[f"everything: pip-audit failed ({reason})"])
    audit = Audit()
    for name, version in packages:
        entry = entries.get(canonicalize_name(name), {})
        if "vulns" not in entry:
            audit.unaudited.append(f"{name} {version}")
            continue
        audit.audited += 1
        audit.findings += [
            _finding(name, version, advisory["id"], advisory.get("description", "")) for advisory in entry["vulns"]
        ]
    return audit


def _finding(name: str, version: str, advisory: str, text: str) -> str:
    return f"{name} {version}: {advisory} {' '.join(text.split())[:120]}".rstrip()


def report(audit: Audit, packages: int) -> str:
    """Return the lines that the script prints. Pure."""
    lines = [*audit.findings]
    if audit.unaudited:
        shown = ", ".join(audit.unaudited[:5]) + (
            f" and {len(audit.unaudited) - 5} more" if audit.unaudited[5:] else ""
        )
        lines.append(
            f"NOT AUDITED: {shown}. No index of advisories answered for them, so nothing is known about them. "
            "Run this where PyPI's JSON API is reachable, or give --osv with the PyPI records of osv.dev."
        )
    lines.append(f"{audit.audited} of {packages} locked packages audited, {len(audit.findings)} findings.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Audit, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--osv", type=Path, help="zip or folder with OSV records of PyPI; then no network is used")
    options = parser.parse_args(argv)
    packages: dict[Package, None] = {}
    problems = []
    for lock in LOCKS:
        own, wrong = locked((ROOT / lock).read_text(encoding="utf-8"))
        packages |= dict.fromkeys(own)
        problems += [f"{lock}: {problem}" for problem in wrong]
    for dockerfile in sorted(ROOT.glob("*/Dockerfile")):
        for line in base_images(dockerfile.read_text(encoding="utf-8")):
            print(f"{dockerfile.relative_to(ROOT)}: {line}")
    audit = Audit()
    for half in _halves(packages):  # one version a package at a time: the two locks may differ
        part = by_osv(half, osv_records(options.osv)) if options.osv else by_pip_audit(half)
        audit.audited += part.audited
        audit.findings += part.findings
        audit.unaudited += part.unaudited
    audit.findings[:0] = problems
    print(report(audit, len(packages)))
    return audit.exit_code


def _halves(packages: Iterable[Package]) -> list[list[Package]]:
    """Split packages so that no part has two versions of one."""
    parts: list[dict[str, str]] = []
    for name, version in packages:
        part = next((part for part in parts if name not in part), None)
        if part is None:
            parts.append(part := {})
        part[name] = version
    return [list(part.items()) for part in parts]


if __name__ == "__main__":
    sys.exit(main())
