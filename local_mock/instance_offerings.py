"""EC2's instance types by region: read from moto's files when they are asked for.

moto reads 90 files when it is imported. Nothing here asks for them, and without them an idle server takes 69 MB
less.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["RegionOfferings", "install"]

_MODULE = "moto.ec2.models.instance_types"
_FOLDER = "ec2/resources/instance_type_offerings/"


class RegionOfferings(dict[str, list[Any]]):
    """{region: offerings} of one location type; `files` are the names of the regions' files."""

    def __init__(self, location_type: str, files: Mapping[str, str]) -> None:
        super().__init__()
        self._location_type, self._files = location_type, files

    def __missing__(self, region: str) -> list[Any]:
        from moto.utilities.utils import load_resource

        offerings = load_resource(self._files[region])
        self[region] = [{**offering, "LocationType": self._location_type} for offering in offerings]
        return self[region]

    def get(self, region: str, default: Any = None) -> Any:
        """Return the offerings of a region, `default` if there are none."""
        return self[region] if region in self._files else default


def install() -> None:
    """Import moto's EC2 without reading the files. It does nothing if it is imported already."""
    if _MODULE in sys.modules:
        return
    from moto.utilities import utils

    load_resource = utils.load_resource
    files: dict[str, dict[str, str]] = {}

    def put_off(name: str) -> Any:
        if not name.startswith(_FOLDER):
            return load_resource(name)
        location_type, file_name = name.removeprefix(_FOLDER).split("/")
        files.setdefault(location_type, {})[file_name.split(".")[0]] = name
        return []

    utils.load_resource = put_off
    try:
        from moto.ec2.models import instance_types
    finally:
        utils.load_resource = load_resource
    for location_type, names in files.items():
        instance_types.INSTANCE_TYPE_OFFERINGS[location_type] = RegionOfferings(location_type, names)
