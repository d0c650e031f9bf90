"""The model registry: what is approved, when a model is registered, and the way back."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.errors import DataError, UsageError
from etholake.settings import Settings
from etholake.stages import model_packages
from etholake.stages.model import models
from etholake.stages.serving import registry


class Group:
    """A model package group with artefacts of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.name = settings, f"group-{uuid.uuid4().hex[:8]}"
        self.client, self.s3 = aws.client(settings, "sagemaker"), aws.client(settings, "s3")
        self.s3.create_bucket(Bucket=self.name)
        self.client.create_model_package_group(ModelPackageGroupName=self.name)

    def artefact(self, name: str) -> str:
        self.s3.put_object(Bucket=self.name, Key=f"{name}.tar.gz", Body=b"a model")
        return f"s3://{self.name}/{name}.tar.gz"

    def add(self, name: str, score: float, status: str = "Approved") -> str:
        containers = [{"Image": "image", "ModelDataUrl": self.artefact(name)}]
        made = self.client.create_model_package(
            ModelPackageGroupName=self.name,
            ModelApprovalStatus=status,
            CustomerMetadataProperties={"score": f"{score:.6f}", "test_set": "t", "model_name": name},
            InferenceSpecification={"Containers": containers, "SupportedContentTypes": ["application/json"]},
        )
        return str(made["ModelPackageArn"])

    def decide(self, name: str, score: float, test_set: str = "t") -> tuple[str, str]:
        answer = registry.decide(self.settings, self.name, self.artefact(name), score, test_set)
        return answer["action"], answer["reason"]

    def statuses(self) -> list[tuple[int, str]]:
        return [(v.number, v.status) for v in model_packages.versions(self.settings, self.name)]


@pytest.fixture
def group(mock_settings: Settings) -> Iterator[Group]:
    return Group(mock_settings)


def test_a_model_is_registered_if_it_beats_the_approved_one(group: Group) -> None:
    assert group.decide("a", 0.1) == ("register", "No model is approved yet.")
    group.add("a", 0.5)
    assert group.decide("a", 0.5) == ("deploy", "It is version 1, the approved one.")
    assert group.decide("b", 0.5) == ("keep", "Version 1 is not beaten: 0.5000 <= 0.5000.")
    assert group.decide("b", 0.6) == ("register", "It beats version 1: 0.6000 > 0.5000.")
    assert group.decide("b", 0.6, "u")[1].endswith("(of other held-out videos).")
    group.add("pending", 0.9, "PendingManualApproval")
    assert group.decide("b", 0.6)[0] == "register"
    assert group.decide("pending", 0.9) == ("keep", "It is version 2, which is PendingManualApproval.")


def test_the_way_back(group: Group) -> None:
    for name, score in (("a", 0.5), ("b", 0.6), ("c", 0.7)):
        group.add(name, score)
    back = registry.rollback(group.settings, group.name, 1)
    assert group.statuses() == [(3, "Rejected"), (2, "Rejected"), (1, "Approved")]
    assert (back.model_name, back.score) == ("a", 0.5)  # an approval forgets nothing
    approved = registry.approved(model_packages.versions(group.settings, group.name))
    assert approved is not None
    assert (approved.number, approved.score) == (1, 0.5)
    assert group.decide("c", 0.7) == ("keep", "It is version 3, which is Rejected.")
    assert group.decide("d", 0.55)[0] == "register"
    with pytest.raises(UsageError, match=r"has no version 9; it has: 1, 2, 3"):
        registry.rollback(group.settings, group.name, 9)


def test_a_pretrained_network_is_a_version_that_is_never_served(group: Group) -> None:
    lake = replace(group.settings, stack=group.name, bucket=group.name)
    with pytest.raises(DataError, match="The lake has no model of `etholake pretrain` yet"):
        models.pack(lake, "pretrained")
    group.add("classifier", 0.5)
    uri = group.artefact("pretrained")
    version = model_packages.add_pretrained(lake, "job", "pose_bert:smoke", uri)
    assert (version.number, version.status, version.score) == (2, "PendingManualApproval", None)
    assert model_packages.add_pretrained(lake, "job", "pose_bert:smoke", uri) == version
    assert registry.show(lake, group.name).summary.splitlines()[1].split() == ["2", "pre-trained", "-", "job"]
    for refused in (registry.approve, lambda lake, number: registry.rollback(lake, group.name, number)):
        with pytest.raises(UsageError, match="is pre-trained and predicts no behaviour yet: train from it with"):
            refused(lake, 2)
    assert registry.serving_version(lake).number == 1
    assert registry.rollback(lake, group.name, 1).number == 1
    assert group.statuses()[0] == (2, "PendingManualApproval"), "it is no model that was served"
    assert models.pack(lake, "version:2") == b"a model"
    with pytest.raises(UsageError, match="has no version 3; it has: 1, 2"):
        models.pack(lake, "version:3")
    with pytest.raises(UsageError, match="Expected version: and the number of a version of the registry"):
        models.pack(lake, "version:newest")


def test_the_mock_refuses_what_aws_refuses(group: Group) -> None:
    with pytest.raises(ClientError, match="already exists"):
        group.client.create_model_package_group(ModelPackageGroupName=group.name)
    with pytest.raises(ClientError, match="Could not find model data at s3://"):
        group.client.create_model_package(
            ModelPackageGroupName=group.name,
            InferenceSpecification={"Containers": [{"Image": "i", "ModelDataUrl": f"s3://{group.name}/none"}]},
        )
    group.client.create_model_package(ModelPackageGroupName=group.name)
    assert group.statuses() == [(1, "PendingManualApproval")]
    with pytest.raises(ClientError, match="still has model packages"):
        group.client.delete_model_package_group(ModelPackageGroupName=group.name)


def test_versions_are_read_by_the_rights_of_the_pipeline(group: Group) -> None:
    """Its role may list and describe model packages (infra/pipeline.yaml), and nothing else of the registry."""
    group.add("a", 0.5)
    asked: list[str] = []
    events = group.client.meta.events
    events.register("before-call.sagemaker", lambda model, **_: asked.append(model.name), unique_id="asked")
    try:
        assert group.decide("b", 0.6)[0] == "register"
        assert model_packages.versions(group.settings, "no-such-group") == []
    finally:
        events.unregister("before-call.sagemaker", unique_id="asked")
    assert set(asked) <= {"ListModelPackages", "DescribeModelPackage"}
