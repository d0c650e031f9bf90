"""Stages that make models and judge them: features, train, tune, evaluate, explain."""
