"""A model family of another distribution goes into the training job's source package, or is refused."""

import importlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etholake.errors import ContractError
from etholake.stages.cloud.packages import build, requirements
from etholake.stages.model.training_inputs import package_fingerprint

TOY = Path(__file__).parents[1] / "training" / "toy_family"
INFO = "toy_classifier-0.1.dist-info"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a copy of the toy distribution that is on the path, as pip would put it."""
    folder = tmp_path / "installed"
    shutil.copytree(TOY, folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("toy_classifier")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def source_of(folder: Path) -> bytes:
    return build(folder).sourcedir.read_bytes()


@pytest.mark.slow
def test_a_job_that_has_only_the_package_can_train_it(installed: Path, tmp_path: Path) -> None:
    archive, place = build(tmp_path / "dist").sourcedir, tmp_path / "job"
    with tarfile.open(archive) as content:
        content.extractall(place, filter="data")
    code = (
        "import sys\nfrom etholake.features.registry import ENCODERS\n"
        "from etholake.models.registry import resolve\n"
        "family, config = resolve('plain')\n"
        f"assert {str(place)!r} in sys.modules[type(family).__module__].__file__\n"
        "print(family.name, config.encoder, ENCODERS.get(config.encoder).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["toy", "toy_distances", "toy_distances"], done.stderr


def test_its_maths_decides_a_training_and_its_comments_do_not(installed: Path, tmp_path: Path) -> None:
    before, module = package_fingerprint(source_of(tmp_path / "a")), installed / "toy_classifier" / "family.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert package_fingerprint(source_of(tmp_path / "b")) == before
    module.write_text(module.read_text().replace("nn.functional.gelu", "nn.functional.relu"))
    assert package_fingerprint(source_of(tmp_path / "c")) != before


def test_its_requirements_are_pinned_for_the_job(installed: Path, tmp_path: Path) -> None:
    metadata = installed / INFO / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: pyyaml>=6\nRequires-Dist: torch>=2\n")
    with tarfile.open(build(tmp_path).sourcedir) as content:
        lines = content.extractfile("requirements.txt").read().decode()  # type: ignore[union-attr]
    assert lines.removeprefix(requirements()).startswith("pyyaml==6.")
    assert "torch" not in lines
    metadata.write_text(metadata.read_text() + "Requires-Dist: no-such-library>=1\n")
    with pytest.raises(
        ContractError, match=r"'toy' requires 'no-such-library>=1', which is not installed.*Install it"
    ):
        build(tmp_path)


def test_a_family_that_is_no_package_is_refused(installed: Path, tmp_path: Path) -> None:
    (installed / "alone.py").write_text("FAMILY = None\n")
    (installed / INFO / "entry_points.txt").write_text("[etholake.models]\ntoy = alone:FAMILY\n")
    with pytest.raises(
        ContractError, match=r"'toy' is in the module 'alone', which is no package .*Make it a package"
    ):
        build(tmp_path)
