"""Guards of the house rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from collected import check_each

ROOT = Path(__file__).resolve().parents[2]
ONE_CODE_PATH = ("etholake", "glue_jobs", "sagemaker", "dashboards")
# First words of a docstring that has no subject or no verb ("Where the errors lie."); say "Return …", "Find …".
FRAGMENT = re.compile(
    r"(?:What|Of|As|Where|How|Who|Which|Whether|When|Why|By|With|At|From|For|In|On|To|If|Than|And|But|Not) "
)
NOTEBOOKS = sorted((ROOT / "dashboards").rglob("*.ipynb"))


def _sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.relative_to(ROOT).parts[:2] != ("local_mock", "build")
    ]


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


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, first line of the docstring) of the module and of everything in it."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring.splitlines()[0]


def test_docstrings_begin_with_a_sentence_or_a_name() -> None:
    """A docstring says what its object does or is; ruff's D401 does not see these fragments."""
    fragments = [
        f"{path.relative_to(ROOT)}:{line}: {first}"
        for path in _sources(*ONE_CODE_PATH, "local_mock", "benchmarks", "docs")
        for line, first in _docstrings(path)
        if FRAGMENT.match(first)
    ]
    assert fragments == []


def test_no_two_public_classes_of_a_distribution_share_a_name() -> None:
    """A reader who meets a class name must not have to ask which one is meant."""
    for distribution in ("etholake", "local_mock"):
        places: dict[str, list[str]] = {}
        for path in _sources(distribution):
            for node in ast.walk(_tree(path)):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
        shared = {name: where for name, where in places.items() if len(where) > 1}
        assert shared == {}, f"Rename all but one: {shared}"
