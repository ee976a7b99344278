"""The table of traits, the folders of drivers and what each driver offers agree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from orchestrator import drivers
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Networking
from orchestrator.labfile.models import Machine
from orchestrator.labfile.schema import schema
from orchestrator.paths import ROOT

PACKAGE = ROOT / "orchestrator"
FOLDERS = {module.parent for module in (PACKAGE / "drivers").glob("*/driver.py")}
OTHERS = [path for path in PACKAGE.rglob("*.py") if not FOLDERS & set(path.parents)]


def test_every_row_has_its_folder_and_every_folder_its_row() -> None:
    assert {folder.name for folder in FOLDERS} == set(TRAITS)


def test_editors_are_told_of_every_driver() -> None:
    assert schema()["$defs"]["Machine"]["properties"]["driver"]["enum"] == list(TRAITS)


@pytest.mark.parametrize("name", TRAITS)
def test_who_joins_machines_by_networks_has_what_that_takes(name: str) -> None:
    assert isinstance(drivers.load(name), Networking) == TRAITS[name].networks


def test_keys_that_are_a_drivers_own_are_keys_of_machines() -> None:
    keys = {key for traits in TRAITS.values() for key in traits.own_keys}
    assert keys <= set(Machine.model_fields)


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    """Where something called ``driver`` is compared with the name of a driver."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        asked = any(getattr(side, "attr", getattr(side, "id", "")) == "driver" for side in sides)
        words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
        if asked and words & set(TRAITS):
            yield node


def test_no_driver_is_asked_for_by_its_name() -> None:
    texts = {path: path.read_text() for path in OTHERS}
    # To parse them all takes a second.
    found = {path: list(comparisons(ast.parse(text))) for path, text in texts.items() if "driver" in text}
    assert [f"{path}:{node.lineno}" for path, nodes in found.items() for node in nodes] == []


def test_such_a_question_would_be_found() -> None:
    questions = 'a.driver == "qemu"\ndriver in ("ssh", "x")\nother == "qemu"\na.driver != b.driver\n'
    assert [node.lineno for node in comparisons(ast.parse(questions))] == [1, 2]
