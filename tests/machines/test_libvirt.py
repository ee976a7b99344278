"""The libvirt driver on bad days: strangers beside it, daemons that go, hosts that refuse."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import daemons
import pytest
from bench import Kind, living_in, on_bench, order_for
from command import isolab, started
from consoles import keep_consoles
from daemons import Daemons
from habitat import Home, fresh_home, wait_until
from places import LABS

from orchestrator import drivers
from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Storing
from orchestrator.drivers.libvirt.connection import opened
from orchestrator.drivers.libvirt.ownership import remember
from orchestrator.drivers.libvirt.storage import render_volume
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import BootError, LabError, TeardownError, Unavailable
from orchestrator.host import process_table
from orchestrator.labfile.libvirt_uri import SYSTEM, parse
from orchestrator.paths import scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.run.gc import reclaim

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("libvirt")]

HOST = host_arch().name
SYSTEM_KIND = Kind("libvirt", HOST, way="system")
STRANGER = "isolab-20200101-000000-abcd-stranger"
_STRANGER = f"""
<domain type='qemu'><name>{STRANGER}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<metadata><isolab:machine xmlns:isolab='urn:isolab:machine:1' run='20200101-000000-abcd'
  name='stranger' place='0123456789'/></metadata></domain>
"""


@pytest.fixture
def home(request: pytest.FixtureRequest, libvirt_daemons: Daemons) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@contextlib.contextmanager
def connection(text: str = SYSTEM) -> Iterator[Any]:
    with opened(parse(text), Deadline.after(60)) as found:
        yield found


def names() -> set[str]:
    with connection() as found:
        return {domain.name() for domain in found.listAllDomains()}


def up(order: Order) -> Handle:
    driver = drivers.load("libvirt")
    driver.check(order.machine, order.arch)
    return driver.up(order, driver.prepare(order), Deadline.after(300), SilentProgress())


def at(uri: str, home: Home) -> Order:
    """An order for a machine at this address."""
    order = order_for(SYSTEM_KIND, home)
    return replace(order, machine=order.machine.model_copy(update={"uri": uri}))


def test_a_strangers_domain_is_left_alone(home: Home) -> None:
    """Even one that looks like ours, but comes from another controller."""
    from orchestrator.machines.journal import Journal

    with connection() as found:
        stranger = found.createXML(_STRANGER, 0)
        try:
            order = order_for(SYSTEM_KIND, home, name="stranger")
            handle = drivers.load("libvirt").prepare(order)
            order.scratch.mkdir(parents=True)
            drivers.load("libvirt").down(replace(handle, run="20200101-000000-abcd"))
            remember(parse(SYSTEM))
            assert list(drivers.load("libvirt").leftovers(scratch_dir())) == []
            assert not [gone for gone in reclaim(Journal()) if "stranger" in gone]
            assert STRANGER in names()
        finally:
            stranger.destroy()


def test_a_machine_outlives_its_daemon(home: Home) -> None:
    with on_bench(SYSTEM_KIND, order_for(SYSTEM_KIND, home)) as bench:
        assert bench.shell("echo before").stdout == "before\n"
        daemons.restart_libvirtd()
        assert bench.shell("echo after").stdout == "after\n"
        asked = replace(
            bench.live.handle, data={k: v for k, v in bench.live.handle.data.items() if k != "port"}
        )
        with bench.driver.connect(asked, Deadline.after(120)) as anew:
            assert anew.run(["echo", "anew"], deadline=Deadline.after(60)).stdout == b"anew\n"
        assert [(h.run, h.machine) for h in bench.driver.leftovers(scratch_dir())] == [
            (bench.order.run, bench.order.name)
        ]
        assert bench.live.handle.tag in names()
    assert bench.live.handle.tag not in names()


def test_without_its_daemon_a_machine_is_not_said_to_be_gone(home: Home) -> None:
    order = order_for(SYSTEM_KIND, home)
    handle = up(order)
    daemons.stop(Path("/run/libvirtd.pid"))
    try:
        with pytest.raises(TeardownError, match="cannot remove it") as caught:
            drivers.load("libvirt").down(handle)
        assert "libvirtd -d" in caught.value.hint
        with pytest.raises(Unavailable, match="leftovers"):
            list(drivers.load("libvirt").leftovers(scratch_dir()))
    finally:
        daemons.start_system()
    drivers.load("libvirt").down(handle)
    order.scratch.parent.rmdir()
    assert handle.tag not in names()


def test_a_machine_that_stops_while_booting_is_told_at_once(home: Home) -> None:
    """A kernel that panics makes the machine end, which libvirt tells by an event."""
    order = order_for(SYSTEM_KIND, home)
    broken = home.root / "image"
    broken.mkdir()
    (broken / "kernel").write_bytes(order.image.kernel.read_bytes())
    (broken / "initrd").write_bytes(b"")
    order = replace(order, image=replace(order.image, folder=broken, key=f"broken-{order.run}"))
    try:
        with pytest.raises(BootError, match=r"panicked|stopped while booting") as caught:
            up(order)
        assert "VFS" in caught.value.message  # the console's own words
        wait_until(lambda: not any(order.scratch.parent.iterdir()), "the machine's folder to go")
        order.scratch.parent.rmdir()
        assert home.settled() == []
    finally:
        with connection() as found:
            for volume in found.storagePoolLookupByName("isolab").listAllVolumes():
                if order.run in volume.name():
                    volume.delete()


def test_a_half_uploaded_image_is_uploaded_anew(home: Home) -> None:
    order = order_for(SYSTEM_KIND, home)
    up_and_down(order)
    with connection() as found:
        volume = found.storagePoolLookupByName("isolab").storageVolLookupByName(f"{order.image.key}-initrd")
        path = Path(volume.path())
        path.write_bytes(path.read_bytes()[:100000])
    up_and_down(order_for(SYSTEM_KIND, home))
    assert path.stat().st_size == order.image.initrd.stat().st_size


def up_and_down(order: Order) -> None:
    drivers.load("libvirt").down(up(order))
    order.scratch.parent.rmdir()


@pytest.mark.parametrize("moment", ["uploading or starting", "booting"])
def test_killed_for_good(home: Home, moment: str) -> None:
    words = ("run", LABS / "box", "--only", "guest", "--driver", "libvirt", "--out", home.out)
    with started(home, *words) as run:

        def come() -> bool:
            if moment == "booting":
                return any(True for _ in process_table.find(_boots))
            return (home.root / "state/libvirt-uris").exists()

        wait_until(lambda: come() or run.child.poll() is not None, moment)
        assert run.child.poll() is None, run.said
        run.send(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    answer = isolab(home, "gc")
    assert answer.code == 0, answer.stderr
    assert home.settled() == []
    again = isolab(home, "gc")
    assert (again.code, again.stdout) == (0, "nothing to remove\n")


def _boots(pid: int) -> bool:
    words = process_table.arguments(pid)
    return any(word.startswith("guest=isolab-") and "-guest," in word for word in words)


def test_a_session_on_another_host(home: Home) -> None:
    """An ordinary user's, over SSH: its images lie in that user's home."""
    handle = up(at(daemons.uri("ssh-session"), home))
    try:
        with drivers.load("libvirt").connect(handle, Deadline.after(120)) as found:
            assert found.run(["hostname"], deadline=Deadline.after(60)).stdout == b"bench\n"
    finally:
        drivers.load("libvirt").down(handle)
        Path(handle.scratch).parent.rmdir()


def test_kvm_of_another_host_is_tried_there(home: Home) -> None:
    """Whatever this host's KVM is worth, the machine comes up, and says under what."""
    order = replace(at(daemons.uri("ssh"), home), accel="auto")
    handle = up(order)
    assert handle.accel in ("kvm", "tcg")
    drivers.load("libvirt").down(handle)
    Path(handle.scratch).parent.rmdir()


