"""Data for models: metadata and tracks of videos, labels, spans, splits, windows, batches."""
