"""Fingerprints over the import closure of the entry scripts change with what decides a result only."""

import inspect
from collections.abc import Mapping
from pathlib import Path

import pytest

from etholake.code_fingerprint import closure, code_fingerprint
from etholake.dataset import store
from etholake.digest import fingerprint
from etholake.errors import ContractError
from etholake.stages.lake.etl import GLUE_SCRIPTS, NO_PART_OF_THE_TABLES, curation_fingerprint
from etholake.stages.model.training_inputs import MODEL_SCRIPTS, NO_PART_OF_A_MODEL

ROOT = Path(__file__).resolve().parents[2]


def deployed() -> dict[str, bytes]:
    """Return the sources of the two packages and the Glue scripts, by their paths in the code zone."""
    files = [*(ROOT / "etholake").rglob("*.py"), *(ROOT / "glue_jobs").glob("*.py")]
    scripts = {path.name: path.read_bytes() for path in (ROOT / "sagemaker").glob("*.py")}
    return {str(path.relative_to(ROOT)): path.read_bytes() for path in files} | scripts


FUTURE = "from __future__ import annotations"
SOURCES = deployed()


def training_fingerprint(sources: Mapping[str, bytes], scripts: tuple[str, ...] = MODEL_SCRIPTS) -> str:
    return code_fingerprint(sources, scripts, NO_PART_OF_A_MODEL)


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    """Return the sources with one text replaced, which must be there."""
    text = SOURCES[path].decode()
    assert old in text, f"{path} no longer has {old!r}: choose another text"
    return SOURCES | {path: text.replace(old, new, 1).encode()}


def stages_that_run_again(sources: Mapping[str, bytes]) -> set[str]:
    checks = {
        "curation": curation_fingerprint(sources) != curation_fingerprint(SOURCES),
        "training": training_fingerprint(sources) != training_fingerprint(SOURCES),
        "features": training_fingerprint(sources, ("features.py",))
        != training_fingerprint(SOURCES, ("features.py",)),
    }
    return {stage for stage, differs in checks.items() if differs}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("etholake/events/submission.py", "import csv", "import csv\n\nLIMIT = 1"),
        (
            "etholake/pages/quality.py",
            "from __future__ import annotations",
            "from __future__ import annotations\nX = 1",
        ),
        (
            "etholake/pages/evaluation.py",
            "from __future__ import annotations",
            "from __future__ import annotations\nX = 1",
        ),
        ("etholake/curate/track.py", '"""', '"""Another first sentence. '),
        (
            "etholake/curate/track.py",
            "from __future__ import annotations",
            "from __future__ import annotations  # why",
        ),
        ("etholake/lake.py", "while this one was at work; its state stands", "meanwhile"),
        ("etholake/stages/lake/etl.py", "JOB_TIMEOUT_S,", "JOB_TIMEOUT_S,  "),
        ("etholake/cli/lake.py", '"query"', '"ask"'),
        ("etholake/__init__.py", "__version__", "__version__ = __build__"),
    ],
)
def test_pages_docs_and_messages_run_nothing_again(path: str, old: str, new: str) -> None:
    assert stages_that_run_again(changed(path, old, new)) == set()


def test_stored_tracks_have_a_version_of_every_module_that_makes_them() -> None:
    made_by = {Path(inspect.getsourcefile(module) or "").relative_to(ROOT).as_posix() for module in store.MAKERS}
    reached = closure(SOURCES, ["etholake/dataset/pose_tracks.py"], ["etholake.curate", "etholake.video"])
    metadata = {"etholake/dataset/__init__.py", "etholake/dataset/video_meta.py"}  # no part of the stored arrays
    assert {path for path in reached if path.startswith("etholake/dataset/")} - metadata <= made_by
    assert made_by <= set(reached)


def test_files_that_are_no_python_run_nothing_again() -> None:
    style = {"etholake/pages/web/style.css": b"/* a comment */", "etholake/pages/templates/base.html": b"<html>"}
    assert stages_that_run_again(SOURCES | style) == set()


def test_a_constant_of_the_curation_curates_and_trains_again() -> None:
    # Training curates raw requests by the same code, and reads what the tables hold.
    assert "curation" in stages_that_run_again(changed("etholake/curate/track.py", "1", "2"))


def test_a_constant_of_the_glue_job_curates_again_and_trains_nothing() -> None:
    sources = changed("glue_jobs/curate_tracking.py", "TASKS_PER_CORE = 4", "TASKS_PER_CORE = 5")
    assert stages_that_run_again(sources) == {"curation"}


