"""Fixtures: an S3 client, a new bucket a test with its folder, and Glue jobs in a bucket of their own."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from glue_lab import Jobs

from etholake import aws
from etholake.settings import Settings


@pytest.fixture(scope="module")
def s3(mock_settings: Settings) -> Any:
    return aws.client(mock_settings, "s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"objects-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def folder(bucket: str, mock_settings: Settings) -> Path:
    """The bucket's folder on disk."""
    return Path(mock_settings.s3_root) / bucket


@pytest.fixture
def jobs(mock_settings: Settings) -> Jobs:
    return Jobs(mock_settings)
