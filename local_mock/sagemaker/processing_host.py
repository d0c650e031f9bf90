"""One instance of a processing job: its folder, its share of the inputs, its command.

`/opt/ml` becomes a folder of the instance's own in the paths of the request, in the arguments, in the variables
and in the instance's copies of scripts. Layout and names:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_mock.data import DataAccess
from local_mock.sagemaker.archive import MAX_BYTES, copy_bounded
from local_mock.sagemaker.container import OPT_ML
from local_mock.sagemaker.errors import RunError

__all__ = ["ProcessingHost", "inputs_of", "outputs_of"]

_SCRIPTS = frozenset({".py", ".sh"})


def inputs_of(request: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of a request."""
    return list(request.get("ProcessingInputs") or [])


def outputs_of(request: Mapping[str, Any]) -> list[Any]:
    """Return the outputs of a request."""
    return list((request.get("ProcessingOutputConfig") or {}).get("Outputs") or [])


class ProcessingHost:
    """One instance; every one is this machine, under the name that it has on AWS."""

    def __init__(self, root: Path, name: str, hosts: Sequence[str], request: Mapping[str, Any]) -> None:
        self.root, self.name, self._hosts, self._request = root, name, hosts, request

    def prepare(self, data: DataAccess) -> None:
        """Make the folders and bring the inputs. Raises RunError."""
        self._write_config()
        for item in inputs_of(self._request):
            self._bring(item["S3Input"], item["InputName"], data)
        for folder, _ in self.outputs():
            folder.mkdir(parents=True, exist_ok=True)

    def outputs(self) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return (folder, S3Output) of every output."""
        return [(self._local(i["S3Output"]["LocalPath"]), i["S3Output"]) for i in outputs_of(self._request)]

    def command(self) -> list[str]:
        """Return the entry point with its arguments. Raises RunError if the request names none."""
        app = self._request["AppSpecification"]
        if not app.get("ContainerEntrypoint"):
            raise RunError(
                "ClientError: this mock runs no container images: give AppSpecification.ContainerEntrypoint, "
                "which it runs."
            )
        words = [*app["ContainerEntrypoint"], *(app.get("ContainerArguments") or [])]
        return [self._mapped(word) for word in words]

    def environment(self) -> dict[str, str]:
        """Return the variables of the request."""
        return {k: self._mapped(str(v)) for k, v in (self._request.get("Environment") or {}).items()}

    def message(self) -> str:
        """Return what the entry point has left as the job's exit message, "" if nothing."""
        with contextlib.suppress(OSError):
            return (self.root / "output" / "message").read_text(encoding="utf-8")[:1024]
        return ""

    def _bring(self, source: Mapping[str, Any], name: str, data: DataAccess) -> None:
        """Bring an input: all its objects, or with ShardedByS3Key the share of this instance."""
        folder = self._local(source["LocalPath"])
        folder.mkdir(parents=True, exist_ok=True)
        is_shared = source.get("S3DataDistributionType") == "ShardedByS3Key"
        share = slice(self._hosts.index(self.name), None, len(self._hosts)) if is_shared else slice(None)
        if not data.download(source["S3Uri"], folder, share):
            raise RunError(f"ClientError: No objects were found under {source['S3Uri']} (input '{name}').")
        for path in [p for p in folder.rglob("*") if p.is_file()]:
            if source.get("S3CompressionType") == "Gzip" and path.suffix == ".gz":
                with gzip.open(path) as packed, path.with_suffix("").open("wb") as plain:
                    copy_bounded(packed, plain, path.name, min(MAX_BYTES, shutil.disk_usage(folder).free))
                path.unlink()
            elif path.suffix in _SCRIPTS:
                text = path.read_text(encoding="utf-8")
                if OPT_ML in text:
                    path.write_text(self._mapped(text), encoding="utf-8")

    def _write_config(self) -> None:
        config = self.root / "config"
        config.mkdir(parents=True)
        (self.root / "output").mkdir()
        resources = {"current_host": self.name, "hosts": list(self._hosts)}
        for name, content in (("processingjobconfig", self._request), ("resourceconfig", resources)):
            (config / f"{name}.json").write_text(json.dumps(content, default=str), encoding="utf-8")

    def _mapped(self, text: str) -> str:
        return text.replace(OPT_ML, str(self.root))

    def _local(self, path: str) -> Path:
        """Return the folder of a LocalPath. Raises RunError if it would leave the instance's own."""
        resolved = Path(self._mapped(path)).resolve()
        if not resolved.is_relative_to(self.root):
            raise RunError(f"ClientError: LocalPath '{path}' would leave {OPT_ML}.")
        return resolved
