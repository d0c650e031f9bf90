"""Readers of behaviour labels, one module a tool."""
