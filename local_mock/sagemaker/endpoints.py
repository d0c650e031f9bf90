"""Endpoints: start a host in a thread, move traffic to another on update, stop it on delete.

A new host takes over only when it is ready, all at once or, with a deployment policy, in steps (canary, linear)
while the old one goes on answering. A host is stopped when its last request has been answered.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_mock.context import ACCOUNT, Context
from local_mock.sagemaker.asynchronous import AsyncQueue
from local_mock.sagemaker.capture import Capture
from local_mock.sagemaker.errors import InvalidRequestError, RunError
from local_mock.sagemaker.hosting import Host
from local_mock.sagemaker.models import Endpoint

__all__ = ["BusyError", "Deployment", "EndpointRun", "TrafficPolicy"]

_log = logging.getLogger("local_mock.sagemaker")
DRAIN_S = 65.0  # longer than a request may take
LOOK_S = 0.1  # at alarms, while traffic is shifted


class BusyError(Exception):
    """A serverless endpoint answers as many requests as it may; the message is for the client."""


@dataclass(frozen=True)
class TrafficPolicy:
    """The steps by which traffic moves to a new host, (share, seconds) each, and the alarms that move it back."""

    steps: tuple[tuple[float, float], ...] = ()
    alarms: tuple[str, ...] = ()

    @staticmethod
    def of(config: Mapping[str, Any] | None, instances: int) -> TrafficPolicy:
        """Return the policy of a ``DeploymentConfig``. Raises InvalidRequestError for kinds not supported."""
        if not config:
            return TrafficPolicy()
        if config.get("RollingUpdatePolicy"):
            raise InvalidRequestError("local_mock updates by BlueGreenUpdatePolicy, not by RollingUpdatePolicy.")
        routing = (config.get("BlueGreenUpdatePolicy") or {}).get("TrafficRoutingConfiguration") or {}
        kind, wait = routing.get("Type", "ALL_AT_ONCE"), float(routing.get("WaitIntervalInSeconds", 0))
        alarms = tuple(a["AlarmName"] for a in (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or [])
        if kind == "ALL_AT_ONCE":
            return TrafficPolicy((), alarms)
        size = routing.get({"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}[kind])
        if not size:
            raise InvalidRequestError(f"Traffic routing {kind} needs CanarySize or LinearStepSize.")
        share = size["Value"] / (100 if size["Type"] == "CAPACITY_PERCENT" else max(1, instances))
        if not 0 < share <= 0.5:
            raise InvalidRequestError(
                f"A step must be more than none and at most 50 % of the capacity, not {share:.0%}."
            )
        shares = [share] if kind == "CANARY" else [n * share for n in range(1, int(1 / share + 1e-9))]
        return TrafficPolicy(tuple((min(1.0, s), wait) for s in shares), alarms)


@dataclass(frozen=True)
class Deployment:
    """One endpoint configuration on its way to an endpoint."""

    config_name: str
    container: Mapping[str, Any]
    variants: list[dict[str, Any]]
    asynchronous: Mapping[str, Any] | None = None
    capture: Mapping[str, Any] | None = None
    policy: TrafficPolicy = field(default_factory=TrafficPolicy)

    @property
    def variant(self) -> str:
        return str(self.variants[0]["VariantName"])

    @property
    def serverless(self) -> Mapping[str, Any] | None:
        serverless: Mapping[str, Any] | None = self.variants[0].get("ServerlessConfig")
        return serverless


class _Served:
    """A host with what is asked of it now."""

    def __init__(self, host: Host, deployment: Deployment) -> None:
        self.host, self.deployment = host, deployment
        self.in_flight = 0


class EndpointRun:
    """The hosts behind one `Endpoint`."""

    def __init__(self, endpoint: Endpoint, context: Context, region: str) -> None:
        self._endpoint, self._context, self._region = endpoint, context, region
        self._lock = threading.Condition()
        self._all: list[_Served] = []  # every host that has been made and not been stopped
        self._serving: _Served | None = None
        self._canary: _Served | None = None
        self._share, self._due = 0.0, 0.0
        self._deleted = False
        self._queue: AsyncQueue | None = None
        self._capture: Capture | None = None

    @property
    def queue(self) -> AsyncQueue | None:
        """Return the queue of an asynchronous endpoint, None for others."""
        return self._queue

    @property
    def capture(self) -> Capture | None:
        """Return the writer of requests and responses to S3, None if capture is off."""
        return self._capture

    @property
    def serverless(self) -> Mapping[str, Any] | None:
        """ServerlessConfig of what is served, None for instances."""
        return self._serving.deployment.serverless if self._serving else None

    @contextlib.contextmanager
    def host(self) -> Iterator[tuple[Host, str] | None]:
        """Yield (host, variant) for one request, None if none serves; it is not stopped before the block ends.

        Raises BusyError if a serverless endpoint answers MaxConcurrency requests already.
        """
        with self._lock:
            chosen = self._choose()
            if chosen is not None:
                most = (chosen.deployment.serverless or {}).get("MaxConcurrency")
                if most and chosen.in_flight >= most:
                    raise BusyError(f"The endpoint answers {most} requests at once (MaxConcurrency): try again.")
                chosen.in_flight += 1
        try:
            yield (chosen.host, chosen.deployment.variant) if chosen else None
        finally:
            if chosen is not None:
                with self._lock:
                    chosen.in_flight -= 1
                    self._lock.notify_all()

    def _choose(self) -> _Served | None:
        """Return the canary for its share of the requests, evenly spread; else what serves."""
        if self._canary is None:
            return self._serving
        self._due += self._share
        if self._due >= 1:
            self._due -= 1
            return self._canary
        return self._serving

    def start(self, deployment: Deployment) -> None:
        """Bring up a host in the background; the endpoint says how it goes."""
        name = self._endpoint.endpoint_name
        stream = f"{deployment.variant}/{name}-local"
        group = f"/aws/sagemaker/Endpoints/{name}"
        served = _Served(Host(deployment.container, self._context, self._region, group, stream), deployment)
        with self._lock:
            self._all.append(served)
        threading.Thread(target=self._bring_up, args=(served,), name=f"endpoint-{name}", daemon=True).start()

    def delete(self) -> None:
        """Stop all hosts."""
        with self._lock:
            self._deleted, served = True, self._all
            self._all, self._serving, self._canary = [], None, None
            queue, self._queue = self._queue, None
        if queue:
            queue.close()
        for one in served:
            one.host.stop()

    # --- a new host -------------------------------------------------------------------------------------------
    def _bring_up(self, new: _Served) -> None:
        try:
            new.host.start()
            new.host.watch(lambda reason: self._died(new, reason))
            self._shift(new)
        except RunError as err:
            self._failed(new, str(err))
        except Exception as err:
            _log.exception("endpoint %s", self._endpoint.endpoint_name)
            self._failed(new, f"InternalServerError: {type(err).__name__}: {err}")

    def _shift(self, new: _Served) -> None:
        """Give `new` its share of the traffic step by step, then all. Raises RunError if an alarm goes off."""
        policy = new.deployment.policy
        if self._serving is not None:
            for share, seconds in policy.steps:
                with self._lock:
                    self._canary, self._share = new, share
                end = time.monotonic() + seconds
                while time.monotonic() < end and not self._deleted:
                    self._check(new, policy)
                    time.sleep(LOOK_S)
            self._check(new, policy)
        self._take_over(new)

    def _check(self, new: _Served, policy: TrafficPolicy) -> None:
        from moto.cloudwatch.models import cloudwatch_backends

        alarms = cloudwatch_backends[ACCOUNT][self._region].alarms
        ringing = [a for a in policy.alarms if a in alarms and alarms[a].state_value == "ALARM"]
        if ringing:
            raise RunError(f"Rolled back: alarm {', '.join(ringing)} is in state ALARM.")
        if new not in self._all:
            raise RunError("Rolled back: the new model server ended.")

    def _take_over(self, new: _Served) -> None:
        deployment, name = new.deployment, self._endpoint.endpoint_name
        with self._lock:
            if self._deleted:
                return
            if new not in self._all:
                raise RunError("The new model server ended.")
            before, self._serving = self._serving, new
            self._canary = None
            self._all = [new, *([before] if before else [])]
            old_queue, self._queue = self._queue, None
            if deployment.asynchronous:
                self._queue = AsyncQueue(deployment.asynchronous, self.host, self._context)
            self._capture = Capture.of(deployment.capture, name, self._context)
            self._endpoint.endpoint_config_name = deployment.config_name
            self._endpoint.production_variants = self._endpoint._process_production_variants(deployment.variants)
            self._endpoint.capture(deployment.capture)
            self._endpoint.become("InService")
        if old_queue:
            old_queue.close()
        if before:
            self._drain(before)

    def _drain(self, old: _Served) -> None:
        """Stop a host that gets no more requests, once it has answered those it has."""
        with self._lock:
            self._lock.wait_for(lambda: old.in_flight == 0, DRAIN_S)
            self._all = [served for served in self._all if served is not old]
        old.host.stop()

    def _failed(self, new: _Served, reason: str) -> None:
        """End a failed update: what served before serves again, as on AWS."""
        with self._lock:
            self._canary = None
            if not self._deleted:
                self._endpoint.become("InService" if self._serving else "Failed", reason)
        self._drain(new)

    def _died(self, served: _Served, reason: str) -> None:
        with self._lock:
            if self._deleted or served not in self._all:
                return
            self._all.remove(served)
            if self._canary is served:
                self._canary = None  # `_shift` sees it, and rolls back
            if self._serving is served:
                self._serving = None
                self._endpoint.become("Failed", reason)
        served.host.stop()
