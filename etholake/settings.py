"""Settings: one frozen dataclass, filled from environment > file > default, each value with its source.

The file is `etholake.toml` in the working folder (or `$ETHOLAKE_CONFIG`): plain `name = value` lines. The
environment variable of a setting is `ETHOLAKE_<NAME>`; `TARGET`, `PORT` and `MABE_DATA_DIR` are short forms.
`make config` prints all of them. An unknown key is an error that names the nearest one.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etholake.contract import parse_limits, whole_number_of
from etholake.errors import SettingsError, raise_collected, suggestion

__all__ = ["AUTO", "Settings", "load", "replace_port", "resolve", "sources"]

AUTO = "auto"  # the configuration that training replaces by what it recommends
TARGETS = ("mock", "localstack", "aws")
MOCK_ACCOUNT = "123456789012"  # moto's and LocalStack's account
_ALIASES = {"target": "TARGET", "port": "PORT", "data": "MABE_DATA_DIR"}


def _setting(default: Any, help_: str) -> Any:
    return field(default=default, metadata={"help": help_})


@dataclass(frozen=True)
class Settings:
    """Everything that may differ between two runs of the same code."""

    target: str = _setting("mock", "what answers: mock, localstack or aws")
    port: int = _setting(4566, "loopback port of the mock (and of LocalStack); 0 takes a free one")
    mock_port: int = _setting(4567, "loopback port of the executing services beside LocalStack")
    region: str = _setting("us-east-1", "AWS region")
    bucket: str = _setting("etholake-dev", "bucket of the lake; on aws it must be globally unique")
    database: str = _setting("etholake", "database in the Glue Catalog")
    workgroup: str = _setting("etholake", "Athena work group")
    stack: str = _setting("etholake", "begins the names of the CloudFormation stacks and what they make")
    environment: str = _setting("dev", "parameters of the stacks: a file of infra/parameters, dev or prod")
    data: str = _setting("", "folder in the MABe layout; empty: simulated data")
    state_dir: str = _setting(".etholake", "local folder for logs, process ids and caches")
    s3_root: str = _setting("s3_mock", "folder whose subfolders are the mock's buckets")
    config: str = _setting(
        "auto",
        "model configuration: auto, a preset, a family or family:preset; `etholake train --help` lists them",
    )
    seed: int = _setting(0, "seed of everything random")
    max_gap_frames: int = _setting(15, "longest gap (frames) that curation fills or computes a velocity over")
    implausible_points: str = _setting(
        "flag", "points at (0, 0) or outside the picture: flag keeps and flags them, missing quarantines them"
    )
    part_map: str = _setting("", "names of your own body parts, for training: snout=nose,hip_l=side_left")
    repair_label_clock: bool = _setting(False, "rescale labels that count on a 30 fps clock in a 25 fps video")
    quality_limits: str = _setting(
        "", "largest shares of a lab that may break a rule: coordinate-missing=0.6,file-unreadable=0.1"
    )
    instance_type: str = _setting("ml.m5.large", "SageMaker instance for training, transform and endpoint")
    ingest_threads: int = _setting(8, "concurrent uploads of ingest")
    pipeline_on_manifest: bool = _setting(False, "start the pipeline whenever ingest writes a new manifest")
    pipeline_schedule: str = _setting("", "what starts the pipeline by the clock (UTC): cron(0 3 * * ? *)")
    account: str = _setting("", "AWS account id that owns the images; empty: the caller's account")

    @property
    def endpoint_url(self) -> str | None:
        """Return the one endpoint of target `mock`; None for the others (see `etholake.aws.endpoint`)."""
        return f"http://127.0.0.1:{self.port}" if self.target == "mock" else None

    def uri(self, zone: str, *parts: str) -> str:
        """Return ``s3://<bucket>/<zone>/<parts…>``."""
        return "/".join((f"s3://{self.bucket}", zone, *parts))


_FIELDS = {f.name: f for f in dataclasses.fields(Settings)}


