"""What makes one machine different from its image: keys, name, time, entropy.

Handed to the guest's init over a virtio-serial port before its SSH server starts; see
``images/guest/init.c`` for the other end of the protocol.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import BootError
from orchestrator.unixsocket import connect

ENTROPY_BYTES = 64


@dataclass(frozen=True)
class Keys:
    """A machine's own keys: ``host_private`` in dropbear's format, ``host_public`` as on the
    wire, ``client_private`` in OpenSSH's format, ``client_public`` as an authorized_keys line."""

    host_private: bytes
    host_public: bytes
    client_private: bytes
    client_public: bytes


def make_keys() -> Keys:
    """Fresh Ed25519 keys for both sides of one machine."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    host, client = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    seed, public = host.private_bytes_raw(), host.public_key().public_bytes_raw()
    name = _string(b"ssh-ed25519")
    return Keys(
        host_private=name + _string(seed + public),
        host_public=name + _string(public),
        client_private=client.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        client_public=client.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n",
    )


def keep(keys: Keys, folder: Path) -> None:
    """Leave in a machine's folder what is needed to connect to it: ``client_key``, for our eyes
    only, and ``host_key.pub``."""
    private = os.open(folder / "client_key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "wb") as file:
        file.write(keys.client_private)
    (folder / "host_key.pub").write_bytes(keys.host_public)


def _string(data: bytes) -> bytes:
    """RFC 4251, section 5."""
    return struct.pack(">I", len(data)) + data


def render(name: str, keys: Keys, now: float, entropy: bytes, nonce: str = "") -> bytes:
    """The message that gives a machine its personality; ``now`` in seconds since the epoch,
    ``nonce`` is its identity, which a clone must not share with another."""
    parts = {
        "hostname": name.encode(),
        "time": f"{int(now)}.{int(now % 1 * 1e9):09d}".encode(),
        "entropy": entropy,
        "nonce": nonce.encode(),
        "host-key": keys.host_private,
        "authorised-key": keys.client_public,
        "end": b"",
    }
    return b"".join(f"{key} {len(value)}\n".encode() + value for key, value in parts.items())


class Port:
    """Our end of the guest's virtio-serial port: lines from its init, bytes to it."""

    def __init__(self, path: Path, deadline: Deadline) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(max(0.1, deadline.within(10).remaining()))
        try:
            connect(self._socket, path, deadline.within(10), "QEMU listening at the guest's port")
        except BaseException:
            self._socket.close()
            raise
        self._pending = b""

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def expect(self, word: str, deadline: Deadline, meanwhile: Callable[[], None]) -> None:
        """Wait for a line. ``meanwhile`` runs a few times a second and may raise.

        Raises BootError when init says that it failed, TimedOut, Interrupted.
        """
        while (line := self._line()) is None:
            self._socket.settimeout(deadline.slice(0.25) or 0.001)
            try:
                block = self._socket.recv(4096)
            except TimeoutError:
                meanwhile()
                deadline.check(f"waiting for the guest's init to say {word!r}")
                continue
            except ConnectionError:
                block = b""
            if not block:
                meanwhile()
                raise BootError("the emulator closed the guest's port")
            self._pending += block
            deadline.check(f"waiting for the guest's init to say {word!r}")
            if len(self._pending) > 4096:
                raise BootError("the guest's init talks nonsense")
        if line != word:
            raise BootError(f"the guest's init said: {line[:200]}")

    def send(self, data: bytes) -> None:
        self._socket.settimeout(30)
        self._socket.sendall(data)

    def _line(self) -> str | None:
        line, found, rest = self._pending.partition(b"\n")
        if not found:
            return None
        self._pending = rest
        return line.decode(errors="replace")


def give(port: Port, name: str, keys: Keys) -> None:
    """Hand a waiting machine its personality, with fresh entropy and the time of now."""
    port.send(render(name, keys, time.time(), os.urandom(ENTROPY_BYTES), secrets.token_hex(16)))
