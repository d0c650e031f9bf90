"""The model family `multitask`."""
