"""The floors of the house hold: a lower floor never imports a higher one, and the rooms beside it stand alone.

The table below says who may import whom. It is checked from the import statements themselves, also of those inside
functions; imports for type checking only are allowed, since they do not run.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Floors of `etholake`, the lowest first. A place may import its own floor and every floor below.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    (
        "child_module",
        "code_fingerprint",
        "contract",
        "csv_rows",
        "digest",
        "plugins",
        "result",
        "progress",
        "resources",
    ),
    ("settings", "storage", "objects", "logs", "generations"),
    ("aws", "catalog"),
    ("lake",),
    ("local_server", "localstack"),
    ("curate", "events", "formats", "review"),
    ("video",),
    ("dataset",),
    ("features", "simulate"),
    ("models",),
    ("training", "evaluation"),
    ("pages",),
    ("stages",),
    ("cli", "notebook"),
)
# What other top-level folders may import of the project. `None` stands for everything of `etholake`.
OUTSIDE: dict[str, tuple[str, ...] | None] = {
    "local_mock": (),
    "glue_jobs": (
        "errors",
        "contract",
        "digest",
        "result",
        "settings",
        "storage",
        "objects",
        "logs",
        "aws",
        "generations",
        "lake",
        "curate",
        "formats",
        "video",
        "pages",
    ),
    "sagemaker": None,
    "dashboards": None,
}
# The script that runs the pipeline's own steps as a Glue job is a caller of the stages, not a curation job.
CALLERS_OF_STAGES = frozenset({"glue_jobs/pipeline_step.py"})


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Return (line, dotted module) of every import that runs, with the names imported from a package joined on."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def place_of(module: str) -> str:
    """Return the place in `etholake` of a dotted module: ``etholake.stages.lake.etl`` is in ``stages``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def sources(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def test_no_floor_imports_a_higher_one() -> None:
    height = {place: number for number, floor in enumerate(FLOORS) for place in floor}
    problems = []
    for path in sources("etholake"):
        relative = path.relative_to(ROOT / "etholake")
        place = relative.parts[0].removesuffix(".py")
        if place in {"__init__", "__main__"}:
            continue
        if place not in height:
            problems.append(
                f"{path}: '{place}' stands on no floor: add it to FLOORS, or move it into a place there"
            )
            continue
        for line, module in imports(path):
            top = module.partition(".")[0]
            if top in {"dashboards", "glue_jobs", "tests", "benchmarks"}:
                problems.append(
                    f"{path}:{line} imports {module}: etholake is what those import, never the reverse"
                )
            if top != "etholake":
                continue
            target = place_of(module)
            if target in height and height[target] > height[place]:
                problems.append(
                    f"{path}:{line} ('{place}') imports {module}, which stands higher: what both need "
                    f"belongs into '{place}' or below, or this code belongs into '{target}'"
                )
    assert not problems, "\n".join(problems)


def test_only_the_adapter_knows_the_local_mock() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in sources("etholake")
        for _, module in imports(path)
        if module.partition(".")[0] == "local_mock"
    }
    assert users <= {"etholake/local_server.py", "etholake/aws.py"}, (
        users
    )  # aws: what its clients must work around


def test_the_rooms_beside_etholake_import_only_what_they_may() -> None:
    problems = []
    for folder, allowed in OUTSIDE.items():
        for path in sources(folder):
            if str(path.relative_to(ROOT)) in CALLERS_OF_STAGES or allowed is None:
                continue
            problems += [
                f"{path}:{line} imports {module}, but may import only {list(allowed) or 'nothing'} of etholake"
                for line, module in imports(path)
                if module.partition(".")[0] == "etholake" and place_of(module) not in {*allowed, "__version__"}
            ]
    assert not problems, "\n".join(problems)


def circles(folder: str) -> list[str]:
    """Return the circles of imports between the modules of a folder."""
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources(folder)
    }
    edges = {
        name: {m if m in names else m.rpartition(".")[0] for _, m in imports(path)} & names.keys() - {name}
        for name, path in names.items()
    }
    trails: list[str] = []
    state: dict[str, str] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        state[name] = "open"
        for target in sorted(edges[name]):
            if state.get(target) == "open":
                trails.append(" → ".join((*trail[trail.index(target) :], target)))
            elif target not in state:
                visit(target, (*trail, target))
        state[name] = "done"

    for name in sorted(edges):
        if name not in state:
            visit(name, (name,))
    return trails


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_circle_between_modules() -> None:
    """Modules never import each other in a circle, not even inside functions.

    The modules of Athena's engine do, because an expression holds queries and a query holds expressions.
    """
    trails = circles("etholake") + circles("local_mock")
    outside = [trail for trail in trails if set(map(_package, trail.split(" → "))) != {"local_mock.athena"}]
    assert not outside, "Modules import each other:\n" + "\n".join(outside)
