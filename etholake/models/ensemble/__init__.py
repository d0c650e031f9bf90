"""The family `ensemble`: the mean of several models."""
