"""Updates under load: all at once and canary, rollback by alarm and by death; no request fails."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sagemaker_studio import INFERENCE, Studio

from etholake import aws
from etholake.settings import Settings

# Answers after a moment, so that every switch finds requests on their way.
SLOWLY = INFERENCE.replace(
    "def predict_fn(data, model):\n", "def predict_fn(data, model):\n    time.sleep(0.02)\n"
)


def canary(percent: int, seconds: int, *alarms: str) -> dict[str, Any]:
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": seconds,
               "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent}}  # fmt: skip
    config: dict[str, Any] = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


@pytest.fixture(scope="module")
def studio(mock_settings: Settings) -> Studio:
    return Studio(mock_settings)


def slowly(studio: Studio, factor: str) -> str:
    return studio.model({"factor.txt": factor, "code/inference.py": SLOWLY})


class Load:
    """The answers to clients while the block ran: (seconds since the start, value or error)."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Any]] = []

    def values(self) -> Counter[Any]:
        return Counter(value for _, value in self.answers)


@contextmanager
def load(studio: Studio, name: str, clients: int = 6) -> Iterator[Load]:
    observed, done, began = Load(), threading.Event(), time.monotonic()

    def ask() -> None:
        while not done.is_set():
            try:
                value = json.loads(studio.ask(name, b"1")["Body"].read())["value"]
            except ClientError as err:
                value = str(err)
            observed.answers.append((time.monotonic() - began, value))
            done.wait(0.02)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield observed
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_an_update_fails_no_request(studio: Studio) -> None:
    name = studio.endpoint(slowly(studio, "2"))
    studio.settled(name)
    new = slowly(studio, "3")
    with load(studio, name) as seen:
        time.sleep(0.5)
        studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
        endpoint = studio.settled(name)
        time.sleep(0.5)
    assert endpoint["EndpointConfigName"] == new
    assert set(seen.values()) == {2.0, 3.0}
    assert seen.values()[3.0] > 10
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_a_canary_gets_its_share_then_all(studio: Studio) -> None:
    old, new = slowly(studio, "2"), slowly(studio, "3")
    name = studio.endpoint(old)
    studio.settled(name)
    with load(studio, name) as seen:
        studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new, DeploymentConfig=canary(20, 2))
        with pytest.raises(ClientError, match="while it is Updating"):
            studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
        assert studio.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] == old
        studio.settled(name)
        before = len(seen.answers)
        time.sleep(0.5)
    assert set(seen.values()) == {2.0, 3.0}
    first = next(at for at, value in seen.answers if value == 3.0)
    baking = Counter(value for at, value in seen.answers if first <= at < first + 1.5)
    assert 0.1 < baking[3.0] / baking.total() < 0.3
    assert {value for _, value in seen.answers[before + 12 :]} == {3.0}
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_an_alarm_rolls_back(studio: Studio) -> None:
    cloudwatch = aws.client(studio.settings, "cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", MetricName="Invocation5XXErrors", Namespace="AWS/SageMaker", Statistic="Sum",
        Period=60,
        EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    old, new = slowly(studio, "2"), slowly(studio, "3")
    name = studio.endpoint(old)
    studio.settled(name)
    with load(studio, name) as seen:
        policy = canary(50, 30, "errors")
        studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new, DeploymentConfig=policy)
        while 3.0 not in seen.values():
            time.sleep(0.05)
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
        endpoint = studio.settled(name)
        settled_at = len(seen.answers)
        time.sleep(0.5)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", old)
    assert "alarm errors is in state ALARM" in endpoint["FailureReason"]
    assert set(seen.values()) == {2.0, 3.0}
    assert {value for _, value in seen.answers[settled_at + 12 :]} == {2.0}
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_a_canary_that_dies_is_taken_back(studio: Studio) -> None:
    name = studio.endpoint(studio.factor("2"))
    studio.settled(name)
    pid = json.loads(studio.ask(name, b"pid")["Body"].read())["value"]
    new = studio.factor("3")
    studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new, DeploymentConfig=canary(50, 30))
    for _ in range(400):
        canary_pid = json.loads(studio.ask(name, b"pid")["Body"].read())["value"]
        if canary_pid != pid:
            break
        time.sleep(0.02)
    assert canary_pid != pid
    os.kill(canary_pid, signal.SIGKILL)
    assert "Rolled back" in studio.settled(name)["FailureReason"]
    assert json.loads(studio.ask(name, b"1")["Body"].read()) == {"value": 2.0}
    studio.sagemaker.delete_endpoint(EndpointName=name)


def test_a_policy_that_is_not_done_is_refused(studio: Studio) -> None:
    name = studio.endpoint(studio.factor("2"))
    studio.settled(name)
    config = studio.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    for policy, reason in (
        ({"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
                                  "WaitIntervalInSeconds": 0}}, "not by RollingUpdatePolicy"),
        (canary(60, 0), "at most 50 %"),
    ):  # fmt: skip
        with pytest.raises(ClientError, match=reason):
            studio.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=policy)
    studio.sagemaker.delete_endpoint(EndpointName=name)
