"""Every command that the documents name exists, with its options; every setting and file too."""

import argparse
import ast
import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from collected import check_each

from etholake import cli
from etholake.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "CONTRIBUTING.md", "infra/README.md", "sagemaker/README.md", "dashboards/README.md")
DOCUMENTS = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in READMES)]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
ENDS = {"&&", "|", ";", "||"}


def verbs() -> dict[str, set[str]]:
    """The options of every verb."""
    (action,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {name: {o for a in sub._actions for o in a.option_strings} for name, sub in action.choices.items()}


def code(text: str) -> Iterator[str]:
    """Lines of fenced blocks, and what stands between single back-ticks outside of them."""
    pieces = text.split("```")
    for fenced in pieces[1::2]:
        yield from fenced.replace("\\\n", " ").splitlines()
    for prose in pieces[::2]:
        yield from re.findall(r"`([^`]+)`", prose)


def problems(line: str, options: dict[str, set[str]]) -> list[str]:
    """Return what of the commands of a line does not exist."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    mistakes: list[str] = []
    for at, word in enumerate(words):
        rest = words[at + 1 :]
        rest = rest[: next((n for n, w in enumerate(rest) if w in ENDS), len(rest))]
        if word == "make":
            mistakes += _make(rest, options)
        elif words[max(0, at - 1)] == "import":
            continue  # Python's `import etholake as el`
        elif word.rpartition("/")[2] == "etholake" and rest and re.fullmatch("[a-z]+", rest[0]):
            mistakes += _etholake(rest, options)
    return mistakes


def _make(words: list[str], by_verb: dict[str, set[str]]) -> list[str]:
    targets = [word for word in words if re.fullmatch("[a-z-]+", word)]
    mistakes = [f"make {target}" for target in targets if target not in TARGETS]
    given = [w.removeprefix("ARGS=") for w in words if w.startswith("ARGS=")]
    options = set().union(*(by_verb.get(target, set()) for target in targets))
    if options:
        wrong = [o for text in given for o in _options(shlex.split(text)) if o not in options]
        mistakes += [f"make {' '.join(targets)} with {option}" for option in wrong]
    return mistakes


def _etholake(words: list[str], options: dict[str, set[str]]) -> list[str]:
    verb, *rest = words
    if verb not in options:
        return [f"etholake {verb}"]
    return [f"etholake {verb} {option}" for option in _options(rest) if option not in options[verb]]


def _options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]


def test_every_command_exists_with_its_options() -> None:
    options = verbs()

    def check(path: Path) -> None:
        assert [problem for line in code(path.read_text()) for problem in problems(line, options)] == []

    check_each(DOCUMENTS, check, name=lambda path: str(path.relative_to(ROOT)))


def test_a_command_that_does_not_exist_would_be_found() -> None:
    options = verbs()
    mistakes = [
        "make fly", "make registry ARGS='--rollbak 3'", ".venv/bin/etholake fly", "etholake serve --kin async",
        "TARGET=x make up && etholake query --lst  # make fly",
    ]  # fmt: skip
    assert [problems(line, options) for line in mistakes] == [
        ["make fly"], ["make registry with --rollbak"], ["etholake fly"], ["etholake serve --kin"],
        ["etholake query --lst"],
    ]  # fmt: skip
    assert problems("make ingest etl DATA=x && make query ARGS='--name a'", options) == []


def test_the_runbook_speaks_of_every_verb_that_can_fail_and_of_settings_and_files_that_exist() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    unspoken = {"simulate", "demo", "package", "up", "config", "down"}  # of the laptop alone; `demo` is the others
    silent = [v for v in verbs() if v not in unspoken and not re.search(rf"\b{v}\b", text)]
    assert silent == []
    settings = {f"ETHOLAKE_{field.name.upper()}" for field in dataclasses.fields(Settings)} | {"ETHOLAKE_RUN_ID"}
    assert [name for name in re.findall(r"ETHOLAKE_[A-Z_]+", text) if name not in settings] == []
    files = re.findall(r"`((?:infra|sagemaker|tests|local_mock|docs)/[\w./]*)`", text)
    assert len(files) > 5
    assert [name for name in files if not (ROOT / name).exists()] == []
    jobs = (ROOT / "sagemaker" / "jobs.json").read_text()
    named = re.findall(r"`(?:training|hosting|transform)\.(\w+)`", text)
    assert named
    assert [name for name in named if f'"{name}"' not in jobs] == []


def messages() -> str:
    """Return all string constants of the product, f-strings with `…` in the place of their values."""
    texts = []
    for folder in ("etholake", "glue_jobs", "local_mock", "sagemaker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


def test_the_runbook_quotes_messages_that_the_code_has() -> None:
    """A text of three words or more in the column of how a failure is seen; values are not compared."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    cells = [line.split("|")[-3] for line in text.splitlines() if line.startswith("|") and line.count("|") > 4]
    quotes = [q for cell in cells for q in re.findall(r"`([^`]+)`", cell)]
    quotes = [q for q in quotes if len(q.split()) >= 3 and not q.startswith(("make ", "aws ", "etholake "))]
    assert len(quotes) > 5
    in_code = messages()
    pieces = [(quote, piece.strip(" '")) for quote in quotes for piece in quote.split("…") if piece.strip(" '")]
    # The last word may be a value: `ended as FAILED` is f"ended as {status}".
    missing = {q for q, piece in pieces if piece not in in_code and piece.rpartition(" ")[0] + " …" not in in_code}
    assert missing == set()


def test_the_readme_names_the_runbook() -> None:
    assert "docs/runbook.md" in (ROOT / "README.md").read_text()
