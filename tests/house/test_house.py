"""Guards of the house rules that no linter knows."""

import ast
import re
from functools import cache
from pathlib import Path

from collected import check_each

ROOT = Path(__file__).resolve().parents[2]
ONE_CODE_PATH = ("etholake", "glue_jobs", "sagemaker", "dashboards")
# First words of a docstring that has no subject or no verb ("Where the errors lie."); say "Return …", "Find …".
FRAGMENT = "(?:What|Of|As|Where|How|Who|Which|Whether|When|Why|By|With|At|From|For|In|On|To|If|Than|And|But|Not) "
NOTEBOOKS = sorted((ROOT / "dashboards").rglob("*.ipynb"))


def _sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.relative_to(ROOT).parts[:2] != ("local_mock", "build")
    ]


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_sagemaker_folder_does_not_shadow_the_sdk() -> None:
    assert not (ROOT / "sagemaker" / "__init__.py").exists()
    import sagemaker

    assert "site-packages" in str(sagemaker.__file__)


def test_only_aws_py_knows_targets() -> None:
    def check(path: Path) -> None:
        matches = re.findall(r"\.target\s*(?:==|!=|in)\b.*", path.read_text(encoding="utf-8"))
        assert matches == []

    allowed = {"aws.py", "settings.py", "local_server.py"}
    paths = [path for path in (*_sources(*ONE_CODE_PATH), *NOTEBOOKS) if path.name not in allowed]
    check_each(paths, check, name=lambda path: str(path.relative_to(ROOT)))


def test_no_text_holds_marks_of_an_unfinished_merge() -> None:
    """A Markdown table with such marks was once committed: nothing else reads it."""
    folders = [*ONE_CODE_PATH, "athena_queries", "benchmarks", "docs", "infra", "local_mock", "tests"]
    paths = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*.*"))]
    texts = [p for p in paths if p.suffix in {".md", ".py", ".sql", ".yaml", ".toml", ".lock"} and p.is_file()]
    marked = [p for p in texts if re.search(r"^(?:<{7}|>{7}) ", p.read_text(encoding="utf-8"), re.MULTILINE)]
    assert marked == []


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


def test_docstrings_begin_with_a_sentence_or_a_name() -> None:
    """A docstring says what its object does or is; ruff's D401 does not see these fragments."""
    first_line = re.compile(rf'^ *r?"""{FRAGMENT}.*', re.MULTILINE)
    fragments = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in _sources(*ONE_CODE_PATH, "local_mock", "benchmarks", "docs")
        for line in first_line.findall(_text(path))
    ]
    assert fragments == []


def test_no_two_public_classes_of_a_distribution_share_a_name() -> None:
    """A reader who meets a class name must not have to ask which one is meant."""
    for distribution in ("etholake", "local_mock"):
        places: dict[str, list[str]] = {}
        for path in _sources(distribution):
            for name in re.findall(r"^ *class ([A-Z]\w*)", _text(path), re.MULTILINE):
                places.setdefault(name, []).append(str(path.relative_to(ROOT)))
        shared = {name: where for name, where in places.items() if len(where) > 1}
        assert shared == {}, f"Rename all but one: {shared}"


def test_variables_are_called_what_they_hold() -> None:
    """These six words name the act that made a value (said, found) or whose it is, and never the value."""
    vague = {"said", "found", "told", "known", "mine", "here"}
    bound = re.compile(rf"\b(?:{'|'.join(vague)})\b *(?:=(?!=)|[:,()]|in\b)")  # few files must be parsed
    guilty = []
    for path in _sources(*ONE_CODE_PATH, "local_mock", "benchmarks", "docs", "tests"):
        for node in ast.walk(ast.parse(_text(path))) if bound.search(_text(path)) else ():
            match node:
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) if name in vague:
                    guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name in vague:
                    guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert guilty == []
