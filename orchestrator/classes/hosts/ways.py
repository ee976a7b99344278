"""The ways to machines on hosts: for each machine a port of this computer's loopback, carried by the SSH
connection to its host. So machines on hosts are reached as machines here are, by the gateway, too.

A port stays a machine's own as long as the machine is there, also when the connection broke and came back, so
that nobody has to be told anew.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orchestrator.classes.hosts.answer import HostAnswer
from orchestrator.classes.hosts.snapshots import hosts_folder
from orchestrator.classes.model import LoadedClass
from orchestrator.cluster.hosts_up import HostsUp
from orchestrator.cluster.model import ClusterHost
from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.errors import Unavailable
from orchestrator.formatting import bounded, printable
from orchestrator.host.cache import digest, locked, write_atomically
from orchestrator.paths import make_folder

LOOPBACK = "127.0.0.1"
WAYS = "ways.json"
LOCK_SECONDS = 120.0
_TRIES = 3
_PROCESS = re.compile(rb"pid=(\d+)")
"""What a master says of itself: mux.c."""


@dataclass(frozen=True)
class HostWays:
    """The ways to the machines of one host. ``master`` is the process of the connection that carries them.
    ``ports`` are the port here and the one on the host, by ``SEAT.MACHINE``."""

    master: int = 0
    ports: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def port_of(ways: Mapping[str, HostWays], host: str, seat: str, machine: str) -> int:
    """Return the port of this computer that leads to a machine; 0 if there is none. Pure."""
    return ways.get(host, HostWays()).ports.get(f"{seat}.{machine}", (0, 0))[0]


def known_ways(found: LoadedClass) -> dict[str, HostWays]:
    """Return the ways as they were made last, by host."""
    return {file.parent.name: _read(file) for file in sorted(hosts_folder(found).glob(f"*/{WAYS}"))}


def keep_open(found: LoadedClass, hosts: HostsUp, host: ClusterHost, answer: HostAnswer) -> bool:
    """Have ways to all machines of a host that answer, and no others; returns whether a port is another one
    than before. Connects if there is no connection. Raises LabError in words if the host is not reached, or
    carries no ports."""
    connection = hosts.connection(host)
    wanted = {f"{one.seat}.{one.machine}": one.port for one in answer.machines if one.port}
    with _held(found, hosts, host.name) as file:
        before = _read(file)
        master = _master(connection)
        stand = before.ports if master and master == before.master else {}
        kept = {name: way for name, way in stand.items() if wanted.get(name) == way[1]}
        _cancel(connection, [way for name, way in stand.items() if name not in kept])
        after = dict(kept)
        if missing := [name for name in wanted if name not in kept]:
            old = {name: before.ports[name][0] for name in missing if name in before.ports}
            after |= _forward(connection, {name: wanted[name] for name in missing}, old, hosts)
        now = HostWays(master, after)
        if now != before:
            write_atomically(file, json.dumps(asdict(now)).encode())
        return _here(before) != _here(now)


def close(found: LoadedClass, hosts: HostsUp, host: ClusterHost) -> None:
    """Take the ways to a host's machines away; nothing if the connection is gone, and they with it."""
    with _held(found, hosts, host.name) as file:
        before = _read(file)
        connection = hosts.existing(host)
        if connection is not None and _master(connection) == before.master:
            _cancel(connection, list(before.ports.values()))
        file.unlink(missing_ok=True)


def _here(ways: HostWays) -> dict[str, int]:
    return {name: port for name, (port, _) in ways.ports.items()}


def _forward(
    connection: HostConnection, wanted: Mapping[str, int], old: Mapping[str, int], hosts: HostsUp
) -> dict[str, tuple[int, int]]:
    """Make ways to these ports of a host, in one step where that goes, and at the ports they had
    (``old``)."""
    ways = {name: (old.get(name, 0), port) for name, port in wanted.items()}
    for attempt in range(_TRIES):
        ways = _with_free_ports(ways, keep=attempt == 0)
        words = [word for way in ways.values() for word in ("-L", _line(way))]
        done = connection.ask("forward", *words, deadline=hosts.deadline())
        if done.code == 0:
            return ways
        if not connection.is_open():
            raise connection.broken()
        _cancel(connection, list(ways.values()))  # those that were made: another has one of the ports
    said = bounded(printable(done.tail(1)), 200)
    raise Unavailable(
        f"{connection.host.name}: its SSH server does not carry ports: {said}",
        hint="set `AllowTcpForwarding yes` in /etc/ssh/sshd_config there, and reload sshd",
    )


def _with_free_ports(ways: Mapping[str, tuple[int, int]], *, keep: bool) -> dict[str, tuple[int, int]]:
    """Return the ways with ports of this computer that nobody has now; ``keep`` those they have, if free."""
    with contextlib.ExitStack() as probes:

        def free(port: int) -> int:
            probe = probes.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as ssh does
            try:
                probe.bind((LOOPBACK, port if keep else 0))
            except OSError:
                probe.bind((LOOPBACK, 0))
            number: int = probe.getsockname()[1]
            return number

        return {name: (free(here), there) for name, (here, there) in ways.items()}


def _cancel(connection: HostConnection, ways: Sequence[tuple[int, int]]) -> None:
    for way in ways:
        connection.ask("cancel", "-L", _line(way))


def _line(way: tuple[int, int]) -> str:
    here, there = way
    return f"{LOOPBACK}:{here}:{LOOPBACK}:{there}"


def _master(connection: HostConnection) -> int:
    """Return the process of the connection; 0 if that is not known."""
    done = connection.ask("check")
    match = _PROCESS.search(done.stdout + done.stderr)
    return int(match[1]) if match and done.code == 0 else 0


def _read(file: Path) -> HostWays:
    try:
        data = json.loads(file.read_bytes())
        ports = {str(name): (int(here), int(there)) for name, (here, there) in data["ports"].items()}
        return HostWays(int(data["master"]), ports)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return HostWays()


@contextlib.contextmanager
def _held(found: LoadedClass, hosts: HostsUp, host: str) -> Iterator[Path]:
    """Hold the ways to one host, and provide their file."""
    folder = hosts_folder(found) / host
    make_folder(folder, 0o700, exist_ok=True)
    with locked("ways", digest(str(folder)), hosts.deadline(LOCK_SECONDS)):
        yield folder / WAYS
