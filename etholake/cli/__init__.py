"""Parse the command line ``etholake <verb>``, call one stage, print its result.

Exit codes: 0 done, 1 failed (a sentence on stderr says why), 2 wrong usage. `--json` prints one JSON object
on stdout; everything for people who watch (progress, notes) goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from etholake import __version__, aws, logs, settings
from etholake.cli import cloud, lake, machine, model, pages, pipeline, serving, videos
from etholake.cli.common import whole
from etholake.errors import EtholakeError, UsageError, no_space
from etholake.settings import Settings
from etholake.stages import readiness

__all__ = ["main", "run_and_exit"]

DONE, FAILED, WRONG_USAGE = 0, 1, 2
Verb = Callable[[Settings, argparse.Namespace], None]
# The verbs in groups, in the order of `etholake --help`; each module adds its own.
GROUPS = (
    ("on this machine", machine),
    ("in the cloud", cloud),
    ("the lake", lake),
    ("videos", videos),
    ("the model", model),
    ("serving and scores", serving),
    ("pages to look at", pages),
    ("all of it", pipeline),
)
# Verbs that leave nothing in a lake and start no work: they are no runs, and are not logged.
QUIET = frozenset(
    {
        "config",
        "up",
        "down",
        "simulate",
        "package",
        "cost",
        "explain",
        "report",
        "benchmark",
        "video-check",
        "desk",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    parser = _parser()
    _complete(parser)
    arguments = parser.parse_args(argv)
    logging.getLogger("pyathena").setLevel(logging.CRITICAL)  # it logs a traceback for what we say in a sentence
    try:
        current = settings.load(target=arguments.target, port=arguments.port)
        aws.export(current)
        problem = readiness.problem(current, arguments.verb)
        # A verb that cannot start is no run, and is not logged.
        logged = contextlib.nullcontext() if problem else _logged(current, arguments, argv)
        with aws.refused(problem), logged:
            arguments.run(current, arguments)
    except UsageError as err:
        return _fail(str(err), WRONG_USAGE)
    except EtholakeError as err:
        return _fail(str(err), FAILED)
    except KeyboardInterrupt:
        return _fail("stopped by you; run the same command again to go on where it stopped", 130)
    except Exception as err:
        if explained := _explain(err, current):
            return _fail(explained, FAILED)
        raise
    return DONE


@contextlib.contextmanager
def _logged(current: Settings, arguments: argparse.Namespace, argv: Sequence[str] | None) -> Iterator[None]:
    """Log the verb as a stage of the run."""
    if arguments.verb in QUIET or getattr(arguments, "status", False):  # --status only looks
        yield
        return
    logs.to_file(current.state_dir)
    words = sys.argv[1:] if argv is None else argv
    with logs.stage(arguments.verb, target=current.target, bucket=current.bucket, command=" ".join(words)):
        yield


def run_and_exit() -> NoReturn:
    """Run `main` as the console script, and leave without tearing the interpreter down.

    Arrow's threads, torn down by static destructors, now and then abort a process that has done its work
    ("terminate called without an active exception"): a finished verb must not exit with 134.
    """
    code = main()
    with contextlib.suppress(BrokenPipeError):  # `etholake query … | head`
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    print(f"etholake: {message}", file=sys.stderr)
    return code


def _explain(err: Exception, current: Settings) -> str | None:
    """Return a sentence for an error of AWS clients or of the disk that a user can mend; None for a defect."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(err, BotoCoreError) and "EndpointConnection" in type(err).__name__:
        remedy = "Start it with `make up`, or set TARGET and PORT."
        return f"Nothing answers on target '{current.target}' ({err}). {remedy}"
    if isinstance(err, ClientError):
        code = err.response.get("Error", {}).get("Code", "")
        hint = " Run `make deploy` first." if code in {"NoSuchBucket", "EntityNotFoundException"} else ""
        return f"{err}.{hint}"
    if full := no_space(err):
        return full
    return f"AWS client: {err}" if isinstance(err, BotoCoreError) else None


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell if it asks for completions (``eval "$(register-python-argcomplete etholake)"``)."""
    if "_ARGCOMPLETE" in os.environ:
        with contextlib.suppress(ImportError):  # without the extra `cli` there is no completion
            import argcomplete

            argcomplete.autocomplete(parser)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; its help lists them in groups."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--target", choices=settings.TARGETS, help="what answers (default: mock)")
    common.add_argument("--port", type=whole, help="loopback port of the mock (default: 4566)")
    common.add_argument("--json", action="store_true", help="print one JSON object, no progress")
    parser = argparse.ArgumentParser(
        prog="etholake",
        description="Pose tracks of many labs: a lakehouse, and behaviour classifiers trained on it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(
        required=True, metavar="VERB", help="one of the verbs below; `etholake VERB --help` says more"
    )
    texts: list[tuple[str, str]] = []

    def verb(name: str, run: Verb, text: str, *, data: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, description=text, parents=[common])
        texts.append((name, text))
        sub.set_defaults(run=run, verb=name)
        if data:
            sub.add_argument("--data", type=Path, help="folder in the MABe layout (else DATA / MABE_DATA_DIR)")
        return sub

    sections = []
    for title, module in GROUPS:
        texts.clear()
        module.add(verb)
        sections.append("\n".join([f"{title}:", *(f"  {name:<11} {text}" for name, text in texts)]))
    parser.epilog = "\n\n".join(sections)
    return parser
