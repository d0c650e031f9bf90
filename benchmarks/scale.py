"""Plan a lake of a million videos without a track: what the driver, the manifest and the catalog code take.

.venv/bin/python benchmarks/scale.py [--quick] [--json]

A thousand labs of a thousand videos each, as file names, sizes, ETags and one metadata csv, are served from memory
by a pretended S3 and Glue (named so: they count calls, and answer at once). Timed is the work of one process
whatever the cluster: parsing the listing, the metadata, the plan of the curation job, the manifest of ingest, the
catalog. What AWS adds is the calls, which are counted; docs/scale.md says how long these take there.
"""

from __future__ import annotations

import importlib.util
import io
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

from figures import Figure, options, show

from etholake.contract import RAW_ZONE, TABLES, raw_key
from etholake.curate.rawzone import RawListing, RawObject, list_raw, read_metadata
from etholake.digest import fingerprint
from etholake.generations import POINTER, folder
from etholake.lake import Lake
from etholake.stages.lake.ingest.zone import RawZoneBucket

ROOT = Path(__file__).resolve().parents[1]
PAGE = 1000  # keys a page of ListObjectsV2 has
BYTES = 6_000_000  # of one raw tracking file
BUCKET = "etholake-scale"
R = TypeVar("R")
METADATA = raw_key("train", "metadata")


class NotFoundError(Exception):
    """An object, table or partition that is not there."""

    response: Mapping[str, Any] = {"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}


class PretendedS3:
    """Objects in memory, with the calls of boto3's client that planning uses, counted in `calls`."""

    exceptions = SimpleNamespace(NoSuchKey=NotFoundError, NoSuchBucket=NotFoundError, ClientError=NotFoundError)
    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def __init__(self, raw: Callable[[], Iterator[tuple[str, int]]]) -> None:
        self.raw, self.bodies, self.calls = raw, dict[str, bytes](), Counter[str]()

    def get_paginator(self, _operation: str) -> PretendedS3:
        return self

    def paginate(self, Bucket: str, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:
        del Bucket
        page: list[dict[str, Any]] = []
        for key, size in [(k, len(b)) for k, b in self.bodies.items()] if RAW_ZONE not in Prefix else self.raw():
            if key.startswith(Prefix):
                page.append({"Key": key, "Size": size, "ETag": f'"{hash(key):032x}"'})
            if len(page) == PAGE:
                self.calls["ListObjectsV2"] += 1
                yield {"Contents": page}
                page = []
        self.calls["ListObjectsV2"] += 1
        yield {"Contents": page}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        del Bucket
        self.calls["GetObject"] += 1
        if Key not in self.bodies:
            raise NotFoundError(Key)
        return {"Body": io.BytesIO(self.bodies[Key]), "ETag": '"e"', "LastModified": None}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        del Bucket
        self.calls["PutObject"] += 1
        self.bodies[Key] = Body


class PretendedGlue:
    """A catalog that takes everything; calls are counted."""

    exceptions = SimpleNamespace(EntityNotFoundException=NotFoundError, AlreadyExistsException=NotFoundError)

    def __init__(self) -> None:
        self.calls = Counter[str]()

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**_: Any) -> dict[str, Any]:
            self.calls[operation] += 1
            return {}

        return call


class Meter:
    """Runs pieces of work and keeps their time of the processor, calls and memory as figures."""

    def __init__(self, s3: PretendedS3, glue: PretendedGlue) -> None:
        self.s3, self.glue, self.figures = s3, glue, list[Figure]()

    def run(self, name: str, work: Callable[[], R]) -> R:
        before, began = self.s3.calls + self.glue.calls, time.process_time()
        result = work()
        seconds = time.process_time() - began
        calls = (self.s3.calls + self.glue.calls - before).total()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        self.figures += [
            Figure(name, seconds, "s of CPU"), Figure("… calls of AWS", calls, ""),
            Figure("… peak memory of the process so far", peak, "GB", "≤ 2", peak <= 2),
        ]  # fmt: skip
        return result


def main() -> None:
    given = options(__doc__)
    labs, videos = (100, 100) if given.quick else (1000, 1000)
    s3, glue = PretendedS3(lambda: _names(labs, videos)), PretendedGlue()
    s3.bodies[METADATA] = _metadata(labs, videos)
    meter, lake = Meter(s3, glue), Lake(s3, glue, BUCKET, "scale")
    zone = RawListing({"train": RawObject(METADATA, 1, "e", "train", "metadata")})
    meter.run("list and parse the names", lambda: list_raw(s3, BUCKET))
    meter.run("read the metadata", lambda: read_metadata(s3, BUCKET, zone))
    job = _script("curate_tracking")
    asked = job.TrackingOptions(BUCKET, "scale", 15, "code", "", "flag")
    units = meter.run("plan the curation (all of the above again)", lambda: _planned(job.read(asked, lake)))
    assert sum(units) == labs * videos
    meter.figures.append(Figure("units of work", len(units), ""))
    raw_zone = RawZoneBucket(s3, BUCKET, {}, {})
    entries = {key: {"etag": f"{size:032x}", "sha256": fingerprint(key) * 2} for key, size in _names(labs, videos)}
    meter.run("write the manifest of ingest", lambda: raw_zone.write_manifest(entries))
    manifest = next(body for key, body in s3.bodies.items() if key.endswith("json"))
    meter.figures.append(Figure("… its size", len(manifest) / 1e6, "MB"))
    meter.run("read the manifest", lambda: json.loads(manifest))
    _commit_all(s3, labs)
    meter.run("bring the catalog up to date", lake.register)
    show(meter.figures, as_json=given.json)


def _planned(plan: Any) -> list[int]:
    """Return the number of files of every unit."""
    return [len(unit.files) for partition in plan.make for unit in partition.units]


def _commit_all(s3: PretendedS3, labs: int) -> None:
    """Put the pointer of a generation for every lab into every table that has partitions by lab."""
    for table, spec in TABLES.items():
        for lab in range(labs) if "lab_id" in spec.partitions else ():
            keys = {"split": "train", "lab_id": f"lab {lab}"}
            at = folder(table, {key: keys.get(key, "one") for key in spec.partitions})
            s3.bodies[at + POINTER] = json.dumps({"generation": "gen-1", "fingerprint": "f"}).encode()


def _names(labs: int, videos: int) -> Iterator[tuple[str, int]]:
    yield METADATA, 1
    for lab in range(labs):
        for video in range(videos):
            yield f"{RAW_ZONE}/train_tracking/lab_id=lab {lab}/{lab * videos + video}.parquet", BYTES


def _metadata(labs: int, videos: int) -> bytes:
    names = ["lab_id", "video_id", "frames_per_second", "video_duration_sec", "pix_per_cm_approx"]
    head = ",".join([*names, "body_parts_tracked", "behaviors_labeled"]) + "\n"
    parts, looked_for = '"[""nose"", ""neck"", ""tail_base""]"', '"[""mouse1,mouse2,chase""]"'
    rows = (
        f"lab {lab},{lab * videos + video},30,3600,15,{parts},{looked_for}\n"
        for lab in range(labs)
        for video in range(videos)
    )
    return (head + "".join(rows)).encode()


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "glue_jobs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
