"""First code in a Glue job's process: give the script its arguments, run it as `__main__`, keep its error.

Run by the runner: ``python -P bootstrap.py <run folder>``, where `run.json` holds `script`, `argv` and, if the run
asks for the catalog, `catalog` (see `spark_catalog`). Imports nothing but the standard library (and pyspark for
the catalog), so that the job sees only what Glue would give it. An uncaught exception is left in `error.json` as
Glue shows it (``Type: message``), its traceback goes to the error log.
"""

import json
import os
import re
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

_MAX_MESSAGE = 4000
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)*"  # and blanks, before the first word
_TEMPORARY = r"\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+)?TEMP"
_CHANGES = re.compile(
    rf"{_COMMENTS}(?:ALTER|ANALYZE|CREATE(?!{_TEMPORARY})|DELETE|DROP|LOAD|MERGE|MSCK|REPAIR|REPLACE|TRUNCATE|UPDATE)\b"
    r"|(?:.*\s)?INSERT\s+(?:INTO|OVERWRITE)\s+(?!(?:LOCAL\s+)?DIRECTORY)",
    re.IGNORECASE | re.DOTALL,
)
_READ_ONLY = (
    "local_mock gives Spark the Glue catalog to read: its tables are a copy in the memory of this run, and a "
    "change would be lost with it. Write to a path, and change the catalog by a crawler, Athena or the API."
)


def describe(error: BaseException) -> str:
    """Return ``Type: message`` without the JVM's stack trace."""
    message = str(error).split("\n\tat ", 1)[0].split("\n\nJVM stacktrace", 1)[0].strip()
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return message[:_MAX_MESSAGE]
    return f"{type(error).__name__}: {message}"[:_MAX_MESSAGE]


def changes_catalog(statement: str) -> bool:
    """Return whether a statement of Spark would change the catalog, to which temporary views do not belong."""
    return _CHANGES.match(statement) is not None


def named_first(left_out: list[str], reason: str, most: int = 5) -> str:
    """Return the first entries of ``database.table (reason)``, those that Spark names in its message foremost."""
    asked = ".".join(re.findall(r"`([^`]+)`", reason)).lower()
    ordered = sorted(left_out, key=lambda entry: not entry.partition(" (")[0].lower().endswith(asked))
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + rest


def give_catalog(catalog: dict[str, list[str]]) -> None:
    """Let every new session of Spark know the tables of the Glue catalog, to be read."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import DataFrameWriter, SparkSession

    builder: Any = SparkSession.Builder
    registered: set[str] = set()
    make, run, look_up = builder.getOrCreate, SparkSession.sql, SparkSession.table

    def made(self: Any) -> Any:
        session = make(self)
        if session.sparkContext.applicationId not in registered:
            registered.add(session.sparkContext.applicationId)
            for statement in catalog["statements"]:
                run(session, statement)
        return session

    def explained(call: Any, session: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(session, *arguments, **options)
        except AnalysisException as error:
            if "TABLE_OR_VIEW_NOT_FOUND" not in str(error) or not catalog["left_out"]:
                raise
            reason = str(error).split(". ", 1)[0]
            raise RuntimeError(
                f"{reason}. local_mock gives Spark tables of Parquet and ORC files; it left out "
                f"{named_first(catalog['left_out'], reason)}."
            ) from error

    def sql(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        if changes_catalog(query):
            raise NotImplementedError(_READ_ONLY)
        return explained(run, self, query, *arguments, **options)

    def refuse(*_: Any, **__: Any) -> None:
        raise NotImplementedError(_READ_ONLY)

    builder.getOrCreate, builder.enableHiveSupport = made, lambda self: self
    for owner, name, patch in (
        (SparkSession, "sql", sql),
        (SparkSession, "table", lambda self, name: explained(look_up, self, name)),
        (DataFrameWriter, "saveAsTable", refuse),
        (DataFrameWriter, "insertInto", refuse),
    ):
        setattr(owner, name, patch)


def main(folder: Path) -> int:
    """Run the script; 0 if it ended well, else 1."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    script = Path(run["script"])
    # Standard error has a log of its own, as on Glue; the JVM and Spark's workers inherit it.
    log = os.open(folder / "error.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 2)
    os.close(log)
    sys.argv = [str(script), *run["argv"]]
    sys.path.insert(0, str(script.parent))
    try:
        if "catalog" in run:
            give_catalog(run["catalog"])
        runpy.run_path(str(script), run_name="__main__")
    except BaseException as error:  # noqa: BLE001, RUF100 - whatever ends the script is what Glue reports
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return 0
        traceback.print_exc()
        (folder / "error.json").write_text(json.dumps({"message": describe(error)}), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.exit(code)
