"""The instances of a training job, in the SDK's own shapes; the settings' defaults are usable."""

import pytest

from etholake.errors import SettingsError
from etholake.stages.job_settings import job_settings
from etholake.stages.model import instances


def test_the_defaults_are_one_instance_on_demand() -> None:
    options = job_settings()["training"]
    assert instances.compute("ml.m5.large", options) == {
        "instance_type": "ml.m5.large", "instance_count": 1, "volume_size_in_gb": options["volume_gb"],
    }  # fmt: skip
    assert instances.stopping(options) == {"max_runtime_in_seconds": options["max_runtime_s"]}
    assert instances.processes(options) is None


def test_spot_warm_pool_and_several_instances_are_what_the_sdk_takes() -> None:
    from sagemaker.train.configs import Compute, StoppingCondition
    from sagemaker.train.distributed import Torchrun

    options = job_settings()["training"] | {"instances": 2, "spot": True}
    made = Compute(**instances.compute("ml.m5.large", options))
    assert (made.instance_count, made.enable_managed_spot_training) == (2, True)
    assert StoppingCondition(**instances.stopping(options)).max_wait_time_in_seconds == options["max_wait_s"]
    assert Torchrun(process_count_per_node=instances.processes(options)).process_count_per_node == 1
    warm = options | {"spot": False, "keep_alive_s": 600}
    assert Compute(**instances.compute("ml.m5.large", warm)).keep_alive_period_in_seconds == 600


def test_what_does_not_go_together_is_refused() -> None:
    options = job_settings()["training"] | {"spot": True}
    with pytest.raises(SettingsError, match="keep_alive_s must be 0 with"):
        instances.compute("ml.m5.large", options | {"keep_alive_s": 60})
    with pytest.raises(SettingsError, match=r"max_wait_s must be at least"):
        instances.stopping(options | {"max_wait_s": 60})
