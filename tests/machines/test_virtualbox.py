"""VirtualBox, by the real VBoxManage: what is made, found again, and gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Kind, living_in, order_for
from habitat import Home, fresh_home
from vboxhome import virtualbox

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Attachment, Handle, NetworkOrder, Order
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.drivers.virtualbox.driver import DRIVER
from orchestrator.errors import BootError, Unavailable
from orchestrator.labfile.models import Machine
from orchestrator.machines.journal import Journal
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.results.store import new_run_id
from orchestrator.run.gc import reclaim

pytestmark = pytest.mark.real

SECONDS = 900.0
AMD64 = Kind("virtualbox", "amd64")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A home with VirtualBox in it, which cannot start machines."""
    with fresh_home() as found, living_in(found), virtualbox(found):
        yield found
        for folder in [path for path in found.own.iterdir() if path.is_dir()]:
            folder.rmdir()  # of runs; whoever runs a lab removes them, and they must be empty


def soon() -> Deadline:
    return Deadline.after(SECONDS)


@contextlib.contextmanager
def defined(home: Home, kind: Kind = AMD64, name: str = "bench") -> Iterator[tuple[Order, Handle]]:
    """A machine with all its settings, that is off; and the proof that nothing is left of it."""
    order = order_for(kind, home, name=name)
    handle = DRIVER.prepare(order)
    try:
        vboxmachine.define(order, handle, soon(), SilentProgress())
        yield order, handle
    finally:
        DRIVER.down(handle)
    assert vboxmanage.about(handle.data["uuid"], soon()) == {}
    assert str(vboxmanage.disk(handle)) not in vboxmanage.media(soon())
    assert not Path(handle.scratch).exists()


@contextlib.contextmanager
def joined(home: Home) -> Iterator[list[Handle]]:
    """Two machines on a network of one run, that are off; and the proof that nothing is left."""
    scratch, names = scratch_dir() / new_run_id() / "net.lan", ("one", "two")
    run, logs = scratch.parent.name, home.root / "logs"
    wanted = NetworkOrder(
        run, "lan", "virtualbox", "10.77.0.0/24", names, ARCHITECTURES["amd64"], scratch, logs
    )
    network, found = DRIVER.prepare_network(wanted), []
    DRIVER.create_network(wanted, network, soon())
    try:
        for number, name in enumerate(names, 1):
            mac = f"02:69:0a:4d:00:{number:02x}"
            place = Attachment("lan", f"10.77.0.{number}", 24, mac, network.data["plugs"][name])
            order = replace(order_for(AMD64, home, name=name), run=run, scratch=scratch.parent / name)
            found.append(DRIVER.prepare(order))
            vboxmachine.define(replace(order, attachments=(place,)), found[-1], soon(), SilentProgress())
        yield found
    finally:
        for handle in [*found, network, network]:
            DRIVER.down(handle)
    assert (vboxmanage.machines(soon()), vboxmanage.media(soon())) == ([], [])
    assert list(scratch.parent.iterdir()) == []


class TestWhatIsMade:
    @pytest.mark.parametrize("arch", ["amd64", "i386"])
    def test_every_setting_is_taken(self, home: Home, arch: str) -> None:
        with defined(home, Kind("virtualbox", arch)) as (order, handle):
            known = vboxmanage.about(handle.data["uuid"], soon())
            assert known["groups"] == f"/isolab/{order.run}"
            assert (known["memory"], known["cpus"], known["VMState"]) == ("256", "1", "poweroff")
            assert (known["nic1"], known["nictype1"]) == ("nat", "virtio")
            assert known["uartmode1"] == f"file,{order.logs / 'console.log'}"
            assert known["uartmode2"] == f"server,{handle.scratch}/port.sock"
            assert known["disk-0-0"] == str(vboxmanage.disk(handle))
            assert known["nestedpaging"] == "on"

    def test_nothing_is_shared_with_the_host(self, home: Home) -> None:
        with defined(home) as (_, handle):
            known = vboxmanage.about(handle.data["uuid"], soon())
            assert (known["clipboard"], known["draganddrop"], known["usb"]) == ("disabled", "disabled", "off")
            assert (known["audio"], known["vrde"]) == ("none", "off")
            rules = {name: value for name, value in known.items() if name.startswith("Forwarding")}
            (rule,) = rules.values()
            assert rule.startswith("ssh,tcp,127.0.0.1,")

    def test_machines_of_a_network_are_on_the_same_internal_one(self, home: Home) -> None:
        """Named by the run, so that no other run has it; nothing else of a machine is on it."""
        with joined(home) as found:
            known = [vboxmanage.about(handle.data["uuid"], soon()) for handle in found]
            (name,) = {about["intnet2"] for about in known}
            assert name == f"isolab-{found[0].run}-net.lan"
            assert [about["nic2"] for about in known] == ["intnet", "intnet"]
            assert [about["nictype2"] for about in known] == ["virtio", "virtio"]
            assert [about["macaddress2"] for about in known] == ["02690A4D0001", "02690A4D0002"]
            assert [(about["nic1"], about["nic3"]) for about in known] == [("nat", "none")] * 2
            assert [about["cableconnected2"] for about in known] == ["on", "on"]
            listed = vboxmanage.ask(["list", "intnets"], soon())
            assert f"Name:        {name}" in listed.splitlines()
        assert name not in vboxmanage.ask(["list", "intnets"], soon())

    def test_machines_of_an_image_share_its_disk(self, home: Home) -> None:
        with defined(home, name="one") as (order, one), defined(home, name="two") as (_, two):
            base = vboxmachine.base_medium(order, soon())
            assert {str(vboxmanage.disk(one)), str(vboxmanage.disk(two)), str(base)} <= set(
                vboxmanage.media(soon())
            )
            assert vboxmanage.disk(one).stat().st_size < base.stat().st_size / 4
        assert vboxmanage.media(soon()) == []

    def test_many_at_once(self, home: Home) -> None:
        def life(number: int) -> str:
            with defined(home, name=f"m{number}") as (_, handle):
                return vboxmanage.about(handle.data["uuid"], soon())["name"].rsplit("-", 1)[-1]

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(life, range(6))) == [f"m{number}" for number in range(6)]
        assert (vboxmanage.machines(soon()), vboxmanage.media(soon())) == ([], [])

    def test_a_pruned_cache_is_no_trouble(self, home: Home) -> None:
        """The base is made again, under the identity VirtualBox knows it by."""
        with defined(home, name="before") as (order, _):
            shutil.rmtree(vboxmachine.base_medium(order, soon()).parent)
            with defined(home, name="after") as (_, handle):
                assert "disk-0-0" in vboxmanage.about(handle.data["uuid"], soon())


