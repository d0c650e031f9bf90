"""Make the pages of the site that are no file of `docs/`: READMEs, the command line, the tables, the settings.

A hook of mkdocs (`mkdocs.yml`). No text is copied: a README is read where it is, and its links to files that are
no page become their names.
"""

from __future__ import annotations

import argparse
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from etholake import cli
from etholake import settings as settings_module
from etholake.contract import TABLES

ROOT = Path(__file__).resolve().parents[1]
# {page: file of the repository}
READMES = {
    "index.md": "README.md", "local-mock.md": "local_mock/README.md", "infra.md": "infra/README.md",
    "local-mock-coverage.md": "local_mock/COVERAGE.md", "adding-a-family.md": "etholake/models/README.md",
    "sagemaker.md": "sagemaker/README.md", "dashboards.md": "dashboards/README.md",
    "benchmarks.md": "benchmarks/README.md", "benchmark-history.md": "benchmarks/history.md",
    "changelog.md": "CHANGELOG.md",
}  # fmt: skip
# The theme loads this from the network where a page is a file; `docs/file-worker.js` stands in its place.
_FOREIGN_WORKER = "https://unpkg.com/iframe-worker/shim"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
# A document that a text names, `docs/formats.md`, is a link in the site.
_NAME = re.compile(r"(?<![\[`])`([\w./-]+\.md)`(?!`)")
_CODE = re.compile(r"(```.*?```)", re.DOTALL)


def on_config(config: Any) -> Any:
    """Add the decisions to the navigation, in their order."""
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    config.nav[-1]["Explanation"] += [f"adr/{path.name}" for path in decisions]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    pages = {page: (ROOT / source).read_text(encoding="utf-8") for page, source in READMES.items()}
    pages |= {"start.md": _start(pages["index.md"]), "reference/cli.md": _command_line()}
    pages |= {"reference/tables.md": _tables(), "reference/settings.md": _settings()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Return the text of a page with its links as links of the site."""
    address = page.file.src_uri
    source = READMES.get(address) or ("README.md" if address == "start.md" else f"docs/{address}")
    if address.startswith("reference/") and address != "reference/api.md":
        return markdown
    pieces = _CODE.split(markdown)
    for number in range(0, len(pieces), 2):  # the others are code
        text = _NAME.sub(lambda match: _link_of(match, source), pieces[number])
        pieces[number] = _LINK.sub(lambda match: _linked(match, address, source), text)
    return "".join(pieces)


def _link_of(match: re.Match[str], source: str) -> str:
    """Return the link to a document that is named from the root, or from the folder of the text."""
    for folder in ("", posixpath.dirname(source), "docs", "docs/tutorials"):
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        if (path in READMES.values() or path.startswith("docs/")) and (ROOT / path).is_file():
            target = posixpath.relpath(path, posixpath.dirname(source) or ".")
            return f"[{match[0]}]({target})"
    return match[0]


def on_post_page(output: str, page: Any, config: Any) -> str:  # noqa: ARG001
    """Return a page that loads nothing from the network."""
    folder = posixpath.dirname(page.file.src_uri) or "."
    return output.replace(_FOREIGN_WORKER, posixpath.relpath("file-worker.js", folder))


def on_post_template(output: str, template_name: str, config: Any) -> str:  # noqa: ARG001
    """Return a template, such as the page of a missing address, that loads nothing from the network."""
    return output.replace(_FOREIGN_WORKER, "/file-worker.js")


def _linked(match: re.Match[str], address: str, source: str) -> str:
    image, text, target, anchor = match.groups()
    if not target or ":" in target:
        return match[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    page = next((name for name, readme in READMES.items() if readme == path), "")
    if not page and path.startswith("docs/") and path.endswith((".md", ".png")):
        page = path.removeprefix("docs/")
    if not page:
        return text if image or text == path else f"{text} (`{path}`)"
    relative = posixpath.relpath(page, posixpath.dirname(address) or ".")
    return f"{image}[{text}]({relative}{anchor or ''})"


def _start(readme: str) -> str:
    """Return the README's section on a lab's own folder as the first page to follow."""
    section = readme.split("## Your own folder", 1)[1].split("\n## ", 1)[0]
    needed = "Etholake is installed as the [first page](README.md#two-commands) says; the first `make` does it."
    return f"# Your own folder in ten minutes\n\n{needed}\n{section}"


def _command_line() -> str:
    """Return every verb with its options, from the parser."""
    (verbs,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    lines = [
        "# Command line",
        "",
        "`make VERB` runs `.venv/bin/etholake VERB`; exit codes: 0 done, 1 failed, 2 wrong usage.",
    ]
    for name, parser in verbs.choices.items():
        usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
        lines += [
            "",
            f"## {name}",
            "",
            _cell(parser.description),
            "",
            "```",
            usage,
            "```",
            "",
            "| option | does |",
            "|---|---|",
        ]
        for action in parser._actions:
            names = ", ".join(f"`{n}`" for n in action.option_strings) or f"`{action.metavar or action.dest}`"
            choices = f" One of {', '.join(map(str, action.choices))}." if action.choices else ""
            lines.append(f"| {names} | {_cell(action.help)}{_cell(choices)} |")
    return "\n".join(lines) + "\n"


def _tables() -> str:
    """Return every table of the lake with its columns, from the contract."""
    lines = ["# Tables", "", "The tables of the lake, as Athena has them. A partition is a folder of the lake."]
    for name, table in TABLES.items():
        partitions = f" Partitions: {', '.join(f'`{p}`' for p in table.partitions)}." if table.partitions else ""
        lines += [
            "",
            f"## {name}",
            "",
            f"One row is one {_cell(table.grain)}.{partitions}",
            "",
            "| column | type | holds |",
            "|---|---|---|",
        ]
        lines += [f"| `{c.name}` | `{c.type}` | {_cell(c.comment)} |" for c in table.columns]
    return "\n".join(lines) + "\n"


def _settings() -> str:
    """Return every setting with its default."""
    lines = [
        "# Settings", "", "From the environment (`ETHOLAKE_<NAME>`), else `etholake.toml`, else the default; "
        "`etholake config` prints each with its source.", "", "| setting | default | is |", "|---|---|---|",
    ]  # fmt: skip
    for name, field in settings_module.Settings.__dataclass_fields__.items():
        default = f"`{field.default}`" if str(field.default) else ""
        lines.append(f"| `{name}` | {default} | {_cell(field.metadata['help'])} |")
    return "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    """Return a text for the cell of a table: nothing in it is markup."""
    return re.sub(r"([|<>*_\[\]])", r"\\\1", text or "").replace("%%", "%")