class TestRefusals:
    """Each says the reason and what to do."""

    def refused(self, uri: str, home: Home) -> LabError:
        order = at(uri, home)
        with pytest.raises(LabError) as caught:
            drivers.load("libvirt").check(order.machine, order.arch)
        assert caught.value.hint
        return caught.value

    def test_an_unknown_host_key(self, home: Home, libvirt_daemons: Daemons, tmp_path: Path) -> None:
        daemons.write_ssh(tmp_path / "ssh", tmp_path / "known_hosts")
        error = self.refused(libvirt_daemons.over_ssh("root", "system", ssh=tmp_path / "ssh"), home)
        assert "Host key verification failed" in error.message
        assert "known_hosts" in error.hint
        assert not (tmp_path / "known_hosts").exists()

    def test_another_host_key(self, home: Home, libvirt_daemons: Daemons, tmp_path: Path) -> None:
        stranger = (libvirt_daemons.root / "stranger.pub").read_text()
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{libvirt_daemons.port} {stranger}")
        daemons.write_ssh(tmp_path / "ssh", tmp_path / "known_hosts")
        error = self.refused(libvirt_daemons.over_ssh("root", "system", ssh=tmp_path / "ssh"), home)
        assert "Host key verification failed" in error.message

    def test_a_key_that_is_not_authorised(self, home: Home, libvirt_daemons: Daemons) -> None:
        key = libvirt_daemons.root / "stranger"
        error = self.refused(libvirt_daemons.over_ssh("root", "system", key=key), home)
        assert "Permission denied" in error.message
        assert "without a password" in error.hint

    def test_no_server(self, home: Home, libvirt_daemons: Daemons) -> None:
        uri = daemons.uri("ssh").replace(f":{libvirt_daemons.port}", ":1")
        assert "Connection refused" in self.refused(uri, home).message

    def test_no_daemon(self, home: Home, tmp_path: Path) -> None:
        error = self.refused(f"qemu+unix:///system?socket={tmp_path}/none", home)
        assert "libvirtd -d" in error.hint

    def test_root_and_a_session(self, home: Home) -> None:
        assert "qemu:///system" in self.refused("qemu:///session", home).hint

    def test_an_emulator_that_is_not_there(self, home: Home) -> None:
        order = order_for(SYSTEM_KIND, home)
        with pytest.raises(Unavailable, match="cannot run") as caught:
            drivers.load("libvirt").check(order.machine, replace(order.arch, name="sparc65"))
        assert "install the package" in caught.value.hint

    def test_a_host_that_says_nothing(
        self, home: Home, libvirt_daemons: Daemons, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orchestrator.drivers.libvirt.connection.OPEN_SECONDS", 2.0)
        with daemons.silent_server() as port:
            uri = daemons.uri("ssh").replace(f":{libvirt_daemons.port}", f":{port}")
            error = self.refused(uri, home)
        assert "connecting to libvirt" in error.message


def test_old_images_are_pruned_and_those_of_today_kept(home: Home) -> None:
    order = order_for(SYSTEM_KIND, home)
    up_and_down(order)
    current = [f"{order.image.key}-kernel", f"{order.image.key}-initrd"]
    with connection() as found:
        pool = found.storagePoolLookupByName("isolab")
        pool.createXML(render_volume("micro-amd64-old-kernel", "0644"))
        others = {name.rpartition("-")[0] for name in pool.listVolumes()} - {"micro-amd64-old"}
        driver = drivers.load("libvirt")
        assert isinstance(driver, Storing)
        assert list(driver.prune(others)) == ["micro-amd64-old-kernel on this host"]
        assert {*current} <= {*pool.listVolumes()}
