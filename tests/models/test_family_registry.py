"""Registries: built-in, registered and declared objects, and every way in which a declaration can be wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etholake.errors import ContractError
from etholake.models.registry import FAMILIES, config_names, family_names, resolve
from etholake.plugins import Registry

ROOT = Path(__file__).resolve().parents[2]


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


def things() -> Registry[Thing]:
    return Registry("etholake.test_things", "thing", {"own": "test_family_registry:OWN"})


OWN = Thing("own")


def declare(folder: Path, name: str, value: str, distribution: str = "stranger") -> Path:
    """A distribution on the path with one entry point."""
    info = folder / f"{distribution}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[etholake.test_things]\n{name} = {value}\n")
    return folder


def test_an_object_is_registered_for_this_process_alone() -> None:
    registry, thing = things(), Thing("mine")
    assert registry.register(thing) is registry.register(thing) is registry.get("mine")
    assert registry.names() == ("own", "mine")
    assert [item.name for item in registry] == ["own", "mine"]
    assert registry.entry_point("mine") is registry.entry_point("nobody") is None
    for name in ("own", "mine"):
        with pytest.raises(ContractError, match=f"There is a thing '{name}' already"):
            registry.register(Thing(name))
    with pytest.raises(ContractError, match=r"no thing 'mime'\. Did you mean 'mine'\?"):
        registry.get("mime")
    assert things().names() == ("own",)


def test_an_entry_point_is_found_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strange_things.py").write_text("class T:\n    name = 'far'\nFAR = T()\n")
    monkeypatch.syspath_prepend(str(declare(tmp_path, "far", "strange_things:FAR")))
    registry = things()
    assert registry.names() == ("own", "far")
    assert "strange_things" not in sys.modules
    assert registry.get("far").name == "far"
    assert registry.entry_point("far").value == "strange_things:FAR"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "far",
            "no_module_of_that_name:FAR",
            "of the distribution stranger cannot be loaded .*ModuleNotFoundError",
        ),
        ("far", "test_family_registry:OWN", "is declared as 'far', but calls itself 'own'"),
        ("own", "test_family_registry:OWN", "Two thing objects are called 'own': that of Etholake itself"),
    ],
)
def test_a_wrong_declaration_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.syspath_prepend(str(declare(tmp_path, name, value)))
    with pytest.raises(ContractError, match=message):
        things().get("far")


def test_two_distributions_with_one_name_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for distribution, value in (("one", "test_family_registry:OWN"), ("two", "other:OWN")):
        monkeypatch.syspath_prepend(str(declare(tmp_path / distribution, "far", value, distribution)))
    with pytest.raises(ContractError, match="distribution two and that of the distribution one"):
        things().names()


def test_every_configuration_is_resolved_and_in_the_documents() -> None:
    names = config_names()
    own = ("base", "w64", "w128", "w256", "w512", "tiny", "small", "smoke")  # of cnn_transformer, the first family
    assert names[: len(own)] == own
    assert {"boosted", "cnn_transformer", "cnn_lstm", "pose_bert", "centred"} <= set(names)
    for family in map(FAMILIES.get, family_names()):
        assert family.default in family.presets
        for preset in family.presets:
            assert resolve(f"{family.name}:{preset}") == (family, family.presets[preset])
            first = next(other for other in FAMILIES if preset in other.presets)  # a bare name is the first one's
            assert resolve(preset)[0] is (FAMILIES.get(preset) if preset in family_names() else first)
        text = (ROOT / "etholake" / "models" / family.name / "README.md").read_text(encoding="utf-8")
        assert {p for p in family.presets if f"`{p}`" not in text} == set(), f"{family.name}/README.md"


def test_every_family_has_the_same_files() -> None:
    for family in FAMILIES:
        folder = ROOT / "etholake" / "models" / family.name
        assert {"__init__.py", "family.py", "README.md"} <= {path.name for path in folder.iterdir()}, family.name
        if family.presets:
            assert (folder / "config.py").is_file(), family.name
