"""isolab goes to hosts that have nothing but Python and an SSH server."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench import living_in
from cluster_hosts import NetHosts, hosts
from habitat import fresh_home

from orchestrator import __version__
from orchestrator.cluster.install import send
from orchestrator.cluster.install.parts import Part, parts
from orchestrator.cluster.reach import command_line
from orchestrator.cluster.reach.connection import HostConnection, remove_sockets, sockets_folder
from orchestrator.cluster.warm import caches
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError, Unavailable
from orchestrator.host import cache

pytestmark = pytest.mark.real


COMPILE = r"""
import pathlib, subprocess, tempfile
from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.toolchain import clang, cxx_headers, system_headers
arch, folder = ARCHITECTURES["amd64"], pathlib.Path(tempfile.mkdtemp())
_, *headers = system_headers(arch, folder)
assert all(path.is_dir() for path in [*cxx_headers(), *headers])
(folder / "x.c").write_text("#include <stddef.h>\n#include <linux/types.h>\n__u32 f(size_t n);\n")
words = [word for path in headers for word in ("-isystem", path)]
subprocess.run([*clang(arch), "-nostdinc", *words, "-c", "x.c"], cwd=folder, check=True)
print((folder / "x.o").stat().st_size > 0)
"""


@pytest.fixture(scope="module")
def net() -> Iterator[NetHosts]:
    with hosts(("alder", "birch")) as net:
        yield net


@pytest.fixture
def connections(net: NetHosts) -> Iterator[dict[str, HostConnection]]:
    """To both hosts, which have a folder in common."""
    shared = net.folder / "shared"
    with fresh_home() as home, living_in(home):
        folder = sockets_folder(home.root)
        made = {
            host.name: HostConnection(dataclasses.replace(host.ssh, folder=shared), folder)
            for host in net.hosts
        }
        for connection in made.values():
            connection.open(deadline())
        yield made
        for connection in made.values():
            connection.close()
        remove_sockets(home.root)


def few() -> list[Part]:
    return [part for part in parts() if part.name != "ziglang"]


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is five sixths of what is sent."""
    monkeypatch.setattr(send, "parts", few)
    monkeypatch.setattr(send, "_TRIAL", send._TRIAL.replace(", ziglang", ""))


def deadline(seconds: float = 300.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.mark.usefixtures("without_compiler")
def test_hosts_with_a_folder_in_common(net: NetHosts, connections: dict[str, HostConnection]) -> None:
    alder, birch = connections.values()
    with pytest.raises(Unavailable, match="alder: it has no isolab of this cluster") as caught:
        send.require(alder, deadline())
    assert "isolab cluster up" in caught.value.hint
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda one: send.install(one, deadline(), said.append), (alder, birch)))
    assert both[0] == both[1] == send.require(birch, deadline())
    assert sum("sending isolab" in line for line in said) in (1, 2)
    answers = [one.run(both[0].isolab("--version"), deadline=deadline()).stdout for one in (alder, birch)]
    assert answers == [f"isolab {__version__}\n".encode()] * 2
    where = both[0].python("-c", "from orchestrator.paths import *; print(state_dir(), cache_dir())")
    (alders, first), (birchs, second) = (
        one.run(where, deadline=deadline()).stdout.decode().split() for one in (alder, birch)
    )
    assert alders != birchs
    assert first == second == str(net.folder / "shared/cache")
    said.clear()
    assert send.install(alder, deadline(), said.append) == both[0]
    assert said == []


