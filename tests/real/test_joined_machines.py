"""Networks between real machines: who is reached, who is not, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for, template_for
from command import LABS, ROOT, environment, isolab, records, run_lab, started
from conftest import keep_consoles
from habitat import Home, fresh_home, hard_linked, wait_until

from orchestrator import drivers, hostproc, packages, proc
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers import Attachment, Networking, NetworkOrder, Order, Template
from orchestrator.network import bridge
from orchestrator.paths import scratch_dir
from orchestrator.progress import Silent
from orchestrator.spec import DriverName
from orchestrator.store import new_run_id

pytestmark = pytest.mark.real

KINDS = [Kind("qemu", "arm64", cloned=True), Kind("container", host_arch().name)]


@dataclass(frozen=True)
class Segment:
    """A network of one run, and the machines on it that a test has brought up."""

    home: Home
    wanted: NetworkOrder
    plugs: dict[str, str]

    def order(self, kind: Kind, number: int, internet: bool = False) -> Order:
        """The machine that is to be at the ``number``-th address."""
        name, address = self.wanted.machines[number - 1], f"10.77.0.{number}"
        place = Attachment("lan", address, 24, f"02:69:0a:4d:00:{number:02x}", self.plugs[name], internet)
        hosts = tuple((who, f"10.77.0.{at}") for at, who in enumerate(self.wanted.machines, start=1))
        plain = order_for(kind, self.home, name=name)
        found = replace(
            plain,
            run=self.wanted.run,
            scratch=scratch_dir() / self.wanted.run / name,
            attachments=(place,),
            hosts=hosts,
        )
        if not kind.cloned:
            return found
        template = template_for(found)
        assert isinstance(template, Template), template
        return replace(found, template=template)


@contextlib.contextmanager
def segment(home: Home, driver: DriverName, arch: str) -> Iterator[Segment]:
    """A network of a run of its own, for three machines; always the same names and addresses."""
    packages.ensure([packages.VDE, packages.IP], Silent(), Deadline.after(600))
    run = new_run_id()
    about, names = ARCHITECTURES[arch], ("one", "two", "three")
    scratch = scratch_dir() / run / "net.lan"
    wanted = NetworkOrder(run, "lan", driver, "10.77.0.0/24", names, about, scratch, home.root / "logs")
    found = cast(Networking, drivers.load(driver))
    handle = found.prepare_network(wanted)
    found.lay(wanted, handle, Deadline.after(60))
    try:
        yield Segment(home, wanted, dict(handle.data["plugs"]))
    finally:
        drivers.load(driver).down(handle)
        drivers.load(driver).down(handle)  # again: it is no error
        with contextlib.suppress(OSError):
            scratch.parent.rmdir()


@dataclass(frozen=True)
class Two:
    """Two machines on a network, and a third at a free address of an equal network of another run."""

    kind: Kind
    one: Bench
    two: Bench
    stranger: Bench


@pytest.fixture(scope="module", params=KINDS, ids=str)
def two(request: pytest.FixtureRequest) -> Iterator[Two]:
    kind: Kind = request.param
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        keep_consoles(request.session, home.root)
        ours = stack.enter_context(segment(home, kind.driver, kind.arch))
        theirs = stack.enter_context(segment(home, kind.driver, kind.arch))
        one, two, three = (
            stack.enter_context(on_bench(kind, order))
            for order in (ours.order(kind, 1), ours.order(kind, 2), theirs.order(kind, 3))
        )
        yield Two(kind, one, two, three)


def answers(machine: Bench, whom: str) -> bool:
    """Whether ``whom`` is there: it refuses a connection to a port where nobody listens. (A ping
    would take CAP_NET_RAW, which containers lack.)"""
    said = machine.command("busybox", "nc", "-w", "5", whom, "9").stderr.decode()
    return "refused" in said


def knock(machine: Bench, address: str, port: int) -> None:
    """Try to connect, whatever comes of it."""
    machine.command(
        "sh", "-c", f"busybox timeout 6 busybox nc -w 4 {address} {port} </dev/null >/dev/null 2>&1; true"
    )


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
        assert not answers(two.one, "10.77.0.3")
        assert not answers(two.stranger, "10.77.0.1")

    def test_no_route_leads_elsewhere(self, two: Two) -> None:
        routes = two.one.command("busybox", "ip", "route").stdout.decode()
        assert "default" not in routes
        assert "10.77.0.0/24" in routes

    def test_the_host_is_not_reached(self, two: Two) -> None:
        with listening_on_host() as (port, reached):
            for address in ("10.0.2.2", "10.77.0.254", *host_addresses()):
                knock(two.one, address, port)
            assert not reached()

    def test_the_host_has_no_interface_there(self, two: Two) -> None:
        del two
        shown = proc.run(["ip", "-o", "address"], deadline=Deadline.after(20)).stdout.decode()
        assert "10.77." not in shown


def test_the_network_is_among_what_could_be_left_over(two: Two) -> None:
    found = {(handle.run, handle.machine) for handle in two.one.driver.leftovers()}
    assert {(bench.order.run, "net.lan") for bench in (two.one, two.stranger)} < found


def test_with_internet_the_host_is_reached() -> None:
    """The control of the test above: the same attempt with the restriction taken away."""
    kind = Kind("qemu", "arm64", cloned=True)
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        ours = stack.enter_context(segment(home, "qemu", "arm64"))
        machine = stack.enter_context(on_bench(kind, ours.order(kind, 1, internet=True)))
        assert "default via 10.0.2.2" in machine.command("busybox", "ip", "route").stdout.decode()
        assert b"nameserver 10.0.2.3" in machine.command("cat", "/etc/resolv.conf").stdout
        with listening_on_host() as (port, reached):
            knock(machine, "10.0.2.2", port)
            assert reached()


def test_a_machine_that_stands_still_holds_up_nobody() -> None:
    """What is broadcast to it fills its buffers, and is dropped from then on."""
    kind = Kind("qemu", "arm64", cloned=True)
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        ours = stack.enter_context(segment(home, "qemu", "arm64"))
        one, _, three = (stack.enter_context(on_bench(kind, ours.order(kind, n))) for n in (1, 2, 3))
        tag = three.live.handle.tag
        (stopped,) = (p for p in hostproc.find(lambda pid: tag in hostproc.arguments(pid)))
        os.kill(stopped, signal.SIGSTOP)
        try:
            flood = "busybox ping -q -c 400 -i 0.01 -s 1400 10.77.0.255"
            one.command("sh", "-c", f"{flood} >/dev/null 2>&1; true")
            assert answers(one, "10.77.0.2")
            assert not answers(one, "10.77.0.3")
        finally:
            os.kill(stopped, signal.SIGCONT)


@contextlib.contextmanager
def listening_on_host() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A listener at every address of the host; tells whether anybody came."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()

        def reached() -> bool:
            listener.settimeout(2)
            try:
                listener.accept()[0].close()
            except TimeoutError:
                return False
            return True

        yield listener.getsockname()[1], reached


def host_addresses() -> list[str]:
    shown = proc.run(["ip", "-4", "-o", "address"], deadline=Deadline.after(20)).stdout.decode()
    return [found for found in re.findall(r"inet ([0-9.]+)/", shown) if not found.startswith("127.")]


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield home


def test_machines_of_different_byte_order_talk(home: Home) -> None:
    done = isolab(home, "run", ROOT / "labs/network-ipc", "--out", home.out, seconds=900)
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
    assert "needs a network with another machine" in record["reason"]


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
    assert "machine late of its network is lost" in found["there", "network/tcp-byte-order"]["reason"]


MACHINES = ("one", "two", "crate", "barrel")


def _networks(home: Home) -> list[str]:
    """Switches and namespaces of networks that belong to this home."""
    switches = [p for p in home.processes() if "vde_switch" in " ".join(hostproc.arguments(p))]
    return [*map(str, switches), *(f"{run}/{name}" for run, name in bridge.standing(home.scratch))]


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
    ours = [name for name in names if (home.scratch / name.removeprefix("isolab-")[:20]).exists()]
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
    packages.ensure([packages.VDE], Silent(), Deadline.after(600))
    user, cache = 60700, hard_linked(("archive", "images", "toolchain", "programs"), home.root / "cache")
    (home.root / "state").mkdir()
    _given_to(user, home)
    env = environment(home, ISOLAB_CACHE=str(cache), HOME=str(home.root))
    prefix = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    lab, words = ROOT / "labs/network-ipc", ("--exercise", "network/tcp-byte-order", "--cold")
    done = isolab(home, "run", lab, *words, "--out", home.out, env=env, prefix=prefix, seconds=900)
    assert done.code == 0, done.stdout + done.stderr
    assert {r["status"] for r in records(home)} == {"pass"}
