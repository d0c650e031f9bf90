"""Endpoints: start a host in a thread, switch to another on update, stop it on delete."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from local_mock.context import Context
from local_mock.sagemaker.errors import RunError
from local_mock.sagemaker.hosting import Host
from local_mock.sagemaker.models import Endpoint

__all__ = ["EndpointRun"]

_log = logging.getLogger("local_mock.sagemaker")


class EndpointRun:
    """The host behind one `Endpoint`; at most one host serves, and a new one takes over only when it is ready."""

    def __init__(self, endpoint: Endpoint, context: Context, region: str) -> None:
        self._endpoint, self._context, self._region = endpoint, context, region
        self._lock = threading.Lock()
        self._hosts: list[Host] = []  # every host that has been made and not been stopped
        self._serving: Host | None = None
        self._deleted = False

    @property
    def host(self) -> Host | None:
        """The host that answers, None if none does."""
        return self._serving

    def start(self, container: Mapping[str, Any], variant: str) -> None:
        """Bring up a host for `container` in the background; the endpoint says how it goes."""
        name = self._endpoint.endpoint_name
        host = Host(
            container, self._context, self._region, f"/aws/sagemaker/Endpoints/{name}", f"{variant}/{name}-local"
        )
        with self._lock:
            self._hosts.append(host)
        threading.Thread(target=self._bring_up, args=(host,), name=f"endpoint-{name}", daemon=True).start()

    def delete(self) -> None:
        """Stop all hosts."""
        with self._lock:
            self._deleted, hosts = True, self._hosts
            self._hosts, self._serving = [], None
        for host in hosts:
            host.stop()

    def _bring_up(self, host: Host) -> None:
        try:
            host.start()
        except RunError as err:
            self._failed(host, str(err))
            return
        except Exception as err:
            _log.exception("endpoint %s", self._endpoint.endpoint_name)
            self._failed(host, f"InternalServerError: {type(err).__name__}: {err}")
            return
        with self._lock:
            if self._deleted:
                return
            before, self._serving = self._serving, host
            self._hosts = [host]
            self._endpoint.become("InService")
        host.watch(lambda reason: self._died(host, reason))
        if before:
            before.stop()

    def _failed(self, host: Host, reason: str) -> None:
        """A failed update goes back to what served before, as on AWS."""
        with self._lock:
            if host in self._hosts:
                self._hosts.remove(host)
            if not self._deleted:
                self._endpoint.become("InService" if self._serving else "Failed", reason)
        host.stop()

    def _died(self, host: Host, reason: str) -> None:
        with self._lock:
            if self._serving is not host or self._deleted:
                return
            self._serving = None
            self._endpoint.become("Failed", reason)
        host.stop()
