"""COVERAGE.md says what is true: it is generated anew and compared (in a process of its own: it patches moto)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.server
def test_coverage_file_is_what_the_generator_writes() -> None:
    command = [sys.executable, "-m", "local_mock.coverage", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_coverage_file_counts_every_operation_once() -> None:
    import botocore.session

    text = (ROOT / "local_mock" / "COVERAGE.md").read_text()
    rows = re.findall(r"^\| \[(.+?)\]\(.*?\) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert [row[0] for row in rows][:4] == ["s3", "glue", "athena", "sagemaker"]
    for service, *counts in rows:
        names = botocore.session.get_session().get_service_model(service).operation_names
        assert sum(map(int, counts)) == len(names), service
