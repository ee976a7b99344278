"""SSH to hosts of a cluster: who is believed, what breaks, and that all of it is said in words."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench import living_in
from cluster_hosts import NetHost, NetHosts, hosts
from habitat import fresh_home, wait_until
from places import TESTS
from sshd_files import make_key

from orchestrator.cluster.model import ClusterHost, Destination
from orchestrator.cluster.reach import command_line, forwards
from orchestrator.cluster.reach.connection import HostConnection, remove_sockets, sockets_folder
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TransportError, Unavailable
from orchestrator.host import process

pytestmark = pytest.mark.real

STORE = "/var/lib/containers"

SERVE = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.accept()[0].sendall(b"hello")
"""


@pytest.fixture(scope="module")
def net() -> Iterator[NetHosts]:
    with hosts() as net:
        yield net


@pytest.fixture
def folder() -> Iterator[Path]:
    with fresh_home() as home, living_in(home):
        yield sockets_folder(home.root)
        remove_sockets(home.root)


@pytest.fixture
def soon_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken link is known after 6 s instead of 15 s."""
    monkeypatch.setitem(command_line._UNWATCHED, "ServerAliveInterval", "2")


def deadline(seconds: float = 60.0) -> Deadline:
    return Deadline.after(seconds)


@contextlib.contextmanager
def connected(host: ClusterHost, folder: Path) -> Iterator[HostConnection]:
    connection = HostConnection(host, folder)
    try:
        connection.open(deadline())
        yield connection
    finally:
        connection.close()


def refused(host: ClusterHost, folder: Path) -> LabError:
    with pytest.raises(LabError) as caught, connected(host, folder):
        pytest.fail("it was reached")
    assert caught.value.hint
    return caught.value


def test_commands_with_their_words_input_output_and_status(net: NetHosts, folder: Path) -> None:
    with connected(net["alder"].ssh, folder) as alder, connected(net["birch"].ssh, folder) as birch:
        assert [one.run(["hostname"], deadline=deadline()).stdout for one in (alder, birch)] == [
            b"alder\n",
            b"birch\n",
        ]
        words = ["printf", "<%s>", "a b", "$HOME", "'\"", "ü"]
        assert alder.run(words, deadline=deadline()).stdout.decode() == "<a b><$HOME><'\"><ü>"
        assert alder.run(["cat"], deadline=deadline(), stdin=b"secret").stdout == b"secret"
        done = alder.run(["sh", "-c", "echo no >&2; exit 255"], deadline=deadline(), check=False)
        assert (done.code, done.stderr) == (255, b"no\n")
        with pytest.raises(LabError, match="alder: `false` exited with status 1"):
            alder.run(["false"], deadline=deadline())


def test_one_connection_is_shared_and_lasts_until_it_is_closed(net: NetHosts, folder: Path) -> None:
    with connected(net["alder"].ssh, folder) as first:
        there = first.run(["sh", "-c", "echo $SSH_CONNECTION"], deadline=deadline()).stdout
        second = HostConnection(net["alder"].ssh, folder)
        second.open(deadline())
        assert second.run(["sh", "-c", "echo $SSH_CONNECTION"], deadline=deadline()).stdout == there
    assert not second.is_open()
    with pytest.raises(TransportError, match="alder: the connection"):
        second.run(["true"], deadline=deadline())


def test_many_who_open_it_at_once_have_one(net: NetHosts, folder: Path) -> None:
    with connected(net["birch"].ssh, folder), connected(net["alder"].ssh, folder) as first:
        first.close()
        several = [HostConnection(net["alder"].ssh, folder) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.open(deadline()), several))
        words = ["sh", "-c", "echo $SSH_CONNECTION"]
        assert len({one.run(words, deadline=deadline()).stdout for one in several}) == 1


@pytest.mark.rotated
def test_a_server_that_carries_no_more_commands(folder: Path) -> None:
    with hosts(("elder",), more="MaxSessions 1") as few, connected(few["elder"].ssh, folder) as elder:
        conversation = elder.start(["cat"])
        conversation.send(b"hello", deadline())
        assert conversation.receive(deadline()) == b"hello"
        with pytest.raises(Unavailable, match="no more commands over one connection") as caught:
            elder.run(["true"], deadline=deadline())
        assert "MaxSessions" in caught.value.hint
        conversation.close()


def test_ports_are_carried_in_both_directions(net: NetHosts, folder: Path) -> None:
    with connected(net["alder"].ssh, folder) as alder, socket.create_server(("127.0.0.1", 0)) as ours:
        there = forwards.from_host(alder, ours.getsockname()[1], deadline())
        greeting = f"exec 3<>/dev/tcp/127.0.0.1/{there.listens}; echo from the host >&3; cat <&3"
        conversation = alder.start(["bash", "-c", greeting])
        line, _ = ours.accept()
        with line:
            assert line.recv(100) == b"from the host\n"
            line.sendall(b"from here")
        assert conversation.receive(deadline()) == b"from here"
        conversation.close()
        # Its own sshd listens at no loopback: a program that waits there for one connection does.
        server = alder.start(["python3", "-c", SERVE])
        here = forwards.to_host(alder, int(server.receive(deadline())), deadline())
        with socket.create_connection(("127.0.0.1", here.listens)) as line:
            assert line.recv(100) == b"hello"
        server.close()
        forwards.end(alder, here, deadline())
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", here.listens)) != 0


class TestWhoIsBelievedAndLetIn:
    def test_a_host_nobody_knows_or_with_another_key_is_not(self, net: NetHosts, folder: Path) -> None:
        known = net.known_hosts.read_text()
        other = make_key(folder / "other")
        birch = net["birch"]
        try:
            net.known_hosts.write_text("".join(x for x in known.splitlines(True) if birch.address not in x))
            assert "birch: its host key is unknown" in refused(birch.ssh, folder).message
            net.known_hosts.write_text(f"{birch.address} {Path(f'{other}.pub').read_text()}")
            assert "another than the known one (SHA256:" in refused(birch.ssh, folder).message
        finally:
            net.known_hosts.write_text(known)

    def test_a_stranger_is_not(self, net: NetHosts, folder: Path) -> None:
        to = Destination(net["birch"].address, identity=make_key(folder / "stranger"))
        net.config.write_text(net.config.read_text().replace("  IdentityFile", "  #IdentityFile"))
        try:
            problem = refused(ClusterHost("birch", to), folder)
        finally:
            net.config.write_text(net.config.read_text().replace("  #IdentityFile", "  IdentityFile"))
        assert "lets nobody in with the keys that ssh offered (it takes: publickey)" in problem.message

    def test_no_such_key_or_host_or_server(self, net: NetHosts, folder: Path) -> None:
        address = net["birch"].address
        missing = ClusterHost("birch", Destination(address, identity=Path("/nowhere/id")))
        assert "there is no private key /nowhere/id" in refused(missing, folder).message
        nobody = ClusterHost("elder", Destination("there-is-no-such-host.invalid"))
        assert "there is no host there-is-no-such-host.invalid" in refused(nobody, folder).message
        closed = ClusterHost("birch", Destination(address, port=23))
        assert f"no SSH server listens at port 23 of {address}" in refused(closed, folder).message
        absent = ClusterHost("elder", Destination(net.controller.rpartition(".")[0] + ".200"))
        assert isinstance(refused(absent, folder), TransportError)

    def test_a_jump_host_with_a_key_of_its_own(self, net: NetHosts, folder: Path) -> None:
        key = make_key(folder / "gate 1")
        with (net["birch"].root / "authorized_keys").open("a") as file:
            file.write(Path(f"{key}.pub").read_text())
        gate = Destination(net["birch"].address, "root", 22, key)
        through = ClusterHost("alder", Destination(net["alder"].address, jump=gate))
        with connected(through, folder) as alder:
            came_from = alder.run(["sh", "-c", "echo $SSH_CLIENT"], deadline=deadline()).stdout.decode()
        assert came_from.startswith(net["birch"].address)
        nowhere = ClusterHost("alder", Destination(net["alder"].address, port=23, jump=gate))
        assert "the jump host cannot reach it" in refused(nowhere, folder).message


@pytest.mark.usefixtures("soon_noticed")
def test_a_broken_link_is_known_said_and_healed(
    net: NetHosts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {"alder": NetHost.cut, "birch": NetHost.deafen, "cedar": NetHost.mute, "dogwood": NetHost.unplug}

    def lose(name: str) -> str:
        conversation = there[name].start(["cat"])
        try:
            conversation.send(b"hello", deadline())
            assert conversation.receive(deadline()) == b"hello"
            faults[name](net[name])
            assert conversation.receive(deadline()) == b""  # what hung on it ends
            with pytest.raises(TransportError) as caught:
                there[name].run(["true"], deadline=deadline())
            with pytest.raises(TransportError):
                there[name].open(deadline())
            return caught.value.message
        finally:
            conversation.close()
            net[name].heal()

    def reach(name: str) -> bytes:
        there[name].open(deadline())
        return there[name].run(["hostname"], deadline=deadline()).stdout

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(faults)) as pool:
        there = {name: stack.enter_context(connected(net[name].ssh, folder)) for name in faults}
        with monkeypatch.context() as impatient:
            # Only an attempt that is to fail is given up so soon: a busy host takes longer to let one in.
            impatient.setitem(command_line._UNWATCHED, "ConnectTimeout", "2")
            for name, words in zip(faults, pool.map(lose, faults), strict=True):
                assert words.startswith(f"{name}: the connection broke")
        assert [*pool.map(reach, faults)] == [f"{name}\n".encode() for name in faults]


@pytest.mark.usefixtures("soon_noticed")
def test_a_host_that_is_switched_off_and_on_again(net: NetHosts, folder: Path) -> None:
    host = net["dogwood"]
    with connected(host.ssh, folder) as connection:
        connection.run(
            ["sh", "-c", "echo kept > ~/kept; setsid sleep 300 >/dev/null 2>&1 &"], deadline=deadline()
        )
        wait_until(lambda: len(host.processes()) > 2, "the process that stays")
        host.off()  # which returns when all of them are gone
        host.on()
        wait_until(lambda: not connection.is_open(), "the end of the connection")
        connection.open(deadline())
        assert connection.run(["cat", "kept"], deadline=deadline()).stdout == b"kept\n"
        assert "sleep 300" not in connection.run(["ps", "ax"], deadline=deadline()).stdout.decode()


def test_a_host_has_a_store_of_containers_of_its_own(net: NetHosts, folder: Path) -> None:
    """Podman there would take the containers of this host for ended."""
    with connected(net["dogwood"].ssh, folder) as connection:
        there = connection.run(["stat", "--format", "%d:%i", STORE], deadline=deadline()).stdout.decode()
    here = Path(STORE).stat()
    assert there.strip() != f"{here.st_dev}:{here.st_ino}"


@pytest.mark.rotated
def test_nothing_is_left_of_hosts_whose_test_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(
        f"import os, sys; sys.path.insert(0, {str(TESTS / 'support')!r})\n"
        "from cluster_hosts import hosts\n"
        "with hosts(('alder', 'birch')) as net:\n"
        "    numbers = [pid for host in net.hosts for pid in host.processes()]\n"
        "    print(net.folder, net.controller, *numbers, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = process.run([sys.executable, script], deadline=deadline(120), check=False)
    assert done.code == -signal.SIGKILL
    folder, address, *numbers = done.stdout.decode().split()
    assert len(numbers) >= 2
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in numbers), "their processes")
    wait_until(lambda: not Path(folder).exists(), "their folder")
    links = ["ip", "-brief", "address"]
    wait_until(
        lambda: f" {address}/" not in process.run(links, deadline=deadline()).stdout.decode(),
        "their link",
    )
