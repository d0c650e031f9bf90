"""The export: a kernel of this interpreter on loopback only, HTML without network, errors with their cell."""

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dashboards import export_notebooks
from dashboards.notebooks import toolbox


def write(path: Path, *sources: str) -> Path:
    """A notebook with a heading and one code cell per source, whose kernelspec nobody has installed."""
    cells = [new_markdown_cell("# Heading", id="title")]
    cells += [new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(sources, start=1)]
    spec = {"kernelspec": {"name": "nowhere", "display_name": "Nowhere", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=spec), path)
    return path


PROBE = """
import os, sys, socket
from pathlib import Path

listening = "0A"  # TCP_LISTEN in Linux' table of this process's network
inodes = set()
for entry in Path("/proc/self/fd").iterdir():
    try:
        inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
    except FileNotFoundError:
        pass
lines = [line for name in ("tcp", "tcp6") for line in Path("/proc/self/net", name).read_text().splitlines()[1:]]
rows = [line.split() for line in lines]
print(sys.executable)
print(os.getpid())
print({row[1].split(":")[0] for row in rows if row[3] == listening and row[9] in inodes} - {"0100007F"})
print(Path.cwd())
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A notebook, executed, that looks at its own kernel and draws a line."""
    path = write(tmp_path_factory.mktemp("probe") / "probe.ipynb", PROBE, "import pylab\n_ = pylab.plot([1, 2])")
    return export_notebooks.execute(path)


@pytest.mark.slow
def test_the_kernel_is_this_interpreter_and_listens_on_loopback_only(probed: Any):
    interpreter, pid, addresses, folder = probed.cells[1].outputs[0].text.splitlines()
    assert (interpreter, addresses, folder) == (sys.executable, "set()", str(Path.cwd()))
    assert not Path(f"/proc/{pid}").exists()  # it ended with its notebook


def test_the_page_holds_its_pictures_and_needs_no_network(probed: Any):
    html = export_notebooks.to_html(probed, "probe")
    assert len(re.findall(r'src="data:image/png;base64,', html)) == 1
    assert 'alt="Plot: Heading"' in html
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', html) == []
    assert re.findall(r"""(?:import|url)\s*\(?["']https?://""", html) == []


@pytest.mark.slow
def test_a_failing_cell_is_named_and_the_others_are_still_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    bad = write(tmp_path / "bad.ipynb", "print('so far')", "1 / 0", "print('never')")
    good = write(tmp_path / "good.ipynb", "print('fine')")
    before = bad.read_bytes()
    assert export_notebooks.main([str(bad), str(good), "--out", str(tmp_path / "out")]) == 1
    out, err = capfd.readouterr()
    assert "bad.ipynb, cell 3 (cell-2): ZeroDivisionError: division by zero" in err
    assert out.split() == [str(tmp_path / "out" / "good.html")]
    assert bad.read_bytes() == before  # the notebook itself is not changed
    page = (tmp_path / "out" / "bad.html").read_text()
    assert "so far" in page
    assert "ZeroDivisionError" in page
    assert "fine" in (tmp_path / "out" / "good.html").read_text()


@pytest.mark.slow
def test_a_kernel_that_dies_is_named_too(tmp_path: Path):
    path = write(tmp_path / "dead.ipynb", "import os; os._exit(1)")
    with pytest.raises(export_notebooks.NotebookError, match=r"dead\.ipynb, cell 2 \(cell-1\): .*[Kk]ernel died"):
        export_notebooks.execute(path)


def test_an_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        export_notebooks.main(["edda"])
    assert "There is no notebook edda. Known: athena_eda, eda." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tracked", "centre"),
    [
        (["nose", "body_center", "hip_left", "hip_right"], ("body_center",)),
        (["nose", "hip_right", "hip_left"], ("hip_left", "hip_right")),
        (["ear_left", "ear_right", "head", "tail_base"], ("ear_left", "ear_right", "tail_base")),
        (["hip_left", "wing"], ("hip_left",)),
        ([], ()),
    ],
)
def test_what_stands_for_the_centre_of_a_body(tracked: list[str], centre: tuple[str, ...]):
    assert toolbox.centre_parts(tracked) == centre


@pytest.mark.parametrize(
    ("limits", "shown"), [((0.7, 9), ["1", "2", "5"]), ((10, 2e6), ["10", "100,000", "1,000,000"])]
)
def test_a_log_axis_has_plain_numbers(limits: tuple[float, float], shown: list[str]):
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    axes.set_xlim(limits)
    toolbox.log_x(axes)
    figure.canvas.draw()
    labels: list[Any] = [text.get_text() for text in axes.get_xticklabels(which="both")]
    assert set(shown) <= set(labels)
    assert not [text for text in labels if "$" in text]
    plt.close(figure)
