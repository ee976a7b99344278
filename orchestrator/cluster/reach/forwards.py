"""Ports carried over a master connection, in both directions, from loopback to loopback."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host.process import Finished

LOOPBACK = "127.0.0.1"
_TRIES = 5


@dataclass(frozen=True)
class Forward:
    """A forward that stands: ``listens`` is the port whose connections it takes, ``leads`` where they go.
    ``reverse``: it listens on the host and leads here; else the other way round."""

    listens: int
    leads: int
    reverse: bool

    @property
    def arguments(self) -> tuple[str, str]:
        """What ssh(1) calls it."""
        return _arguments(self.listens, self.leads, self.reverse)


def to_host(connection: HostConnection, port: int, deadline: Deadline) -> Forward:
    """Let a free port of this machine's loopback lead to a port of the host's.

    Raises TransportError if the connection broke, Unavailable if the master refuses; TimedOut, Interrupted.
    """
    for _ in range(_TRIES):
        wanted = Forward(_free_port(), port, False)
        done = connection.ask("forward", *wanted.arguments, deadline=deadline)
        if done.code == 0:
            return wanted
        if not connection.is_open():
            break  # else somebody took the port meanwhile
    raise _refused(connection, done)


def from_host(connection: HostConnection, port: int, deadline: Deadline) -> Forward:
    """Let a free port of the host's loopback, which its sshd chooses, lead to a port of this machine's.

    Raises TransportError if the connection broke, Unavailable if the host forbids it; TimedOut, Interrupted.
    """
    done = connection.ask("forward", *_arguments(0, port, True), deadline=deadline)
    said = done.stdout.decode(errors="replace").strip()
    if done.code != 0 or not said.isdecimal() or not 0 < int(said) < 65536:
        raise _refused(connection, done)
    return Forward(int(said), port, True)


def end(connection: HostConnection, forward: Forward, deadline: Deadline) -> None:
    """Take a forward away; connections over it that stand go on. Nothing if it is gone already."""
    connection.ask("cancel", *forward.arguments, deadline=deadline)


def _arguments(listens: int, leads: int, reverse: bool) -> tuple[str, str]:
    return "-R" if reverse else "-L", f"{LOOPBACK}:{listens}:{LOOPBACK}:{leads}"


def _refused(connection: HostConnection, done: Finished) -> LabError:
    if not connection.is_open():
        return connection.broken()
    said = bounded(printable(done.tail(1)), 200)
    return Unavailable(
        f"{connection.host.name}: its SSH server does not carry ports: {said}",
        hint="set `AllowTcpForwarding yes` in /etc/ssh/sshd_config there, and reload sshd",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
