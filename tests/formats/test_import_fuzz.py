"""The import as a whole, with spoilt files and a spoilt mapping: sentences only, and the others go on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def imports(seed: int, count: int, folder: Path) -> None:
    child = subprocess.run(
        [sys.executable, str(HERE / "import_fuzz_child.py"), str(seed), str(count), str(folder)],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip
    assert child.returncode == 0, f"{child.stdout[-200:]}\n{child.stderr[-3000:]}"
    assert child.stdout.endswith("done\n")


@pytest.mark.slow
def test_spoilt_files_and_mappings_are_sentences_and_the_others_go_on(tmp_path: Path) -> None:
    imports(0, 3, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 1200, 25))
def test_many_spoilt_folders(start: int, tmp_path: Path) -> None:
    imports(start, 25, tmp_path)
