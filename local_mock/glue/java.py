"""Find the Java that Spark will start, and say in a sentence what is wrong if it cannot run Spark.

Spark 3.5 runs on Java 8, 11 and 17 (https://spark.apache.org/docs/3.5.6/); it is known to fail from Java 23 on,
where Hadoop's use of the security manager raises an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["problem"]

OLDEST, NEWEST = 8, 22
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_REMEDY = (
    "Install a Java runtime 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install "
    "openjdk@17) and put its bin folder on PATH, or set JAVA_HOME to it."
)
_SECONDS = 30.0


def problem(environ: Mapping[str, str]) -> str | None:
    """Return a sentence that says why Spark cannot start with these variables, and the remedy; None if it can."""
    home = environ.get("JAVA_HOME", "")
    # As Spark's own script `spark-class` chooses it: JAVA_HOME first, then PATH.
    wanted = str(Path(home) / "bin" / "java") if home else "java"
    java = shutil.which(wanted, path=environ.get("PATH"))
    if java is None:
        where = f"JAVA_HOME is {home}, which holds no bin/java" if home else "no program java is on PATH"
        return f"Spark needs Java, but {where}. {_REMEDY}"
    try:
        done = subprocess.run(
            [java, "-version"], env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        return f"Spark needs Java, but {java} does not start: {err}. {_REMEDY}"
    if done.returncode != 0:  # macOS has a /usr/bin/java that only says that there is none
        return f"Spark needs Java, but {java} does not start: {done.stderr.strip()[:200]}. {_REMEDY}"
    found = _VERSION.search(done.stderr)
    if found and not OLDEST <= int(found[1]) <= NEWEST:
        return f"Spark 3.5 runs on Java {OLDEST} to 17, but {java} is Java {found[1]}. {_REMEDY}"
    return None
