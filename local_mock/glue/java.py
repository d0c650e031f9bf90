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

__all__ = ["problem", "program", "written_version"]

OLDEST, NEWEST = 8, 22
_VERSION = re.compile(r'(?:version |JAVA_VERSION=)"(?:1\.)?(\d+)')
_REMEDY = (
    "Install a Java runtime 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install "
    "openjdk@17) and put its bin folder on PATH, or set JAVA_HOME to it."
)
_SECONDS = 30.0


def problem(environ: Mapping[str, str]) -> str | None:
    """Return a sentence that says why Spark cannot start with these variables, and the remedy; None if it can."""
    java = program(environ)
    if java is None:
        home = environ.get("JAVA_HOME")
        where = f"JAVA_HOME is {home}, which holds no bin/java" if home else "no program java is on PATH"
        return f"Spark needs Java, but {where}. {_REMEDY}"
    version = written_version(java)
    if version is None:
        try:
            version = _asked_version(java, environ)
        except (OSError, subprocess.SubprocessError) as err:  # macOS has a /usr/bin/java that is none
            return f"Spark needs Java, but {java} does not start: {err}. {_REMEDY}"
    if version and not OLDEST <= version <= NEWEST:
        return f"Spark 3.5 runs on Java {OLDEST} to 17, but {java} is Java {version}. {_REMEDY}"
    return None


def program(environ: Mapping[str, str]) -> Path | None:
    """Return the Java that Spark's script `spark-class` chooses: of JAVA_HOME, else of PATH; None if none."""
    home = environ.get("JAVA_HOME", "")
    wanted = str(Path(home) / "bin" / "java") if home else "java"
    java = shutil.which(wanted, path=environ.get("PATH"))
    return Path(java) if java else None


def written_version(java: Path) -> int | None:
    """Return the version that the installation's file `release` names, without a start of Java; None if none."""
    try:
        text = (java.resolve().parent.parent / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = _VERSION.search(text)
    return int(match[1]) if match else None


def _asked_version(java: Path, environ: Mapping[str, str]) -> int:
    """Return the version that `java -version` prints, 0 if it prints none. Raises OSError or SubprocessError."""
    done = subprocess.run(
        [java, "-version"], env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    match = _VERSION.search(done.stderr)
    return int(match[1]) if match else 0
