"""Data capture: a sample of an endpoint's requests and answers as JSON lines in S3.

One object a captured request, in AWS's layout: ``<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/….jsonl``.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_mock.context import Context

__all__ = ["Capture", "Exchange"]

_log = logging.getLogger("local_mock.sagemaker")


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    variant: str
    content_type: str
    body: bytes
    answer_type: str
    answer: bytes
    inference_id: str = ""


class Capture:
    """Writes the exchanges of one endpoint, as its DataCaptureConfig says."""

    def __init__(self, config: Mapping[str, Any], endpoint: str, context: Context) -> None:
        self._endpoint, self._context = endpoint, context
        self._base = str(config["DestinationS3Uri"]).rstrip("/")
        self._share = config["InitialSamplingPercentage"] / 100
        self._modes = {option["CaptureMode"] for option in config.get("CaptureOptions") or []}
        types = config.get("CaptureContentTypeHeader") or {}
        self._as_text = {kind.lower(): "CSV" for kind in types.get("CsvContentTypes") or []}
        self._as_text |= {kind.lower(): "JSON" for kind in types.get("JsonContentTypes") or []}
        self._due = 0.0
        self._lock = threading.Lock()

    @staticmethod
    def of(config: Mapping[str, Any] | None, endpoint: str, context: Context) -> Capture | None:
        """None if nothing is to be captured."""
        return Capture(config, endpoint, context) if config and config.get("EnableCapture") else None

    def write(self, exchange: Exchange) -> None:
        """Keep an exchange if its turn has come. A client is never told that this failed."""
        with self._lock:
            self._due += self._share
            if self._due < 1:
                return
            self._due -= 1
        now, event = datetime.now(UTC), str(uuid.uuid4())
        data: dict[str, Any] = {}
        if self._modes & {"Input", "InputAndOutput"}:
            data["endpointInput"] = self._side("INPUT", exchange.content_type, exchange.body)
        if self._modes & {"Output", "InputAndOutput"}:
            data["endpointOutput"] = self._side("OUTPUT", exchange.answer_type, exchange.answer)
        about = {"eventId": event, "inferenceTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if exchange.inference_id:
            about["inferenceId"] = exchange.inference_id
        line = json.dumps({"captureData": data, "eventMetadata": about, "eventVersion": "0"})
        moment = f"{now:%Y/%m/%d/%H}/{now:%M-%S}-{now.microsecond // 1000:03d}"
        key = f"{self._endpoint}/{exchange.variant}/{moment}-{event}"
        try:
            self._context.data.write(f"{self._base}/{key}.jsonl", line.encode() + b"\n")
        except Exception:
            _log.exception("data capture of endpoint %s", self._endpoint)

    def _side(self, mode: str, content_type: str, body: bytes) -> dict[str, str]:
        encoding = self._as_text.get(content_type.partition(";")[0].strip().lower(), "BASE64")
        text = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode("utf-8", "replace")
        return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}
