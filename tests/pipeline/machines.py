"""Small state machines on the running mock: make one, run it, read its history."""

import json
import time
import uuid
from typing import Any

from etholake import aws
from etholake.settings import Settings

ROLE = "arn:aws:iam::123456789012:role/none"


class Machines:
    """State machines with names of their own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = aws.client(settings, "stepfunctions")

    def make(self, start: str, states: dict[str, Any], **more: Any) -> str:
        definition = json.dumps({"StartAt": start, "States": states, **more})
        name = f"m-{uuid.uuid4().hex[:10]}"
        return str(
            self.client.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
        )

    def start(self, machine: str, given: Any = None, **more: Any) -> str:
        answer = self.client.start_execution(stateMachineArn=machine, input=json.dumps(given or {}), **more)
        return str(answer["executionArn"])

    def end(self, execution: str, seconds: float = 30.0) -> dict[str, Any]:
        """The execution's description once it has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            description: dict[str, Any] = self.client.describe_execution(executionArn=execution)
            if description["status"] != "RUNNING":
                return description
            time.sleep(0.1)
        raise AssertionError(f"{execution} still runs: {self.events(execution)}")

    def run(self, start: str, states: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
        return self.end(self.start(self.make(start, states, **more), given))

    def events(self, execution: str) -> list[str]:
        return [event["type"] for event in self.history(execution)]

    def history(self, execution: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]
