"""Runs one batch transform in a thread: one host, every input object posted to it, one `<name>.out` for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_mock.context import Context
from local_mock.data import ObjectInfo
from local_mock.keys import split_uri
from local_mock.sagemaker.errors import InvalidRequestError, RunError, shorten
from local_mock.sagemaker.hosting import ContainerResponse, Host
from local_mock.sagemaker.models import TransformJob

__all__ = ["LOG_GROUP", "TransformRun", "check_request"]

_log = logging.getLogger("local_mock.sagemaker")
LOG_GROUP = "/aws/sagemaker/TransformJobs"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
DEFAULT_PAYLOAD_MB, DEFAULT_TIMEOUT_S = 6, 600
MAX_PAYLOAD_MB, MAX_TIMEOUT_S, MAX_RETRIES = 100, 3600, 3


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse what would not be done as asked."""
    source, output = request["TransformInput"], request["TransformOutput"]
    refused = {
        "TransformInput.SplitType": source.get("SplitType") not in (None, "None"),
        "TransformInput.CompressionType": source.get("CompressionType") not in (None, "None"),
        "TransformOutput.AssembleWith": output.get("AssembleWith") not in (None, "None"),
        "DataProcessing": bool(request.get("DataProcessing")),
        "S3DataType": source["DataSource"]["S3DataSource"].get("S3DataType") != "S3Prefix",
    }
    wrong = [name for name, value in refused.items() if value]
    if wrong:
        raise InvalidRequestError(
            f"Not supported by local_mock: {', '.join(wrong)}. Whole objects under an S3Prefix are transformed, "
            "one output each (SplitType, CompressionType and AssembleWith are None)."
        )
    _check_limits(request)


def _check_limits(request: Mapping[str, Any]) -> None:
    """AWS's own: 0 MB stands for no limit, with a chunked body."""
    payload, at_once = (
        request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB),
        request.get("MaxConcurrentTransforms") or 1,
    )
    if not 0 <= payload <= MAX_PAYLOAD_MB or payload * at_once > MAX_PAYLOAD_MB:
        raise InvalidRequestError(
            f"MaxPayloadInMB ({payload}) times MaxConcurrentTransforms ({at_once}) must be 0..{MAX_PAYLOAD_MB}."
        )
    client = request.get("ModelClientConfig") or {}
    timeout, retries = client.get("InvocationsTimeoutInSeconds", 1), client.get("InvocationsMaxRetries", 0)
    if not 1 <= timeout <= MAX_TIMEOUT_S or not 0 <= retries <= MAX_RETRIES:
        raise InvalidRequestError(
            f"ModelClientConfig: the time-out must be 1..{MAX_TIMEOUT_S} s and the retries 0..{MAX_RETRIES}, "
            f"but got {timeout} s and {retries}."
        )


class TransformRun:
    """The host behind one `TransformJob`."""

    def __init__(self, job: TransformJob, container: Mapping[str, Any], context: Context, region: str) -> None:
        self._job, self._context = job, context
        name = job.transform_job_name
        self._host = Host(container, context, region, LOG_GROUP, f"{name}/local")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"transform-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Start no further object, and end the host."""
        self._stop.set()
        threading.Thread(target=self._host.stop, daemon=True).start()

    def _run(self) -> None:
        status, reason = "Failed", ""
        try:
            problems = self._transform()
            status, reason = ("Failed", _reason(problems)) if problems else ("Completed", "")
        except (RunError, OSError) as err:
            reason = str(err)
        except Exception as err:
            _log.exception("transform job %s", self._job.transform_job_name)
            reason = f"InternalServerError: {type(err).__name__}: {err}"
        finally:
            self._host.stop()
        if self._stop.is_set():
            status, reason = "Stopped", ""
        self._job.end(status, reason)

    def _transform(self) -> list[str]:
        request = self._job.request
        source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        objects = self._context.data.list(source)
        if not objects:
            raise RunError(f"ClientError: No objects were found under {source}.")
        limit_mb = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
        self._host.start(
            {
                **{k: str(v) for k, v in (request.get("Environment") or {}).items()},
                "SAGEMAKER_BATCH": "true",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(limit_mb),
            }
        )
        self._job.start()
        with ThreadPoolExecutor(max_workers=max(1, request.get("MaxConcurrentTransforms") or 1)) as pool:
            return [problem for problem in pool.map(self._one, objects) if problem]

    def _one(self, item: ObjectInfo) -> str:
        """Transform one object. Returns what was wrong, '' if nothing. The others go on."""
        if self._stop.is_set():
            return ""
        request = self._job.request
        limit = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB) << 20
        if limit and item.size > limit:
            return f"{item.uri}: {item.size:,} bytes are more than MaxPayloadInMB ({limit >> 20})."
        output = request["TransformOutput"]
        answer = problem = None
        for _ in range(1 + (request.get("ModelClientConfig") or {}).get("InvocationsMaxRetries", 0)):
            if self._stop.is_set():
                return ""
            answer, problem = self._post(item)
            if answer is None or answer.status < 500:
                break
        if answer is None or answer.status != 200:
            return f"{item.uri}: {problem}"
        self._context.data.write(f"{output['S3OutputPath'].rstrip('/')}/{self._relative(item)}.out", answer.body)
        return ""

    def _post(self, item: ObjectInfo) -> tuple[ContainerResponse | None, str]:
        """Return (answer, what is wrong with it); no answer if there was none in time, or the object has gone."""
        request = self._job.request
        timeout = (request.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_S)
        kinds = request["TransformInput"].get("ContentType", ""), request["TransformOutput"].get("Accept", "")
        try:
            answer = self._host.post(self._context.data.read(item.uri), *kinds, timeout_s=timeout)
        except TimeoutError:
            return None, f"no answer in {timeout} s (InvocationsTimeoutInSeconds)."
        except OSError as err:
            return None, str(err)
        return answer, f"{answer.status}: {answer.body.decode('utf-8', 'replace')[:300]}"

    def _relative(self, item: ObjectInfo) -> str:
        """Return the key below the folder part of the input prefix."""
        uri = self._job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        folder = split_uri(uri)[1].rpartition("/")[0]
        return item.key.removeprefix(f"{folder}/") if folder else item.key


def _reason(problems: list[str]) -> str:
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return shorten(
        f"ClientError: {len(problems)} object(s) could not be transformed: {' | '.join(problems[:3])}{more}", ""
    )
