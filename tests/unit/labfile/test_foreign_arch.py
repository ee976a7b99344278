"""Machines that must not be of the host's own architecture, on hosts of every architecture."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest
from built_in import built_in_lab

from orchestrator.arch import ARCHITECTURES
from orchestrator.driver_traits import TRAITS
from orchestrator.errors import SpecError
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.foreign_arch import resolve
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.plan import arch_of
from orchestrator.paths import EXERCISES

UNAME = {"amd64": "x86_64", "arm64": "aarch64", "s390x": "s390x", "riscv64": "riscv64"}


@pytest.mark.parametrize(
    ("arch", "name", "host", "found"),
    [
        (["arm64", "amd64"], "arm64", "amd64", ("arm64", "arm64")),
        (["arm64", "amd64"], "arm64", "arm64", ("amd64", "amd64")),
        (["arm64", "amd64"], "user-arm64", "arm64", ("amd64", "user-amd64")),
        (["arm64", "amd64"], "little", "arm64", ("amd64", "little")),
        (["arm64", "amd64"], "arm64", "", ("arm64", "arm64")),
        (["arm64"], "arm64", "arm64", ("arm64", "arm64")),
        (["arm64", "amd46"], "arm64", "amd64", ("amd46", "arm64")),
        (["arm64", 7], "arm64", "amd64", (7, "arm64")),
        ([], "arm64", "amd64", ([], "arm64")),
        ("arm64", "arm64", "arm64", ("arm64", "arm64")),
        (None, "vm", "arm64", (None, "vm")),
    ],
)
def test_the_first_that_is_not_the_hosts_names_its_machine(
    arch: Any, name: str, host: str, found: tuple[Any, str]
) -> None:
    machine, called = resolve({"driver": "qemu", "arch": arch}, name, host)
    assert (machine["arch"], called) == found


@pytest.fixture(params=UNAME)
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A host that says it is of this architecture."""
    name = str(request.param)
    monkeypatch.setattr(platform, "machine", lambda: UNAME[name])
    return name


@pytest.mark.parametrize("name", sorted(builtin_labs()))
def test_no_lab_has_a_machine_twice(name: str, host: str) -> None:
    machines = built_in_lab(name).lab.machines
    kinds = [(m.driver, arch_of(m).name, m.image) for m in machines.values()]
    assert len(kinds) == len(set(kinds))
    for called, machine in machines.items():
        named = set(called.split("-")) & set(ARCHITECTURES)
        assert named <= {arch_of(machine).name}, called


def test_separation_has_every_architecture_on_every_host(host: str) -> None:
    machines = built_in_lab("separation").lab.machines
    guests = sorted(arch_of(m).name for m in machines.values() if TRAITS[m.driver].guest)
    assert guests == sorted(ARCHITECTURES)
    assert arch_of(machines["vm"]).name == host


def test_a_lab_with_two_kinds_of_virtual_machines_has_an_amd64_one_on_arm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    machines = built_in_lab("workshop").lab.machines
    assert list(machines) == ["process", "container", "vm", "amd64", "armhf", "s390x"]


LAB = """\
lab: two
machines:
  vm: {{driver: qemu}}
  arm64: {{driver: qemu, {key}: {value}}}
exercises: [memory/address-space]
"""


@pytest.mark.parametrize(
    ("key", "value", "words", "column"),
    [
        ("arch", "[arm64, amd46]", "amd64", 25),
        ("arch", "[]", "expected text", 25),
        ("memory", "1MiB, arch: [arm64, amd64]", "too little for amd64", 25),
    ],
)
def test_mistakes_are_told_where_they_were_written_under_another_name(
    tmp_path: Path, key: str, value: str, words: str, column: int
) -> None:
    (tmp_path / "lab.yaml").write_text(LAB.format(key=key, value=value))
    with pytest.raises(SpecError) as caught:
        load_lab(tmp_path, EXERCISES, host="arm64")
    (problem,) = caught.value.problems
    assert words in str(problem)
    assert problem.line == 4
    assert problem.column >= column
