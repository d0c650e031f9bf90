"""A bucket and a database of the mock, and statements that run there."""

from __future__ import annotations

import time
import uuid
from types import SimpleNamespace
from typing import Any

from etholake import aws
from etholake.settings import Settings

__all__ = ["Lake", "new_lake"]


class Lake(SimpleNamespace):
    """Clients, `bucket` and `database`."""

    def execute(self, sql: str, **more: Any) -> dict[str, Any]:
        """Run a statement to its end and return its QueryExecution. `more` goes into the request."""
        started = self.athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database},
            ResultConfiguration={"OutputLocation": f"s3://{self.bucket}/out/"}, **more,
        )  # fmt: skip
        while True:
            run = self.athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]
            if run["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return dict(run)
            time.sleep(0.01)

    def run(self, *statements: str) -> int | None:
        """Run statements; the update count of the last one."""
        for sql in statements:
            run = self.execute(sql)
            assert run["Status"]["State"] == "SUCCEEDED", (sql, run["Status"])
        answer = self.athena.get_query_results(QueryExecutionId=run["QueryExecutionId"])
        return answer.get("UpdateCount")

    def rows(self, sql: str, **more: Any) -> list[list[str | None]]:
        run = self.execute(sql, **more)
        assert run["Status"]["State"] == "SUCCEEDED", (sql, run["Status"])
        result = self.athena.get_query_results(QueryExecutionId=run["QueryExecutionId"])["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in result[1:]]

    def reason(self, sql: str, **more: Any) -> str:
        run = self.execute(sql, **more)
        assert run["Status"]["State"] == "FAILED", (sql, run["Status"])
        return str(run["Status"]["StateChangeReason"])

    def keys(self, prefix: str) -> list[str]:
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]

    def hive(self, columns: str, body: bytes, tail: str) -> str:
        """An external table over one object; its name."""
        name = f"t{uuid.uuid4().hex[:8]}"
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/data", Body=body)
        self.run(f"CREATE EXTERNAL TABLE {name} ({columns}) {tail} LOCATION 's3://{self.bucket}/{name}/'")
        return name


def new_lake(settings: Settings, kind: str) -> Lake:
    """A new bucket and database on the server of `settings`."""
    aws.export(settings)
    s3, glue, athena = (aws.client(settings, name) for name in ("s3", "glue", "athena"))
    tag = uuid.uuid4().hex[:8]
    bucket, database = f"{kind}-{tag}", f"{kind}_{tag}"
    s3.create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": database})
    return Lake(s3=s3, glue=glue, athena=athena, bucket=bucket, database=database, url=settings.endpoint_url)
