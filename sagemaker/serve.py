"""The HTTP host of a model: GET /ping, POST /invocations, around the four functions of `inference.py`.

Run it by hand:   SM_MODEL_DIR=model SAGEMAKER_BIND_TO_PORT=8080 python serve.py

`SM_MODEL_DIR` (default /opt/ml/model) holds the unpacked model with its `code/`. In a container set
`SERVE_HOST=0.0.0.0`; by default only this machine is answered. The model is loaded in the background: /ping says
503 until it is ready, and the process ends with code 1 and the reason if it cannot be loaded. An error that has a
`status_code` of 4xx is the client's: it is answered with its reason, and the server lives on.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

DEFAULT_PAYLOAD_MB = 6  # InvokeEndpoint's limit; a batch transform says its own
FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")
log = logging.getLogger("serve")


class Model:
    """The module `code/inference.py` and what its `model_fn` returned. One prediction at a time."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder, self._program = folder, program
        self._module: ModuleType | None = None
        self._loaded: Any = None
        self._one_at_a_time = threading.Lock()
        self.ready = False

    def load(self) -> None:
        """Import the module and call `model_fn`."""
        began = time.monotonic()
        module = self._import()
        missing = [name for name in FUNCTIONS if not callable(getattr(module, name, None))]
        if missing:
            raise TypeError(
                f"code/{self._program} must define {', '.join(FUNCTIONS)}; missing: {', '.join(missing)}."
            )
        self._loaded = module.model_fn(str(self._folder))
        self._module, self.ready = module, True
        log.info("model ready after %.2f s", time.monotonic() - began)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """(body, content type) of the answer to one request."""
        module = self._module
        assert module is not None
        data = module.input_fn(body, content_type)
        with self._one_at_a_time:
            prediction = module.predict_fn(data, self._loaded)
        result = module.output_fn(prediction, accept)
        output, kind = result if isinstance(result, tuple) else (result, accept)
        return (output.encode() if isinstance(output, str) else bytes(output)), kind

    def _import(self) -> ModuleType:
        code = self._folder / "code"
        path = code / self._program
        sys.path.insert(0, str(code))  # the model brings the package that it was trained with
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module


def application(model: Model, max_bytes: int) -> FastAPI:
    """The two routes. `max_bytes` is the longest body that is read."""
    app = FastAPI(openapi_url=None)

    @app.get("/ping")
    def ping() -> Response:
        return Response(status_code=200 if model.ready else 503)

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        if not model.ready:
            return _refusal(503, "The model is still being loaded: try again in some seconds.")
        try:
            body = await _body(request, max_bytes)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            limit = f"{max_bytes / (1 << 20):g} MB"
            return _refusal(413, f"The request is longer than {limit}: use a batch transform for long videos.")
        content_type = request.headers.get("content-type", "application/octet-stream")
        accept = _first(request.headers.get("accept", ""))
        try:
            output, kind = await asyncio.to_thread(model.answer, body, content_type, accept)
        except Exception as err:
            return _failure(err)
        return Response(output, media_type=kind)

    return app


async def _body(request: Request, max_bytes: int) -> bytes | None:
    """The whole body, None if it is longer than allowed (what follows is not kept)."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size <= max_bytes:
            pieces.append(piece)
        else:
            pieces.clear()
    return b"".join(pieces) if size <= max_bytes else None


def _first(accept: str) -> str:
    """The first media type of an Accept header; application/json if it asks for nothing."""
    wanted = accept.partition(",")[0].partition(";")[0].strip()
    return "application/json" if wanted in ("", "*/*") else wanted


def _failure(err: Exception) -> Response:
    status = getattr(err, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        log.warning("refused with %d: %s", status, err)
        return _refusal(status, str(err))
    log.error("request failed\n%s", "".join(traceback.format_exception(err)))
    return _refusal(500, f"The model failed on this request: {type(err).__name__}: {err}")


def _refusal(status: int, reason: str) -> Response:
    return Response(json.dumps({"error": reason}), status, media_type="application/json")


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    model = Model(folder, os.environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    limit = float(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or DEFAULT_PAYLOAD_MB)
    max_bytes = int(limit * (1 << 20)) if limit > 0 else 1 << 62  # 0: no limit
    server = uvicorn.Server(
        uvicorn.Config(
            application(model, max_bytes),
            host=os.environ.get("SERVE_HOST", "127.0.0.1"),
            port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")),
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
    )
    failed = threading.Event()

    def load() -> None:
        try:
            model.load()
        except BaseException:
            traceback.print_exc()
            failed.set()
            server.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    server.run()
    if failed.is_set():
        sys.exit("The model could not be loaded: see the lines above.")


if __name__ == "__main__":
    main()
