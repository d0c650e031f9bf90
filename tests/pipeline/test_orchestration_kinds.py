"""Resource types of the pipeline's stack on the mock: made as the template says, or the stack fails."""

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings

DEFINITION = json.dumps({"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": "${Word}", "End": True}}})


def body(name: str, substitutions: dict[str, str], **machine: Any) -> str:
    properties = {
        "StateMachineName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/none",
        "DefinitionString": DEFINITION,
        "DefinitionSubstitutions": substitutions,
        **machine,
    }
    target = {
        "Id": "it",
        "Arn": {"Ref": "Machine"},
        "RoleArn": "arn:aws:iam::123456789012:role/none",
        "Input": "{}",
    }
    rule = {"Name": name, "ScheduleExpression": "rate(1 day)", "State": "DISABLED", "Targets": [target]}
    resources = {
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name, "KmsMasterKeyId": "alias/aws/sns"}},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": rule},
    }
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Machine", "Arn"]}}, "Topic": {"Value": {"Ref": "Topic"}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_created_updated_and_deleted(mock_settings: Settings) -> None:
    name = f"kinds-{uuid.uuid4().hex[:8]}"
    formation, states = aws.client(mock_settings, "cloudformation"), aws.client(mock_settings, "stepfunctions")
    events, sns = aws.client(mock_settings, "events"), aws.client(mock_settings, "sns")
    formation.create_stack(StackName=name, TemplateBody=body(name, {"Word": 'say "hello"'}))
    stack = formation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    description = states.describe_state_machine(stateMachineArn=outputs["Arn"])
    assert json.loads(description["definition"])["States"]["Say"]["Result"] == 'say "hello"'
    assert sns.get_topic_attributes(TopicArn=outputs["Topic"])["Attributes"]["KmsMasterKeyId"] == "alias/aws/sns"
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    assert (target["Arn"], target["Input"]) == (outputs["Arn"], "{}")

    formation.update_stack(StackName=name, TemplateBody=body(name, {"Word": "bye"}))
    description = states.describe_state_machine(stateMachineArn=outputs["Arn"])
    assert json.loads(description["definition"])["States"]["Say"]["Result"] == "bye"

    formation.delete_stack(StackName=name)
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        states.describe_state_machine(stateMachineArn=outputs["Arn"])
    with pytest.raises(ClientError, match="ResourceNotFound"):
        events.describe_rule(Name=name)
    with pytest.raises(ClientError, match="NotFound"):
        sns.get_topic_attributes(TopicArn=outputs["Topic"])


@pytest.mark.parametrize(
    ("substitutions", "machine", "message"),
    [
        ({}, {}, "DefinitionSubstitutions lack ['Word']"),
        ({"Word": "a"}, {"PublishVersion": True}, "['PublishVersion']"),
        ({"Word": "a"}, {"DefinitionString": '{"StartAt": "Nowhere"}'}, "InvalidDefinition"),
    ],
)
def test_what_cannot_be_honoured_fails_the_stack(
    mock_settings: Settings, substitutions: dict[str, str], machine: dict[str, Any], message: str
) -> None:
    name = f"kinds-{uuid.uuid4().hex[:8]}"
    formation = aws.client(mock_settings, "cloudformation")
    formation.create_stack(StackName=name, TemplateBody=body(name, substitutions, **machine))
    assert formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    events = formation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert message in reasons[0]
