"""Readers of pose files, one module a tool."""
