"""The record of a machine that has not run."""

from __future__ import annotations

from typing import Any

import pytest
from factories import RUN, lab

from orchestrator.arch import ARCHITECTURES
from orchestrator.errors import HostLacks
from orchestrator.labfile.plan import Job
from orchestrator.record import Record, Status
from orchestrator.run.unstarted import skipped, unstarted_record

AMD64 = ARCHITECTURES["amd64"]


def unstarted(machine: dict[str, Any], known: bool = True) -> Record:
    job = Job(RUN, "small", "m", "ada", ("ipc/pipe",))
    return unstarted_record(lab({"m": machine}), job, "lab1", AMD64 if known else None)


@pytest.mark.parametrize(
    ("machine", "accel"),
    [
        ({"driver": "process", "arch": "arm64"}, "none"),
        ({"driver": "qemu", "arch": "amd64"}, "none"),
        ({"driver": "qemu", "arch": "arm64"}, "tcg"),
        ({"driver": "virtualbox", "arch": "amd64"}, "virtualbox"),
    ],
)
def test_what_accelerates_it_is_said_if_it_is_certain(machine: dict[str, Any], accel: str) -> None:
    assert unstarted(machine).accel == accel


def test_a_host_of_unknown_architecture_may_accelerate_any_guest() -> None:
    assert unstarted({"driver": "qemu", "arch": "arm64"}, known=False).accel == "none"


def test_it_says_where_it_was_to_run() -> None:
    record = unstarted({"driver": "container", "arch": "amd64"})
    assert (record.run, record.lab, record.host, record.machine) == (RUN, "small", "lab1", "m")
    assert (record.student, record.boundary, record.arch) == ("ada", "container", "amd64")


@pytest.mark.parametrize(("hint", "reason"), [("apt install x", "no x; apt install x"), ("", "no x")])
def test_what_the_host_lacks_is_the_reason_of_each_exercise(hint: str, reason: str) -> None:
    blank = unstarted({"driver": "qemu", "arch": "amd64"})
    found = list(skipped(["ipc/pipe", "ipc/fifo"], blank, HostLacks("no x", hint=hint)))
    assert [(one.exercise, one.status, one.reason) for one in found] == [
        ("ipc/pipe", Status.SKIP, reason),
        ("ipc/fifo", Status.SKIP, reason),
    ]
