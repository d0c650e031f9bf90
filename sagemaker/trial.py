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
    """The arguments of `train.py`: every ``--field value`` of the configuration goes into ``--overrides``."""
    from etholake.models.cnn_transformer.config import ModelConfig

    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    if len(argv) % 2:
        sys.exit(f"Expected --name value pairs, but got {' '.join(argv)}.")
    kept: list[str] = []
    overrides = {}
    for name, value in zip(argv[::2], argv[1::2], strict=True):
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
