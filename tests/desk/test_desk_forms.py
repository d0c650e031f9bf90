"""The forms of the desk: each is a verb of the command line, and no value of a person becomes an option."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from collected import check_each
from formats.lab_folder import deeplabcut_csv, walk_xy

from etholake import cli
from etholake.errors import UsageError
from etholake.settings import AUTO
from etholake.stages.desk import mapping
from etholake.stages.desk.forms import FORMS, DeskForm, arguments, command, form_named, forms_json
from etholake.stages.lake import import_folder


def _verb(name: str) -> argparse.ArgumentParser:
    (action,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices[name]  # type: ignore[no-any-return]


def test_every_field_is_an_option_of_its_verb() -> None:
    def check(form: DeskForm) -> None:
        actions = {name: a for a in _verb(form.verb)._actions for name in (*a.option_strings, a.dest)}
        for field in form.fields:
            assert field.option in actions
            choices = actions[field.option].choices
            assert not choices or set(field.choices) == set(choices)
        assert set(form.fixed) <= set(actions)

    check_each(FORMS, check, name=lambda form: form.name)


def test_what_the_forms_make_is_what_the_command_line_parses() -> None:
    def check(form: DeskForm) -> None:
        values = {f.option: f.default or {"number": "3"}.get(f.kind, "--some -x; text") for f in form.fields}
        words = arguments(form, values)
        parsed = vars(cli._parser().parse_args(words))
        assert parsed["verb"] == form.verb
        texts = [str(value) for value in parsed.values()]
        for field in form.fields:
            assert any(values[field.option] in text for text in texts), field.option

    check_each(FORMS, check, name=lambda form: form.name)


def test_a_command_can_be_copied_into_a_shell() -> None:
    words = arguments(form_named("look"), {"folder": "/my lab's", "--out": " data ", "--fps": ""})
    assert words == ["import", "--dry-run", "--out=data", "--", "/my lab's"]
    assert command(words) == """etholake import --dry-run --out=data -- '/my lab'"'"'s'"""


def test_a_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    words = arguments(form_named("import"), {"folder": "~/my lab", "--out": "~/data", "--lab": "~x"})
    assert words == ["import", "--out=/home/ann/data", "--lab=~x", "--", "/home/ann/my lab"]


def test_wrong_values_are_refused_together() -> None:
    with pytest.raises(UsageError, match=r"(?s)'Export for another tool' cannot start \(3\).*no field '--rum'"
                       r".*Tool must be one of annot, boris.*but is 'borys'.*Folder is missing"):  # fmt: skip
        arguments(form_named("export"), {"--rum": "x", "--to": "borys", "--out": " "})
    with pytest.raises(UsageError, match="Your folder must be text, but is 7"):
        arguments(form_named("check"), {"folder": 7})
    with pytest.raises(UsageError, match=r"no form 'imprt'. Did you mean 'import'\?"):
        form_named("imprt")


def test_the_choice_of_a_model_is_that_of_the_registry() -> None:
    (train,) = (form for form in forms_json() if form["name"] == "train")
    assert train["fields"][0]["choices"][0] == AUTO
    assert "boosted" in train["fields"][0]["choices"]


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A data folder with the import of a lab with one video."""
    deeplabcut_csv(tmp_path / "lab" / "one.csv", walk_xy(60, 1, 3), ["nose", "leftear", "tailbase"])
    import_folder.run(tmp_path / "lab", tmp_path / "data", import_folder.ImportOptions(fps=30.0))
    return tmp_path / "data"


def test_a_mapping_is_changed_by_its_names(imported: Path) -> None:
    assert mapping.mappings(imported) == ["lab"]
    shown = mapping.show(imported, "lab")
    assert shown["mapping"]["parts"]["leftear"] == "ear_left"
    path = Path(shown["path"])
    path.write_text(f"# my own remark\n{path.read_text()}")
    saved = mapping.change(imported, "lab", {"set": [[["parts", "leftear"], ""], [["scale", "pix_per_cm"], 12.5]]})
    assert (saved["mapping"]["parts"]["leftear"], saved["mapping"]["scale"]["pix_per_cm"]) == ("", 12.5)
    assert path.read_text().startswith("# my own remark")
    again = mapping.change(imported, "lab", {"set": [[["fps"], None]]})
    assert again["mapping"]["fps"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"set": [[["unpaired"], "dropp"]]}, "stays as it was.*unpaired must be"),
        ({"set": [[["nothing", "x"], 1]]}, "no table 'nothing'"),
        ({"set": [["parts", 1]]}, "a list of names and a value"),
        ({"set": []}, "no change to save"),
    ],
)
def test_a_wrong_mapping_is_not_saved(imported: Path, changes: dict[str, object], message: str) -> None:
    before = mapping.show(imported, "lab")
    with pytest.raises(UsageError, match=f"(?s){message}"):
        mapping.change(imported, "lab", changes)
    assert mapping.show(imported, "lab") == before
    with pytest.raises(UsageError, match=r"has no import '\.\./lab'"):
        mapping.show(imported, "../lab")
