"""The model family `slowfast`."""
