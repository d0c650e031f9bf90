"""The model family `crop_sequence`."""
