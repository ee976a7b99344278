"""The way to a host: its agent, its worker, and ports in both directions, over one SSH connection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.cluster.agent.streams import Stream
from orchestrator.cluster.install.send import require
from orchestrator.cluster.install.version import Installed
from orchestrator.cluster.model import ClusterHost
from orchestrator.cluster.reach import forwards
from orchestrator.cluster.reach.connection import HostConnection, sockets_folder
from orchestrator.cluster.scheduling import worker
from orchestrator.cluster.scheduling.start import Pipes
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError


class Way(Protocol):
    """A host that is connected. All methods raise LabError in words when it is not any more."""

    def agent(self) -> Stream:
        """Start a relay to the host's agent, which is started if there is none."""

    def worker(self) -> Pipes:
        """Start a worker of Dask's there."""

    def to_host(self, port: int, deadline: Deadline) -> AbstractContextManager[int]:
        """Have a port of our loopback that leads to one of the host's, for a ``with`` block."""

    def from_host(self, port: int, deadline: Deadline) -> AbstractContextManager[int]:
        """Have a port of the host's loopback that leads to one of ours, for a ``with`` block."""


ALIVE_SECONDS = 10.0
"""How long a host may take for the least there is to do."""
Ways = Callable[[ClusterHost, Deadline], AbstractContextManager[Way]]


@dataclass(frozen=True)
class SshWay:
    """By OpenSSH, with the isolab that ``cluster up`` installed there."""

    connection: HostConnection
    installed: Installed

    def agent(self) -> Stream:
        return self.connection.start(self.installed.relay())

    def worker(self) -> Pipes:
        return self.connection.start(self.installed.python(*worker.PROGRAM))

    @contextlib.contextmanager
    def to_host(self, port: int, deadline: Deadline) -> Iterator[int]:
        with self._kept(forwards.to_host(self.connection, port, deadline)) as found:
            yield found

    @contextlib.contextmanager
    def from_host(self, port: int, deadline: Deadline) -> Iterator[int]:
        with self._kept(forwards.from_host(self.connection, port, deadline)) as found:
            yield found

    @contextlib.contextmanager
    def _kept(self, forward: forwards.Forward) -> Iterator[int]:
        try:
            yield forward.listens
        finally:
            forwards.end(self.connection, forward, Deadline.after(5))


def ssh_ways(folder: Path) -> Ways:
    """Return the ways to the hosts of a cluster; ``folder`` is its state folder."""

    @contextlib.contextmanager
    def way(host: ClusterHost, deadline: Deadline) -> Iterator[Way]:
        connection = HostConnection(host, sockets_folder(folder))
        connection.open(deadline)
        try:
            yield SshWay(connection, require(connection, deadline))
        except LabError:
            _end_if_dead(connection)
            raise

    return way


def _end_if_dead(connection: HostConnection) -> None:
    """End a master whose link is broken and which does not know it yet; one that works has other users."""
    try:
        connection.run(["true"], deadline=Deadline.after(ALIVE_SECONDS))
    except LabError:
        connection.close()
