"""Describe an import: the table that the command prints, and `report.md` beside `report.json`.

`report.json` is the truth; the other two show it. Nothing in it depends on the time of day, so that a run that
changes nothing writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etholake.formats.base import Remark

__all__ = ["markdown", "overview", "remark_text", "table"]

COLUMNS = ("file", "what it is", "frames", "animals", "parts", "fps", "labels", "matched")
_WIDEST = 48  # characters of a cell
_SHOWN = 12  # sentences of a kind that are printed; the report has all
_RIGHT = frozenset({"frames", "animals", "parts", "fps", "labels"})


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of files as aligned text, one line a file."""
    cells = [[_short(str(row.get(name, "") or ""), name) for name in COLUMNS] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells), 0) for i, name in enumerate(COLUMNS)]
    lines = [_aligned(COLUMNS, widths), _aligned(["-" * width for width in widths], widths)]
    return "\n".join(line.rstrip() for line in [*lines, *(_aligned(line, widths) for line in cells)])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, COLUMNS, strict=True)
    return "  ".join(cell.rjust(width) if name in _RIGHT else cell.ljust(width) for cell, width, name in pairs)


def _short(text: str, name: str) -> str:
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    widest = 2 * _WIDEST if name == "matched" else _WIDEST
    return text if len(text) <= widest else f"{text[: widest // 2 - 1]}…{text[-widest // 2 :]}"


def remark_text(remark: Remark | Mapping[str, Any]) -> str:
    """Return a remark as one line: file, line, text, remedy."""
    entry = remark if isinstance(remark, Mapping) else vars(remark)
    place = f"{entry['file']}" if entry.get("file") else ""
    if place and entry.get("line"):
        place += f", line {entry['line']}"
    text = f"{place}: {entry['text']}" if place else str(entry["text"])
    return f"{text} (to change: {entry['remedy']})" if entry.get("remedy") else text


def overview(report: Mapping[str, Any]) -> str:
    """Return what the command prints: the table, then open questions, assumptions and losses, a few of each."""
    blocks = [table(report["files"])] if report["files"] else []
    sections = (
        ("Needed from you", report["needed"]),
        ("Assumed", _grouped(report["assumed"])),
        ("Left out", _grouped(report["left_out"])),
    )
    for title, sentences in sections:
        if sentences:
            more = [f"  … and {len(sentences) - _SHOWN} more in report.md"] if len(sentences) > _SHOWN else []
            blocks.append("\n".join([f"{title}:", *(f"  - {text}" for text in sentences[:_SHOWN]), *more]))
    for name, balance in (("points", report["points"]), ("bouts", report["bouts"])):
        reasons = "".join(f"\n  {count:>12,} left out: {why}" for why, count in balance["left_out"].items())
        counts = f"{balance['in']:,} in = {balance['written']:,} written + left out"
        blocks.append(f"{name.capitalize()}: {counts}{reasons}")
    if report["not_recognised"]:
        blocks.append(f"Not recognised: {', '.join(report['not_recognised'][:_SHOWN])}")
    return "\n\n".join(blocks) + "\n"


def _grouped(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return remarks as lines; one that is the same for several files is one line."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        own = () if entry.get("line") is None else (entry["file"], entry["line"])
        groups.setdefault((entry["text"], entry["remedy"], *own), []).append(entry)
    lines = []
    for group in groups.values():
        first = group[0]
        more = f" and {len(group) - 1} more files" if len(group) > 1 else ""
        lines.append(remark_text({**first, "file": f"{first['file']}{more}"} if first["file"] else first))
    return lines


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report for a person."""
    points, bouts = report["points"], report["bouts"]
    lines = [
        f"# Import of {_escaped(report['source'])}",
        "",
        f"{report['summary']}",
        "",
        "Change `mapping.toml` beside this file and run the same command again; `report.json` has everything.",
        "",
        *_section("Needed from you", report["needed"]),
        *_section("Errors", report["errors"]),
        *_section("Assumed", [remark_text(entry) for entry in report["assumed"]]),
        *_section("Left out", [remark_text(entry) for entry in report["left_out"]]),
        *_section("Notes", [remark_text(entry) for entry in report["notes"]]),
        "## Balance",
        "",
        "| | in | written | left out |",
        "|---|--:|--:|---|",
        _balance_row("points (frame × animal × part)", points),
        _balance_row("labelled bouts", bouts),
        "",
        "## Files",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'|'.join('---' for _ in COLUMNS)}|",
        *(f"| {' | '.join(_escaped(row.get(name, '')) for name in COLUMNS)} |" for row in report["files"]),
        "",
        "## Videos",
        "",
        "| video | number | tracks | labels | video file | fps | px/cm | points written | rows of labels |",
        "|---|--:|---|---|---|--:|--:|--:|--:|",
        *(_video_row(video) for video in report["videos"]),
        "",
    ]
    if report["not_recognised"]:
        lines += ["## Not recognised", "", *(f"- {_escaped(name)}" for name in report["not_recognised"]), ""]
    return "\n".join(lines)


def _section(title: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    return [f"## {title}", "", *(f"- {_escaped(sentence)}" for sentence in sentences), ""]


def _balance_row(name: str, balance: Mapping[str, Any]) -> str:
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in balance["left_out"].items()) or "none"
    return f"| {name} | {balance['in']:,} | {balance['written']:,} | {_escaped(reasons)} |"


def _video_row(video: Mapping[str, Any]) -> str:
    cells = [
        video["name"], video["video_id"], video["pose"], ", ".join(video["labels"]), video["video"],
        _figure(video["fps"]), _figure(video["pix_per_cm"]), f"{video['points']['written']:,}",
        video["label_rows"],
    ]  # fmt: skip
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def _escaped(value: Any) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(value if value is not None else ""))
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
