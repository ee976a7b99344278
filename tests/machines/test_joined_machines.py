"""Networks between real machines: who is reached, who is not, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import daemons
import pytest
from bench import HOST, Bench, Kind, living_in, on_bench
from command import environment, isolab, records, run_lab, started
from consoles import keep_consoles
from habitat import Home, fresh_home, hard_linked, wait_until
from joined import (
    PATIENCE,
    Segment,
    answers,
    come,
    hearing_on_host,
    host_addresses,
    knock,
    listening_on_host,
    segment,
    sneak,
    stays_silent,
)
from places import LABS

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.container import bridge
from orchestrator.drivers.guest import vde
from orchestrator.drivers.libvirt import network_xml
from orchestrator.drivers.libvirt.connection import opened
from orchestrator.host import process, process_table
from orchestrator.labfile.libvirt_uri import parse
from orchestrator.labfile.models import DriverName
from orchestrator.machines import host_packages
from orchestrator.machines.journal import Journal
from orchestrator.paths import ROOT, scratch_dir
from orchestrator.progress import SilentProgress
from orchestrator.run.gc import reclaim

pytestmark = pytest.mark.real
LIBVIRT = pytest.mark.xdist_group("libvirt")

CLONE = Kind("qemu", "arm64", cloned=True)
KINDS = [CLONE, Kind("container", HOST)]
KINDS += [Kind("libvirt", HOST, way=way) for way in ("system", "session", "ssh")]
ASKED = [
    pytest.param(kind, marks=pytest.mark.rotated(f"joined {kind}"))
    if kind.way in ("session", "ssh")
    else kind
    for kind in KINDS
]
"""A day of CI joins machines of one of libvirt's daemons; of the others they take minutes to come up."""


@dataclass(frozen=True)
class Two:
    """Two machines on a network, and a third at a free address of an equal network of another run."""

    ours: Segment
    one: Bench
    two: Bench
    stranger: Bench


@pytest.fixture(scope="module", params=ASKED, ids=str)
def two(request: pytest.FixtureRequest) -> Iterator[Two]:
    kind: Kind = request.param
    require_daemons(request, kind)
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        keep_consoles(request.session, home.root)
        ours, theirs = (stack.enter_context(segment(home, kind)) for _ in range(2))
        one, two, three = (
            stack.enter_context(on_bench(kind, order))
            for order in (ours.order(1), ours.order(2), theirs.order(3))
        )
        yield Two(ours, one, two, three)


def require_daemons(request: pytest.FixtureRequest, kind: Kind) -> None:
    if kind.driver == "libvirt":
        request.getfixturevalue("libvirt_system" if kind.way == "system" else "libvirt_daemons")


class TestReaching:
    def test_machines_of_a_network_reach_each_other_by_name(self, two: Two) -> None:
        assert answers(two.one, "two")
        assert answers(two.two, "one")

    def test_each_has_its_own_address_and_hardware_address(self, two: Two) -> None:
        for machine, number in ((two.one, 1), (two.two, 2)):
            shown = machine.command("busybox", "ip", "address", "show", "lan0").stdout.decode()
            assert f"inet 10.77.0.{number}/24" in shown
            assert f"link/ether 02:69:0a:4d:00:0{number}" in shown

    def test_an_equal_network_of_another_run_is_another_network(self, two: Two) -> None:
        shown = two.stranger.command("busybox", "ip", "address", "show", "lan0").stdout.decode()
        assert "inet 10.77.0.3/24" in shown  # it is up, at an address that pings below would reach
        assert stays_silent(two.one, "10.77.0.3")
        assert stays_silent(two.stranger, "10.77.0.1")

    def test_no_route_leads_elsewhere(self, two: Two) -> None:
        routes = two.one.command("busybox", "ip", "route").stdout.decode()
        assert "default" not in routes
        assert "10.77.0.0/24" in routes

    def test_the_host_is_not_reached(self, two: Two) -> None:
        with listening_on_host() as (port, reached):
            for address in ("10.0.2.2", "10.77.0.254", *host_addresses()):
                knock(two.one, address, port)
            assert not reached()

    def test_nor_by_a_datagram_that_needs_no_answer(self, two: Two) -> None:
        """Also where the machine's root leads it there, past whoever is asked for the way."""
        bridge_mac = network_xml.bridge_mac(two.ours.handle)
        with hearing_on_host() as (port, reached):
            for address in host_addresses():
                for mac in ("", bridge_mac, "ff:ff:ff:ff:ff:ff"):
                    sneak(two.one, address, port, mac)
            assert not reached()

    def test_the_host_has_no_interface_there(self, two: Two) -> None:
        del two
        shown = process.run(["ip", "-o", "address"], deadline=Deadline.after(60)).stdout.decode()
        assert "10.77." not in shown


