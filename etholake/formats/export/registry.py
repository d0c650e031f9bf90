"""List the tools that labels can be exported to. Other distributions add theirs as entry points."""

from __future__ import annotations

from etholake.formats.export.base import Exporter
from etholake.plugins import Registry

__all__ = ["EXPORTERS"]

EXPORTERS: Registry[Exporter] = Registry(
    "etholake.exporters",
    "export target",
    {
        "annot": "etholake.formats.export.annot:EXPORTER",
        "boris": "etholake.formats.export.boris:EXPORTER",
        "csv": "etholake.formats.export.interval_csv:EXPORTER",
        "ethovision-like": "etholake.formats.export.ethovision:EXPORTER",
        "jabs": "etholake.formats.export.jabs:EXPORTER",
        "mabe": "etholake.formats.export.mabe:EXPORTER",
        "nwb": "etholake.formats.export.nwb:EXPORTER",
        "simba": "etholake.formats.export.simba:EXPORTER",
    },
)
