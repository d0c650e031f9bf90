"""The notebooks as files: clean, whole, reviewable. Their execution is in `test_notebook_runs.py` (long)."""

import ast
import copy
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from dashboards.export_notebooks import FOLDER

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CLEAN = ".venv/bin/jupyter nbconvert --clear-output --inplace"


def problems(notebook: Any) -> list[str]:
    """Return why a notebook cannot be kept in git, and what to do about it."""
    mistakes = []
    ids = [cell.get("id", "") for cell in notebook.cells]
    mistakes += [f"id {name} twice" for name in sorted(set(ids)) if ids.count(name) > 1]
    # Jupyter's own ids are eight hexadecimal digits: a name says what the cell is, and an error names it.
    mistakes += [f"cell {name}: give it a name" for name in ids if not re.fullmatch(r"[a-z]{3,}(-[a-z]+)*", name)]
    for cell in notebook.cells:
        if cell.metadata:
            mistakes.append(f"cell {cell.id}: metadata {dict(cell.metadata)}")
        if cell.cell_type != "code":
            continue
        if cell.outputs or cell.execution_count is not None:
            mistakes.append(f"cell {cell.id}: has been executed; {CLEAN}")
        try:
            compile(cell.source, cell.id, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as err:
            mistakes.append(f"cell {cell.id}: {err.msg}")
    try:
        nbformat.validate(notebook)  # last: it mends ids
    except nbformat.ValidationError as err:
        mistakes.append(f"not valid: {err.message}")
    extra = set(notebook.metadata) - {"kernelspec", "language_info"}
    return mistakes + [f"metadata {name}" for name in sorted(extra)]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_a_notebook_is_clean_and_compiles(path: Path):
    assert problems(nbformat.read(path, as_version=4)) == []
    assert nbformat.writes(nbformat.read(path, as_version=4)) + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cell: cell.update(execution_count=3), "cell setup: has been executed"),
        (
            lambda cell: cell.outputs.append(nbformat.v4.new_output("stream", text="x")),
            "cell setup: has been exec",
        ),
        (lambda cell: cell.update(source="a ="), "cell setup: invalid syntax"),
        (lambda cell: cell.update(id="3f2a9c1e"), "cell 3f2a9c1e: give it a name"),
        (lambda cell: cell.update(id="title"), "id title twice"),
        (lambda cell: cell.metadata.update(collapsed=True), "cell setup: metadata {'collapsed': True}"),
        (lambda cell: cell.update(outputs="none"), "not valid"),
    ],
)
def test_a_spoilt_notebook_is_seen(spoil: Any, message: str):
    notebook = copy.deepcopy(nbformat.read(FOLDER / "eda.ipynb", as_version=4))
    spoil(next(cell for cell in notebook.cells if cell.id == "setup"))
    assert message in " ".join(problems(notebook))


def test_every_section_asks_draws_and_says_how_to_read_it(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    asks = [i for i, cell in enumerate(cells) if cell.id.endswith("-question")]
    assert len(asks) >= 6
    for start, end in zip(asks, [*asks[1:], len(cells)], strict=True):
        question, *code, reading = cells[start:end]
        assert question.source.startswith("## ")
        assert question.source.count("?") >= 1, question.id
        assert all(cell.cell_type == "code" for cell in code), question.id
        assert code, question.id
        assert reading.id == question.id.replace("-question", "-reading")


def test_eda_has_the_sections_that_were_asked_for():
    ids = {cell.id for cell in nbformat.read(FOLDER / "eda.ipynb", as_version=4).cells}
    sections = "videos rigs parts classes durations matrix trajectories missing self split"
    assert {f"{name}-question" for name in sections.split()} <= ids


def test_no_notebook_is_left_out():
    assert [path.stem for path in NOTEBOOKS] == ["athena_eda", "eda"]
    clients = (FOLDER / "athena_eda.ipynb").read_text()
    for name in ("pyathena", "awswrangler", "seaborn"):
        assert re.search(rf"(import|from) {name}\b", clients), name
