"""What travels between a class's controller and its hosts, and what is believed of what hosts say. No host is
asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from class_on_hosts import GIB, PRIVATE, class_on_hosts, machine, said
from class_work import SKELETON, write_class
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.homes import homes
from orchestrator.classes.hosts.answer import HostHome, checked
from orchestrator.classes.hosts.packed_files import Packing, unpack
from orchestrator.classes.hosts.request import Act, PartRequest, part_of
from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.part import _part, carry_out
from orchestrator.errors import SpecError, TransportError
from orchestrator.labfile.machine_section import host_name
from orchestrator.progress import SilentProgress


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def found(tmp_path: Path) -> LoadedClass:
    return class_on_hosts(tmp_path / "class", 4)


# What travels


def test_a_request_arrives_as_it_was_sent(found: LoadedClass) -> None:
    request = part_of(
        found, Act.UP, seats=("s00",), student_keys={"s00": ("ssh-ed25519 AAAA",)}, starting=b"\x00\xff"
    )
    assert PartRequest.from_line(request.to_line()) == request


@pytest.mark.parametrize("line", [b"", b"{}", b"[]\n", b'{"act": "dance"}', b"\xff"])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(SpecError, match="takes the request of a controller"):
        PartRequest.from_line(line)


def test_a_host_gets_neither_labs_nor_names_nor_keys_of_others(tmp_path: Path) -> None:
    found = write_class(tmp_path, more="contact: Grace\nexam: false")
    line = part_of(found, Act.LOOK).to_line().decode()
    assert {*json.loads(line)["written"]} == {"class", "machines"}
    assert json.loads(line)["written"]["machines"]["desk"]["arch"] == host_name()
    assert not [word for word in ("small", "Grace", "roster.csv", "ssh-") if word in line]


def test_an_examination_has_no_network_on_a_host_either(tmp_path: Path) -> None:
    found = write_class(tmp_path, due="2030-03-08T17:00+00:00", more="exam: true\nquota: {disk: 32MiB}")
    assert part_of(found, Act.LOOK).written["quota"] == {"disk": "32MiB", "network": "off"}


def test_starting_files_arrive_as_plain_files(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "lab/empty").mkdir(parents=True)
    target.mkdir()
    (source / "lab/a.c").write_text(SKELETON)
    (source / "lab/go").write_text("#!/bin/sh\n")
    (source / "lab/go").chmod(0o755)
    (source / "lab/link").symlink_to("/etc/passwd")
    packing = Packing()
    packing.add("s00", source)
    unpack(packing.finish(), target)
    there = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert there == {"s00", "s00/lab", "s00/lab/empty", "s00/lab/a.c", "s00/lab/go"}
    assert (target / "s00/lab/a.c").read_text() == SKELETON
    assert (target / "s00/lab/go").stat().st_mode & 0o111
    assert not (target / "s00/lab/a.c").stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["/etc/x", "../x", "s00/../../x"])
def test_starting_files_go_nowhere_else(tmp_path: Path, name: str) -> None:
    packing = Packing()
    packing.add(name, tmp_path / "nothing")
    (tmp_path / "target").mkdir()
    with pytest.raises(SpecError, match="have an entry"):
        unpack(packing.finish(), tmp_path / "target")
    with pytest.raises(SpecError, match="damaged"):
        unpack(b"nonsense", tmp_path / "target")


# What hosts say


def test_what_a_host_says_is_taken_over(found: LoadedClass) -> None:
    data = said(
        machine("s00"), homes=(HostHome("s00", "desk", GIB, 1.5),), measured={"micro-amd64-": (5, 0.5)}
    )
    answer = checked(data, found, "alder")
    assert [(one.seat, one.port, one.client_key) for one in answer.machines] == [("s00", 40000, PRIVATE)]
    assert answer.homes == (HostHome("s00", "desk", GIB, 1.5),)
    assert answer.measured == {"micro-amd64-": (5, 0.5)}


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    *way, last, value = path

    def change(data: dict[str, Any]) -> None:
        here: Any = data
        for key in way:
            here = here[key]
        here[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("machines", 0, "seat", "../../etc"),
        _set("machines", 0, "seat", None),
        _set("machines", 0, "machine", "other"),
        _set("machines", 0, "port", 65536),
        _set("machines", 0, "port", -1),
        _set("machines", 0, "port", True),
        _set("machines", 0, "host_key", "!"),
        _set("machines", 0, "client_key", "ssh-ed25519 AAAA"),
        _set("machines", 0, "since", "now\x1b[2J"),
        _set("machines", 0, "run", "x/y"),
        _set("machines", 0, "site", "homes", {"student": "-o ProxyCommand=x"}),
        _set("machines", 0, "site", "runner", ["/run\n"]),
        _set("machines", 0, "memory", float("inf")),
        _set("machines", [{}]),
        _set("machines", {}),
        _set("homes", [{"seat": "s00", "machine": "desk", "size": 1, "written": float("nan")}]),
        _set("free", "much"),
        _set("came", [["s00"]]),
        _set("failed", [{"seat": "s00", "machine": "desk", "message": 3, "hint": "", "logs": ""}]),
    ],
)
def test_what_cannot_be_is_not_believed(found: LoadedClass, change: Callable[[dict[str, Any]], None]) -> None:
    data = said(machine("s00"))
    change(data)
    with pytest.raises(TransportError, match="alder: what its isolab says of the class cannot be"):
        checked(data, found, "alder")


def test_a_machine_is_said_once(found: LoadedClass) -> None:
    with pytest.raises(TransportError, match="twice"):
        checked(said(machine("s00"), machine("s00")), found, "alder")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists))
def test_nothing_that_a_host_says_breaks_anything(rubbish: object) -> None:
    data = copy.deepcopy(said(machine("s00")))
    found: Any = type("Class", (), {"shared": None, "machines": None})()
    for key in data:
        with pytest.raises(TransportError):
            checked({**data, "machines": [], key: [rubbish]}, found, "alder")


# The part that a host has


def test_a_part_has_the_same_seats_and_machines_and_only_the_keys_it_was_given(
    found: LoadedClass, tmp_path: Path
) -> None:
    request = part_of(found, Act.UP, seats=("s00",), student_keys={"s00": ("ssh-ed25519 AAAA",)})
    folder = tmp_path / "work"
    folder.mkdir()
    mine = _part(PartRequest.from_line(request.to_line()), folder)
    assert [seat.name for seat in mine.seats] == [seat.name for seat in found.seats]
    assert [seat.keys for seat in mine.seats] == [()] * 4
    assert (student_keys(mine, "s00"), student_keys(mine, "s01")) == (("ssh-ed25519 AAAA",), ())
    assert mine.machines.lab.machines.keys() == found.machines.lab.machines.keys()
    # Its machines are found by what they are called in, from whichever folder it was loaded.
    assert mine.machines.path == mine.file
    assert not mine.file.exists()
    with homes(mine, [Place("s00", "desk")]) as fresh:
        assert fresh.starting is mine.given


def test_a_look_leaves_nothing_on_a_host(found: LoadedClass, tmp_path: Path) -> None:
    answer = carry_out(part_of(found, Act.LOOK), SilentProgress())
    assert (answer.machines, answer.homes, answer.drained) == ((), (), False)
    assert answer.free > 0
    assert checked(json.loads(json.dumps(answer.to_data())), found, "alder").cpus == answer.cpus
    assert [*(tmp_path / "state/classes").iterdir()] == []
    assert not (tmp_path / "state/parts").exists()


def test_a_part_has_a_plain_key(found: LoadedClass, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no class has the key"):
        _part(replace(part_of(found, Act.LOOK), key=".."), tmp_path)
