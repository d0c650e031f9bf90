"""``python -m local_mock``: the command line of `local_mock.cli`."""

import os
import sys

from local_mock.cli import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread of moto or of a job must not keep the process
