"""What training, serving and tests read: metadata and tracks of videos, labels, spans, splits, windows."""
