"""What this host lacks costs the machines that need it, and is told once, with one line to type."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from factories import lab, record

from orchestrator.deadline import Deadline
from orchestrator.errors import HostLacks, Unavailable
from orchestrator.host.packages import Need
from orchestrator.labfile.image_catalog import recipes
from orchestrator.machines import host_packages
from orchestrator.machines.shortfall import all_lack, install, lacks, needs_of_lab, refused, shortfall
from orchestrator.progress import SilentProgress
from orchestrator.record import Status

LINE = "sudo apt-get install -y --no-install-recommends"


@dataclass
class Told(SilentProgress):
    words: list[str] = field(default_factory=list)

    def tell(self, words: str) -> None:
        self.words.append(words)


def need(name: str, *, there: bool = False) -> Need:
    return Need(name, lambda: there, (f"{name}-package",))


def soon() -> Deadline:
    return Deadline.after(60)


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An ordinary user of a Debian host, without sudo."""
    (tmp_path / "apt-get").write_text("#!/bin/sh\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 1000)


NEEDS = {"a": [need("gpgv", there=True)], "b": [need("x"), need("y")], "c": [need("y")]}


@pytest.mark.usefixtures("ordinary")
def test_only_machines_that_lack_something_are_lost_and_one_line_installs_it_all() -> None:
    told = Told()
    found = refused(NEEDS, told, soon())
    assert found.problem("a") is None
    assert str(found.problem("b")) == "this host lacks x, y"
    assert str(found.problem("c")) == "this host lacks y"
    line = f"{LINE} x-package y-package"
    assert found.line == line
    assert {found.problem(name).hint for name in "bc"} == {f"run: {line}"}  # type: ignore[union-attr]
    (words,) = told.words
    assert words.splitlines() == [
        "skipped: this host lacks x, y, needed by b",
        "skipped: this host lacks y, needed by c",
        f"  hint: run: {line}",
    ]


@pytest.mark.usefixtures("ordinary")
def test_without_any_machine_left_all_that_is_missing_is_one_error() -> None:
    with pytest.raises(HostLacks, match=r"this host lacks x, y$") as caught:
        refused({name: NEEDS[name] for name in "bc"}, Told(), soon())
    assert caught.value.hint == f"run: {LINE} x-package y-package"


def test_who_may_install_loses_no_machine_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_packages, "may_install", lambda _: True)
    told = Told()
    assert not refused(NEEDS, told, soon()).lacking
    assert told.words == []


@pytest.mark.usefixtures("ordinary")
def test_on_a_host_without_apt_packages_are_named_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    found = shortfall(NEEDS, soon())
    assert (found.line, found.advice.split(": ")[1]) == ("", "x-package, y-package")


def test_a_package_that_cannot_be_installed_keeps_no_other_away(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()

    def asked(argv: Iterable[str], _deadline: Deadline) -> None:
        names = [name for name in argv if name.endswith("-package")]
        if "x-package" in names:
            raise Unavailable("no package x")
        there.update(names)

    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(host_packages, "_install", asked)
    wanted = {
        name: [Need(n.what, lambda p=n.apt[0]: p in there, n.apt) for n in own]  # type: ignore[misc]
        for name, own in NEEDS.items()
        if name != "a"
    }
    failed = install(wanted, SilentProgress(), soon())
    assert {name: str(problem) for name, problem in failed.items()} == {"b": "no package x"}
    assert there == {"y-package"}


def test_machines_on_one_network_need_what_all_of_them_need() -> None:
    whole = lab(
        {
            "one": {"driver": "qemu", "arch": "arm64", "networks": ["lan"]},
            "two": {"driver": "qemu", "arch": "s390x", "networks": ["lan"]},
            "alone": {"driver": "process"},
        },
        ["x"],
        networks={"lan": {}},
    )
    names = {name: {n.what for n in own} for name, own in needs_of_lab(whole, (), recipes()).items()}
    assert names["one"] == names["two"] >= {"qemu-system-aarch64", "qemu-system-s390x"}
    assert "qemu-system-s390x" not in names["alone"]
    without = needs_of_lab(whole, ("one",), recipes())["one"]
    assert "qemu-system-s390x" not in {need.what for need in without}


def test_what_was_lacking_is_told_once_and_a_run_of_nothing_else_did_not_do_its_job() -> None:
    reason = "this host lacks x; run: sudo apt-get install x"
    records = [
        record(name, machine=machine, status=Status.SKIP, reason=reason)
        for name in ("e", "f")
        for machine in ("c", "d")
    ]
    assert lacks(records) == [f"c, d: {reason}"]
    assert all_lack(records)
    assert not all_lack([*records, record("g", status=Status.SKIP, reason="needs root")])
    assert not all_lack([])
