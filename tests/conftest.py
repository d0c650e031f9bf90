"""Fixtures of all tests: one running local_mock (a process of its own) for the session."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports boto3: nothing of the caller's environment may reach a test or its children.
_FOREIGN = ("ETHOLAKE_", "AWS_")
for _name in [n for n in os.environ if n.startswith(_FOREIGN) or n in ("TARGET", "PORT", "MABE_DATA_DIR")]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "etholake",
    "AWS_SECRET_ACCESS_KEY": "etholake",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
}
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from etholake.settings import Settings, replace_port  # noqa: E402
from local_mock import lifecycle  # noqa: E402


@pytest.fixture(scope="session")
def mock_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a running local_mock with folders of its own; stopped at the end of the session."""
    folder = tmp_path_factory.mktemp("mock")
    settings = Settings(port=0, state_dir=str(folder / "state"), s3_root=str(folder / "s3"))
    found = lifecycle.up(settings)
    yield replace_port(settings, found.port)
    lifecycle.down(settings)
