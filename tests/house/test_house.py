"""Guards of the house rules that no linter knows."""

import re
from pathlib import Path

from collected import check_each

ROOT = Path(__file__).resolve().parents[2]
ONE_CODE_PATH = ("etholake", "glue_jobs", "sagemaker", "dashboards")
NOTEBOOKS = sorted((ROOT / "dashboards").rglob("*.ipynb"))


def _sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_the_sagemaker_folder_does_not_shadow_the_sdk() -> None:
    assert not (ROOT / "sagemaker" / "__init__.py").exists()
    import sagemaker

    assert "site-packages" in str(sagemaker.__file__)


def test_only_aws_py_knows_targets() -> None:
    def check(path: Path) -> None:
        found = re.findall(r"\.target\s*(?:==|!=|in)\b.*", path.read_text(encoding="utf-8"))
        assert found == []

    allowed = {"aws.py", "settings.py", "local_server.py"}
    paths = [path for path in (*_sources(*ONE_CODE_PATH), *NOTEBOOKS) if path.name not in allowed]
    check_each(paths, check, name=lambda path: str(path.relative_to(ROOT)))


def test_nothing_is_pickled() -> None:
    pattern = re.compile(r"^\s*(?:import|from) (?:pickle|cloudpickle|joblib)\b|allow_pickle=True", re.MULTILINE)
    guilty = [p for p in _sources(*ONE_CODE_PATH, "local_mock") if pattern.search(p.read_text())]
    assert guilty == []


def test_every_module_says_what_is_here() -> None:
    silent = []
    for path in _sources(*ONE_CODE_PATH, "local_mock"):
        text = path.read_text(encoding="utf-8").lstrip()
        if text and not text.startswith(('"""', 'r"""', "#!")):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_adrs_are_short() -> None:
    long = [p.name for p in (ROOT / "docs" / "adr").glob("*.md") if len(p.read_text().splitlines()) > 40]
    assert long == []


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports test files by their bare names: of two with one name the second cannot be collected."""
    places: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name not in {"conftest.py", "__init__.py"}:
            places.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    shared = {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}
    assert shared == {}
