"""Entry point of the features job: curated tracks in, the compact arrays that training reads out.

Run it by hand on downloaded folders of the curated zone:

    python features.py --tracking tracking_curated/split=train --metadata metadata_train --output out

`output` gets what `etholake.dataset.store` describes: one small array per video, and `features.json`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the job's arguments."""
    parser = argparse.ArgumentParser(description="Make the compact arrays that training reads.")
    for name, text in (
        ("tracking", "copy of tracking_curated/split=train"),
        ("metadata", "copy of metadata_train"),
        ("output", "folder for the arrays"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)
    parser.add_argument("--part_map", default="", help="names of your own body parts: snout=nose,hip_l=side_left")
    parser.add_argument("--run_id", default="", help="run of the command line that started the job, for the log")
    return parser.parse_args(argv)


def main() -> None:
    """Parse, make, write; what a user can mend is printed without a traceback."""
    arguments = parse()
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from etholake import logs
    from etholake.dataset.labelled import write_features
    from etholake.errors import EtholakeError, no_space

    logs.to_stdout(sys.argv)
    folders = {"tracking": arguments.tracking, "metadata": arguments.metadata}
    try:
        with logs.stage("features job"):
            logs.add_fields(videos=write_features(folders, arguments.output, arguments.part_map))
    except Exception as err:
        reason = str(err) if isinstance(err, EtholakeError) else no_space(err)
        if reason is None:
            raise
        sys.exit(f"{type(err).__name__}: {reason}")


if __name__ == "__main__":
    main()
