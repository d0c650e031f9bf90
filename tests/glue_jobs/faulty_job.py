"""Both curation jobs in a process of their own, with one fault at the n-th chance. A script of the fault tests.

    python faulty_job.py '{"bucket": …, "database": …, "fault": "kill-driver", "at": 7, "counter": FILE}'

Faults of the driver come at its n-th request to S3 or Glue, those of a worker at the n-th time that any worker
opens an object (to read for failing reads, to write for a full disk). The counter is a file that grows by one byte
a chance, so that all processes count together.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from etholake import storage
from etholake.curate import distribution, work

REAL = {name: getattr(work, name) for name in ("curate_tracking_unit", "curate_annotation_unit")}


def chance(given: dict[str, Any]) -> bool:
    """Count one chance; True if it is the one."""
    with Path(given["counter"]).open("ab") as file:
        file.write(b".")
        file.flush()
        return file.tell() == given["at"]


def faulty(name: str, given: dict[str, Any], *arguments: Any, **named: Any) -> Any:
    """Call the real function in a worker, over a storage with a fault."""
    real = storage.filesystem

    fault = given["fault"]
    zone = {"read-fails": "/raw-zone/", "read-cut-short": "/raw-zone/", "disk-full": "/curated-zone/"}.get(
        fault, ""
    )

    def filesystem(uri: str) -> tuple[Any, str]:
        if zone not in uri or not chance(given):
            return real(uri)
        if fault == "kill-worker":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "read-fails":
            raise OSError(5, "Input/output error", uri)
        if fault == "read-cut-short":
            files, path = real(uri)
            short = Path(given["counter"] + ".short")
            short.write_bytes(Path(path).read_bytes()[:-9])
            return files, str(short)
        if fault == "disk-full":  # the kernel takes no more than this of any file that this process writes
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        return real(uri)

    storage.filesystem = filesystem
    try:
        return REAL[name](*arguments, **named)
    finally:
        storage.filesystem = real


def main(given: dict[str, Any]) -> None:
    """Run the two jobs, one after the other, as `etholake.stages.lake.etl` does."""
    import boto3
    from lake_world import tables_job, tracking_job

    distribution.BYTES_IN_DRIVER = -1  # the faults are those of Spark's workers

    if given["fault"] in {"kill-driver", "kill-mock"}:

        def before_send(**_: Any) -> None:
            if chance(given):
                os.kill(given.get("victim") or os.getpid(), signal.SIGKILL)

        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION is not None
        boto3.DEFAULT_SESSION.events.register("before-send", before_send)
    else:
        for job, name in ((tracking_job, "curate_tracking_unit"), (tables_job, "curate_annotation_unit")):
            setattr(job, name, functools.partial(faulty, name, given))
    arguments = ["job.py", "--bucket", given["bucket"], "--database", given["database"]]
    arguments += ["--max_gap_frames", "15", "--code_digest", "code"]
    tracking_job.main(arguments)
    tables_job.main(arguments)


if __name__ == "__main__":
    import faulty_job  # by its name, so that workers find the functions of this file

    faulty_job.main(json.loads(sys.argv[1]))
