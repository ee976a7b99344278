"""Which machine of a session is on which host."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cluster.sessions.places import PlacedMachine, Places, placed
from orchestrator.errors import SpecError

VM, BOX = PlacedMachine("lab", "vm", "lab1"), PlacedMachine("lab", "box", "lab2")
OTHER = PlacedMachine("exam", "vm", "lab2")


def test_what_was_noted_is_there_until_it_is_forgotten(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.note([VM, OTHER, BOX])
    assert Places(tmp_path).machines() == [OTHER, BOX, VM]
    places.note([PlacedMachine("lab", "vm", "lab3")])  # made anew elsewhere
    places.forget([BOX, OTHER])
    assert places.machines() == [PlacedMachine("lab", "vm", "lab3")]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["lab"], [BOX, VM]),
        (["lab/vm"], [VM]),
        (["box"], [BOX]),
        (["exam", "lab/vm", "exam/vm"], [OTHER, VM]),
    ],
)
def test_machines_and_sessions_are_named_as_on_one_host(names: list[str], found: list[PlacedMachine]) -> None:
    assert placed(names, [OTHER, BOX, VM]) == found


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("vm", "'vm' is ambiguous", "exam/vm, lab/vm"),
        ("bx", "the cluster has no machine 'bx'", "did you mean 'box'"),
        (
            "nobody",
            "the cluster has no machine 'nobody'",
            "machines of this cluster: exam/vm, lab/box, lab/vm",
        ),
    ],
)
def test_what_is_meant_by_nothing_or_several_is_said(name: str, words: str, hint: str) -> None:
    with pytest.raises(SpecError, match=words) as told:
        placed([name], [OTHER, BOX, VM])
    assert hint in told.value.hint


def test_without_machines_the_way_to_some_is_named() -> None:
    with pytest.raises(SpecError) as told:
        placed(["vm"], [])
    assert "isolab up LAB --cluster HOSTS" in told.value.hint
