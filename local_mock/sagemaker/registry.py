"""Model package groups and versions, as strict as AWS's where moto's are not.

A version starts as PendingManualApproval, its artefact must be there, and an update changes what it names only
(moto forgets the metadata of a version that is approved).
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.responses import SageMakerResponse

from local_mock.context import get_context
from local_mock.sagemaker.errors import InvalidRequestError
from local_mock.sagemaker.hosting import data_uri

__all__ = ["OPERATIONS"]

PENDING = "PendingManualApproval"
_create_group = SageMakerResponse.create_model_package_group
_create_package = SageMakerResponse.create_model_package


def create_model_package_group(self: Any) -> ActionResult:
    """Create a group as moto does, but refuse a name that is taken."""
    name = self.params["ModelPackageGroupName"]
    if name in self.sagemaker_backend.model_package_groups:
        arn = self.sagemaker_backend.model_package_groups[name].arn
        raise InvalidRequestError(f"Model Package Group already exists: {arn}")
    return _create_group(self)


def delete_model_package_group(self: Any) -> EmptyResult:
    """Forget a group; refused while it has versions."""
    name = self.params["ModelPackageGroupName"]
    group = self.sagemaker_backend.describe_model_package_group(name)
    if any(p.model_package_group_name == name for p in self.sagemaker_backend.model_packages.values()):
        raise InvalidRequestError(
            f"Model Package Group {group.arn} cannot be deleted: it still has model packages."
        )
    del self.sagemaker_backend.model_package_groups[name]
    return EmptyResult()


def create_model_package(self: Any) -> ActionResult:
    """Create a version as moto does, but require its artefacts; without a request it is not approved."""
    for container in (self.params.get("InferenceSpecification") or {}).get("Containers") or []:
        uri = data_uri(container)
        if uri and not get_context().data.list(uri):
            raise InvalidRequestError(f"Could not find model data at {uri}.")
    made = _create_package(self)
    package = self.sagemaker_backend.describe_model_package(made.result["ModelPackageArn"])
    if package.model_package_group_name and package.model_approval_status is None:
        package.set_model_approval_status(PENDING)
    return made


def update_model_package(self: Any) -> ActionResult:
    """Change what the request names; the rest stays."""
    asked = self.params
    package = self.sagemaker_backend.describe_model_package(asked["ModelPackageArn"])
    if status := asked.get("ModelApprovalStatus"):
        package.set_model_approval_status(status)
    if "ApprovalDescription" in asked:
        package.approval_description = asked["ApprovalDescription"]
    kept = {**(package.customer_metadata_properties or {}), **asked.get("CustomerMetadataProperties", {})}
    for name in asked.get("CustomerMetadataPropertiesToRemove", []):
        kept.pop(name, None)
    package.customer_metadata_properties = kept
    if more := asked.get("AdditionalInferenceSpecificationsToAdd"):
        package.add_additional_inference_specifications(more)
    package.modifications_done()
    return ActionResult({"ModelPackageArn": package.arn})


OPERATIONS = (
    create_model_package_group, delete_model_package_group, create_model_package, update_model_package,
)  # fmt: skip
