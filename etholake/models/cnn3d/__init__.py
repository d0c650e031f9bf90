"""The model family `cnn3d`."""
