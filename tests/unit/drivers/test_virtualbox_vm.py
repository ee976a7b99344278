"""VirtualBox machines that misbehave: silent guests, ports that others took first."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from factories import order

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle, Order
from orchestrator.drivers.virtualbox import nested_paging as paging
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.drivers.virtualbox.driver import DRIVER
from orchestrator.drivers.virtualbox.vm import EmptyConsole, start
from orchestrator.errors import BootError
from orchestrator.host import process
from orchestrator.host.process import Finished
from orchestrator.progress import SilentProgress as NoProgress

VERSION = "7.2.22r175245"


@dataclass
class Host:
    """A VirtualBox that notes what it is told; ``mute``: its guests are, with nested paging.
    ``early``: the machine was defined before anything was known about that."""

    mute: bool
    early: bool = False
    nested_paging: bool = True
    boots: list[bool] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def run_command(self, words: Sequence[str], _deadline: Deadline) -> Finished:
        if "--nested-paging" in words:
            self.nested_paging = words[-1] == "on"
        return Finished((), 0, VERSION.encode(), b"")

    def boot(self, *_: object, patience: float | None = None) -> None:
        self.boots.append(self.nested_paging)
        if self.mute and self.nested_paging:
            raise EmptyConsole("no output from the guest")


class Progress(NoProgress):
    def __init__(self, host: Host) -> None:
        self._host = host

    def tell(self, line: str) -> None:
        self._host.told.append(line)


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Host], None]:
    """Brings machines up on a made-up host."""
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    count = iter(range(99))

    def live(host: Host) -> None:
        monkeypatch.setattr(vboxmanage, "run_command", host.run_command)
        monkeypatch.setattr(vboxmachine, "_boot", host.boot)
        monkeypatch.setattr(vboxmachine, "_reachable", lambda _handle, port, _deadline: port)
        wanted, handle = machine(tmp_path / str(next(count)))
        host.nested_paging = host.early or not paging.known_useless(VERSION)
        assert start(wanted, handle, 4000, Deadline.after(60), Progress(host)) == 4000

    return live


def machine(folder: Path) -> tuple[Order, Handle]:
    folder.mkdir()
    wanted = replace(order(driver="virtualbox"), scratch=folder, logs=folder)
    return wanted, DRIVER.prepare(wanted)


def test_a_guest_that_speaks_keeps_nested_paging(life: Callable[[Host], None]) -> None:
    life(host := Host(mute=False))
    assert (host.boots, host.told) == ([True], [])
    assert not paging.known_useless(VERSION)


def test_a_silent_one_is_tried_without_and_that_is_told_and_remembered(life: Callable[[Host], None]) -> None:
    life(host := Host(mute=True))
    assert host.boots == [True, False]
    assert "without nested paging" in host.told[0]
    life(again := Host(mute=True))
    assert (again.boots, again.told) == ([False], [])


def test_what_another_machine_found_since_this_one_was_defined_counts(life: Callable[[Host], None]) -> None:
    life(Host(mute=True))
    life(host := Host(mute=True, early=True))
    assert (host.boots, host.told) == ([False], [])


def test_another_version_may_do_better(life: Callable[[Host], None]) -> None:
    life(Host(mute=True))
    assert paging.known_useless(VERSION)
    assert not paging.known_useless("7.3.0r1")


def test_a_damaged_memory_is_none(life: Callable[[Host], None], tmp_path: Path) -> None:
    life(Host(mute=True))
    for file in (tmp_path / "state").glob("*.json"):
        file.write_text("[")
    assert not paging.known_useless(VERSION)


def test_silence_ends_with_the_first_line_of_the_console(tmp_path: Path) -> None:
    wanted, handle = machine(tmp_path / "m")
    look = vboxmachine._watcher(wanted, handle, NoProgress(), Deadline.after(0))
    with running_as(handle):
        with pytest.raises(EmptyConsole):
            look()
        (tmp_path / "m" / "console.log").write_text("ISOLINUX\n")
        look()


def test_a_machine_that_ends_is_lost(tmp_path: Path) -> None:
    wanted, handle = machine(tmp_path / "m")
    look = vboxmachine._watcher(wanted, handle, NoProgress(), Deadline.never())
    with pytest.raises(BootError, match="VirtualBox exited"):
        look()


def test_a_machine_that_ends_while_it_is_watched_is_lost(tmp_path: Path) -> None:
    wanted, handle = machine(tmp_path / "m")
    look = vboxmachine._watcher(wanted, handle, NoProgress(), Deadline.never())
    with running_as(handle):
        look()
        look()
    with pytest.raises(BootError, match="VirtualBox exited"):
        look()


def test_a_machine_that_virtualbox_gives_up_is_not_waited_for(tmp_path: Path) -> None:
    """Its process stays there."""
    wanted, handle = machine(tmp_path / "m")
    look = vboxmachine._watcher(wanted, handle, NoProgress(), Deadline.never())
    log = vboxmachine.log(handle)
    log.parent.mkdir(parents=True)
    with running_as(handle), log.open("w") as file:
        look()
        for words in ("00:00:01 begins\n00:00:33 !! VCPU0: Guru Medi", "tation 1155 (VINF_EM_TRIPLE_FAULT)"):
            file.write(words)
            file.flush()
            look()  # that line is not whole yet
        file.write("\n")
        file.flush()
        with pytest.raises(BootError, match=r"gave up on the machine: Guru Meditation 1155 \(VINF_EM_TRIPLE"):
            look()


def test_a_port_that_somebody_else_took_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is behind the first rule; the second leads to the guest."""
    _, handle = machine(tmp_path / "m")
    with ssh_server() as good:
        said: list[Sequence[str]] = []

        def attempt(words: Sequence[str], _deadline: Deadline) -> Finished:
            said.append(words)
            return Finished((), 0, b"", b"")

        monkeypatch.setattr(vboxmanage, "run_command", attempt)
        taken = vboxmachine.free_port()
        monkeypatch.setattr(vboxmachine, "free_port", lambda: good)
        assert vboxmachine._reachable(handle, taken, Deadline.after(60)) == good
    uuid = handle.data["uuid"]
    rule = f"ssh,tcp,127.0.0.1,{good},10.0.2.15,22"
    assert said == [["controlvm", uuid, "natpf1", "delete", "ssh"], ["controlvm", uuid, "natpf1", rule]]


@contextmanager
def ssh_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            sock, _ = server.accept()
            with sock:
                sock.sendall(b"SSH-2.0-test\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@contextmanager
def running_as(handle: Handle) -> Iterator[None]:
    """A process that is called as the one that runs the machine."""

    # A shell would do its work in a child, which has the same arguments until its exec(2), and outlives it.
    argv = ["VBoxHeadless", "-c", "import time; time.sleep(60)", "--startvm", handle.data["uuid"]]
    with process.running(argv, executable=Path(sys.executable)):
        # Until its exec(2) it has our own arguments.
        there = lambda: any(True for _ in vboxmachine._processes(handle))  # noqa: E731
        poll(there, Deadline.after(30), "the stand-in", interval=0.01)
        yield
