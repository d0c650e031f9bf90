"""Build the compute part of a training job, from `training` of `sagemaker/jobs.json`: instances, spot, warm pool.

`spot` takes spare capacity at a lower price: the job may be interrupted, and goes on from its checkpoints if it
keeps some. `keep_alive_s` keeps the instances warm after the job (not with spot; they cost what they cost).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etholake.errors import SettingsError

__all__ = ["compute", "processes", "stopping"]


def compute(instance_type: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the SDK's `Compute`. Raises SettingsError for spot instances that stay warm."""
    arguments: dict[str, Any] = {
        "instance_type": instance_type,
        "instance_count": options["instances"],
        "volume_size_in_gb": options["volume_gb"],
    }
    if options["spot"]:
        arguments["enable_managed_spot_training"] = True
    if options["keep_alive_s"]:
        if options["spot"]:
            raise SettingsError("sagemaker/jobs.json: training.keep_alive_s must be 0 with training.spot.")
        arguments["keep_alive_period_in_seconds"] = options["keep_alive_s"]
    return arguments


def stopping(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `StoppingCondition`. Raises SettingsError if spot may wait less than run."""
    arguments = {"max_runtime_in_seconds": options["max_runtime_s"]}
    if options["spot"]:
        if options["max_wait_s"] < options["max_runtime_s"]:
            raise SettingsError(
                "sagemaker/jobs.json: training.max_wait_s must be at least training.max_runtime_s."
            )
        arguments["max_wait_time_in_seconds"] = options["max_wait_s"]
    return arguments


def processes(options: Mapping[str, Any]) -> int | None:
    """Return the processes per instance that torchrun starts; None for one in all, without torchrun."""
    per_instance = int(options["processes_per_instance"])
    return per_instance if options["instances"] > 1 or per_instance > 1 else None
