"""Delivery of events: an object or an event is matched with the rules, and a rule starts its state machine."""

from __future__ import annotations

import copy
import datetime as dt
import json
import logging
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.events.models import EventTemplateParser, Rule, events_backends
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import StateCredentials

from local_mock.context import ACCOUNT, get_context
from local_mock.stepfunctions.clients import client_for

__all__ = ["get_bucket_notification", "object_created", "send_to_targets"]

_log = logging.getLogger("local_mock.events")
_send_to_others = Rule.send_to_targets
_get_bucket_notification = S3Response.get_bucket_notification


def object_created(bucket: str, key: str) -> None:
    """Send EventBridge the event of a written object, if its bucket asks for that."""
    settings = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    configuration = getattr(settings, "notification_configuration", None)
    if configuration is None or configuration.event_bridge is None:
        return
    region = get_context().region
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": dt.datetime.now(dt.UTC).isoformat(),
        "region": region,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key}, "reason": "PutObject"},
    }
    for rule in list(events_backends[ACCOUNT][region].event_buses["default"].rules.values()):
        rule.send_to_targets(event, transform_input=False)


def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
    """moto's, but a disabled rule is silent, and state machines are started (from a thread of their own)."""
    if self.state != "ENABLED":
        return
    machines = [target for target in self.targets if ":states:" in target["Arn"]]
    others = copy.copy(self)
    others.targets = [target for target in self.targets if target not in machines]
    if others.targets:
        _send_to_others(others, original_event, transform_input)
    if machines and self.event_pattern.matches_event(original_event):
        for target in machines:
            threading.Thread(target=_start, args=(self.region_name, target, original_event), daemon=True).start()


def _start(region: str, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    try:
        role = StateCredentials(role_arn=target.get("RoleArn", ""))
        client_for(region, "stepfunctions", role).start_execution(
            stateMachineArn=target["Arn"], name=f"{event['id']}_{uuid.uuid4()}", input=_input(target, event)
        )
    except Exception:
        _log.exception("the rule could not start %s", target["Arn"])


def _input(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return the target's input: its constant input, the transformed event, or the event itself."""
    if "Input" in target:
        return str(target["Input"])
    if transformer := target.get("InputTransformer"):
        made = EventTemplateParser.parse(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), event)
        return made if isinstance(made, str) else json.dumps(made)
    return json.dumps(event)


def get_bucket_notification(self: Any) -> Any:
    """moto's, which leaves out whether the bucket tells EventBridge."""
    configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
    if not configuration or configuration.event_bridge is None:
        return _get_bucket_notification(self)
    serialized = self.serialized
    self.serialized = lambda result: serialized(ActionResult({**result.result, "EventBridgeConfiguration": {}}))
    try:
        return _get_bucket_notification(self)
    finally:
        del self.serialized