def _read_file(environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    named = environ.get("ETHOLAKE_CONFIG")
    path = Path(named or "etholake.toml")
    if not path.is_file():
        if named:
            raise SettingsError(f"ETHOLAKE_CONFIG names {path}, which is not a file.")
        return {}, str(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except tomllib.TOMLDecodeError as err:
        raise SettingsError(f"{path} is not valid TOML: {err}.") from err


def _cast(name: str, value: Any, source: str) -> Any:
    default = _FIELDS[name].default
    if isinstance(default, bool):
        if str(value).strip().lower() in {"true", "1", "yes", "false", "0", "no"}:
            return str(value).strip().lower() in {"true", "1", "yes"}
        raise SettingsError(f"Setting '{name}' from {source} must be true or false, but got '{value}'.")
    if isinstance(default, int):
        number = whole_number_of(value)
        if number is None:
            raise SettingsError(f"Setting '{name}' from {source} must be a whole number, but got '{value}'.")
        return number
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SettingsError(f"Setting '{name}' from {source} must be a text, but got {value!r}.")
    return str(value)


def resolve(environ: Mapping[str, str] | None = None, **overrides: Any) -> tuple[Settings, dict[str, str]]:
    """Return the settings and, per name, the source of the value. `overrides` win; None is unset."""
    environ = os.environ if environ is None else environ
    file_values, file_name = _read_file(environ)
    problems = [
        f"{file_name}: unknown setting '{k}'. {suggestion(k, _FIELDS)}" for k in file_values if k not in _FIELDS
    ]
    for variable in environ:
        name = variable.removeprefix("ETHOLAKE_").lower()
        if variable.startswith("ETHOLAKE_") and name not in _FIELDS and variable not in _NOT_SETTINGS:
            problems.append(f"environment: unknown setting {variable}. {suggestion(name, _FIELDS)}")
    problems += [f"unknown setting '{k}'. {suggestion(k, _FIELDS)}" for k in overrides if k not in _FIELDS]
    raise_collected(SettingsError, "Settings that do not exist", problems)

    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, spec in _FIELDS.items():
        candidates = [
            (overrides.get(name), "command line"),
            (environ.get(f"ETHOLAKE_{name.upper()}"), f"environment (ETHOLAKE_{name.upper()})"),
            (environ.get(_ALIASES.get(name, "")) or None, f"environment ({_ALIASES.get(name, '')})"),
            (file_values.get(name), file_name),
            (spec.default, "default"),
        ]
        value, source = next((v, s) for v, s in candidates if v is not None)
        values[name], origin[name] = _cast(name, value, source), source
    settings = Settings(**values)
    _check(settings, origin)
    return settings, origin


# Variables with our prefix that are no settings: read by the parts that own them.
_NOT_SETTINGS = frozenset({"ETHOLAKE_CONFIG", "ETHOLAKE_RUN_ID", "ETHOLAKE_S3_MOUNT", "ETHOLAKE_PYTHON"})


def _check(settings: Settings, origin: Mapping[str, str]) -> None:
    problems = []
    if settings.target not in TARGETS:
        problems.append(
            f"target must be one of {', '.join(TARGETS)}, but got '{settings.target}' from {origin['target']}."
        )
    if settings.target == "aws" and origin["bucket"] == "default":
        problems.append("target aws needs a bucket name of your own: set ETHOLAKE_BUCKET.")
    for name in ("port", "mock_port"):
        if not 0 <= getattr(settings, name) <= 65535:
            problems.append(f"{name} must be 0..65535, but got {getattr(settings, name)} from {origin[name]}.")
    for name in ("max_gap_frames", "ingest_threads"):
        if getattr(settings, name) < 1:
            problems.append(f"{name} must be at least 1, but got {getattr(settings, name)} from {origin[name]}.")
    if settings.implausible_points not in {"flag", "missing"}:
        problems.append(
            "implausible_points must be flag or missing, but got "
            f"'{settings.implausible_points}' from {origin['implausible_points']}."
        )
    if settings.quality_limits:
        try:
            parse_limits(settings.quality_limits)
        except SettingsError as err:
            problems.append(f"quality_limits from {origin['quality_limits']}: {err}")
    raise_collected(SettingsError, "Settings that cannot be used", problems)


def load(**overrides: Any) -> Settings:
    """Return the settings of this process."""
    return resolve(**overrides)[0]


def replace_port(settings: Settings, port: int) -> Settings:
    """Return the same settings at the port that a server really took."""
    if settings.target == "localstack":
        return dataclasses.replace(settings, mock_port=port)
    return dataclasses.replace(settings, port=port)


def sources(**overrides: Any) -> list[tuple[str, Any, str, str]]:
    """Return (name, value, source, help) of every setting, for `make config`."""
    settings, origin = resolve(**overrides)
    return [(n, getattr(settings, n), origin[n], f.metadata["help"]) for n, f in _FIELDS.items()]
