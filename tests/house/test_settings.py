"""Settings: environment > file > default, with the source of each value."""

from dataclasses import replace
from pathlib import Path

import pytest

from etholake import aws, settings
from etholake.errors import SettingsError


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "etholake.toml"
    file.write_text('bucket = "from-file"\nregion = "eu-west-1"\n')
    environ = {"ETHOLAKE_CONFIG": str(file), "ETHOLAKE_REGION": "eu-central-1"}
    resolved, origin = settings.resolve(environ)
    assert (resolved.bucket, resolved.region, resolved.database) == ("from-file", "eu-central-1", "etholake")
    assert origin["bucket"] == str(file)
    assert origin["region"] == "environment (ETHOLAKE_REGION)"
    assert origin["database"] == "default"


def test_the_command_line_beats_all() -> None:
    resolved, origin = settings.resolve({"TARGET": "localstack"}, target="mock")
    assert (resolved.target, origin["target"]) == ("mock", "command line")


@pytest.mark.parametrize("environ", [{"ETHOLAKE_BUKET": "x"}, {"ETHOLAKE_CONFIG": "FILE"}])
def test_an_unknown_key_names_the_nearest(environ: dict[str, str], tmp_path: Path) -> None:
    if "ETHOLAKE_CONFIG" in environ:
        file = tmp_path / "etholake.toml"
        file.write_text('buket = "x"\n')
        environ = {"ETHOLAKE_CONFIG": str(file)}
    with pytest.raises(SettingsError, match="Did you mean 'bucket'"):
        settings.resolve(environ)


def test_problems_are_collected() -> None:
    with pytest.raises(SettingsError, match=r"(?s)\(2\).*target must be.*ingest_threads must be at least 1"):
        settings.resolve({"TARGET": "azure", "ETHOLAKE_INGEST_THREADS": "0"})


def test_a_number_must_be_one() -> None:
    with pytest.raises(SettingsError, match="'port' from environment \\(PORT\\) must be a whole number"):
        settings.resolve({"PORT": "abc"})


def test_aws_wants_a_bucket_of_its_own() -> None:
    with pytest.raises(SettingsError, match="set ETHOLAKE_BUCKET"):
        settings.resolve({"TARGET": "aws"})


@pytest.mark.parametrize(
    ("target", "service", "expected"),
    [
        ("mock", "s3", "http://127.0.0.1:4566"),
        ("mock", "athena", "http://127.0.0.1:4566"),
        ("localstack", "s3", "http://127.0.0.1:4566"),
        ("localstack", "glue", "http://127.0.0.1:4567"),
        ("aws", "glue", None),
    ],
)
def test_each_target_has_its_endpoints(target: str, service: str, expected: str | None) -> None:
    resolved, _ = settings.resolve({"TARGET": target, "ETHOLAKE_BUCKET": "mine"})
    assert aws.endpoint(resolved, service) == expected


def test_on_localstack_its_services_are_named_one_by_one() -> None:
    resolved, _ = settings.resolve({"TARGET": "localstack"})
    variables = aws.environment(resolved)
    assert variables["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:4566"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4567"
    assert aws.endpoint(resolved, "kms") == "http://127.0.0.1:4567"


def test_aws_gets_no_dummy_credentials() -> None:
    resolved, _ = settings.resolve({"TARGET": "aws", "ETHOLAKE_BUCKET": "mine"})
    assert not [name for name in aws.environment(resolved) if "KEY" in name or "ENDPOINT" in name]


def test_lakes_of_one_server_share_a_client() -> None:
    """A client parses its service's whole description; it depends on target, region and address alone."""
    one = settings.Settings(port=1, bucket="one")
    assert aws.client(one, "s3") is aws.client(replace(one, bucket="two", stack="other"), "s3")
    assert aws.session(one) is aws.session(replace(one, port=2))
    for other in (replace(one, port=2), replace(one, region="eu-west-1"), replace(one, target="aws")):
        assert aws.client(one, "s3") is not aws.client(other, "s3")
