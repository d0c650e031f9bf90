"""Import generated folders of which some files are spoilt, in this process, which a C library's fault may kill.

    python import_fuzz_child.py SEED COUNT FOLDER

A folder holds the twins of many formats in a folder each, of which one to four files are mutated, and one good
video with its labels. Prints each seed before its import, and "done" at the end; whatever is wrong ends it with a
traceback.
"""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import sys
from pathlib import Path

import label_twins
import pose_twins
from lab_folder import boris_csv, deeplabcut_csv, walk_xy
from pose_fuzz_child import MEMORY, mutated

from etholake.errors import DataError
from etholake.stages.lake.import_folder import ImportOptions, run

SECONDS = 60  # of one import
POSE = ("dlc_csv", "dlc_h5_table", "sleap_slp", "sleap_analysis", "sleap_csv", "jabs", "nwb", "mars", "simba",
        "movement", "pair_r24m", "sbea", "ethovision_txt", "alphatracker", "mabe2025")  # fmt: skip
LABELS = ("boris", "boris_old", "annot", "annotator", "ethovision_raw", "simba", "jabs", "deepethogram",
          "interval_csv", "framewise_csv", "mabe")  # fmt: skip


def lay_out(folder: Path) -> None:
    """Write the good video, and the twins."""
    deeplabcut_csv(folder / "good.csv", walk_xy(60, 2, 2), ("nose", "tailbase"), ("a", "b"))
    boris_csv(folder / "labels" / "good.csv", "good.mp4", [(0.5, 1.0, "a", "sniff")], length=2.0)
    for module, names in ((pose_twins, POSE), (label_twins, LABELS)):
        for name in names:
            at = folder / f"{module.__name__}_{name}"
            at.mkdir(parents=True)
            getattr(module, name)(at)


def main(seed: int, count: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lay_out(folder / "whole")
    for number in range(seed, seed + count):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        chance, lab, out = random.Random(number), folder / f"lab{number}", folder / f"data{number}"
        shutil.copytree(folder / "whole", lab)
        files = sorted(p for p in lab.rglob("*") if p.is_file() and "good" not in p.name)
        spoilt = chance.sample(files, chance.randint(1, 4))
        for path in spoilt:
            path.write_bytes(mutated(path.read_bytes(), chance))
        signal.alarm(SECONDS)
        report = run(lab, out, ImportOptions(fps=30.0, unpaired="drop", unpickle=True)).details
        if "mouse1,mouse2,sniff" not in (out / "train.csv").read_text():
            raise AssertionError(f"seed {number}: the good video lost its labels: {report['errors']}")
        points = report["points"]
        if points["in"] != points["written"] + sum(points["left_out"].values()):
            raise AssertionError(f"seed {number}: points are lost: {points}")
        mapping = next(out.glob("imports/*/mapping.toml"))
        text = mapping.read_bytes()
        mapping.write_bytes(mutated(text, chance))
        with contextlib.suppress(DataError):  # a sentence on the mapping
            run(lab, out, ImportOptions())
        signal.alarm(0)
        shutil.rmtree(lab)
        shutil.rmtree(out)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
