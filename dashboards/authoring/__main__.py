"""``python -m dashboards.authoring``: write `dashboards/quicksight`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboards.authoring import behaviour, data_sets, lake, model

FOLDER = Path(__file__).resolve().parents[1] / "quicksight"


def documents() -> dict[str, dict[str, Any]]:
    """{path below `quicksight/`: document}."""
    return {
        "data_source.json": data_sets.data_source(),
        "theme.json": data_sets.theme(),
        **{f"data_sets/{name}.json": data_sets.request(name) for name in data_sets.DATA_SETS},
        **{f"dashboards/{m.__name__.rpartition('.')[2]}.json": m.build() for m in (lake, behaviour, model)},
    }


def text(document: dict[str, Any]) -> str:
    """As it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every document."""
    for name, document in documents().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(document), encoding="utf-8")


if __name__ == "__main__":
    main()