@pytest.mark.rotated
@pytest.mark.usefixtures("without_compiler")
def test_another_version_brings_what_changed_only(
    connections: dict[str, HostConnection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alder = connections["alder"]
    first = send.install(alder, deadline(), lambda _: None)
    (tmp_path / "added.py").write_text("WORD = 'added'\n")
    ours = few()
    own = dataclasses.replace(
        ours[0], key="isolab-other", files={**ours[0].files, "orchestrator/added.py": tmp_path / "added.py"}
    )
    monkeypatch.setattr(send, "parts", lambda: [own, *ours[1:]])
    with pytest.raises(Unavailable, match="alder: it has another isolab than this one"):
        send.require(alder, deadline())
    said: list[str] = []
    second = send.install(alder, deadline(), said.append)
    assert second.digest != first.digest
    assert len(said) == 1
    assert "sending isolab" in said[0]
    assert "of its packages" not in said[0]
    words = second.python("-c", "from orchestrator.added import WORD; print(WORD)")
    assert alder.run(words, deadline=deadline()).stdout == b"added\n"


@pytest.mark.rotated
@pytest.mark.usefixtures("without_compiler")
def test_a_link_that_breaks_meanwhile(
    net: NetHosts, connections: dict[str, HostConnection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(command_line._UNWATCHED, "ServerAliveInterval", "2")
    birch = connections["birch"]
    birch.close()
    birch.open(deadline())
    # More than a socket's buffers hold.
    (tmp_path / "large").write_bytes(random.Random(0).randbytes(2**25))
    large = Part("large", "1", "large-1-0", {"large": tmp_path / "large"})
    monkeypatch.setattr(send, "parts", lambda: (*few(), large))
    try:
        with pytest.raises(TransportError, match="birch: the connection broke"):
            send.install(birch, deadline(), lambda _: net["birch"].cut())
    finally:
        net["birch"].heal()
    birch.open(deadline())
    there = send.install(birch, deadline(), lambda _: None)
    assert (net.folder / "shared/parts/large-1-0/large").stat().st_size == 2**25
    assert send.require(birch, deadline()) == there


@pytest.mark.usefixtures("without_compiler")
def test_what_does_not_run_there_is_said_and_does_not_count(
    connections: dict[str, HostConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = connections["alder"]
    ours = [part for part in few() if part.name != "pydantic"]
    monkeypatch.setattr(send, "parts", lambda: ours)
    for _ in range(2):
        with pytest.raises(
            Unavailable, match=r"alder: isolab was installed there but does not run: .*pydantic"
        ):
            send.install(alder, deadline(), lambda _: None)
    with pytest.raises(Unavailable, match="alder: it has"):
        send.require(alder, deadline())


@pytest.mark.usefixtures("without_compiler")
def test_what_this_cache_has_of_images_goes_there_once(
    net: NetHosts, connections: dict[str, HostConnection], tmp_path: Path
) -> None:
    alder = connections["alder"]
    there = send.install(alder, deadline(), lambda _: None)
    image = tmp_path / "made-up-amd64-0"
    (image / "below").mkdir(parents=True)
    (image / "below/kernel").write_bytes(b"K" * 1000)
    (image / cache.META).write_text('{"made": "here"}')
    folders = [("images", image)]
    said: list[str] = []
    assert caches.send(alder, there, folders, deadline(), said.append) == 1
    assert said[0].startswith("alder: sending images and toolchains (1), ")
    arrived = net.folder / "shared/cache/images/made-up-amd64-0"
    assert (arrived / "below/kernel").read_bytes() == b"K" * 1000
    assert cache.meta(arrived) == {"made": "here"}
    # The other host has the folder in common.
    assert caches.send(connections["birch"], there, folders, deadline(), said.append) == 0
    bad = tmp_path / "bad name"
    bad.mkdir()
    with pytest.raises(TransportError, match=r"alder: .*no folder of a cache"):
        caches.send(alder, there, [("images", bad)], deadline(), said.append)


@pytest.mark.usefixtures("without_compiler")
def test_a_folder_that_cannot_be_written_to(
    connections: dict[str, HostConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = connections["alder"]
    alder.host = dataclasses.replace(alder.host, folder=Path("/proc/isolab"))
    with pytest.raises(
        Unavailable, match=r"alder: isolab cannot be installed there: .*/proc/isolab"
    ) as caught:
        send.install(alder, deadline(), lambda _: None)
    assert "folder:" in caught.value.hint


@pytest.mark.whole("the compiler is a hundred megabytes")
def test_programs_are_compiled_there(connections: dict[str, HostConnection]) -> None:
    alder = connections["alder"]
    there = send.install(alder, deadline(), lambda _: None)
    assert alder.run(there.python("-c", COMPILE), deadline=deadline()).stdout == b"True\n"
