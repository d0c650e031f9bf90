"""``python -m dashboards.export_notebooks [NAME or FILE…] [--out dist/notebooks]``: execute notebooks, write HTML.

Each runs in a fresh kernel of this very interpreter, against the lake of the current settings; the notebooks
themselves are not changed. The HTML needs no network. Exit code 1 if a cell failed: stderr names it, and the
HTML holds what was there until then.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from etholake.errors import EtholakeError

__all__ = ["FOLDER", "NotebookError", "execute", "export", "main", "to_html"]

FOLDER = Path(__file__).resolve().parent / "notebooks"
CELL_SECONDS = 900  # a cell that takes longer is stopped and reported


class NotebookError(EtholakeError):
    """A cell of a notebook failed; `notebook` holds the outputs until then, `page` where they were written."""

    def __init__(self, message: str, notebook: Any) -> None:
        super().__init__(message)
        self.notebook = notebook
        self.page: Path | None = None


def execute(path: Path) -> Any:
    """Return the executed notebook with its outputs; its fresh kernel inherits environment and working folder.

    Raises
    ------
    NotebookError
        A cell raised, took longer than `CELL_SECONDS`, or killed the kernel: names notebook, cell and error.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    at: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        client = NotebookClient(
            notebook,
            kernel_manager_class=_kernel(Path(folder)),
            timeout=CELL_SECONDS,
            on_cell_start=lambda cell, cell_index: at.update(cell=cell, number=cell_index + 1),
        )
        try:
            client.execute(cwd=str(Path.cwd()), env=_environment(Path(folder)))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as err:
            what = f"{err.ename}: {err.evalue}" if isinstance(err, CellExecutionError) else str(err).strip()
            where = f"cell {at['number']} ({at['cell'].get('id', 'without id')})" if at else "start of the kernel"
            raise NotebookError(f"{path.name}, {where}: {what}", notebook) from err
    return notebook


def _kernel(folder: Path) -> type[Any]:
    """Return a kernel of this interpreter, not of an installed kernelspec; it talks through files in `folder`."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            where = {"connection_file": str(folder / "kernel.json"), "ip": str(folder / "kernel")}
            super().__init__(**options, transport="ipc", **where)

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

    return OwnKernel


def _environment(folder: Path) -> dict[str, str]:
    """Return the caller's environment, without the caller's IPython profile and history."""
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet, "IPYTHONDIR": str(folder / "ipython")}


def to_html(notebook: Any, title: str) -> str:
    """Return one HTML page, no script from elsewhere; pictures inside, with their section's heading as text."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="lab", require_js_url="", jquery_url="", mathjax_url="", mermaid_js_url="",
        exclude_input_prompt=True, exclude_output_prompt=True,
    )  # fmt: skip
    exporter.log.setLevel("ERROR")  # it warns of the alternative texts that are filled in below
    html, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    headings = iter(_heading_of_pictures(notebook, title))
    return re.sub(re.escape(_NO_TEXT), lambda _: f'alt="Plot: {escape(next(headings))}"', str(html))


_NO_TEXT = 'alt="No description has been provided for this image"'  # nbconvert's


def _heading_of_pictures(notebook: Any, title: str) -> Iterator[str]:
    heading = title
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = cell.source.splitlines()[0].lstrip("# ")
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                yield heading


def export(path: Path, out: Path) -> Path:
    """Execute a notebook and write its HTML to the folder `out`; returns the HTML's path.

    Raises
    ------
    NotebookError
        As `execute`; the HTML is written all the same.
    """
    page = out / f"{path.stem}.html"
    out.mkdir(parents=True, exist_ok=True)
    try:
        notebook = execute(path)
    except NotebookError as err:
        page.write_text(to_html(err.notebook, path.stem), encoding="utf-8")
        err.page = page
        raise
    page.write_text(to_html(notebook, path.stem), encoding="utf-8")
    return page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    own = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    parser = argparse.ArgumentParser(description=__doc__)
    which = f"{', '.join(own)}, or a file of your own (default: all of the former)"
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help=which)
    parser.add_argument("--out", type=Path, default=Path("dist/notebooks"))
    arguments = parser.parse_args(argv)
    chosen = [own.get(name, Path(name)) for name in arguments.notebooks] or list(own.values())
    if missing := [str(path) for path in chosen if not path.is_file()]:
        parser.error(f"There is no notebook {', '.join(missing)}. Known: {', '.join(own)}.")
    failed = 0
    for path in chosen:
        try:
            print(export(path, arguments.out), flush=True)
        except NotebookError as err:
            failed += 1
            print(f"etholake: {err}\n  What was there until then: {err.page}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
