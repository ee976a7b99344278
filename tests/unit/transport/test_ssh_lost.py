"""A connection that is lost: closing never fails, and everything else says so as a TransportError."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from deadlines import once
from habitat import wait_until
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED, cMSG_CHANNEL_OPEN_FAILURE

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Interrupted, TimedOut, TransportError
from orchestrator.transport.base import Stream
from orchestrator.transport.runner_server import runner_server
from orchestrator.transport.ssh import Address, SshStream, SshTransport, connected
from orchestrator.transport.ssh_auth import hang_up, tunnel


class Silent(paramiko.ServerInterface):
    """Lets everybody in, starts every command, and none ever says a word. ``hostile`` refuses channels
    by packets that make no sense, a ``frozen`` one starts nothing more before it is thawed, like a machine
    whose processor was stopped."""

    hostile: paramiko.Transport | None = None

    def __init__(self) -> None:
        self.thawed = threading.Event()
        self.thawed.set()
        self.asked: list[paramiko.Channel] = []
        """The channels on which a command was asked for."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.hostile is not None:
            refusal = paramiko.Message()
            refusal.add_byte(cMSG_CHANNEL_OPEN_FAILURE)
            refusal.add_int(chanid)
            refusal.add_int(1)
            refusal.add_string(b"\xff")  # no text
            self.hostile._send_message(refusal)  # type: ignore[attr-defined]
        return OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.asked.append(channel)
        return self.thawed.wait(60)


@dataclass(frozen=True)
class Line:
    """A connection to a server in this process; ``ours`` and ``theirs`` are the two ends of its socket.
    ``thawed`` cleared freezes it. ``asked`` are the server's ends of the channels of commands."""

    transport: SshTransport
    turn_hostile: Callable[[], None]
    ours: socket.socket
    theirs: socket.socket
    thawed: threading.Event
    asked: Sequence[paramiko.Channel]


def soon() -> Deadline:
    return Deadline.after(60)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    paths = folder / "host", folder / "client"
    for path in paths:
        path.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )
    return paths


@contextmanager
def connection(keys: tuple[Path, Path]) -> Iterator[Line]:
    host, client = keys
    ours, theirs = socket.socketpair()
    kept = theirs.dup()  # so that we do not notice that the server does
    server = paramiko.Transport(theirs)
    key = paramiko.Ed25519Key(filename=str(host))
    server.add_server_key(key)
    manners = Silent()
    server.start_server(server=manners, event=threading.Event())
    address = Address("machine", 22, "root", client, key.asbytes())
    try:
        with connected(address, "guest", soon(), ours) as transport:
            hostile = lambda: setattr(manners, "hostile", server)  # noqa: E731
            yield Line(transport, hostile, ours, kept, manners.thawed, manners.asked)
    finally:
        manners.thawed.set()
        server.close()
        kept.close()


def unnoticed(line: Line) -> None:
    """Nothing can be sent any more, and nobody knows yet."""
    line.ours.shutdown(socket.SHUT_WR)


def noticed(line: Line) -> None:
    """The other side is gone, as when QEMU was killed, and paramiko's thread has seen it."""
    line.theirs.shutdown(socket.SHUT_RDWR)
    ended(line)


def ended(line: Line) -> None:
    until = time.monotonic() + 60
    while line.transport._connection.is_active():
        assert time.monotonic() < until
        time.sleep(0.005)


FAILING: dict[str, Callable[[SshTransport, Stream], object]] = {
    "run": lambda transport, _: transport.run(["true"], deadline=soon(), stdin=b"in"),
    "open": lambda transport, _: transport.open(["cat"], soon()),
    "send": lambda _, stream: stream.send(b"question", soon()),
}
ENDING: dict[str, Callable[[SshStream], object]] = {
    "end_input": lambda stream: stream.end_input(),
    "receive": lambda stream: stream.receive(soon()),
    "complaints": lambda stream: stream.complaints(),
    "finish": lambda stream: stream.finish(soon()).code,
    "close": lambda stream: stream.close(),
}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_method_is_walked() -> None:
    assert public(SshTransport) | public(SshStream) == {*FAILING, *ENDING}


@pytest.mark.parametrize("way", [unnoticed, noticed])
def test_a_lost_connection_says_so(keys: tuple[Path, Path], way: Callable[[Line], None]) -> None:
    with connection(keys) as line:
        stream = line.transport.open(["cat"], soon())
        assert isinstance(stream, SshStream)
        way(line)
        for call in FAILING.values():
            with pytest.raises(TransportError, match=r"guest: SSH connection lost: .*[A-Za-z]"):
                call(line.transport, stream)
        noticed(line)
        assert {name: call(stream) for name, call in ENDING.items()} == {
            "end_input": None,
            "receive": b"",
            "complaints": "",
            "finish": -1,
            "close": None,
        }