def test_the_network_is_among_what_could_be_left_over(two: Two) -> None:
    found = {(handle.run, handle.machine) for handle in two.one.driver.leftovers(scratch_dir())}
    assert {(bench.order.run, "net.lan") for bench in (two.one, two.stranger)} < found


@pytest.mark.parametrize("kind", ASKED, ids=str)
def test_a_network_no_journal_knows_is_found_and_removed(request: pytest.FixtureRequest, kind: Kind) -> None:
    require_daemons(request, kind)
    with fresh_home() as home, living_in(home), segment(home, kind) as ours:
        (found,) = drivers.load(kind.driver).leftovers(scratch_dir())
        assert (found.run, found.machine, found.scratch) == (
            ours.wanted.run, "net.lan", str(ours.wanted.scratch),
        )  # fmt: skip
        assert [text for text in reclaim(Journal()) if f"{kind.driver} machine net.lan" in text]
        assert list(drivers.load(kind.driver).leftovers(scratch_dir())) == []


@pytest.mark.parametrize("kind", [CLONE, Kind("libvirt", HOST, way="system")], ids=str)
def test_with_internet_the_host_is_reached(request: pytest.FixtureRequest, kind: Kind) -> None:
    """The control of the test above: the same attempt with the restriction taken away."""
    require_daemons(request, kind)
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        ours = stack.enter_context(segment(home, kind))
        machine = stack.enter_context(on_bench(kind, ours.order(1, internet=True)))
        assert "default via 10.0.2.2" in machine.command("busybox", "ip", "route").stdout.decode()
        assert b"nameserver 10.0.2.3" in machine.command("cat", "/etc/resolv.conf").stdout
        with listening_on_host() as (port, reached):
            come(machine, "10.0.2.2", port)
            assert reached(PATIENCE)