def test_a_constant_of_the_features_trains_again_and_curates_nothing() -> None:
    path = "etholake/features/rolling.py"
    sources = SOURCES | {path: SOURCES[path] + b"\nANOTHER = 1\n"}
    assert stages_that_run_again(sources) == {"training"}


def test_the_closure_ends_at_what_only_reports() -> None:
    curation = closure(SOURCES, GLUE_SCRIPTS, NO_PART_OF_THE_TABLES)
    assert {"etholake/curate/track.py", "etholake/lake.py", "etholake/contract/tables.py"} <= set(curation)
    for path in curation:
        assert not path.startswith(("etholake/pages/", "etholake/stages/", "etholake/cli/", "etholake/events/"))
    training = closure(SOURCES, MODEL_SCRIPTS, NO_PART_OF_A_MODEL)
    assert {"etholake/features/rolling.py", "etholake/models/registry.py"} <= set(training)
    assert "etholake/stages/model/train.py" not in training


def test_every_model_family_is_part_of_the_training() -> None:
    # Families are named by text in a registry, not by an import statement.
    training = set(closure(SOURCES, MODEL_SCRIPTS, NO_PART_OF_A_MODEL))
    families = {path for path in SOURCES if path.startswith("etholake/models/") and path.endswith("/family.py")}
    assert families
    assert families <= training


# --- small archives --------------------------------------------------------------------------------------------
SMALL = {
    "job.py": b"def run():\n    from pack.maths import half\n    return half(4)\n",
    "pack/__init__.py": b"VERSION = 1\n",
    "pack/maths.py": b"import math\nfrom . import tables\n\n\ndef half(x):\n    return x / tables.TWO\n",
    "pack/tables.py": b"TWO = 2\n",
    "pack/other.py": b"THREE = 3\n",
}


def test_imports_are_followed_into_functions_and_by_relative_names() -> None:
    assert closure(SMALL, ["job.py"]) == ["job.py", "pack/maths.py", "pack/tables.py"]


def test_imports_for_type_checking_are_not_followed() -> None:
    typed = b"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import other\n"
    assert "pack/other.py" not in closure(SMALL | {"pack/tables.py": typed}, ["job.py"])


def test_a_module_that_is_named_by_a_text_is_followed() -> None:
    named = b"REGISTRY = {'three': 'pack.other:THREE'}\nTWO = 2\n"
    assert "pack/other.py" in closure(SMALL | {"pack/tables.py": named}, ["job.py"])


def test_a_package_that_is_left_out_ends_the_search() -> None:
    assert closure(SMALL, ["job.py"], ["pack.maths"]) == ["job.py"]


def test_a_rule_that_an_error_names_counts_and_a_message_does_not() -> None:
    def of(source: str) -> str:
        return code_fingerprint({"job.py": source.encode()}, ["job.py"])

    assert of("raise ValueError('too long')") == of("raise ValueError(f'{3} is too long')")
    assert of("print('done')") == of("print('ready')")
    assert of("raise BadFileError('file-unreadable')") != of("raise BadFileError('file-empty')")
    assert of("x = 'done'") != of("x = 'ready'")


def test_an_entry_that_is_not_deployed_is_refused() -> None:
    with pytest.raises(ContractError, match=r"The archive has no train\.py: run `make deploy` again"):
        closure(SMALL, ["train.py"])


def test_code_that_is_no_python_is_refused() -> None:
    with pytest.raises(ContractError, match=r"pack/maths\.py of the deployed code is not valid Python"):
        code_fingerprint(SMALL | {"pack/maths.py": b"def"}, ["job.py"])


def test_the_sentence_of_a_rule_decides_nothing_and_its_severity_does() -> None:
    row = '("file-no-rows", "quarantine", "The file has its columns but not one row."),'
    assert stages_that_run_again(changed("etholake/contract/rules.py", "but not one row.", "but no row.")) == set()
    flagged = changed("etholake/contract/rules.py", row, row.replace("quarantine", "flag"))
    assert "curation" in stages_that_run_again(flagged)


def test_no_digest_is_made_of_a_place_in_memory() -> None:
    assert fingerprint(Path("a"), {"b": 1}) == fingerprint(Path("a"), {"b": 1})
    with pytest.raises(TypeError, match="object has no digest: its text differs from process to process"):
        fingerprint({"row": object()})
