"""Stacking: trees that learn from the probabilities of other models."""
