"""Templates and documents that would run code, never end, or break the reader: refused, with a sentence."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etholake import aws
from etholake.settings import Settings
from local_mock.documents import RefusedError, load_json, load_yaml, require_plain_xml

TOPIC = "Resources: {T: {Type: 'AWS::SNS::Topic'}}"
RUNS = [
    "!!python/object/apply:os.mkdir ['{mark}']",
    "Resources: !!python/object/apply:os.mkdir ['{mark}']",
    "Resources: {{T: {{Type: !!python/object/new:os.mkdir ['{mark}']}}}}",
    "Description: !!python/object/apply:subprocess.check_output [['mkdir', '{mark}']]\n" + TOPIC.replace(
        "{", "{{").replace("}", "}}"),
    "? !!python/object/apply:os.mkdir ['{mark}']\n: 1",
    "!<tag:yaml.org,2002:python/object/apply:os.mkdir> ['{mark}']",
    "%TAG ! tag:yaml.org,2002:python/object/apply:\n---\n!os.mkdir ['{mark}']",
]  # fmt: skip
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [{', '.join(['*' + before] * 10)}]\n" for before, n in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases": BOMB,
    "one alias": "Resources: {T: &t {Type: 'AWS::SNS::Topic'}, U: *t}",
    "a loop": "Resources: &r {T: *r}",
    "deep lists": "[" * 20_000,
    "deep JSON": '{"Resources": ' * 20_000,
    "deep mappings": "{a: " * 5_000,
    "not YAML": "a: b: c",
    "half of JSON": '{"Resources": {',
    "a list": "[1, 2]",
    "a text": "text",
    "a number": "1",
    "nothing": " \n",
    "a tag that is none": "Resources: {T: {Type: !Nonsense x}}",
    "binary": "Resources: {T: {Type: !!binary aGk=}}",
    "a key that is a list": "{[a]: b}",
    "a control character": "Resources: \x00",
    "NaN": '{"Resources": NaN}',
    "a long number": '{"Resources": ' + "9" * 10_000 + "}",
    "no resources": "Description: x",
    "resources that are a list": "Resources: [1]",
    "resources that are a text": "Resources: text",
    "a resource that is a text": "Resources: {T: text}",
    "a resource without a type": "Resources: {T: {}}",
    "properties that are a list": "Resources: {T: {Type: 'AWS::SNS::Topic', Properties: [1]}}",
    "parameters that are a list": TOPIC + "\nParameters: [1]",
    "a parameter that is a text": TOPIC + "\nParameters: {P: text}",
    "an unknown section": TOPIC + "\nResourses: {}",
    "a section named by a number": TOPIC + "\n1: {}",
    "a resource twice": "Resources:\n  T: {Type: 'AWS::SNS::Topic'}\n  T: {Type: 'AWS::SQS::Queue'}",
    "a resource twice in JSON": '{"Resources": {"T": {"Type": "AWS::SNS::Topic"}, "T": {"Type": "A::B::C"}}}',
}


@pytest.fixture(scope="module")
def parse() -> Callable[[str], Any]:
    """The reader of templates; it imports all of moto's CloudFormation."""
    from local_mock.cloudformation.templates import parse

    return parse


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_is_a_validation_error_at_once(parse: Callable[[str], Any], text: str) -> None:
    from moto.cloudformation.exceptions import ValidationError

    started = time.process_time()
    with pytest.raises(ValidationError, match=r"Template|Invalid template property"):
        parse(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", RUNS)
def test_a_template_runs_nothing(parse: Callable[[str], Any], text: str, tmp_path: Path) -> None:
    from moto.cloudformation.exceptions import ValidationError

    mark = tmp_path / "ran"
    with pytest.raises(ValidationError, match=r"Template format error: YAML not well-formed"):
        parse(text.format(mark=mark))
    with pytest.raises(RefusedError, match="could not determine a constructor"):
        load_yaml(text.format(mark=mark))
    assert not mark.exists()


def test_cloudformations_own_tags_are_read(parse: Callable[[str], Any]) -> None:
    template = parse("""
AWSTemplateFormatVersion: 2010-09-09
Conditions: {C: !Not [!Condition D], D: !Equals [!Ref P, '1']}
Resources:
  T:
    Type: AWS::SNS::Topic
    Properties:
      A: !GetAtt S.Outputs.Arn
      B: !GetAtt [S, Arn]
      C: !Join ['-', [!Ref X, !Sub '${A}-b']]
      D: !Sub ['${v}', {v: !ImportValue e}]
      E: !If [C, !Base64 t, !Select [0, !GetAZs '']]
      F: !Transform {Name: n, Parameters: {a: 1}}
""")
    assert template["AWSTemplateFormatVersion"] == "2010-09-09"
    assert template["Conditions"]["C"] == {"Fn::Not": [{"Condition": "D"}]}
    assert template["Resources"]["T"]["Properties"] == {
        "A": {"Fn::GetAtt": ["S", "Outputs.Arn"]},
        "B": {"Fn::GetAtt": ["S", "Arn"]},
        "C": {"Fn::Join": ["-", [{"Ref": "X"}, {"Fn::Sub": "${A}-b"}]]},
        "D": {"Fn::Sub": ["${v}", {"v": {"Fn::ImportValue": "e"}}]},
        "E": {"Fn::If": ["C", {"Fn::Base64": "t"}, {"Fn::Select": [0, {"Fn::GetAZs": ""}]}]},
        "F": {"Fn::Transform": {"Name": "n", "Parameters": {"a": 1}}},
    }
    assert parse(json.dumps(template)) == template


def takers(settings: Settings) -> dict[str, Callable[[str], Any]]:
    """Every operation of CloudFormation that takes a template."""
    cfn = aws.client(settings, "cloudformation")
    name = "hostile"
    return {
        "CreateStack": lambda t: cfn.create_stack(StackName=name, TemplateBody=t),
        "UpdateStack": lambda t: cfn.update_stack(StackName="hostile-base", TemplateBody=t),
        "CreateChangeSet": lambda t: cfn.create_change_set(
            StackName=name, ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=t),
        "UpdateChangeSet": lambda t: cfn.create_change_set(
            StackName="hostile-base", ChangeSetName="c", ChangeSetType="UPDATE", TemplateBody=t),
        "GetTemplateSummary": lambda t: cfn.get_template_summary(TemplateBody=t),
        "ValidateTemplate": lambda t: cfn.validate_template(TemplateBody=t),
        "CreateStackSet": lambda t: cfn.create_stack_set(StackSetName=name, TemplateBody=t),
        "UpdateStackSet": lambda t: cfn.update_stack_set(StackSetName="hostile-base", TemplateBody=t),
    }  # fmt: skip


def test_every_operation_that_takes_a_template_refuses_them(mock_settings: Settings, tmp_path: Path) -> None:
    cfn = aws.client(mock_settings, "cloudformation")
    cfn.create_stack(StackName="hostile-base", TemplateBody=TOPIC)
    cfn.create_stack_set(StackSetName="hostile-base", TemplateBody=TOPIC)
    mark = tmp_path / "ran"
    texts = [RUNS[0].format(mark=mark), RUNS[3].format(mark=mark), BOMB, "[" * 20_000, '{"a":' * 9_000, "a: b: c"]
    for operation, call in takers(mock_settings).items():
        # One reader serves them all: the first operation gets every text, the others show that they use it.
        for text in texts if operation == "CreateStack" else texts[:1]:
            with pytest.raises(ClientError, match="Template") as error:
                call(text)
            response = error.value.response
            assert (operation, response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
                operation, "ValidationError", 400)  # fmt: skip
    assert not mark.exists()
    assert not Path("file.tmp").exists()  # moto's ValidateTemplate wrote the template there
    assert [s["StackName"] for s in cfn.list_stacks()["StackSummaries"] if s["StackName"] == "hostile"] == []
    cfn.delete_stack_set(StackSetName="hostile-base")
    cfn.delete_stack(StackName="hostile-base")


def test_validate_template_tells_what_the_template_says(mock_settings: Settings) -> None:
    cfn = aws.client(mock_settings, "cloudformation")
    text = (
        "Description: d\nParameters: {P: {Type: String, Default: x, NoEcho: true}}\n"
        "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {RoleName: r}}}"
    )
    response = cfn.validate_template(TemplateBody=text)
    assert response["Description"] == "d"
    assert response["Parameters"] == [{"ParameterKey": "P", "DefaultValue": "x", "NoEcho": True}]
    assert response["Capabilities"] == ["CAPABILITY_NAMED_IAM"]


def test_documents_of_ssm_are_bounded_and_run_nothing(mock_settings: Settings, tmp_path: Path) -> None:
    ssm = aws.client(mock_settings, "ssm")
    mark = tmp_path / "ran"
    for number, text in enumerate((RUNS[0].format(mark=mark), BOMB, "[" * 20_000, "a: b: c")):
        with pytest.raises(ClientError, match="content for the document is not valid") as error:
            ssm.create_document(Name=f"d{number}", Content=text, DocumentFormat="YAML", DocumentType="Command")
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert not mark.exists()
    shared = "schemaVersion: '2.2'\ndescription: &d text\nmainSteps: [{name: *d, action: a}]\n"
    ssm.create_document(Name="shared", Content=shared, DocumentFormat="YAML", DocumentType="Command")
    assert json.loads(ssm.get_document(Name="shared", DocumentFormat="JSON")["Content"])["description"] == "text"


def test_yaml_and_json_have_limits() -> None:
    assert load_yaml("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))
    wide = "a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 1_000 + "]\n"
    for text, reason in ((chain, "nested deeper"), (wide, "4,194,304 characters"), ("&a [*a]", "stands within"),
                         ("a: !!timestamp x", "does not fit its tag"), ("a: 0x" + "f" * 9_000, "9,002 digits"),
                         ("a: !!float x", "could not convert")):  # fmt: skip
        with pytest.raises(RefusedError, match=reason):
            load_yaml(text)
    assert load_json('{"a": [1, 2.5, "x", null, true, -1e300]}') == {"a": [1, 2.5, "x", None, True, -1e300]}
    for text, reason in (("[" * 100_000, "nested deeper"), ("[" * 101 + "]" * 101, "nested deeper"),
                         ("1e999", "no double holds"), ("9" * 5_000, "5,000 digits"), ("NaN", "it has NaN"),
                         ("{", "malformed"), (b"\xff\xfe", "malformed")):  # fmt: skip
        with pytest.raises(RefusedError, match=reason):
            load_json(text)


def test_xml_with_entities_is_refused_in_every_encoding() -> None:
    require_plain_xml("<?xml version='1.0' encoding='UTF-8'?><a x='&lt;'><b>é &amp;</b></a>".encode())
    entity = '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
    outside = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'
    for text in (entity, outside):
        for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be"):
            body = (f'<?xml version="1.0" encoding="{encoding[:6].upper()}"?>' + text).encode(encoding)
            with pytest.raises(RefusedError, match=r"document type|malformed"):
                require_plain_xml(body)
    for body, reason in ((b"<a>" * 10_000, "nested deeper"), (b"<a>", "malformed"), (b"", "malformed"),
                         (b"<?xml version='1.0' encoding='nonsense'?><a/>", "malformed")):  # fmt: skip
        with pytest.raises(RefusedError, match=reason):
            require_plain_xml(body)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("Transform: AWS::Serverless-2016-10-31\n" + TOPIC, "AWS::Serverless-2016-10-31"),
        ("Transform: [{Name: 'AWS::Include', Parameters: {Location: 's3://b/k'}}]\n" + TOPIC, "AWS::Include"),
        ("Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: !Transform {Name: M}}}}", "M"),
        (
            '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Fn::Transform": {"Name": "AWS::Include"}}}}',
            "AWS::Include",
        ),
    ],
)
@pytest.mark.server
def test_what_only_a_macro_would_write_is_refused(template: str, named: str, mock_settings: Settings) -> None:
    client = aws.client(mock_settings, "cloudformation")
    for make in (
        lambda: client.create_stack(StackName="macro", TemplateBody=template),
        lambda: client.create_change_set(
            StackName="macro", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=template
        ),
    ):
        with pytest.raises(ClientError, match=rf"Transform {named} is not supported by local_mock: process the"):
            make()
    assert client.get_template_summary(TemplateBody=template)["ResourceTypes"] == ["AWS::SNS::Topic"]
