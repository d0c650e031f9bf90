"""The host of a model on AWS's Ray Serve image, which takes `config.yaml` and `deployment.py` of `model.tar.gz`.

A thin adapter: the four functions of `inference.py`, the limits and the errors of `serve.py`. Ray is in the image
only; without it (in tests, on a laptop) only `answer` works. It is not packed into models by default: for
that image, copy it, `serve.py` and a `config.yaml` (see `config_yaml`) into the model folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import serve

HERE = Path(__file__).resolve().parent


def load(folder: Path) -> serve.Model:
    """Load the model of a folder."""
    model = serve.Model(folder, os.environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    model.load()
    return model


def answer(
    model: serve.Model, limits: serve.Limits, body: bytes, content_type: str, accept: str
) -> tuple[int, bytes, str]:
    """Return (status, body, content type) of the response to one request. Never raises."""
    if len(body) > limits.max_bytes:
        limit = f"{limits.max_bytes / (1 << 20):g} MB"
        text = f"The request is longer than {limit}: use a batch transform for long videos."
        return 413, json.dumps({"error": text}).encode(), "application/json"
    try:
        output, kind = model.answer(body, content_type, accept)
    except Exception as err:
        refused = serve._failure(err)
        return refused.status_code, bytes(refused.body), "application/json"
    return 200, output, kind


def config_yaml(replicas: int = 1) -> str:
    """Return the `config.yaml` of Ray Serve with this module's `app` at the root."""
    return (
        "proxy_location: EveryNode\nhttp_options:\n  host: 0.0.0.0\n  port: 8080\n"
        "applications:\n- name: etholake\n  route_prefix: /\n  import_path: deployment:app\n"
        "  deployments:\n  - name: Model\n"
        f"    num_replicas: {replicas}\n"
    )


def make_app() -> Any:
    """Return Ray Serve's application. Needs Ray."""
    from ray import serve as ray_serve
    from starlette.requests import Request
    from starlette.responses import Response

    @ray_serve.deployment(name="Model")
    class ModelReplica:
        """One replica with one loaded model."""

        def __init__(self) -> None:
            self.model, self.limits = (
                load(Path(os.environ.get("SM_MODEL_DIR", HERE.parent))),
                serve.Limits.of(os.environ),
            )

        async def __call__(self, request: Request) -> Response:
            if request.url.path == "/ping":  # a replica that answers has its model
                return Response(json.dumps({"status": "ready"}), media_type="application/json")
            headers, body = request.headers, await request.body()
            status, output, kind = answer(
                self.model, self.limits, body, headers.get("content-type", ""), headers.get("accept", "")
            )
            return Response(output, status, media_type=kind)

    return ModelReplica.bind()


try:
    app = make_app()
except ImportError:  # Ray is not installed
    app = None
