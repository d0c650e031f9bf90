"""``python -m dashboards [--out dist/quicksight]``: check the QuickSight definitions and write them as JSON files.

Exits with 1 and the list of problems if the definitions do not pass `dashboards.lint`; nothing is written then.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dashboards.lint import lint
from etholake.pages.dashboards import definitions


def write(folder: Path, loaded: definitions.Definitions) -> list[Path]:
    """Write each request as a JSON file below `folder` and return the paths."""
    documents = {
        "data_source": loaded.data_source,
        "theme": loaded.theme,
        **{f"data_sets/{name}": body for name, body in loaded.data_sets.items()},
        **{f"dashboards/{name}": body for name, body in loaded.dashboards.items()},
    }
    written = []
    for name, document in documents.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist/quicksight"))
    folder = parser.parse_args(argv).out
    loaded = definitions.load()
    if problems := lint(loaded):
        print("\n".join(problems), file=sys.stderr)
        return 1
    for path in write(folder, loaded):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
