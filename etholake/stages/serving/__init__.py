"""Stages that put models to use: serve, predict, registry, drift."""
