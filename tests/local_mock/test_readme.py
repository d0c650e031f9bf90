"""The Python examples of local_mock's README, run one after the other as a reader would."""

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).resolve().parents[2] / "local_mock" / "README.md"


@pytest.mark.slow
def test_the_examples_run(local_mock: Any) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert names["run"].startswith("jr_")


def test_it_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 80
