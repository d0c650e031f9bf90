"""Stages that fill and ask the lake: ingest, etl, compact, vacuum, query."""
