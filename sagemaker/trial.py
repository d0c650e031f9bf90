"""Entry point of one training job of a tuning job: tuned fields of the configuration become `--overrides`.

Run it by hand like `train.py`, with any field of the model configuration as an argument:

    … python trial.py --config tiny --lr 0.001 --dropout 0.1
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

import train


def arguments(argv: Sequence[str]) -> list[str]:
    """Return the arguments of `train.py` for those of a trial.

    Every ``--field value`` of the configuration goes into ``--overrides``.
    """
    from etholake.errors import EtholakeError
    from etholake.models.registry import resolve

    if len(argv) % 2:
        sys.exit(f"Expected --name value pairs, but got {' '.join(argv)}.")
    pairs = dict(zip(argv[::2], argv[1::2], strict=True))
    try:
        _, config = resolve(pairs.get("--config", train.DEFAULT_CONFIG))
    except EtholakeError as err:
        sys.exit(f"{type(err).__name__}: {err}")
    fields = {field.name for field in dataclasses.fields(config)} - vars(train.parse([])).keys()
    kept: list[str] = []
    overrides = {}
    for name, value in pairs.items():
        key = name.removeprefix("--")
        if key == "overrides":
            overrides |= json.loads(value)
        elif key in fields:
            overrides[key] = _parsed(value)
        else:
            kept += [name, value]
    return [*kept, "--overrides", json.dumps(overrides)]


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.argv[1:] = arguments(sys.argv[1:])
    train.main()
