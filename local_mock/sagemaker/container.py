"""The training container's contract, without a container: folders, configuration files, variables, command.

`/opt/ml` becomes `root` in the entry point's arguments, in the job's variables and in the SDK's own drivers (the
channel `sm_drivers`), which hard-code it. Layout and names:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_mock.context import Context
from local_mock.keys import split_uri
from local_mock.sagemaker.archive import unpack
from local_mock.sagemaker.errors import RunError

__all__ = [
    "OPT_ML",
    "Member",
    "checkpoints",
    "command",
    "environment",
    "fill_channels",
    "lay_out",
    "rewrite_drivers",
]

OPT_ML = "/opt/ml"
LOOPBACK = "127.0.0.1"
DRIVERS = "sm_drivers"
_TEXT = frozenset({".py", ".sh", ".json"})


@dataclass(frozen=True)
class Member:
    """One instance of a job: a host name, and the folder that stands for its `/opt/ml`.

    Every host is this machine: the names are those of AWS, and whoever must be connected to is at loopback.
    """

    root: Path
    hosts: tuple[str, ...]
    index: int
    port: int  # of the rendezvous

    @property
    def name(self) -> str:
        return self.hosts[self.index]


def input_mode(channel: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Return the input mode of a channel: File, FastFile or Pipe."""
    return str(channel.get("InputMode") or request["AlgorithmSpecification"].get("TrainingInputMode") or "File")


def lay_out(member: Member, request: Mapping[str, Any]) -> None:
    """Make the folders and the three configuration files."""
    root = member.root
    for name in ("input/config", "input/data", "model", "output/data", "code"):
        (root / name).mkdir(parents=True, exist_ok=True)
    instance = request["ResourceConfig"].get("InstanceType", "local")
    hosts = list(member.hosts)
    resources = {
        "current_host": member.name,
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": hosts,
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": hosts}
        ],
        "network_interface_name": "lo",
    }
    channels = {
        channel["ChannelName"]: {
            "TrainingInputMode": input_mode(channel, request),
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
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


def fill_channels(member: Member, request: Mapping[str, Any], context: Context) -> None:
    """Bring every channel's objects into ``input/data/<channel>``. Raises RunError if one has none.

    Mode File copies. FastFile, which streams on AWS, is a link to each object's own file: nothing is copied, and
    a job must not write to its inputs (on AWS it could not). With ShardedByS3Key each host gets its share.
    """
    for channel in request.get("InputDataConfig") or []:
        name = channel["ChannelName"]
        source = channel["DataSource"]["S3DataSource"]
        folder = member.root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        if source.get("S3DataType", "S3Prefix") == "ManifestFile":
            objects = _manifest(source["S3Uri"], context)
        else:
            objects = context.data.entries(source["S3Uri"])
        if not objects:
            raise RunError(
                f"ClientError: Data download failed: No objects were found under {source['S3Uri']} "
                f"(channel '{name}')."
            )
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            objects = objects[member.index :: len(member.hosts)]
        linked = input_mode(channel, request) == "FastFile" and name != DRIVERS
        for uri, relative in objects:
            target = (folder / relative).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise RunError(
                    f"ClientError: {source['S3Uri']} names '{relative}', which would leave the channel."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            if linked:
                target.symlink_to(context.data.local_file(uri))
            else:
                shutil.copyfile(context.data.local_file(uri), target)
        if name == DRIVERS:
            rewrite_drivers(folder, member)


def _manifest(uri: str, context: Context) -> Sequence[tuple[str, str]]:
    """Return ``[{"prefix": "s3://…/"}, "key", …]``: (URI, path) of the keys below the prefix."""
    try:
        first, *keys = json.loads(context.data.read(uri))
        prefix = first["prefix"]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as err:
        raise RunError(f"ClientError: {uri} is not a manifest of the form [{{'prefix': …}}, 'key', …].") from err
    return [(prefix + key, key) for key in keys]


def rewrite_drivers(folder: Path, member: Member) -> None:
    """Replace ``/opt/ml`` and the address of the first host in the job's own copy of the SDK's drivers."""
    replaced = {
        OPT_ML: str(member.root),
        'SM_MASTER_ADDR = "algo-1"': f'SM_MASTER_ADDR = "{LOOPBACK}"',
        "SM_MASTER_PORT = 7777": f"SM_MASTER_PORT = {member.port}",  # jobs run side by side here
    }
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in _TEXT:
            text = before = path.read_text(encoding="utf-8")
            for old, new in replaced.items():
                text = text.replace(old, new)
            if text != before:
                path.write_text(text, encoding="utf-8")


def checkpoints(root: Path, request: Mapping[str, Any]) -> tuple[str, Path] | None:
    """Return (S3 URI, folder) of the checkpoints, None if the job keeps none."""
    config = request.get("CheckpointConfig")
    if not config:
        return None
    local = str(config.get("LocalPath") or f"{OPT_ML}/checkpoints")
    return config["S3Uri"], Path(local.replace(OPT_ML, str(root)))


def command(root: Path, request: Mapping[str, Any], context: Context) -> tuple[list[str], Path]:
    """Return (command, working folder): the entry point of the request, else the script-mode hyper-parameters."""
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


def environment(member: Member, request: Mapping[str, Any], arn: str, context: Context) -> dict[str, str]:
    """Return the process's variables: of the request, of the server, and the ``SM_*`` of the training toolkit."""
    root = member.root
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
        "CURRENT_HOST": member.name,
        "HOSTS": json.dumps(member.hosts),
        "HOST_COUNT": len(member.hosts),
        "CURRENT_HOST_RANK": member.index,
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": member.port,
        "CURRENT_INSTANCE_TYPE": request["ResourceConfig"].get("InstanceType", "local"),
        "NETWORK_INTERFACE_NAME": "lo",
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "LOG_LEVEL": 20,
    }
    if saved := checkpoints(root, request):
        toolkit["CHECKPOINT_DIR"] = saved[1]
    toolkit |= {f"CHANNEL_{name.upper()}": root / "input/data" / name for name in channels}
    toolkit |= {f"HP_{key.upper().replace('-', '_')}": _text(value) for key, value in parameters.items()}
    return {
        **given,
        **context.child_environment(),
        **{f"SM_{name}": str(value) for name, value in toolkit.items()},
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        # torchrun: a port of its own for every job, and loopback only
        "PET_MASTER_PORT": str(member.port),
        "GLOO_SOCKET_IFNAME": "lo",
        "TP_SOCKET_IFNAME": "lo",
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
