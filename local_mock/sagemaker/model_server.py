"""The HTTP server of a model whose archive brings `inference.py` and no server of its own.

Started by `hosting` as ``python model_server.py``; standard library only. It answers ``GET /ping`` (503 until the
model is loaded) and ``POST /invocations``, as a container does, around the four functions of `inference.py`:
`model_fn, input_fn, predict_fn, output_fn`. An error with a `status_code` of 4xx is the client's and is answered
with its reason. A request of more than SAGEMAKER_MAX_PAYLOAD_IN_MB (6 by default, 0 for no limit) is refused, and
so is one that a web page of another origin sends, or that was meant for another host.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, cast

sys.path.append(str(Path(__file__).resolve().parents[2]))  # this file is run by its path

from local_mock.browsers import Visit, is_own_host

MAX_DROPPED = 64 << 20  # of a body that is too long: so much is read, so that the client sees the response
FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")


class Model:
    """The module `code/<program>` and what its `model_fn` returned. One prediction at a time."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder, self._program = folder, program
        self._module: ModuleType | None = None
        self._loaded: Any = None
        self._one_at_a_time = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Return whether `load` has succeeded."""
        return self._module is not None

    def load(self) -> None:
        """Import the module and call `model_fn`; raises TypeError if one of the four functions is missing."""
        code = self._folder / "code"
        sys.path.insert(0, str(code))
        path = code / self._program
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        missing = [name for name in FUNCTIONS if not callable(getattr(module, name, None))]
        if missing:
            raise TypeError(
                f"code/{self._program} must define {', '.join(FUNCTIONS)}; missing: {', '.join(missing)}."
            )
        self._loaded = module.model_fn(str(self._folder))
        self._module = module

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return (body, content type) of the response to one request."""
        module = self._module
        assert module is not None
        data = module.input_fn(body, content_type)
        with self._one_at_a_time:
            prediction = module.predict_fn(data, self._loaded)
        result = module.output_fn(prediction, accept)
        output, content_type = result if isinstance(result, tuple) else (result, accept)
        return (output.encode() if isinstance(output, str) else bytes(output)), content_type


class Handler(BaseHTTPRequestHandler):
    """The two routes."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # s without a byte of the client
    model: Model
    max_bytes: int

    def parse_request(self) -> bool:
        """Read the head of a request; refuse what a web page of another origin sends."""
        if not super().parse_request():
            return False
        names = ("Host", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
        given = {
            f"HTTP_{name.upper().replace('-', '_')}": self.headers[name] for name in names if name in self.headers
        }
        visit = Visit.of({"REQUEST_METHOD": self.command, **given})
        if is_own_host(visit.host, cast(HTTPServer, self.server).server_port) and not visit.is_foreign:
            return True
        self.close_connection = True
        self._send_error(403, "This server answers programs of this machine, no web page of another origin.")
        return False

    def do_GET(self) -> None:
        """Answer the health check."""
        if self.path != "/ping":
            self._send_error(404, "There are GET /ping and POST /invocations.")
        else:
            self._send(200 if self.model.is_ready else 503, b"{}", "application/json")

    def do_POST(self) -> None:
        """Answer one request to the model."""
        given = self.headers.get("Content-Length", "")
        if not (given.isascii() and given.isdigit()):
            self.close_connection = True
            self._send_error(411, "A request must tell its length in bytes: Content-Length.")
            return
        length = int(given)
        if length > self.max_bytes:
            rest = min(length, MAX_DROPPED)
            while rest > 0 and (piece := self.rfile.read(min(rest, 1 << 20))):
                rest -= len(piece)  # a client that still sends does not read the response
            self.close_connection = True
            self._send_error(413, f"The request is longer than {self.max_bytes / (1 << 20):g} MB.")
            return
        body = self.rfile.read(length)
        if self.path != "/invocations":
            self._send_error(404, "There are GET /ping and POST /invocations.")
        elif not self.model.is_ready:
            self._send_error(503, "The model is still being loaded: try again in some seconds.")
        else:
            self._predict(body)

    def _predict(self, body: bytes) -> None:
        accept = self.headers.get("Accept", "").partition(",")[0].partition(";")[0].strip()
        content_type = self.headers.get("Content-Type", "application/octet-stream")
        try:
            output = self.model.predict(
                body, content_type, accept if accept not in ("", "*/*") else "application/json"
            )
        except Exception as err:
            status = getattr(err, "status_code", None)
            if isinstance(status, int) and 400 <= status < 500:
                self._send_error(status, str(err))
                return
            traceback.print_exc()
            self._send_error(500, f"The model failed on this request: {type(err).__name__}: {err}")
        else:
            self._send(200, *output)

    def _send_error(self, status: int, reason: str) -> None:
        self._send(status, json.dumps({"error": reason}).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log no request lines: the log is the model's."""


def main() -> None:
    """Serve until SIGTERM; end with exit code 1 if the model cannot be loaded."""
    environ = os.environ
    megabytes = float(environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or 6)
    model = Model(Path(environ["SM_MODEL_DIR"]), environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    Handler.model, Handler.max_bytes = model, int(megabytes * (1 << 20)) if megabytes > 0 else sys.maxsize
    server = ThreadingHTTPServer(("127.0.0.1", int(environ["SAGEMAKER_BIND_TO_PORT"])), Handler)
    server.daemon_threads = True

    def load() -> None:
        try:
            model.load()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=load, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
