"""LocalStack's known faults, through the one place that works around them, on every target."""

import uuid

import pytest

from etholake import aws
from etholake.settings import Settings
from local_mock.data import ClientData
from local_mock.localstack import work_around

KEYS = [f"t/part={n:02d}/day=1/f.bin" for n in range(7)] + [f"u{n}" for n in range(3)]


@pytest.fixture(scope="module")
def bucket(target_settings: Settings) -> str:
    s3, name = aws.client(target_settings, "s3"), f"faults-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode() * 1000)
    return name


@pytest.mark.functional
@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000])
def test_every_page_of_keys_with_equals_signs_is_listed(target_settings: Settings, bucket: str, size: int) -> None:
    client = work_around(
        aws.session(target_settings).client("s3", endpoint_url=aws.endpoint(target_settings, "s3"))
    )
    pages = list(
        client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
    )
    assert [item["Key"] for page in pages for item in page["Contents"]] == KEYS
    folders = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="t/", Delimiter="/", PaginationConfig={"PageSize": size}
    )
    prefixes = [item["Prefix"] for page in folders for item in page.get("CommonPrefixes", [])]
    assert prefixes == [f"t/part={n:02d}/" for n in range(7)]


def test_a_footer_is_read_by_ranges_and_a_changed_object_is_noticed(
    mock_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    s3, name = aws.client(mock_settings, "s3"), f"ranges-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    body = bytes(range(256)) * 4096
    s3.put_object(Bucket=name, Key="a/b.bin", Body=body)
    cache = tmp_path_factory.mktemp("cache")
    data = ClientData(str(aws.endpoint(mock_settings, "s3")), "us-east-1", cache)
    (info,) = data.list(f"s3://{name}/a/")
    stream = data.seekable(info)
    assert not hasattr(stream, "is_file")
    stream.seek(-10, 2)
    assert stream.read() == body[-10:]
    stream.seek(300_000)
    assert stream.read(5) == body[300_000:300_005]
    assert not [p for p in cache.rglob("*") if p.is_file()]
    (whole,) = data.local_files([info])
    assert whole.read_bytes() == body
    assert data.seekable(info) == whole
    s3.put_object(Bucket=name, Key="a/b.bin", Body=body[1:])
    whole.unlink()
    with pytest.raises(FileNotFoundError, match="There is no object"):
        data.seekable(info).read(1)
