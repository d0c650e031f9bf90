"""The training container's contract, without a container: folders, configuration files, variables, command.

`/opt/ml` becomes `root` in the entry point's arguments, in the job's variables and in the SDK's own drivers (the
channel `sm_drivers`), which hard-code it. Layout and names:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_mock.context import Context
from local_mock.keys import split_uri
from local_mock.sagemaker.archive import unpack
from local_mock.sagemaker.errors import RunError

__all__ = [
    "HOST",
    "OPT_ML",
    "checkpoints",
    "command",
    "environment",
    "fill_channels",
    "lay_out",
    "rewrite_drivers",
]

OPT_ML = "/opt/ml"
HOST = "algo-1"
DRIVERS = "sm_drivers"
_TEXT = frozenset({".py", ".sh", ".json"})


def lay_out(root: Path, request: Mapping[str, Any]) -> None:
    """Make the folders and the three configuration files."""
    for name in ("input/config", "input/data", "model", "output/data", "code"):
        (root / name).mkdir(parents=True, exist_ok=True)
    instance = request["ResourceConfig"].get("InstanceType", "local")
    resources = {
        "current_host": HOST,
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": [HOST]}
        ],
        "network_interface_name": "lo",
    }
    channels = {
        channel["ChannelName"]: {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
        | ({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {})
        for channel in request.get("InputDataConfig") or []
    }
    parameters = request.get("HyperParameters") or {}
    for name, content in (
        ("hyperparameters", parameters), ("resourceconfig", resources), ("inputdataconfig", channels),
    ):  # fmt: skip
        (root / f"input/config/{name}.json").write_text(json.dumps(content), encoding="utf-8")


def fill_channels(root: Path, request: Mapping[str, Any], context: Context) -> None:
    """Bring every channel's objects into ``input/data/<channel>``. Raises RunError if one has none."""
    for channel in request.get("InputDataConfig") or []:
        name = channel["ChannelName"]
        source = channel["DataSource"]["S3DataSource"]
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        if source.get("S3DataType", "S3Prefix") == "ManifestFile":
            found = _manifest(source["S3Uri"], folder, context)
        else:
            found = context.data.download(source["S3Uri"], folder)
        if not found:
            raise RunError(
                f"ClientError: Data download failed: No objects were found under {source['S3Uri']} "
                f"(channel '{name}')."
            )
        if name == DRIVERS:
            rewrite_drivers(folder, root)


def _manifest(uri: str, folder: Path, context: Context) -> int:
    """``[{"prefix": "s3://…/"}, "key", …]``: the keys below the prefix, each to its own path."""
    try:
        first, *keys = json.loads(context.data.read(uri))
        prefix = first["prefix"]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as err:
        raise RunError(f"ClientError: {uri} is not a manifest of the form [{{'prefix': …}}, 'key', …].") from err
    for key in keys:
        target = (folder / key).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise RunError(f"ClientError: manifest {uri} names '{key}', which would leave the channel.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(context.data.read(prefix + key))
    return len(keys)


def rewrite_drivers(folder: Path, root: Path) -> None:
    """Replace ``/opt/ml`` in the job's own copy of the SDK's drivers."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in _TEXT:
            text = path.read_text(encoding="utf-8")
            if OPT_ML in text:
                path.write_text(text.replace(OPT_ML, str(root)), encoding="utf-8")


def checkpoints(root: Path, request: Mapping[str, Any]) -> tuple[str, Path] | None:
    """(S3 URI, folder) of the checkpoints, None if the job keeps none."""
    config = request.get("CheckpointConfig")
    if not config:
        return None
    local = str(config.get("LocalPath") or f"{OPT_ML}/checkpoints")
    return config["S3Uri"], Path(local.replace(OPT_ML, str(root)))


def command(root: Path, request: Mapping[str, Any], context: Context) -> tuple[list[str], Path]:
    """(command, working folder): the entry point of the request, else the script-mode hyper-parameters."""
    algorithm = request["AlgorithmSpecification"]
    if entry := algorithm.get("ContainerEntrypoint"):
        words = [*entry, *(algorithm.get("ContainerArguments") or [])]
        return [word.replace(OPT_ML, str(root)) for word in words], root
    parameters = _decoded(request.get("HyperParameters") or {})
    program = parameters.get("sagemaker_program")
    if not program:
        raise RunError(
            "ClientError: this mock runs no container images, so the job must say what to run: give "
            "AlgorithmSpecification.ContainerEntrypoint, or the hyper-parameters sagemaker_program and "
            "sagemaker_submit_directory."
        )
    code = root / "code"
    if submitted := parameters.get("sagemaker_submit_directory"):
        split_uri(str(submitted))
        unpack(context.data.local_file(str(submitted)), code)
    else:
        code = root / "input" / "data" / "code"
    if not (code / str(program)).is_file():
        raise RunError(f"ClientError: the entry point '{program}' is not in the code of the job.")
    own = {k: v for k, v in parameters.items() if not k.startswith("sagemaker_")}
    arguments = [word for key, value in own.items() for word in (f"--{key}", _text(value))]
    return [sys.executable, str(program), *arguments], code


def environment(root: Path, request: Mapping[str, Any], arn: str, context: Context) -> dict[str, str]:
    """Variables of the process: those of the request, of the server, and the ``SM_*`` of the training toolkit."""
    parameters = {
        k: v for k, v in _decoded(request.get("HyperParameters") or {}).items() if not k.startswith("sagemaker_")
    }
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig") or []]
    given = {k: str(v).replace(OPT_ML, str(root)) for k, v in (request.get("Environment") or {}).items()}
    toolkit: dict[str, Any] = {
        "MODEL_DIR": root / "model",
        "INPUT_DIR": root / "input",
        "INPUT_CONFIG_DIR": root / "input/config",
        "INPUT_DATA_DIR": root / "input/data",
        "OUTPUT_DIR": root / "output",
        "OUTPUT_DATA_DIR": root / "output/data",
        "OUTPUT_FAILURE": root / "output/failure",
        "CHANNELS": json.dumps(channels),
        "HPS": json.dumps(parameters),
        "CURRENT_HOST": HOST,
        "HOSTS": json.dumps([HOST]),
        "CURRENT_INSTANCE_TYPE": request["ResourceConfig"].get("InstanceType", "local"),
        "NETWORK_INTERFACE_NAME": "lo",
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "LOG_LEVEL": 20,
    }
    toolkit |= {f"CHANNEL_{name.upper()}": root / "input/data" / name for name in channels}
    toolkit |= {f"HP_{key.upper().replace('-', '_')}": _text(value) for key, value in parameters.items()}
    return {
        **given,
        **context.child_environment(),
        **{f"SM_{name}": str(value) for name, value in toolkit.items()},
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        # requirements.txt is checked against what is installed; nothing is fetched
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def _decoded(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Hyper-parameters are strings; the SDKs write JSON into them."""
    decoded: dict[str, Any] = {}
    for key, value in parameters.items():
        try:
            decoded[key] = json.loads(value)
        except ValueError:
            decoded[key] = value
    return decoded


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
