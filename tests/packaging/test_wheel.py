"""The wheel carries all that its commands need: built offline, run in an empty folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from etholake import resources

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tracked sources: a build leaves its traces beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    subprocess.run([*pip, "-w", str(folder), str(folder / "source")], check=True, capture_output=True)
    (built,) = folder.glob("etholake-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, which is all that installing it does to a pure package."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def run(installed: Path, empty: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of the unpacked wheel, without the checkout, in an empty folder."""
    code = f"""
import sys
sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]
sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in getattr(f, "__module__", "")]
sys.path.insert(0, {str(installed)!r})
import etholake, local_mock
assert etholake.__file__.startswith({str(installed)!r}), etholake.__file__
assert local_mock.__file__.startswith({str(installed)!r}), local_mock.__file__
from etholake.cli import main
sys.exit(main({list(arguments)!r}))
"""
    environment = {"PATH": os.environ["PATH"], "HOME": str(empty)}
    return subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=empty, env=environment, capture_output=True, text=True, check=False
    )


def test_the_reports_are_listed(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "query", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert listed == {path.stem for path in (ROOT / "athena_queries" / "reports").glob("*.sql")}


def test_settings_and_help_need_no_checkout(installed: Path, tmp_path: Path) -> None:
    assert json.loads(run(installed, tmp_path, "config", "--json").stdout)["target"]["value"] == "mock"
    done = run(installed, tmp_path, "--version")
    assert done.stdout.strip() == "0.2.0"
    assert list(tmp_path.iterdir()) == []


def test_it_builds_the_same_packages_as_the_checkout(installed: Path, tmp_path: Path) -> None:
    from etholake.stages.cloud.packages import build

    done = run(installed, tmp_path, "package", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == build(tmp_path / "here").digest


def test_it_makes_the_dashboards(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "dashboards", "--template", "made.json")
    assert (done.returncode, done.stderr) == (0, "")
    resources_made = json.loads((tmp_path / "made.json").read_text())["Resources"].values()
    assert [r["Type"] for r in resources_made].count("AWS::QuickSight::Dashboard") == 3
    code = f"""
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in getattr(f, "__module__", "")]
sys.path.insert(0, {str(installed)!r})
from etholake.pages.dashboards import definitions, page
assert page.__file__.startswith({str(installed)!r}), page.__file__
print(page.render(definitions.load(), None, facts="", read="", live=True))
"""
    shown = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert b"vegaEmbed" in shown.stdout
    assert b"const Specs" in shown.stdout


def test_all_that_lies_beside_the_code_is_in_it(installed: Path) -> None:
    carried = installed / "etholake" / "_resources"
    for name in resources.FOLDERS:
        wanted = {
            str(path.relative_to(ROOT))
            for path in (ROOT / name).rglob("*")
            if path.suffix in {".json", ".py", ".sql", ".yaml"} and "__pycache__" not in path.parts
        }
        assert wanted
        assert wanted <= {str(path.relative_to(carried)) for path in carried.rglob("*")}
    for kind in ("*.html", "*.js", "*.css"):
        beside = {str(p.relative_to(ROOT)) for p in (ROOT / "etholake").rglob(kind)}
        assert beside <= {str(p.relative_to(installed)) for p in (installed / "etholake").rglob(kind)}
    assert not (installed / "dashboards").exists()  # a tool of the checkout, with too general a name
    assert not (installed / "tests").exists()
