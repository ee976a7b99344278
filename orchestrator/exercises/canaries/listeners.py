"""Canaries that listen: on the host's loopback, on its own address, at an abstract UNIX name.

Nothing answers and nothing waits: the kernel keeps what arrives until the canary is inspected.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
from collections.abc import Mapping

from orchestrator.exercises.canaries.base import PREFIX, CanaryContext

LOOPBACK = "127.0.0.1"
_ELSEWHERE = ("192.0.2.1", 9)
"""TEST-NET-1 (RFC 5737): choosing a route to it sends nothing (connect(2) of a datagram socket)."""
_MOST, _CALLERS, _PATIENCE = 256, 16, 0.2


class Listener:
    """A bound socket; *reached* when the attacker's mark arrived, *knocked on* for any other connection."""

    def __init__(self, context: CanaryContext, bound: socket.socket, env: Mapping[str, str]) -> None:
        self.env = env
        self._mark, self._socket = context.mark.encode(), bound
        bound.setblocking(False)

    def inspect(self, output: str) -> str:
        called = [self._mark in text for text in self._callers()]
        return "reached" if any(called) else "knocked on" if called else "untouched"

    def _callers(self) -> list[bytes]:
        texts: list[bytes] = []
        while len(texts) < _CALLERS and select.select([self._socket], [], [], 0 if texts else _PATIENCE)[0]:
            with contextlib.suppress(OSError):
                texts.append(self._text())
        return texts

    def _text(self) -> bytes:
        if self._socket.type == socket.SOCK_DGRAM:
            return self._socket.recv(_MOST)
        caller, _ = self._socket.accept()
        with caller:
            caller.settimeout(_PATIENCE)
            with contextlib.suppress(OSError):
                return caller.recv(_MOST)
        return b""

    def remove(self) -> None:
        self._socket.close()


def tcp(context: CanaryContext) -> Listener:
    """Listen with TCP on the loopback interface."""
    bound = _bound(socket.SOCK_STREAM, LOOPBACK)
    return Listener(context, bound, {"ISOLAB_CANARY_PORT": str(bound.getsockname()[1])})


def udp(context: CanaryContext) -> Listener:
    """Listen with UDP on the loopback interface."""
    bound = _bound(socket.SOCK_DGRAM, LOOPBACK)
    return Listener(context, bound, {"ISOLAB_CANARY_UDP_PORT": str(bound.getsockname()[1])})


def outside(context: CanaryContext) -> Listener | None:
    """Listen with TCP on the host's outgoing address; None without one."""
    address = own_address()
    if address is None:
        return None
    bound = _bound(socket.SOCK_STREAM, address)
    port = str(bound.getsockname()[1])
    return Listener(context, bound, {"ISOLAB_CANARY_HOST": address, "ISOLAB_CANARY_HOST_PORT": port})


def abstract(context: CanaryContext) -> Listener:
    """Bind a UNIX datagram socket to an abstract name: unix(7)."""
    name = PREFIX + secrets.token_hex(8)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(f"\0{name}")
    return Listener(context, bound, {"ISOLAB_CANARY_SOCKET": name})


def own_address() -> str | None:
    """Return the IPv4 address of the host's default route; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def _bound(kind: socket.SocketKind, address: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind)
    try:
        bound.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            bound.listen(_CALLERS)
    except BaseException:
        bound.close()
        raise
    return bound
