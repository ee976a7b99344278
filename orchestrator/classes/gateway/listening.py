"""Whether an address is free for the gateway, and who has it if not. Source: proc(5), /proc/net/tcp."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from orchestrator.errors import SpecError, Unavailable
from orchestrator.host import process_table
from orchestrator.labfile.ssh_endpoint import Endpoint

_LISTENING = "0A"
_HINT = "choose another port in the class file (access: listen:), or end that program"
_LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def require_free(wanted: Endpoint) -> None:
    """Raise Unavailable if the gateway cannot listen there, naming who does if that can be known; SpecError
    for a port or an address that it may never have."""
    lowest = int(_LOWEST.read_text()) if _LOWEST.exists() else 1024
    if wanted.port < lowest:
        raise SpecError(
            f"access: listen: {wanted}: ports below {lowest} are for programs with rights, and the gateway "
            "has none",
            hint="choose a higher one, such as 2222",
        )
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((wanted.host, wanted.port))
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
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for pid in process_table.find(lambda pid: _has(pid, sockets)) if sockets else ():
        return f"{process_table.name_of(pid)} (process {pid})"
    return ""


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
            found |= {
                row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port
            }
    return found


def _has(pid: int, sockets: set[str]) -> bool:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link) in sockets:  # noqa: PTH115 - it is no path
                return True
    return False
