"""``python -m etholake.cli``, the console script without installing."""

from etholake.cli import run_and_exit

run_and_exit()