@LIBVIRT
def test_without_its_filter_the_host_hears_a_machine_of_libvirt(request: pytest.FixtureRequest) -> None:
    """The control of the test with datagrams: a bridge without an address is no wall."""
    sources = [Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").read_text() for name in ("all", "default")]
    if any(int(text) for text in sources):
        pytest.skip("this host asks where a packet came from (rp_filter): it would not hear it anyway")
    kind = Kind("libvirt", HOST, way="system")
    require_daemons(request, kind)
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        ours = stack.enter_context(segment(home, kind))
        machine = stack.enter_context(on_bench(kind, ours.order(1)))
        tag, identity = (
            ours.handle.tag,
            network_xml.filter_identity(ours.handle.tag, ours.handle.data["place"]),
        )
        with opened(parse(daemons.uri("system")), Deadline.after(60)) as connection:
            connection.nwfilterDefineXML(
                f"<filter name='{tag}' chain='root'><uuid>{identity}</uuid></filter>"
            )
        with hearing_on_host() as (port, reached):
            sneak(machine, host_addresses()[0], port, seconds=15)
            assert reached()


def test_a_machine_that_stands_still_holds_up_nobody() -> None:
    """What is broadcast to it fills its buffers, and is dropped from then on."""
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        ours = stack.enter_context(segment(home, CLONE))
        one, _, three = (stack.enter_context(on_bench(CLONE, ours.order(n))) for n in (1, 2, 3))
        tag = three.live.handle.tag
        (stopped,) = (p for p in process_table.find(lambda pid: tag in process_table.arguments(pid)))
        os.kill(stopped, signal.SIGSTOP)
        try:
            flood = "busybox ping -q -c 400 -i 0.01 -s 1400 10.77.0.255"
            one.command("sh", "-c", f"{flood} >/dev/null 2>&1; true")
            assert answers(one, "10.77.0.2")
            assert stays_silent(one, "10.77.0.3")
        finally:
            os.kill(stopped, signal.SIGCONT)


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield home


@pytest.mark.parametrize("driver", ["qemu", pytest.param("libvirt", marks=LIBVIRT)])
def test_machines_of_different_byte_order_talk(
    request: pytest.FixtureRequest, home: Home, driver: DriverName
) -> None:
    require_daemons(request, Kind(driver, HOST, way="system"))
    words = ("--driver", driver, "--out", home.out)
    done = isolab(home, "run", ROOT / "labs/network-ipc", *words, seconds=900)
    assert done.code == 0, done.stdout + done.stderr
    found = {(r["machine"], r["exercise"]): r for r in records(home)}
    assert len(found) == 6
    for machine, order in (("little", "big"), ("big", "little")):
        for exercise in ("network/tcp-byte-order", "network/udp-byte-order"):
            seen = found[machine, exercise]["observations"]
            assert (seen["received_raw"], seen["received_network"]) == ("0x04030201", "0x01020304")
            assert seen["peer_byte_order"] == order


def test_without_its_peer_a_machine_skips_what_needs_one(home: Home) -> None:
    done = run_lab(home, "joined", "--only", "crate", "--exercise", "network/tcp-byte-order")
    assert done.code == 0, done.stderr
    (record,) = records(home)
    assert record["status"] == "skip"
    assert "needs a network shared with another machine" in record["reason"]


def test_a_peer_that_does_not_come_up_is_the_reason_of_an_error(home: Home) -> None:
    done = run_lab(home, "late")
    assert done.code == 3, done.stdout + done.stderr
    found = {(r["machine"], r["exercise"]): r for r in records(home)}
    assert {key: r["status"] for key, r in found.items()} == {
        ("late", "network/tcp-byte-order"): "error",
        ("late", "./fine"): "error",
        ("there", "network/tcp-byte-order"): "error",
        ("there", "./fine"): "pass",
    }
    assert "machine late on the same network was lost" in found["there", "network/tcp-byte-order"]["reason"]


MACHINES = ("one", "two", "crate", "barrel")


def _networks(home: Home) -> list[str]:
    """Switches and namespaces of networks that belong to this home."""
    switches = [pid for pid, words in home.command_lines().items() if "vde_switch" in " ".join(words)]
    return [*map(str, switches), *(f"{run}/{name}" for run, name in bridge.standing(home.own))]


def _talked(home: Home) -> bool:
    return len(records(home)) == len(MACHINES)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_nothing_of_a_network_stays(home: Home, end: signal.Signals) -> None:
    with started(home, "run", LABS / "joined", "--out", home.out, env=environment(home)) as run:
        wait_until(lambda: _talked(home) or run.child.poll() is not None, "the talk", 600.0)
        assert run.child.poll() is None, run.said
        names = [path.name for path in bridge.PLACE.iterdir()]
        assert len(_networks(home)) == 2
        run.send(end)
        assert run.wait() == (130 if end == signal.SIGINT else -signal.SIGKILL), run.said
    if end == signal.SIGKILL:
        assert len(_networks(home)) == 2  # there is something to remove
        answer = isolab(home, "gc")
        assert answer.code == 0, answer.stderr
    assert _networks(home) == []
    ours = [name for name in names if (home.own / name.removeprefix("isolab-")[:20]).exists()]
    assert [name for name in ours if (bridge.PLACE / name).exists()] == []
    assert home.settled() == []
    assert {r["status"] for r in records(home)} == {"pass"}


def _given_to(user: int, home: Home) -> None:
    """The home and what is in it belong to ``user``; files shared with the cache stay whose they are."""
    for folder, names, _ in os.walk(home.root):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            os.chown(path, user, user)


def test_an_ordinary_user_has_networks_between_guests(home: Home) -> None:
    """Switch and machines run as whoever started isolab."""
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    host_packages.ensure([vde.NEED], SilentProgress(), Deadline.after(600))
    user, cache = 60700, hard_linked(("archive", "images", "toolchain", "programs"), home.root / "cache")
    (home.root / "state").mkdir()
    _given_to(user, home)
    env = environment(home, ISOLAB_CACHE=str(cache), HOME=str(home.root))
    prefix = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    lab, words = ROOT / "labs/network-ipc", ("--exercise", "network/tcp-byte-order", "--cold")
    done = isolab(home, "run", lab, *words, "--out", home.out, env=env, prefix=prefix, seconds=900)
    assert done.code == 0, done.stdout + done.stderr
    assert {r["status"] for r in records(home)} == {"pass"}
