"""Stages that write pages: the report of a run, curves, dashboards, one video."""
