"""The packages are deterministic, complete, and run where nothing else is: unpacked into an empty folder."""

import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from etholake import resources
from etholake.errors import ContractError
from etholake.stages.cloud.packages import Packages, build, requirements

# Only the installed libraries, not the checkout: `-I` drops the working folder and PYTHONPATH, and the editable
# installation of etholake (a .pth file or a finder) is taken out by hand.
ISOLATE = """
import sys
sys.path[:] = [p for p in sys.path if p != {root!r}]
sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in getattr(f, "__module__", "")]
sys.path.insert(0, {place!r})
import etholake
assert etholake.__file__.startswith({place!r}), etholake.__file__
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return build(tmp_path_factory.mktemp("packages"))


def run_isolated(place: Path, source: str, cwd: Path) -> str:
    code = ISOLATE.format(root=str(resources.root()), place=str(place)) + source
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=cwd, env={}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_same_sources_give_the_same_bytes(packages: Packages, tmp_path: Path) -> None:
    time.sleep(1.1)  # a time of build would show: zip and gzip keep seconds
    again = build(tmp_path)
    assert again.digest == packages.digest
    assert again.etholake_zip.read_bytes() == packages.etholake_zip.read_bytes()
    assert again.sourcedir.read_bytes() == packages.sourcedir.read_bytes()


def test_nothing_of_this_machine_is_inside(packages: Packages) -> None:
    with zipfile.ZipFile(packages.etholake_zip) as archive:
        infos = archive.infolist()
    names = [info.filename for info in infos]
    assert names == sorted(names)
    assert {"etholake/contract/__init__.py", "etholake/pages/templates/quality.html"} <= set(names)
    assert all(name.startswith("etholake/") and "__pycache__" not in name for name in names)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    with tarfile.open(packages.sourcedir) as archive:
        members = archive.getmembers()
    assert {(m.uid, m.gid, m.uname, m.mtime, m.mode) for m in members} == {(0, 0, "", 0, 0o644)}
    file_names = {m.name for m in members}
    assert {"requirements.txt", "etholake/contract/__init__.py", "train.py", "inference.py"} <= file_names
    assert "__init__.py" not in file_names  # it would shadow the SageMaker SDK


def test_the_glue_package_curates_a_video_from_the_zip(packages: Packages, tmp_path: Path) -> None:
    # One mouse walks along x at 1 px a frame, 30 frames/s, 10 px/cm: 3 cm/s.
    source = """
import pyarrow as pa
from etholake.contract import arrow_schema
from etholake.curate.tracking import VideoScale, curate_tracking
n = 10
raw = pa.table({
    "video_frame": pa.array(range(n), pa.int32()), "mouse_id": pa.array([1] * n, pa.int8()),
    "bodypart": ["nose"] * n, "x": pa.array([float(i) for i in range(n)], pa.float32()),
    "y": pa.array([5.0] * n, pa.float32()),
})
scale = VideoScale(fps=30.0, pix_per_cm=10.0, width_pix=100, height_pix=100, video_id=1, lab_id="lab")
made = curate_tracking(raw, scale, max_gap_frames=15)
assert made.table.schema.names == arrow_schema("tracking_curated").names
speed = made.table["speed"].to_pylist()
print(made.table.num_rows, made.quarantine.num_rows, speed[0], round(speed[-1], 4))
"""
    place = tmp_path / "etholake.zip"
    place.write_bytes(packages.etholake_zip.read_bytes())
    assert run_isolated(place, source, tmp_path) == "10 0 None 3.0"


def test_the_sagemaker_package_imports_unpacked(packages: Packages, tmp_path: Path) -> None:
    place = tmp_path / "code"
    with tarfile.open(packages.sourcedir) as archive:
        archive.extractall(place, filter="data")
    source = """
import importlib.util
for name in ("train", "inference"):
    spec = importlib.util.find_spec(name)
    assert spec.origin.startswith(sys.path[0]), spec.origin
import inference
print(all(callable(getattr(inference, f)) for f in ("model_fn", "input_fn", "predict_fn", "output_fn")))
"""
    assert run_isolated(place, source, tmp_path) == "True"
    assert (place / "requirements.txt").read_text() == requirements()
    assert (place / "requirements-video.txt").read_text() == requirements("video")


def test_requirements_are_pinned_and_leave_torch_to_the_image() -> None:
    lines = requirements().splitlines()
    assert all("==" in line for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"pyarrow", "safetensors"} <= names
    assert not names & {"torch", "numpy", "transformers"}
    more = {line.partition("==")[0] for line in requirements("video").splitlines()} - names
    assert more == {"transformers"}


def test_outside_a_checkout_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "etholake")
    resources.root.cache_clear()
    try:
        with pytest.raises(ContractError, match=r"neither in .*_resources .*nor in"):
            build(tmp_path / "out")
    finally:
        resources.root.cache_clear()
