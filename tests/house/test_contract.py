"""The contract agrees with itself and with the domain."""

import pyarrow as pa
import pytest
from collected import check_each

from etholake import contract
from etholake.catalog import partition_input, table_input
from etholake.errors import ContractError, DataError
from etholake.generations import folder
from etholake.storage import read_table, split_uri, write_table


def test_the_numbers_of_the_domain() -> None:
    assert len(contract.ACTIONS) == 37
    assert (len(contract.SELF_ACTIONS), len(contract.PAIR_ACTIONS)) == (11, 26)
    assert len(contract.BODY_PARTS) == 29
    assert len(contract.RAW_METADATA_COLUMNS) == 38
    assert not [action for action in contract.ACTIONS if "_" in action]


def test_every_table_has_a_schema_and_sorts_by_its_own_columns() -> None:
    def check(name: str) -> None:
        table = contract.TABLES[name]
        schema = contract.arrow_schema(table)
        assert tuple(schema.names) == table.column_names
        assert set(table.sort) <= set(schema.names)
        assert not set(table.partitions) & set(schema.names)
        assert [c["Name"] for c in contract.glue_columns(name)] == schema.names

    check_each(sorted(contract.TABLES), check)


def test_partition_folders_follow_the_contracts_order() -> None:
    partition = {"lab_id": "Lab A", "split": "train"}
    assert folder("tracking_curated", partition) == "curated-zone/tracking_curated/split=train/lab_id=Lab A/"
    request = partition_input("b", "tracking_curated", partition, "x/")
    assert request["Values"] == ["train", "Lab A"]
    assert request["StorageDescriptor"]["Location"] == "s3://b/x/"
    assert [k["Name"] for k in table_input("b", "tracking_curated", "x/")["PartitionKeys"]] == ["split", "lab_id"]


def test_a_partition_must_name_all_keys() -> None:
    with pytest.raises(ContractError, match=r"must name \['split', 'lab_id'\], but got \['lab_id'\]"):
        folder("tracking_curated", {"lab_id": "A"})


@pytest.mark.parametrize("uri", ["s3://b/../x", "file:///etc/passwd", "s3:///x", "b/x"])
def test_an_uri_cannot_leave_its_bucket(uri: str) -> None:
    with pytest.raises(DataError, match="Expected an URI like s3://bucket/key"):
        split_uri(uri)


def test_a_mounted_bucket_is_read_and_written_in_place(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ETHOLAKE_S3_MOUNT", str(tmp_path))
    table = pa.table({"a": [1, 2]})
    size = write_table("s3://b/deep/t.parquet", table)
    assert (tmp_path / "b" / "deep" / "t.parquet").stat().st_size == size
    assert read_table("s3://b/deep/t.parquet").equals(table)
    assert [p.name for p in (tmp_path / "b" / "deep").iterdir()] == ["t.parquet"]
