"""Boxes of animals in frames: one module a source, all behind `BoxSource`."""