class TestWithoutTheKernelDriver:
    def test_it_is_said_beforehand(self, home: Home) -> None:
        with pytest.raises(Unavailable, match="vboxdrv") as problem:
            DRIVER.check(Machine(driver="virtualbox"), ARCHITECTURES["amd64"])
        assert "modprobe vboxdrv" in problem.value.hint

    def test_a_machine_that_cannot_start_leaves_nothing(self, home: Home) -> None:
        order = order_for(AMD64, home)
        handle = DRIVER.prepare(order)
        with pytest.raises(BootError, match="VirtualBox cannot start the machine") as problem:
            DRIVER.up(order, handle, soon(), SilentProgress())
        assert "modprobe vboxdrv" in problem.value.hint
        assert (vboxmanage.machines(soon()), vboxmanage.media(soon())) == ([], [])
        assert not order.scratch.exists()


class TestWhatIsLeftOver:
    def test_it_is_found_and_removed_without_the_journal(self, home: Home) -> None:
        order = order_for(AMD64, home, name="lost")
        handle = DRIVER.prepare(order)
        vboxmachine.define(order, handle, soon(), SilentProgress())
        (found,) = DRIVER.leftovers(scratch_dir())
        assert (found.run, found.machine, found.scratch) == (order.run, "lost", handle.scratch)
        assert [text for text in reclaim(Journal()) if "virtualbox machine lost" in text]
        assert list(DRIVER.leftovers(scratch_dir())) == []
        assert vboxmanage.media(soon()) == []

    def test_also_when_its_files_are_gone(self, home: Home) -> None:
        order = order_for(AMD64, home, name="lost")
        handle = DRIVER.prepare(order)
        vboxmachine.define(order, handle, soon(), SilentProgress())
        shutil.rmtree(handle.scratch)
        DRIVER.down(handle)
        assert (vboxmanage.machines(soon()), vboxmanage.media(soon())) == ([], [])

    def test_other_peoples_machines_are_not_ours(self, home: Home) -> None:
        """Whatever they are called, and whatever group they put them in."""
        order = order_for(AMD64, home, name="same")
        handle = DRIVER.prepare(order)
        words = ["createvm", "--name", handle.tag, "--groups", f"/isolab/{order.run}", "--register"]
        vboxmanage.ask([*words, "--basefolder", str(home.root / "theirs")], soon())
        ((name, theirs),) = vboxmanage.machines(soon())
        try:
            assert list(DRIVER.leftovers(scratch_dir())) == []
            DRIVER.down(handle)
            assert vboxmanage.machines(soon()) == [(name, theirs)]
        finally:
            vboxmanage.ask(["unregistervm", theirs, "--delete"], soon())

    def test_down_is_idempotent_and_needs_nothing_to_be_there(self, home: Home) -> None:
        handle = DRIVER.prepare(order_for(AMD64, home, name="never"))
        DRIVER.down(handle)
        DRIVER.down(handle)


def test_too_old_a_version_is_refused_and_an_unknown_one_is_not(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that says no more than its version."""
    program = tmp_path / "VBoxManage"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def check(version: str) -> None:
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
        DRIVER.check(Machine(driver="virtualbox"), ARCHITECTURES["amd64"])

    with pytest.raises(Unavailable, match=r"6\.1 is too old"):
        check("6.1.50r161033")
    check("7.0.16r162802")
    check("23.4.0r999999")
    check("a version nobody can read")
