"""plan --cluster: who runs what, and what is short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.cli.cluster.plan import parse_pins, show_on_cluster
from orchestrator.cluster.model import Cluster, HostFacts
from orchestrator.errors import Exit, SpecError

GIB = 2**30
HOSTS = """\
hosts:
  - {name: lab1, memory: 4GiB, tags: [kvm]}
  - {name: lab2}
  - {name: arm1}
  - {name: lab3}
"""
LAB = """\
lab: own-lab
machines:
  desk: {driver: qemu, arch: amd64, networks: [lan]}
  server: {driver: qemu, arch: amd64, networks: [lan]}
  board: {driver: qemu, arch: arm64}
  bare: {driver: process}
networks: {lan: {}}
exercises: [./sum]
"""
SHOWN = """\
MACHINE  DRIVER   ARCH   MEMORY   HOST  RUNS      ELSE ON
desk     qemu     amd64  366 MiB  lab1  kvm       lab2, arm1
server   qemu     amd64  366 MiB  lab1  kvm       lab2, arm1
board    qemu     arm64  366 MiB  arm1  emulated  lab2, lab1
bare     process  amd64  -        lab2  native    lab1

HOST  ARCH   KVM  MEMORY               CPUS  TAGS  MACHINES
lab1  amd64  yes  732 MiB of 4096 MiB  8     kvm   2
lab2  amd64  no   0 MiB of 8192 MiB    8     -     1
arm1  arm64  no   366 MiB of 8192 MiB  8     -     1
lab3  -      -    -                    -     -     drained

3 units on 3 hosts
"""


def ask(_cluster: Cluster) -> tuple[Mapping[str, HostFacts], Mapping[str, str]]:
    every = ("amd64", "arm64")
    return {
        "lab1": HostFacts("h1", "1", "3.11", "amd64", 8, 8 * GIB, True, 0.0, "", every),
        "lab2": HostFacts("h2", "1", "3.11", "amd64", 8, 8 * GIB, False, 0.0, "", every),
        "arm1": HostFacts("h3", "1", "3.11", "arm64", 8, 8 * GIB, False, 0.0, "", every),
    }, {"lab3": "drained"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "sum").mkdir()
    (tmp_path / "sum/sum.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "sum/exercise.yaml").write_text("title: Sum\nbuild: {sources: [sum.c]}\nrun: ./sum\n")
    (tmp_path / "lab.yaml").write_text(LAB)
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    return str(tmp_path), str(tmp_path / "hosts.yaml")


def test_where_each_machine_would_run(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    lab, hosts = files
    assert show_on_cluster(lab, (), "text", hosts, ask, {}) == Exit.PASSED
    assert capsys.readouterr().out == SHOWN


def test_what_is_short(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    lab, hosts = files
    assert show_on_cluster(lab, ("board",), "text", hosts, ask, {"board": "lab3"}) == Exit.PASSED
    out = capsys.readouterr().out
    assert (
        "0 units on 0 hosts; 1 cannot be placed\n"
        "short: no host can run board: lab1, lab2, arm1: not the host it is bound to, lab3; lab3: drained\n"
    ) in out


def test_as_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    lab, hosts = files
    show_on_cluster(lab, ("desk", "server", "board"), "json", hosts, ask, {"board": "kvm"})
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["hosts"], one["runs"], one["together"]) for one in found["machines"]] == [
        ("board", ["lab1"], "emulated", ["board"]),
        ("desk", ["lab1", "lab2", "arm1"], "kvm", ["desk", "server"]),
        ("server", ["lab1", "lab2", "arm1"], "kvm", ["desk", "server"]),
    ]
    assert found["absent"] == {"lab3": "drained"}
    assert [host["used"] // 2**20 for host in found["hosts"]] == [3 * 366, 0, 0]


@pytest.mark.parametrize(
    ("pins", "told"),
    [
        ({"boards": "lab1"}, "no machine 'boards' to bind to 'lab1'"),
        ({"board": "lab9"}, "no host or tag 'lab9'"),
    ],
)
def test_pins_that_mean_nothing(pins: Mapping[str, str], told: str, files: tuple[str, str]) -> None:
    with pytest.raises(SpecError, match=told):
        show_on_cluster(files[0], (), "text", files[1], ask, pins)


def test_pins_as_written() -> None:
    assert parse_pins(("vm=lab1", "board=kvm", "vm=lab1")) == {"vm": "lab1", "board": "kvm"}
    for wrong in (("vm",), ("=lab1",), ("vm=",), ("vm=lab1", "vm=lab2")):
        with pytest.raises(SpecError):
            parse_pins(wrong)
