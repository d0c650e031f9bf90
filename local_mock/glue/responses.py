"""Glue operations that moto lacks or answers wrongly; each becomes a method of moto's `GlueResponse`."""

from __future__ import annotations

import re
import zlib
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.glue.exceptions import AlreadyExistsException, CrawlerRunningException, JobRunNotFoundException
from moto.glue.responses import GlueResponse

from local_mock.glue import optimistic
from local_mock.glue.catalog import check_policies
from local_mock.glue.models import ExecutingJob

__all__ = ["OPERATIONS"]

_create_job = GlueResponse.create_job
_create_crawler = GlueResponse.create_crawler
# Member of the API's JobUpdate / UpdateCrawler -> attribute of moto's object.
_JOB_FIELDS = {
    "Description": "description", "LogUri": "log_uri", "Role": "role", "Command": "command",
    "ExecutionProperty": "execution_property", "DefaultArguments": "default_arguments",
    "NonOverridableArguments": "non_overridable_arguments", "Connections": "connections",
    "MaxRetries": "max_retries", "AllocatedCapacity": "allocated_capacity", "Timeout": "timeout",
    "MaxCapacity": "max_capacity", "WorkerType": "worker_type", "NumberOfWorkers": "number_of_workers",
    "SecurityConfiguration": "security_configuration", "NotificationProperty": "notification_property",
    "GlueVersion": "glue_version", "CodeGenConfigurationNodes": "code_gen_configuration_nodes",
    "ExecutionClass": "execution_class", "SourceControlDetails": "source_control_details",
}  # fmt: skip
_CRAWLER_FIELDS = {
    "Role": "role", "DatabaseName": "database_name", "Description": "description", "Targets": "targets",
    "Schedule": "schedule", "Classifiers": "classifiers", "TablePrefix": "table_prefix",
    "SchemaChangePolicy": "schema_change_policy", "RecrawlPolicy": "recrawl_policy",
    "LineageConfiguration": "lineage_configuration", "Configuration": "configuration",
    "CrawlerSecurityConfiguration": "crawler_security_configuration",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {"execution_property": {}, "default_arguments": {}, "execution_class": "STANDARD"}


# https://docs.aws.amazon.com/glue/latest/webapi/API_JobCommand.html
_COMMANDS = ("glueetl", "gluestreaming", "pythonshell", "glueray")


def _check_job(request: dict[str, Any]) -> None:
    """Refuse the command and the capacity that Glue refuses."""
    command = (request.get("Command") or {}).get("Name")
    if command not in _COMMANDS:
        message = f"The Command.Name of a job must be one of {', '.join(_COMMANDS)}, but got {command}."
        raise JsonRESTError("InvalidInputException", message)
    if "MaxCapacity" in request and ("WorkerType" in request or "NumberOfWorkers" in request):
        message = "Please do not set Max Capacity if using Worker Type and Number of Workers."
        raise JsonRESTError("InvalidInputException", message)


def create_job(self: Any) -> ActionResult:
    """Create a job as moto does, but refuse a name that is taken instead of replacing its job."""
    _check_job(self.parameters)
    if self.parameters["Name"] in self.glue_backend.jobs:
        raise AlreadyExistsException("Job")
    return _create_job(self)


def update_job(self: Any) -> ActionResult:
    """Replace the whole definition, as Glue does: what is not given goes back to its default."""
    name, update = self.parameters["JobName"], self.parameters["JobUpdate"]
    _check_job(update)
    job = self.glue_backend.get_job(name)
    for member, attribute in _JOB_FIELDS.items():
        setattr(job, attribute, update.get(member, _DEFAULTS.get(attribute)))
    job.last_modified_on = utcnow()
    return ActionResult({"JobName": name})


def get_job_run(self: Any) -> ActionResult:
    """Return one run, by its id."""
    job: ExecutingJob = self.glue_backend.get_job(self.parameters["JobName"])
    return ActionResult({"JobRun": job.find_run(self.parameters["RunId"]).as_dict()})


def batch_stop_job_run(self: Any) -> ActionResult:
    """Ask runs to stop; ids that are unknown or have ended are listed under Errors."""
    name = self.parameters["JobName"]
    job: ExecutingJob = self.glue_backend.get_job(name)
    stopped, errors = [], []
    for run_id in self.parameters["JobRunIds"]:
        ids = {"JobName": name, "JobRunId": run_id}
        try:
            run = job.find_run(run_id)
        except JobRunNotFoundException as err:
            detail = {"ErrorCode": "EntityNotFoundException", "ErrorMessage": str(err.message)}
            errors.append(ids | {"ErrorDetail": detail})
            continue
        if run.stop():
            stopped.append(ids)
        else:
            message = f"Job run {run_id} has ended already: {run.status}."
            detail = {"ErrorCode": "IllegalJobRunStateException", "ErrorMessage": message}
            errors.append(ids | {"ErrorDetail": detail})
    return ActionResult({"SuccessfulSubmissions": stopped, "Errors": errors})


def get_job_bookmark(self: Any) -> ActionResult:
    """Return what a job's runs have read, as the last commit left it."""
    job = _bookmarked(self)
    if not job.bookmark:
        raise JsonRESTError("EntityNotFoundException", f"Continuation for job {job.name} not found.")
    return ActionResult({"JobBookmarkEntry": job.bookmark_entry()})


def reset_job_bookmark(self: Any) -> ActionResult:
    """Forget what a job's runs have read."""
    job = _bookmarked(self)
    job.bookmark = {}
    return ActionResult({"JobBookmarkEntry": job.bookmark_entry()})


def _bookmarked(response: Any) -> ExecutingJob:
    """Return the job of a request about its bookmark. Raises for the bookmark of an earlier run."""
    if response.parameters.get("RunId"):
        message = "local_mock keeps the newest bookmark of a job only: RunId is not supported."
        raise JsonRESTError("InvalidInputException", message)
    job: ExecutingJob = response.glue_backend.get_job(response.parameters["JobName"])
    return job


def create_crawler(self: Any) -> EmptyResult:
    """Create a crawler as moto does, but refuse policies that exclude one another."""
    check_policies(self.parameters.get("SchemaChangePolicy"), self.parameters.get("RecrawlPolicy"))
    return _create_crawler(self)


def update_crawler(self: Any) -> EmptyResult:
    """Change the given members of a crawler that does not run."""
    crawler = self.glue_backend.get_crawler(self.parameters["Name"])
    if crawler.status != "READY":
        raise CrawlerRunningException(f"Crawler with name {crawler.name} is running")
    check_policies(
        self.parameters.get("SchemaChangePolicy", crawler.schema_change_policy),
        self.parameters.get("RecrawlPolicy", crawler.recrawl_policy),
    )
    for member, attribute in _CRAWLER_FIELDS.items():
        if member in self.parameters:
            setattr(crawler, attribute, self.parameters[member])
    crawler.version += 1
    crawler.last_updated = utcnow()
    return EmptyResult()


def delete_crawler(self: Any) -> EmptyResult:
    """Delete a crawler as moto does, but not while it runs."""
    crawler = self.glue_backend.get_crawler(self.parameters["Name"])
    if crawler.status != "READY":
        raise CrawlerRunningException(f"Crawler with name {crawler.name} is running")
    self.glue_backend.delete_crawler(crawler.name)
    return EmptyResult()


def update_table(self: Any) -> EmptyResult:
    """Replace a table's definition, if it has still the version that the request names."""
    wanted = self.parameters
    if "TableInput" not in wanted:  # AWS's model does not require it: an open table format has another input
        raise JsonRESTError(
            "InvalidInputException", "TableInput must be given: local_mock updates Hive tables only."
        )
    try:
        optimistic.update_table(
            self.glue_backend,
            wanted["DatabaseName"],
            wanted["TableInput"],
            wanted.get("VersionId"),
            skip_archive=str(wanted.get("SkipArchive", "")).lower() == "true",
        )
    except optimistic.ConcurrentModificationError as err:
        raise JsonRESTError("ConcurrentModificationException", str(err)) from err
    return EmptyResult()


def get_partitions(self: Any) -> ActionResult:
    """Return the partitions by expression, page by page, and by segment."""
    wanted = self.parameters
    partitions = self.glue_backend.get_partitions(
        wanted["DatabaseName"], wanted["TableName"], wanted.get("Expression") or None
    )
    segment = wanted.get("Segment")
    if segment:
        total, number = segment["TotalSegments"], segment["SegmentNumber"]
        partitions = [p for p in partitions if zlib.crc32(str(p.values).encode()) % total == number]
    try:
        start = int(wanted.get("NextToken") or 0)
    except ValueError as err:
        raise JsonRESTError("InvalidInputException", "NextToken is not one that GetPartitions gave.") from err
    end = start + int(wanted.get("MaxResults") or 1000)
    answer: dict[str, Any] = {"Partitions": [p.as_dict() for p in partitions[start:end]]}
    if end < len(partitions):
        answer["NextToken"] = str(end)
    return ActionResult(answer)


def get_tables(self: Any) -> ActionResult:
    """Return tables whose whole name matches a regular expression, by page (moto: whose start matches)."""
    wanted = self.parameters
    tables = self.glue_backend.get_tables(wanted["DatabaseName"], None)
    if expression := wanted.get("Expression"):
        try:
            pattern = re.compile(_glob(expression))
        except re.error as err:
            raise JsonRESTError("InvalidInputException", f"Expression is not a pattern: {err}.") from err
        tables = [table for table in tables if pattern.fullmatch(table.name)]
    try:
        start = int(wanted.get("NextToken") or 0)
    except ValueError as err:
        raise JsonRESTError("InvalidInputException", "NextToken is not one that GetTables gave.") from err
    end = start + int(wanted.get("MaxResults") or 100)
    answer: dict[str, Any] = {"TableList": [table.as_dict() for table in tables[start:end]]}
    if end < len(tables):
        answer["NextToken"] = str(end)
    return ActionResult(answer)


def search_tables(self: Any) -> ActionResult:
    """Return tables with the text in name, description, location, columns or parameters, that fit the filters.

    Filters compare `Name`, `DatabaseName`, `Description`, `TableType` by EQUALS or, without a comparator, by what
    the value holds; https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html
    """
    wanted, tables = self.parameters, []
    text = (wanted.get("SearchText") or "").lower().strip('"')
    for database in list(self.glue_backend.databases.values()):
        for table in list(database.tables.values()):
            shown = table.as_dict()
            if text in _searched(shown) and all(_fits(shown, f) for f in wanted.get("Filters") or []):
                tables.append(shown)
    try:
        start = int(wanted.get("NextToken") or 0)
    except ValueError as err:
        raise JsonRESTError("InvalidInputException", "NextToken is not one that SearchTables gave.") from err
    end = start + int(wanted.get("MaxResults") or 100)
    answer: dict[str, Any] = {"TableList": tables[start:end]}
    return ActionResult(answer | ({"NextToken": str(end)} if end < len(tables) else {}))


def _searched(table: dict[str, Any]) -> str:
    storage = table.get("StorageDescriptor") or {}
    columns = [*(storage.get("Columns") or []), *(table.get("PartitionKeys") or [])]
    words = [table["Name"], table["DatabaseName"], table.get("Description"), storage.get("Location")]
    words += [word for column in columns for word in (column["Name"], column.get("Comment"))]
    words += [str(value) for value in (table.get("Parameters") or {}).values()]
    return "\n".join(word for word in words if word).lower()


def _fits(table: dict[str, Any], condition: dict[str, str]) -> bool:
    key, value = condition["Key"], condition.get("Value", "").lower()
    if key not in ("Name", "DatabaseName", "Description", "TableType"):
        raise JsonRESTError("InvalidInputException", f"local_mock does not filter tables by '{key}'.")
    held = str(table.get(key) or "").lower()
    return held == value if condition.get("Comparator", "EQUALS") == "EQUALS" and value else value in held


def _glob(expression: str) -> str:
    """Return the pattern with `.*` for a `*` that follows nothing repeatable, as in Hive's patterns."""
    return re.sub(r"(\\.|[.\])])\*|\*", lambda match: match.group() if match.group(1) else ".*", expression)


OPERATIONS = (
    create_job, get_job_bookmark, reset_job_bookmark, update_job, get_job_run, batch_stop_job_run, create_crawler,
    update_crawler, delete_crawler,
    update_table, get_partitions, get_tables, search_tables,
)  # fmt: skip
