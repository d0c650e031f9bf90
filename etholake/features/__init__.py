"""Input encoders: features of unified tracks, by name and version."""
