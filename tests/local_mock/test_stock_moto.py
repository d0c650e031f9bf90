"""Whatever stock moto answers correctly, local_mock answers the same: the same calls to both, answers compared.

Left out of the comparison are ids, times, ARNs' random parts, tokens, and HTTP headers.
"""

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from etholake.settings import Settings

VARIES = re.compile(r"(Id|Time|Date|On|At|Token|Modified|Created|Endpoint|Timestamp)$")
DIFFERS = frozenset({"DisplayName"})  # of the owner: the mock's own
ROLE = "arn:aws:iam::123456789012:role/compared"
BUCKET, DATABASE = "compared-with-moto", "compared_with_moto"
TRUST = '{"Version":"2012-10-17","Statement":[]}'
TOPIC = '{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"compared"}}'
TEMPLATE = f'{{"Resources":{{"T":{TOPIC}}},"Outputs":{{"O":{{"Value":"v"}}}}}}'
COLUMNS = {"Columns": [{"Name": "x", "Type": "int"}], "Location": f"s3://{BUCKET}/t/"}

# (service, operation, parameters), in order: what one makes the next ones read.
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "create_bucket", {"Bucket": BUCKET}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "a/b=1/c", "Body": b"body", "Metadata": {"k": "v"}}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "a/d", "Body": b"", "Tagging": "q=r"}),
    ("s3", "head_object", {"Bucket": BUCKET, "Key": "a/b=1/c"}),
    ("s3", "get_object", {"Bucket": BUCKET, "Key": "a/b=1/c", "Range": "bytes=1-2"}),
    ("s3", "get_object", {"Bucket": BUCKET, "Key": "absent"}),
    ("s3", "get_object", {"Bucket": "absent-bucket-of-all", "Key": "absent"}),
    ("s3", "head_object", {"Bucket": BUCKET, "Key": "absent"}),
    ("s3", "copy_object", {"Bucket": BUCKET, "Key": "e", "CopySource": f"{BUCKET}/a/d"}),
    ("s3", "get_object_tagging", {"Bucket": BUCKET, "Key": "a/d"}),
    ("s3", "list_objects_v2", {"Bucket": BUCKET, "Delimiter": "/"}),
    ("s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "a/", "MaxKeys": 1}),
    ("s3", "list_objects", {"Bucket": BUCKET, "Marker": "a/b=1/c"}),
    *[("s3", "put_object", {"Bucket": BUCKET, "Key": "a/d", "Body": b"sum", "ChecksumAlgorithm": algorithm})
      for algorithm in ("SHA1", "SHA256", "CRC32")],
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "a/s", "Body": b"sum", "ChecksumAlgorithm": "SHA256"}),
    ("s3", "copy_object", {"Bucket": BUCKET, "Key": "f", "CopySource": f"{BUCKET}/a/s"}),
    ("s3", "copy_object", {"Bucket": BUCKET, "Key": "g", "CopySource": f"{BUCKET}/a/d",
                           "ChecksumAlgorithm": "SHA256"}),
    ("s3", "head_object", {"Bucket": BUCKET, "Key": "g", "ChecksumMode": "ENABLED"}),
    ("s3", "get_object_attributes", {"Bucket": BUCKET, "Key": "a/s",
                                     "ObjectAttributes": ["Checksum", "ETag", "ObjectSize", "StorageClass"]}),
    ("s3", "list_object_versions", {"Bucket": BUCKET, "Prefix": "a/"}),
    ("s3", "list_objects_v2", {"Bucket": BUCKET, "FetchOwner": True}),
    ("s3", "get_bucket_location", {"Bucket": BUCKET}),
    ("s3", "put_bucket_tagging", {"Bucket": BUCKET, "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}),
    ("s3", "get_bucket_tagging", {"Bucket": BUCKET}),
    ("s3", "get_bucket_policy", {"Bucket": BUCKET}),
    ("s3", "delete_bucket", {"Bucket": BUCKET}),
    ("s3", "delete_objects", {"Bucket": BUCKET, "Delete": {"Objects": [{"Key": k} for k in "efg"]}}),
    ("glue", "create_database", {"DatabaseInput": {"Name": DATABASE, "Description": "d"}}),
    ("glue", "create_database", {"DatabaseInput": {"Name": DATABASE}}),
    ("glue", "get_database", {"Name": DATABASE}),
    ("glue", "get_database", {"Name": "absent"}),
    ("glue", "update_database", {"Name": DATABASE, "DatabaseInput": {"Name": DATABASE, "Description": "new"}}),
    ("glue", "create_table", {"DatabaseName": DATABASE, "TableInput": {
        "Name": "t", "StorageDescriptor": COLUMNS, "PartitionKeys": [{"Name": "p", "Type": "string"}]}}),
    ("glue", "create_table", {"DatabaseName": DATABASE, "TableInput": {"Name": "t"}}),
    ("glue", "create_table", {"DatabaseName": DATABASE, "TableInput": {"Name": "other"}}),
    ("glue", "get_table", {"DatabaseName": DATABASE, "Name": "t"}),
    ("glue", "get_table", {"DatabaseName": DATABASE, "Name": "absent"}),
    ("glue", "get_tables", {"DatabaseName": DATABASE}),
    ("glue", "get_tables", {"DatabaseName": DATABASE, "Expression": "oth*"}),
    ("glue", "get_tables", {"DatabaseName": DATABASE, "Expression": "oth.*"}),
    ("glue", "get_tables", {"DatabaseName": "absent"}),
    ("glue", "update_table", {"DatabaseName": DATABASE, "TableInput": {"Name": "other", "Description": "d"}}),
    ("glue", "get_table_versions", {"DatabaseName": DATABASE, "TableName": "t"}),
    *[("glue", "create_partition", {"DatabaseName": DATABASE, "TableName": "t", "PartitionInput": {
        "Values": [value], "StorageDescriptor": COLUMNS}}) for value in ("a", "b", "a")],
    ("glue", "get_partition", {"DatabaseName": DATABASE, "TableName": "t", "PartitionValues": ["a"]}),
    ("glue", "get_partition", {"DatabaseName": DATABASE, "TableName": "t", "PartitionValues": ["z"]}),
    ("glue", "get_partitions", {"DatabaseName": DATABASE, "TableName": "t", "Expression": "p = 'b'"}),
    ("glue", "batch_get_partition", {"DatabaseName": DATABASE, "TableName": "t",
        "PartitionsToGet": [{"Values": ["a"]}]}),
    ("glue", "delete_partition", {"DatabaseName": DATABASE, "TableName": "t", "PartitionValues": ["a"]}),
    ("glue", "create_job", {
        "Name": "compared", "Role": ROLE, "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/x.py"}}),
    ("glue", "get_job", {"JobName": "compared"}),
    ("glue", "get_job", {"JobName": "absent"}),
    ("glue", "start_job_run", {"JobName": "absent"}),
    ("glue", "create_registry", {"RegistryName": "compared"}),
    ("glue", "delete_job", {"JobName": "compared"}),
    ("glue", "batch_delete_table", {"DatabaseName": DATABASE, "TablesToDelete": ["other", "absent"]}),
    ("glue", "delete_table", {"DatabaseName": DATABASE, "Name": "t"}),
    ("glue", "delete_database", {"Name": DATABASE}),
    ("athena", "create_work_group", {"Name": "compared", "Description": "d"}),
    ("athena", "create_data_catalog", {"Name": "compared", "Type": "GLUE", "Parameters": {"catalog-id": "1"}}),
    ("athena", "get_data_catalog", {"Name": "compared"}),
    ("athena", "create_named_query", {"Name": "n", "Database": "d", "QueryString": "SELECT 1"}),
    ("athena", "delete_work_group", {"WorkGroup": "compared"}),
    ("sagemaker", "create_model_package_group", {"ModelPackageGroupName": "compared"}),
    ("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": "compared"}),
    ("sagemaker", "create_experiment", {"ExperimentName": "compared"}),
    ("sagemaker", "describe_experiment", {"ExperimentName": "compared"}),
    ("sagemaker", "describe_model", {"ModelName": "absent"}),
    ("sagemaker", "list_notebook_instances", {}),
    ("cloudformation", "validate_template", {"TemplateBody": TEMPLATE}),
    ("cloudformation", "create_stack", {"StackName": "compared", "TemplateBody": TEMPLATE}),
    ("cloudformation", "describe_stacks", {"StackName": "compared"}),
    ("cloudformation", "list_stack_resources", {"StackName": "compared"}),
    ("cloudformation", "delete_stack", {"StackName": "compared"}),
    ("cloudformation", "describe_stacks", {"StackName": "absent"}),
    ("iam", "create_role", {"RoleName": "compared", "AssumeRolePolicyDocument": TRUST}),
    ("iam", "put_role_policy", {"RoleName": "compared", "PolicyName": "p", "PolicyDocument": TRUST}),
    ("iam", "get_role_policy", {"RoleName": "compared", "PolicyName": "p"}),
    ("iam", "list_role_policies", {"RoleName": "compared"}),
    ("iam", "get_role", {"RoleName": "absent"}),
    ("iam", "delete_role", {"RoleName": "compared"}),
    ("sts", "get_caller_identity", {}),
    ("logs", "create_log_group", {"logGroupName": "compared"}),
    ("logs", "describe_log_groups", {"logGroupNamePrefix": "compared"}),
    ("kms", "list_aliases", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a plain moto server, in a process of its own."""
    import socket
    import subprocess
    import sys

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)
    log.close()


def plain(value: Any) -> Any:
    """An answer without what differs from call to call."""
    if isinstance(value, dict):
        return {
            k: plain(v)
            for k, v in value.items()
            if not (k in DIFFERS or k == "ResponseMetadata" or VARIES.search(k))
        }
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "read"):
        return value.read()
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<uuid>", value) if isinstance(value, str) else value


def answers(url: str, responses: list[Any]) -> None:
    """The answer to each call, an error as (code, HTTP status)."""
    # Aliases of a region are listed whole, and other tests make keys in the usual one.
    regions = {"kms": "eu-north-1"}
    clients = {
        service: boto3.client(service, endpoint_url=url, region_name=regions.get(service))
        for service, _, _ in CALLS
    }
    for service, operation, parameters in CALLS:
        try:
            responses.append(plain(getattr(clients[service], operation)(**parameters)))
        except ClientError as err:
            responses.append((err.response["Error"]["Code"], err.response["ResponseMetadata"]["HTTPStatusCode"]))


@pytest.fixture(scope="module")
def both(stock: str, mock_settings: Settings) -> list[tuple[Any, Any]]:
    theirs: list[Any] = []
    ours: list[Any] = []
    threads = [
        threading.Thread(target=answers, args=args)
        for args in ((stock, theirs), (mock_settings.endpoint_url, ours))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(zip(theirs, ours, strict=True))


def holds(expected: Any, actual: Any) -> bool:
    """Return whether `actual` has every value that `expected` has; it may have more, as on AWS."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and holds(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(holds, expected, actual))
    return bool(expected == actual)


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[f"{n}-{s}-{o}" for n, (s, o, _) in enumerate(CALLS)])
def test_the_answer_is_that_of_stock_moto(both: list[tuple[Any, Any]], number: int) -> None:
    theirs, ours = both[number]
    assert holds(theirs, ours), f"moto: {theirs}\nlocal_mock: {ours}"


def test_get_tables_goes_page_by_page(mock_settings: Settings) -> None:
    glue = boto3.client("glue", endpoint_url=mock_settings.endpoint_url)
    glue.create_database(DatabaseInput={"Name": "paged"})
    for n in range(7):
        glue.create_table(DatabaseName="paged", TableInput={"Name": f"t{n}"})
    pages = list(glue.get_paginator("get_tables").paginate(DatabaseName="paged", PaginationConfig={"PageSize": 3}))
    assert [len(page["TableList"]) for page in pages] == [3, 3, 1]
    assert [t["Name"] for t in glue.get_tables(DatabaseName="paged", Expression="t[13]")["TableList"]] == [
        "t1",
        "t3",
    ]
    assert glue.get_tables(DatabaseName="paged", Expression="t")["TableList"] == []
    with pytest.raises(ClientError, match="Expression is not a pattern"):
        glue.get_tables(DatabaseName="paged", Expression="(")
