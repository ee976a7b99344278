"""SSH by paramiko: one connection per machine for its whole life, one channel per command.

The machine's host key is known before the first connection, so there is no trust on first use.
Our own guests get the cheapest algorithms, other servers choose.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from orchestrator.deadline import Deadline, poll
from orchestrator.errors import LabError, TransportError
from orchestrator.host.process import Finished
from orchestrator.labfile.ssh_endpoint import Endpoint, fingerprint, key_type
from orchestrator.transport.base import LIMIT, EndingStream, Result
from orchestrator.transport.ssh_auth import algorithms, authenticate, dial, hang_up, in_words, tunnel

# Cheap for an emulated processor: one elliptic curve, no RSA, no post-quantum exchange.
# (One curve, two names; which of them paramiko knows depends on its version.)
_KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_CIPHERS = ("aes128-ctr",)
_WINDOW = 2**21
_COMPLAINT_SECONDS, _COMPLAINT_BYTES = 2.0, 2000
# Its threads log tracebacks of what we get as exceptions anyway.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


@dataclass(frozen=True)
class Address:
    """How to reach a machine: address, user, our key, and the key it must present.

    ``foreign`` marks a server that is not in our own guests: it may use any algorithms, any of
    ``host_key`` and ``more_host_keys`` is accepted, ``client_key`` None tries the user's agent and
    default keys, and ``jump`` is the server through which it is reached.
    """

    host: str
    port: int
    user: str
    client_key: Path | None
    host_key: bytes
    more_host_keys: tuple[bytes, ...] = ()
    jump: Address | None = None
    foreign: bool = False

    @property
    def host_keys(self) -> tuple[bytes, ...]:
        return (self.host_key, *self.more_host_keys)

    def __str__(self) -> str:
        return f"{self.user}@{Endpoint(self.host, self.port)}"


class SshTransport:
    """Commands over one SSH connection."""

    def __init__(self, connection: paramiko.Transport, name: str) -> None:
        self._connection = connection
        self._name = name

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        with _broken(self._name), _until_left(self._session(deadline)) as channel:
            self._start(channel, argv[0], _command(argv), deadline)
            _send(channel, stdin, deadline, self._name)
            if not hold_stdin:
                channel.shutdown_write()
            stdout = self._receive(channel.recv, channel, deadline, argv[0])
            stderr = self._receive(channel.recv_stderr, channel, deadline, argv[0])
            poll(channel.exit_status_ready, deadline, f"{self._name}: waiting for `{argv[0]}` to end")
            return Result(channel.recv_exit_status(), stdout, stderr)

    def open(self, argv: Sequence[str], deadline: Deadline) -> EndingStream:
        with _broken(self._name):
            channel = self._session(deadline)
            try:
                self._start(channel, argv[0], _command(["exec", *argv]), deadline)
            except BaseException:
                hang_up(channel)
                raise
            return SshStream(channel, self._name)

    def _start(self, channel: paramiko.Channel, what: str, command: bytes, deadline: Deadline) -> None:
        """Start a command. paramiko waits without limit for the server to say yes, so another thread closes
        the channel in time."""
        answered = threading.Event()

        def watch() -> None:
            while deadline.remaining() and not deadline.cancellation.cancelled:
                if answered.wait(deadline.slice()):
                    return
            hang_up(channel)

        watcher = threading.Thread(target=watch, name="ssh-start", daemon=True)
        watcher.start()
        try:
            channel.exec_command(command)
        except Exception:
            deadline.check(f"{self._name}: starting `{what}`")
            raise
        finally:
            answered.set()

    def _session(self, deadline: Deadline) -> paramiko.Channel:
        try:
            return self._connection.open_session(timeout=max(0.1, deadline.within(600).remaining()))
        except Exception:
            if self._connection.is_active():
                deadline.check(f"{self._name}: opening a channel")
            raise

    def _receive(self, read: object, channel: paramiko.Channel, deadline: Deadline, what: str) -> bytes:
        assert callable(read)
        blocks: list[bytes] = []
        size = 0
        while True:
            channel.settimeout(deadline.slice())
            try:
                block: bytes = read(65536)
            except TimeoutError:
                deadline.check(f"{self._name}: waiting for `{what}`")
                continue
            if not block:
                return b"".join(blocks)
            blocks.append(block)
            size += len(block)
            if size > LIMIT:
                raise TransportError(f"{self._name}: `{what}` wrote more than {LIMIT} bytes")


class SshStream:
    """A long-running command over one channel."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._words = b""

    def send(self, data: bytes, deadline: Deadline) -> None:
        with _broken(self._name):
            _send(self._channel, data, deadline, self._name)

    def receive(self, deadline: Deadline) -> bytes:
        while True:
            self._channel.settimeout(deadline.slice())
            with _broken(self._name):
                self._hear()
                try:
                    return self._channel.recv(65536)
                except TimeoutError:
                    deadline.check(f"{self._name}: waiting for an answer")

    def complaints(self) -> str:
        with contextlib.suppress(Exception):  # as in ``_broken``; what came before it is told
            self._channel.settimeout(_COMPLAINT_SECONDS)
            while block := self._channel.recv_stderr(65536):
                self._keep(block)
        return self._words.decode(errors="replace").strip()

    def _hear(self) -> None:
        """Take what came on standard error: both share a window, which complaints must not fill."""
        while self._channel.recv_stderr_ready():
            self._keep(self._channel.recv_stderr(65536))

    def _keep(self, block: bytes) -> None:
        self._words = (self._words + block)[-_COMPLAINT_BYTES:]

    def end_input(self) -> None:
        with contextlib.suppress(Exception):  # as in ``_broken``; ``finish`` says that it is lost
            self._channel.shutdown_write()

    def finish(self, deadline: Deadline) -> Finished:
        with _broken(self._name):
            poll(self._channel.exit_status_ready, deadline, f"{self._name}: waiting for a command to end")
            self._hear()
            return Finished((self._name,), self._channel.recv_exit_status(), b"", self._words)

    def close(self) -> None:
        hang_up(self._channel)


