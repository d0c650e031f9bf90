"""`tests/CASES.md` names, for every input that once went wrong, tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CASES = [*(f"A{n}" for n in range(1, 13)), *(f"S{n}" for n in range(1, 4)), *(f"C{n}" for n in range(1, 11)),
         *(f"V{n}" for n in range(1, 6))]  # fmt: skip


def table() -> dict[str, list[str]]:
    """Test ids by case."""
    text = (TESTS / "CASES.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]\d+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return {case: re.findall(r"`([^`]+)`", tests) for case, tests in rows}


def test_every_case_is_held_by_tests_that_exist() -> None:
    held = table()
    assert list(held) == CASES
    for case, tests in held.items():
        assert tests, case
        for test in tests:
            path, _, name = test.partition("::")
            assert f"\ndef {name}(" in (TESTS / path).read_text(encoding="utf-8"), f"{case}: {test}"
