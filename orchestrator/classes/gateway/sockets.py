"""TCP on this host as the gateway needs to know it: who listens at a port, and who is connected to it.

Source: proc_pid_net(5) and proc(5), /proc/net/tcp and tcp6.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.classes.listen import lowest_port
from orchestrator.errors import SpecError, Unavailable
from orchestrator.host import process_table
from orchestrator.labfile.ssh_endpoint import Endpoint

ESTABLISHED, LISTENING = "01", "0A"
"""States: include/net/tcp_states.h."""
_HINT = "choose another port in the class file (access: listen:), or end that program"


@dataclass(frozen=True)
class Row:
    """A socket: its own port, whom it is connected to as ``(address, port)``, its state and its inode."""

    port: int
    peer: tuple[str, int]
    state: str
    inode: str


def require_free(wanted: Endpoint) -> None:
    """Raise Unavailable if the gateway cannot listen there, naming who does if that can be known; SpecError
    for a port or an address that it may never have."""
    lowest = lowest_port()
    if wanted.port < lowest:
        raise SpecError(
            f"access: listen: {wanted}: ports below {lowest} are for programs with rights, and the gateway "
            "has none",
            hint="choose a higher one, such as 2222",
        )
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as sshd does
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((wanted.host, wanted.port))
            probe.listen()
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                who = listener(wanted.port) or "another program"
                raise Unavailable(f"port {wanted.port} is taken: {who} listens there", hint=_HINT) from None
            raise SpecError(
                f"access: listen: {wanted}: {problem.strerror}",
                hint="use an address of this host, or 0.0.0.0",
            ) from None


def listener(port: int) -> str:
    """Return who listens at a TCP port, such as ``sshd (process 812)``; "" if that cannot be seen."""
    sockets = {f"socket:[{row.inode}]" for row in _rows() if row.port == port and row.state == LISTENING}
    for pid in process_table.find(lambda pid: _has(pid, sockets)) if sockets else ():
        return f"{process_table.name_of(pid)} (process {pid})"
    return ""


def connected(port: int) -> set[tuple[str, int]]:
    """Return the addresses and ports that are connected to a port of this host."""
    return {row.peer for row in _rows() if row.port == port and row.state == ESTABLISHED}


def parse_row(line: str) -> Row:
    """Return the socket of one line of the table. Pure."""
    words = line.split()
    (_, port), peer = _endpoint(words[1]), _endpoint(words[2])
    return Row(port, peer, words[3], words[9])


def _rows() -> Iterator[Row]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            yield from map(parse_row, Path(f"/proc/net/{table}").read_text().splitlines()[1:])


def _endpoint(text: str) -> tuple[str, int]:
    """Return an address and port; the table has the address in words of the host's byte order."""
    address, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
    return str(ipaddress.ip_address(raw)), int(port, 16)


def _has(pid: int, sockets: set[str]) -> bool:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link) in sockets:  # noqa: PTH115 - it is no path
                return True
    return False
