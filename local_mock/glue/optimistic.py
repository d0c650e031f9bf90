"""UpdateTable with Glue's optimistic lock: of two writers that read the same version, one is refused.

Source: https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html (VersionId, SkipArchive).
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["ConcurrentModificationError", "update_table"]

_updating = threading.Lock()


class ConcurrentModificationError(Exception):
    """The table has another version than the one that the writer read."""


def update_table(
    backend: Any, database: str, table_input: dict[str, Any], version_id: str | None, *, skip_archive: bool = False
) -> None:
    """Replace a table's definition.

    Parameters
    ----------
    backend : moto's Glue backend.
    version_id : the version that must be the current one; None takes any.
    skip_archive : whether the version that is replaced is forgotten.

    Raises
    ------
    ConcurrentModificationError : the current version is not `version_id`.
    """
    with _updating:
        table = backend.get_table(database, table_input["Name"])
        current = str(table.as_dict()["VersionId"])
        if version_id is not None and str(version_id) != current:
            raise ConcurrentModificationError(
                f"Update table failed due to concurrent modifications: version {version_id} is not {current}."
            )
        backend.update_table(database, table_input["Name"], table_input)
        if skip_archive:
            table.delete_version(current)
