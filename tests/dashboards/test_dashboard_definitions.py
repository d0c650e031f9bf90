"""The definitions against QuickSight's own model, cfn-lint and our lint, and their files."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from dashboards.__main__ import main
from dashboards.lint import lint
from etholake.pages.dashboards import definitions, publish
from etholake.settings import Settings
from etholake.stages.reports import dashboards as stage

MODEL = botocore.session.get_session().get_service_model("quicksight")
PRINCIPAL = "arn:aws:quicksight:us-east-1:123456789012:user/default/ana"
CALLS = publish.requests(definitions.load(), stage.values(Settings(), PRINCIPAL), own_theme=True)
OPERATIONS = [(c, verb) for c in CALLS for verb in ("create", "update")]


def test_the_definitions_are_made_in_memory_and_written_for_those_who_want_files(tmp_path: Path):
    assert main(["--out", str(tmp_path)]) == 0
    loaded = definitions.load()
    for kind, documents in (("data_sets", loaded.data_sets), ("dashboards", loaded.dashboards)):
        assert {p.stem: json.loads(p.read_text()) for p in (tmp_path / kind).glob("*.json")} == documents
    assert json.loads((tmp_path / "theme.json").read_text()) == loaded.theme
    loaded.dashboards["lake"].clear()
    assert definitions.load().dashboards["lake"], "a caller's change stays with the caller"


def test_nothing_is_written_if_the_definitions_do_not_pass_the_lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    broken = definitions.load()
    broken.dashboards["lake"]["Definition"]["FilterGroups"].pop(0)
    monkeypatch.setattr(definitions, "load", lambda: broken)
    assert main(["--out", str(tmp_path)]) == 1
    assert "lake: parameter Lab has no filter" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- QuickSight's model -------------------------------------------------------------------------------------
def broken_rules(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Check what botocore's validator does not look at: enums, patterns, lengths and ranges."""
    kind, rules = shape.type_name, shape.metadata
    if kind == "structure":
        for name, item in value.items():
            yield from broken_rules(shape.members[name], item, f"{path}.{name}")
        if shape.metadata.get("union") and len(value) != 1:
            yield f"{path}: a union has one member"
    elif kind == "list":
        for at, item in enumerate(value):
            yield from broken_rules(shape.member, item, f"{path}[{at}]")
    elif kind == "map":
        for key, item in value.items():
            yield from broken_rules(shape.key, key, f"{path} key")
            yield from broken_rules(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {shape.enum}"
        if "pattern" in rules and not re.fullmatch(rules["pattern"].strip("^$"), value):
            yield f"{path}: {value!r} does not match {rules['pattern']}"
    size = (
        len(value)
        if kind in {"string", "list", "map"}
        else value
        if kind in {"integer", "long", "double"}
        else None
    )
    if size is not None and not rules.get("min", size) <= size <= rules.get("max", size):
        yield f"{path}: {size} is not in {rules.get('min')}..{rules.get('max')}"


@pytest.mark.parametrize(("call", "verb"), OPERATIONS, ids=[f"{v}-{c.what}-{c.id}" for c, v in OPERATIONS])
def test_a_request_is_one_that_quicksight_takes(call: publish.Call, verb: str):
    name = verb.title() + "".join(part.title() for part in call.what.split("_"))
    shape = MODEL.operation_model(name).input_shape
    request = getattr(call, verb)
    assert ParamValidator().validate(request, shape).generate_report() == ""
    assert list(broken_rules(shape, request)) == []
    assert "${" not in json.dumps(request)


def test_the_walk_finds_wrong_enums_patterns_and_sizes():
    call = copy.deepcopy(next(c for c in CALLS if c.id == "etholake-lake"))
    sheet = call.create["Definition"]["Sheets"][0]
    sheet["SheetId"] = "lake overview"
    sheet["ContentType"] = "LIVELY"
    sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"][0]["ColumnSpan"] = 99
    problems = "\n".join(broken_rules(MODEL.operation_model("CreateDashboard").input_shape, call.create))
    assert re.search(r"SheetId: 'lake overview' does not match", problems)
    assert "'LIVELY' is none of" in problems
    assert "ColumnSpan: 99 is not in 1..36" in problems


@pytest.mark.slow
def test_the_template_passes_cfn_lint(tmp_path: Path):
    out = tmp_path / "template.json"
    stage.write_template(out)
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert out.stat().st_size < 1_000_000  # what CloudFormation takes from S3
    made = json.loads(out.read_text())
    assert set(re.findall(r"\$\{([^}]+)\}", out.read_text())) <= {"Prefix", "Database", "AWS::AccountId"}
    types = [r["Type"] for r in made["Resources"].values()]
    assert types.count("AWS::QuickSight::Dashboard") == 3


# --- our lint -----------------------------------------------------------------------------------------------
def test_our_lint_finds_nothing():
    assert lint(definitions.load()) == []


def _first(loaded: definitions.Definitions) -> dict[str, Any]:
    return loaded.dashboards["lake"]["Definition"]["Sheets"][0]


def _well(loaded: definitions.Definitions) -> dict[str, Any]:
    bar = next(v["BarChartVisual"] for v in _first(loaded)["Visuals"] if "BarChartVisual" in v)
    return bar["ChartConfiguration"]["FieldWells"]["BarChartAggregatedFieldWells"]


def _value(loaded: definitions.Definitions) -> dict[str, Any]:
    return _well(loaded)["Values"][0]["NumericalMeasureField"]


def _elements(loaded: definitions.Definitions) -> list[dict[str, Any]]:
    return _first(loaded)["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]


MISTAKES: list[tuple[Callable[[definitions.Definitions], Any], str]] = [
    (lambda d: _well(d)["Category"][0]["CategoricalDimensionField"]["Column"].update(ColumnName="labb"),
     "column labb is not in data set videos"),
    (lambda d: _well(d)["Category"][0]["CategoricalDimensionField"]["Column"].update(ColumnName="parts"),
     "column parts is INTEGER, not text"),
    (lambda d: _value(d)["Column"].update(ColumnName="received")
     or _value(d)["AggregationFunction"].update(SimpleNumericalAggregation="SUM"),
     "column received is text and cannot be SUM"),
    (lambda d: _first(d).update(SheetId="lake-quality"), "id lake-quality is used twice"),
    (lambda d: _elements(d).pop(), "lake-overview: visual lake-labs-table is not laid out"),
    (lambda d: _elements(d)[1].update(ColumnIndex=0), "lake-hours is laid out over lake-videos"),
    (lambda d: _elements(d)[1].update(ElementId="ghost"), "the layout names ghost, which is no visual of it"),
    (lambda d: d.dashboards["lake"]["Definition"]["ParameterDeclarations"].pop(0),
     "a filter uses parameter Lab, which is not declared"),
    (lambda d: d.dashboards["lake"]["Definition"]["FilterGroups"].pop(0), "parameter Lab has no filter"),
    (lambda d: d.dashboards["lake"]["Definition"]["CalculatedFields"][0].update(Expression="sum({nothing})"),
     "needs column nothing, which its data set has not"),
    (lambda d: d.data_sets.pop("videos"), "data set videos .* has no definition of that name"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_our_lint_names_a_mistake(mistake: Callable[[definitions.Definitions], Any], message: str):
    loaded = copy.deepcopy(definitions.load())
    mistake(loaded)
    assert re.search(message, "\n".join(lint(loaded)))


# --- publication --------------------------------------------------------------------------------------------
class FakeQuickSight:
    """Remembers what was asked; whatever is in `there` exists already."""

    class exceptions:  # noqa: N801 botocore's name
        class ResourceExistsException(Exception):  # noqa: N818 botocore's name
            pass

    def __init__(self, there: set[str]) -> None:
        self.there, self.asked = there, []

    def __getattr__(self, name: str) -> Callable[..., dict[str, str]]:
        def call(**request: Any) -> dict[str, str]:
            (own,) = [
                v for k, v in request.items() if k in {"DataSourceId", "DataSetId", "ThemeId", "DashboardId"}
            ]
            if name.startswith("create_") and own in self.there:
                raise self.exceptions.ResourceExistsException(own)
            self.asked.append((name, own))
            return {"VersionArn": f"arn:aws:quicksight:::dashboard/{own}/version/7"}

        return call


def test_what_exists_is_updated_and_its_new_version_published():
    client = FakeQuickSight({"etholake-lake", "etholake-videos"})
    done = dict(publish.publish(client, CALLS))
    assert {i for i, state in done.items() if state == "updated"} == {"etholake-lake", "etholake-videos"}
    names = [name for name, _ in client.asked]
    assert names[0] == "create_data_source"
    assert names.index("create_theme") > max(i for i, n in enumerate(names) if n.endswith("data_set"))
    at = client.asked.index(("update_dashboard", "etholake-lake"))
    assert client.asked[at + 1] == ("update_dashboard_published_version", "etholake-lake")


def test_publication_by_boto3_on_the_mock(dash_lake: Settings):
    """moto keeps the requests (data source, data sets, dashboards); it has no themes and no updates."""
    theme = "arn:aws:quicksight:us-east-1:123456789012:theme/house"
    result = stage.publish(dash_lake, PRINCIPAL, theme)
    assert result.summary.startswith("18 created, 0 updated in QuickSight: dash, dash-calibration")


def test_a_principal_must_be_an_arn_of_quicksight(dash_lake: Settings):
    with pytest.raises(stage.UsageError, match=r"needs the ARN of a QuickSight user or group.*got 'ana'"):
        stage.publish(dash_lake, "ana")
