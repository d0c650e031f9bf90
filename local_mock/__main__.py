"""``python -m local_mock``: the command line of `local_mock.cli`."""

from local_mock.cli import run_and_exit

if __name__ == "__main__":
    run_and_exit()
