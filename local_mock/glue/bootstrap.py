"""First code in a Glue job's process: give the script its arguments, run it as `__main__`, keep its error.

Run by the runner: ``python -P bootstrap.py <run folder>``, where `run.json` holds `script` and `argv`. Imports
nothing but the standard library, so that the job sees only what Glue would give it. An uncaught exception is
left in `error.json` as Glue shows it (``Type: message``), its traceback goes to the error log.
"""

import json
import os
import runpy
import sys
import traceback
from pathlib import Path

_MAX_MESSAGE = 4000


def describe(error: BaseException) -> str:
    """Return ``Type: message`` without the JVM's stack trace."""
    message = str(error).split("\n\tat ", 1)[0].split("\n\nJVM stacktrace", 1)[0].strip()
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return message[:_MAX_MESSAGE]
    return f"{type(error).__name__}: {message}"[:_MAX_MESSAGE]


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
