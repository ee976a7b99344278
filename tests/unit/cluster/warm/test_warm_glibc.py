"""Which hosts lack glibc for a lab's programs, and what is sent and said then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from factories import RUN, lab, loaded

from orchestrator.arch import ARCHITECTURES
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import Cluster, ClusterHost, Destination
from orchestrator.cluster.offers import Offer, Offers
from orchestrator.cluster.placement import Terms, place
from orchestrator.cluster.warm import caches
from orchestrator.cluster.warm.glibc import Lacking, bring_glibc, lacking_glibc
from orchestrator.compile import toolchain
from orchestrator.deadline import Cancellation
from orchestrator.errors import ImageError
from orchestrator.host import cache
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.plan import jobs
from orchestrator.progress import SilentProgress

GIB = 2**30
EVERY = frozenset({"amd64", "arm64"})
LAB1 = Offer("lab1", "amd64", 8 * GIB, 8, emulates=EVERY)
LAB2 = replace(LAB1, name="lab2", glibc=frozenset({"arm64"}))
HERE = {"sources": ["pipe.c"]}
THERE = {"sources": ["pipe.c"], "where": "guest"}


def lacking(of: LoadedLab, *hosts: Offer) -> Lacking:
    there = Offers(hosts)
    return lacking_glibc(of, place(of, jobs(of, RUN), there, "amd64", Terms()), there)


def of(tmp_path: Path, machines: dict[str, Any], build: dict[str, Any], libc: str) -> LoadedLab:
    exercise = loaded(tmp_path, {"build": [build], "libc": libc})
    whole = lab(machines)
    spec = whole.lab.model_copy(update={"exercises": [exercise.name]})
    return replace(whole, lab=spec, exercises=(exercise,))


def test_each_host_lacks_what_its_machines_may_need(tmp_path: Path) -> None:
    machines = {"plain": {"driver": "process"}, "arm": {"driver": "qemu", "arch": "arm64"}}
    whole = of(tmp_path, machines, HERE, "glibc")
    assert lacking(whole, LAB1, LAB2) == {"lab1": {"amd64", "arm64"}, "lab2": {"amd64"}}
    all_of_it = replace(LAB1, glibc=EVERY)
    assert lacking(whole, all_of_it) == {}


def test_nothing_is_lacking_where_nothing_is_linked_with_it(tmp_path: Path) -> None:
    machines = {"plain": {"driver": "process"}}
    assert lacking(of(tmp_path, machines, HERE, "musl"), LAB1) == {}
    assert lacking(of(tmp_path, machines, THERE, "glibc"), LAB1) == {}
    whole = of(tmp_path, machines, HERE, "glibc")
    built: LoadedExercise = replace(whole.exercises[0], built={"amd64": {}})
    assert lacking(replace(whole, exercises=(built,)), LAB1) == {}


@dataclass(frozen=True)
class _Said(SilentProgress):
    words: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.words.append(text)


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What was sent to each host: names of folders, which all lie in a cache of this test's own."""
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    found: dict[str, list[str]] = {}

    def send(to: str, _there: object, folders: list[caches.Folder], *_: object) -> int:
        found[to] = [path.name for _, path in folders]
        return len(folders)

    monkeypatch.setattr(caches, "send", send)
    monkeypatch.setattr(HostsUp, "connection", lambda _self, host: host.name)
    monkeypatch.setattr(HostsUp, "installed", lambda _self, _host: None)
    return found


def up(tmp_path: Path) -> HostsUp:
    hosts = tuple(ClusterHost(name, Destination(name)) for name in ("lab1", "lab2", "lab3"))
    return HostsUp(Cluster(tmp_path / "hosts.yaml", hosts), Cancellation(), tmp_path)


def prepared(made: list[str]) -> Callable[..., Path]:
    """Stands for the download: makes the folder of a toolchain with nothing in it."""

    def prepare(arch: Any, *_: object) -> Path:
        made.append(arch.name)
        folder = cache.place(toolchain.KIND, toolchain._key(arch))
        folder.mkdir(parents=True)
        (folder / cache.META).write_text("{}")
        return folder

    return prepare


def test_it_is_downloaded_here_once_and_sent_to_whom_it_lacks(
    tmp_path: Path, sent: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(toolchain, "prepare", prepared(made))
    said = _Said()
    for _ in range(2):
        bring_glibc({"lab1": {"arm64"}, "lab3": {"arm64", "s390x"}}, up(tmp_path), said)
    assert made == ["arm64", "s390x"]
    arm, s390x = (toolchain._key(ARCHITECTURES[name].linked_with("glibc")) for name in ("arm64", "s390x"))
    assert sent == {"lab1": [arm], "lab3": [arm, s390x]}
    assert said.words == []


def test_what_cannot_be_downloaded_is_told_before_work_begins(
    tmp_path: Path, sent: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Path:
        raise ImageError("deb.debian.org cannot be reached")

    monkeypatch.setattr(toolchain, "prepare", fails)
    said = _Said()
    bring_glibc({"lab1": {"arm64"}, "lab2": {"arm64"}}, up(tmp_path), said)
    assert said.words == [
        "glibc of arm64 is neither here nor on lab1, lab2, which try to download it themselves: "
        "deb.debian.org cannot be reached\n"
        "  hint: where this computer gets to the Internet, `isolab try PROGRAM.c --on arm64 --libc glibc` "
        "downloads it, and the next run sends it to the hosts"
    ]
    assert sent == {"lab1": [], "lab2": []}
