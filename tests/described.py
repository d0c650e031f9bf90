"""Describe a resource as its own service answers, written as a template writes it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from etholake import aws
from etholake.settings import Settings
from etholake.stages.cloud.templates import Template

ACCOUNT, REGION = "123456789012", "us-east-1"
# No service tells these: they say what CloudFormation shall do when it deletes.
UNTOLD = {("AWS::KMS::Key", "PendingWindowInDays"), ("AWS::Athena::WorkGroup", "RecursiveDeleteOption")}
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::StepFunctions::StateMachine": "{}",
    "AWS::QuickSight::DataSource": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:datasource/{{}}",
    "AWS::QuickSight::DataSet": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:dataset/{{}}",
    "AWS::QuickSight::Theme": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:theme/{{}}",
}
_NOTHING = object()


def wanted(
    template: Template, values: Mapping[str, str], physical: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Logical id -> properties, with every reference resolved (by the rules of AWS, not by the mock's)."""
    made = template.resources(values)
    pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}

    def reference(name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        return {**pseudo, **values, **physical}[name]

    def attribute(name: str, which: str) -> str:
        assert which == "Arn"
        return _ARNS[template.body["Resources"][name]["Type"]].format(physical[name])

    def fill(text: str) -> str:
        parts = text.split("${")
        filled = [parts[0]]
        for part in parts[1:]:
            name, _, rest = part.partition("}")
            logical, _, which = name.partition(".")
            filled += [str(attribute(logical, which) if which else reference(name)), rest]
        return "".join(filled)

    def resolved(node: Any) -> Any:  # noqa: PLR0911 - one return for each form
        if isinstance(node, list):
            return [value for item in node if (value := resolved(item)) is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if set(node) == {"Ref"}:
            return reference(node["Ref"])
        if set(node) == {"Fn::GetAtt"}:
            return attribute(*node["Fn::GetAtt"])
        if set(node) == {"Fn::Sub"}:
            return fill(node["Fn::Sub"])
        if set(node) == {"Fn::If"}:
            name, yes, no = node["Fn::If"]
            probe = Template("", "", {**template.body, "Resources": {"x": {"Condition": name}}})
            return resolved(yes if probe.resources(values) else no)
        return {k: value for k, v in node.items() if (value := resolved(v)) is not _NOTHING}

    return {name: resolved(body["Properties"]) for name, body in made.items()}


def plain(value: Any) -> Any:
    """For comparison: scalars as text, JSON text parsed."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if text.startswith("{"):
        return plain(json.loads(text))
    return text[:-2] if text.endswith(".0") else text


def covers(there: Any, wished: Any) -> bool:
    """Whether a description says all that is wished (services add defaults of their own); both `plain`."""
    if isinstance(wished, dict):
        return isinstance(there, dict) and all(k in there and covers(there[k], v) for k, v in wished.items())
    if isinstance(wished, list) and isinstance(there, list):
        return len(there) == len(wished) and all(map(covers, there, wished))
    return bool(there == wished)


def actual(settings: Settings, kind: str, physical: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a resource as its service describes them. Raises ClientError if it is not there."""
    return _DESCRIBED[kind](lambda service: aws.client(settings, service), physical, properties)


Client = Callable[[str], Any]
Properties = Mapping[str, Any]


def _key(client: Client, key: str, _: Properties) -> dict[str, Any]:
    kms = client("kms")
    key_metadata = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert key_metadata["KeyState"] == "Enabled"
    tags = kms.list_resource_tags(KeyId=key)["Tags"]
    return {
        "Description": key_metadata["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
        "KeyPolicy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
        "Tags": [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in tags],
    }


def _alias(client: Client, alias: str, _: Properties) -> dict[str, Any]:
    (entry,) = [a for a in client("kms").list_aliases()["Aliases"] if a["AliasName"] == alias]
    return dict(entry)


def _rule_of_life(rule: Mapping[str, Any]) -> dict[str, Any]:
    shown = {k: v for k, v in rule.items() if k not in ("ID", "Filter", "Expiration", "Transitions")}
    shown["Id"] = rule["ID"]
    if rule["Filter"].get("Prefix"):
        shown["Prefix"] = rule["Filter"]["Prefix"]
    if "Expiration" in rule:
        shown["ExpirationInDays"] = rule["Expiration"]["Days"]
    if "Transitions" in rule:
        shown["Transitions"] = [
            {"StorageClass": t["StorageClass"], "TransitionInDays": t["Days"]} for t in rule["Transitions"]
        ]
    return shown


def _bucket(client: Client, bucket: str, properties: Properties) -> dict[str, Any]:
    s3, place = client("s3"), {"Bucket": bucket}
    encryption = s3.get_bucket_encryption(**place)["ServerSideEncryptionConfiguration"]["Rules"]
    for rule in encryption:
        rule["ServerSideEncryptionByDefault"] = rule.pop("ApplyServerSideEncryptionByDefault")
    life = s3.get_bucket_lifecycle_configuration(**place)["Rules"]
    shown = {
        "BucketName": bucket,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": encryption},
        "PublicAccessBlockConfiguration": s3.get_public_access_block(**place)["PublicAccessBlockConfiguration"],
        "OwnershipControls": s3.get_bucket_ownership_controls(**place)["OwnershipControls"],
        "LifecycleConfiguration": {"Rules": [_rule_of_life(rule) for rule in life]},
    }
    if "VersioningConfiguration" in properties:
        shown["VersioningConfiguration"] = {"Status": s3.get_bucket_versioning(**place)["Status"]}
    if "LoggingConfiguration" in properties:
        logging = s3.get_bucket_logging(**place)["LoggingEnabled"]
        shown["LoggingConfiguration"] = {
            "DestinationBucketName": logging["TargetBucket"],
            "LogFilePrefix": logging["TargetPrefix"],
        }
    if "NotificationConfiguration" in properties:
        enabled = "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(**place)
        shown["NotificationConfiguration"] = {"EventBridgeConfiguration": {"EventBridgeEnabled": enabled}}
    return shown


def _bucket_policy(client: Client, _: str, properties: Properties) -> dict[str, Any]:
    bucket = properties["Bucket"]
    return {"Bucket": bucket, "PolicyDocument": client("s3").get_bucket_policy(Bucket=bucket)["Policy"]}


def _database(client: Client, name: str, properties: Properties) -> dict[str, Any]:
    database = client("glue").get_database(Name=name)["Database"]
    kept = {key: database[key] for key in properties["DatabaseInput"]}
    return {"CatalogId": ACCOUNT, "DatabaseInput": kept}


def _job(client: Client, name: str, _: Properties) -> dict[str, Any]:
    return dict(client("glue").get_job(JobName=name)["Job"])


def _crawler(client: Client, name: str, properties: Properties) -> dict[str, Any]:
    crawler = dict(client("glue").get_crawler(Name=name)["Crawler"])
    targets = {"S3Targets": [{"Path": t["Path"]} for t in crawler["Targets"]["S3Targets"]]}
    configuration = crawler["Configuration"]
    return {**crawler, "Targets": targets, "Configuration": configuration}


def _work_group(client: Client, name: str, properties: Properties) -> dict[str, Any]:
    work_group = client("athena").get_work_group(WorkGroup=name)["WorkGroup"]
    kept = {key: work_group["Configuration"][key] for key in properties["WorkGroupConfiguration"]}
    kept["EngineVersion"] = {"SelectedEngineVersion": kept["EngineVersion"]["SelectedEngineVersion"]}
    return {**work_group, "WorkGroupConfiguration": kept}


def _role(client: Client, name: str, _: Properties) -> dict[str, Any]:
    iam = client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    policies = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    shown = [{"PolicyName": p["PolicyName"], "PolicyDocument": p["PolicyDocument"]} for p in policies]
    return {**role, "Policies": shown}


def _managed_policy(client: Client, arn: str, _: Properties) -> dict[str, Any]:
    iam = client("iam")
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {**policy, "PolicyDocument": version["Document"]}


def _log_group(client: Client, name: str, _: Properties) -> dict[str, Any]:
    groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    (log_group,) = [group for group in groups if group["logGroupName"] == name]
    return {"LogGroupName": name, "RetentionInDays": log_group["retentionInDays"]}


def _alarm(client: Client, name: str, _: Properties) -> dict[str, Any]:
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(alarm)


def _topic(client: Client, arn: str, _: Properties) -> dict[str, Any]:
    sns = client("sns")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    listed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    subscriptions = [{"Protocol": s["Protocol"], "Endpoint": s["Endpoint"]} for s in listed]
    return {**attributes, "TopicName": arn.rpartition(":")[2], "Subscription": subscriptions}


def _topic_policy(client: Client, _: str, properties: Properties) -> dict[str, Any]:
    (arn,) = properties["Topics"]
    policy = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    return {"Topics": [arn], "PolicyDocument": policy}


def _rule(client: Client, name: str, _: Properties) -> dict[str, Any]:
    events = client("events")
    return {**events.describe_rule(Name=name), "Targets": events.list_targets_by_rule(Rule=name)["Targets"]}


def _budget(client: Client, name: str, properties: Properties) -> dict[str, Any]:
    budgets, place = client("budgets"), {"AccountId": ACCOUNT, "BudgetName": name}
    budget = budgets.describe_budget(**place)["Budget"]
    notices = budgets.describe_notifications_for_budget(**place)["Notifications"]
    given = properties["NotificationsWithSubscribers"]
    return {
        "Budget": {key: budget[key] for key in properties["Budget"]},
        # moto does not tell subscribers of a notification
        "NotificationsWithSubscribers": [
            {"Notification": n, "Subscribers": g["Subscribers"]} for n, g in zip(notices, given, strict=True)
        ],
    }


def _grant(client: Client, _: str, properties: Properties) -> dict[str, Any]:
    permissions = client("lakeformation").list_permissions(CatalogId=ACCOUNT)["PrincipalResourcePermissions"]
    kept = [{key: item[key] for key in properties if key in item} for item in permissions]
    return next(item for item in kept if plain(item) == plain(dict(properties)))


def _group(client: Client, name: str, _: Properties) -> dict[str, Any]:
    return dict(client("sagemaker").describe_model_package_group(ModelPackageGroupName=name))


def _machine(client: Client, arn: str, properties: Properties) -> dict[str, Any]:
    """The definition is told as text: it must be the object's, with the substitutions filled in."""
    state_machine = client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    place = properties["DefinitionS3Location"]
    text = client("s3").get_object(**place)["Body"].read().decode()
    for name, value in properties["DefinitionSubstitutions"].items():
        text = text.replace(f"${{{name}}}", value)
    same = json.loads(state_machine["definition"]) == json.loads(text)
    return {
        "StateMachineName": state_machine["name"],
        "StateMachineType": state_machine["type"],
        "RoleArn": state_machine["roleArn"],
        "DefinitionS3Location": place if same else "another definition",
        "DefinitionSubstitutions": properties["DefinitionSubstitutions"] if same else "other values",
    }


_DESCRIBED: dict[str, Callable[[Client, str, Properties], dict[str, Any]]] = {
    "AWS::Athena::WorkGroup": _work_group,
    "AWS::Budgets::Budget": _budget,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Events::Rule": _rule,
    "AWS::Glue::Crawler": _crawler,
    "AWS::Glue::Database": _database,
    "AWS::Glue::Job": _job,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": _alias,
    "AWS::KMS::Key": _key,
    "AWS::LakeFormation::PrincipalPermissions": _grant,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SageMaker::ModelPackageGroup": _group,
    "AWS::StepFunctions::StateMachine": _machine,
}
