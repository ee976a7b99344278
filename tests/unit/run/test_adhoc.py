"""A program tried everywhere: which machines, how it is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.errors import SpecError
from orchestrator.run.adhoc import lab_of, machines_for


def test_all_is_every_boundary_and_every_architecture() -> None:
    machines = machines_for("all")
    assert {"process", "sandbox", "container", "vm"} <= set(machines)
    assert {m.arch for m in machines.values() if m.arch} == set(ARCHITECTURES) - {host_arch().name}


def test_machines_are_chosen_by_name_in_order() -> None:
    assert list(machines_for("s390x, vm")) == ["s390x", "vm"]


@pytest.mark.parametrize(("on", "hint"), [("s390", "did you mean 's390x'?"), (" , ", "machines: process")])
def test_a_machine_that_is_not_there_gets_a_hint(on: str, hint: str) -> None:
    with pytest.raises(SpecError) as wrong:
        machines_for(on)
    assert wrong.value.hint.startswith(hint)


def test_a_file_is_compiled_and_gets_its_arguments(tmp_path: Path) -> None:
    source = tmp_path / "prog.c"
    source.touch()
    lab = lab_of(source, ["a b", "c"], on="vm", stdin=None, command="", timeout=5.0)
    (exercise,) = lab.exercises
    assert exercise.folder == tmp_path
    assert exercise.spec.build[0].sources == ["prog.c"]
    assert exercise.spec.run[0].argv == ["./prog", "a b", "c"]


def test_a_folder_is_built_by_make_or_by_a_command(tmp_path: Path) -> None:
    for command, expected in (("", "make"), ("make prog", "make prog")):
        lab = lab_of(tmp_path, [], on="vm", stdin=None, command=command, timeout=5.0)
        assert lab.exercises[0].spec.build[0].command == expected


def test_what_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        lab_of(tmp_path / "none.c", [], on="all", stdin=None, command="", timeout=5.0)
    with pytest.raises(SpecError, match="--stdin"):
        lab_of(tmp_path, [], on="all", stdin=tmp_path / "none", command="", timeout=5.0)