def _command(argv: Sequence[str]) -> bytes:
    """Return an argument list as a command line for a login shell; arguments may be of any bytes."""
    return os.fsencode(shlex.join(argv))


def _send(channel: paramiko.Channel, data: bytes, deadline: Deadline, name: str) -> None:
    view = memoryview(data)
    while view:
        channel.settimeout(deadline.slice())
        try:
            view = view[channel.send(bytes(view[:65536])) :]
        except TimeoutError:
            deadline.check(f"{name}: sending data")


@contextlib.contextmanager
def _broken(name: str) -> Iterator[None]:
    """Translate what paramiko raises when a connection is lost: SSHException, EOFError, OSError, and whatever
    else a hostile server's packets made its thread raise, which it hands on to the next caller."""
    try:
        yield
    except LabError:
        raise
    except Exception as problem:  # noqa: BLE001 - any, as said above
        raise TransportError(f"{name}: SSH connection lost: {in_words(problem)}") from None


@contextlib.contextmanager
def _until_left(channel: paramiko.Channel) -> Iterator[paramiko.Channel]:
    try:
        yield channel
    finally:
        hang_up(channel)


@contextlib.contextmanager
def connected(
    address: Address, name: str, deadline: Deadline, sock: socket.socket | None = None
) -> Iterator[SshTransport]:
    """Provide one authenticated connection, over ``sock`` if something already connected to the machine.
    Raises TransportError, Unavailable, TimedOut, Interrupted."""
    with contextlib.ExitStack() as stack:
        if sock is None:
            connection = _connection(address, name, deadline, stack)
        else:
            stack.callback(hang_up, sock)
            connection = _handshake(sock, address, name, deadline)
            stack.callback(hang_up, connection)
        yield SshTransport(connection, name)


def _connection(
    address: Address, name: str, deadline: Deadline, stack: contextlib.ExitStack
) -> paramiko.Transport:
    """Connect, through the jump host if there is one; the stack closes the connections."""
    sock: socket.socket | paramiko.Channel
    if address.jump is None:
        sock = dial(address.host, address.port, name, deadline)
    else:
        jump = _connection(address.jump, name, deadline, stack)
        sock = tunnel(jump, address.host, address.port, name, str(address.jump), deadline)
    stack.callback(hang_up, sock)
    connection = _handshake(sock, address, name, deadline)
    stack.callback(hang_up, connection)
    return connection


def _handshake(
    sock: socket.socket | paramiko.Channel, address: Address, name: str, deadline: Deadline
) -> paramiko.Transport:
    connection = paramiko.Transport(sock, default_window_size=_WINDOW)
    try:
        # An emulated machine may take its time for the first line: the default is 15 s.
        connection.banner_timeout = connection.handshake_timeout = max(1.0, min(600.0, deadline.remaining()))
        connection.auth_timeout = connection.banner_timeout
        options = connection.get_security_options()
        options.key_types = algorithms(address.host_keys)
        if not address.foreign:
            options.kex = [name for name in _KEX if name in options.kex]
            options.ciphers = _CIPHERS
        connection.start_client(timeout=deadline.remaining())
        _verify(connection.get_remote_server_key().asbytes(), address, name)
        if address.foreign:
            authenticate(connection, address.user, address.client_key, name, str(address))
        else:
            connection.auth_publickey(address.user, paramiko.Ed25519Key(filename=str(address.client_key)))
    except LabError:
        hang_up(connection)
        raise
    except Exception as problem:  # noqa: BLE001 - as in ``_broken``
        hang_up(connection)
        deadline.check(f"{name}: SSH handshake")
        if address.foreign and "host key" in str(problem):
            raise _other_kinds(address, name) from None
        raise TransportError(f"{name}: SSH handshake failed: {in_words(problem)}") from None
    return connection


def _verify(shown: bytes, address: Address, name: str) -> None:
    """Raise TransportError if the server does not present a known host key."""
    if shown in address.host_keys:
        return
    if not address.foreign:
        raise TransportError(f"{name}: the SSH server's host key is not the one isolab gave it")
    known = ", ".join(map(fingerprint, address.host_keys))
    raise TransportError(
        f"{name}: {address} presents host key {fingerprint(shown)}, expected {known}",
        hint="someone may be intercepting the connection; if the machine was reinstalled, verify its new "
        "key on its console, then update `host_key:` in the lab or ~/.ssh/known_hosts",
    )


def _other_kinds(address: Address, name: str) -> TransportError:
    kinds = ", ".join(dict.fromkeys(map(key_type, address.host_keys)))
    return TransportError(
        f"{name}: {address} offers no host key of a known type ({kinds})",
        hint="verify its host key on its console, then set `host_key:` in the lab or update known_hosts",
    )
