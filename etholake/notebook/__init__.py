"""Offer the lake and its models to notebooks: ``import etholake as el; lake = el.open()``.

Nothing is worked out here: each method asks one stage, and returns a `pandas.DataFrame` or a trained model. A
video is named as on the command line: by its number, its own name, or `lab/name`.
"""

from __future__ import annotations

from typing import Any

from etholake import settings as settings_module
from etholake.notebook.lake import NotebookLake
from etholake.notebook.model import TrainedModel

__all__ = ["NotebookLake", "TrainedModel", "open", "train"]


def open(**settings: Any) -> NotebookLake:
    """Open the lake of the settings.

    Parameters
    ----------
    **settings
        Settings that differ from the environment and `etholake.toml`, for example ``port=4570`` or
        ``bucket="my-lab"``; ``etholake config`` lists them.

    Raises
    ------
    SettingsError
        There is no such setting.
    AwsError
        Nothing answers on the target, or no lake is deployed there; the message says what to run.

    Examples
    --------
    >>> import etholake as el
    >>> lake = el.open()
    >>> lake.videos()[["video_id", "video_name"]]
    """
    from etholake.stages import readiness

    current = settings_module.load(**settings)
    if problem := readiness.problem(current, "query"):
        raise problem
    return NotebookLake(current)


def train(config: str = settings_module.AUTO, *, lake: NotebookLake | None = None, **options: Any) -> TrainedModel:
    """Train on `lake`, or on the lake of the settings; everything else is described at `NotebookLake.train`.

    Examples
    --------
    >>> model = el.train("boosted")
    """
    return (lake or open()).train(config, **options)