@pytest.mark.parametrize(
    "start",
    [
        lambda line, deadline: line.transport.run(["sleep", "1"], deadline=deadline),
        lambda line, deadline: line.transport.open(["sleep", "1"], deadline),
    ],
    ids=["run", "open"],
)
def test_a_machine_that_freezes_before_it_starts_a_command_is_waited_for_no_longer_than_said(
    keys: tuple[Path, Path], start: Callable[[Line, Deadline], object]
) -> None:
    with connection(keys) as line:
        line.thawed.clear()
        with once(lambda: line.asked) as deadline, pytest.raises(TimedOut, match="guest: starting `sleep`"):
            start(line, deadline)
        with pytest.raises(TimedOut, match="guest: opening a channel"):
            start(line, Deadline.after(0.3))
    cancellation = Cancellation()
    with connection(keys) as line:
        line.thawed.clear()
        threading.Timer(0.1, cancellation.cancel).start()
        with pytest.raises(Interrupted):
            start(line, cancellation.deadline(60))


def test_complaints_never_keep_the_rest_from_coming(keys: tuple[Path, Path]) -> None:
    """Both share a window of the channel's, of two million bytes."""

    def speak() -> None:
        wait_until(lambda: line.asked and line.asked[0].eof_received, "the command and its input")
        line.asked[0].sendall_stderr(b"x" * 2**22)
        line.asked[0].sendall(b"all")
        line.asked[0].send_exit_status(3)
        line.asked[0].close()

    with connection(keys) as line:
        stream = line.transport.open(["tar"], soon())
        stream.end_input()
        other = threading.Thread(target=speak)
        other.start()
        assert (stream.receive(soon()), stream.receive(soon())) == (b"all", b"")
        done = stream.finish(soon())
        other.join()
    assert (done.code, done.stderr) == (3, b"x" * 2000)


def test_who_closes_first_closes_without_a_word(keys: tuple[Path, Path]) -> None:
    with connection(keys) as line:
        stream = line.transport.open(["cat"], soon())
        unnoticed(line)
        stream.close()


def test_packets_that_make_no_sense_are_a_lost_connection(keys: tuple[Path, Path]) -> None:
    """paramiko hands on whatever exception its thread met, here of a text that is none."""
    with connection(keys) as line:
        line.turn_hostile()
        with pytest.raises(TransportError, match="guest: SSH connection lost: 'utf-8' codec"):
            line.transport.run(["true"], deadline=soon())


def test_an_interrupt_stays_one_when_the_machine_is_lost_too(keys: tuple[Path, Path]) -> None:
    """What ends a run is told as what it is, whatever closing meets."""
    with connection(keys) as line:
        cancellation = Cancellation()

        def both() -> None:
            wait_until(lambda: line.asked and line.asked[0].eof_received, "the command and its input")
            unnoticed(line)
            cancellation.cancel()

        other = threading.Thread(target=both)
        other.start()
        with pytest.raises(Interrupted):
            line.transport.run(["cat"], deadline=cancellation.deadline(60))
        other.join()


def test_a_runner_on_a_lost_machine_ends_without_a_word_of_its_own(keys: tuple[Path, Path]) -> None:
    with connection(keys) as line, runner_server(line.transport, "/run") as runner:

        def lost() -> bool:
            if asked := bool(line.asked and line.asked[0].recv_ready()):
                unnoticed(line)
            return asked

        with once(lost) as deadline, pytest.raises(TimedOut):
            runner.run(["/run", "--", "true"], deadline=deadline, hold_stdin=True)
        with pytest.raises(TransportError, match="connection lost"):
            runner.run(["/run", "--", "true"], deadline=soon(), hold_stdin=True)


def test_a_tunnel_whose_jump_host_is_lost_closes(keys: tuple[Path, Path]) -> None:
    with connection(keys) as line:
        channel = tunnel(line.transport._connection, "machine", 22, "guest", "jump", soon())
        unnoticed(line)
        hang_up(channel)
        with pytest.raises(TransportError, match=r"jump host jump cannot reach machine: .*[A-Za-z]"):
            tunnel(line.transport._connection, "machine", 22, "guest", "jump", soon())
