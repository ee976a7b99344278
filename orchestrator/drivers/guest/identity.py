"""Identity of a guest: keys, name, time, entropy.

It is sent to the guest's init over a virtio-serial port before the SSH server starts; see
``images/guest/identity.c`` for the other end of the protocol.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Order
from orchestrator.errors import BootError
from orchestrator.formatting import printable
from orchestrator.host.unix_socket import connect
from orchestrator.paths import make_folder

ENTROPY_BYTES = 64
MOST_BYTES = 64 * 1024
"""Of one part of a message, as init reads it (guest.h)."""
MOST_NOTES = 8
GATEWAY = "10.0.2.2 10.0.2.3"
"""Router and name server of QEMU's user network (qemu(1), -netdev user)."""


@dataclass(frozen=True)
class Keys:
    """Keys of one machine: ``host_private`` in dropbear's format, ``host_openssh`` the same key
    in OpenSSH's, ``host_public`` as on the wire, ``client_private`` in OpenSSH's format,
    ``client_public`` as an authorized_keys line."""

    host_private: bytes
    host_openssh: bytes
    host_public: bytes
    client_private: bytes
    client_public: bytes


def make_keys() -> Keys:
    """Generate Ed25519 keys for both sides of one machine."""
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
        host_openssh=host.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        host_public=name + _string(public),
        client_private=client.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        client_public=client.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n",
    )


def folder_with_keys(folder: Path) -> Keys:
    """Create a machine's folder and keys, and store in it the keys its controller needs."""
    make_folder(folder, 0o711)
    keys = make_keys()
    keep(keys, folder)
    return keys


def keep(keys: Keys, folder: Path) -> None:
    """Store in a machine's folder the keys needed to connect to it: ``client_key``, readable only by
    its owner, and ``host_key.pub``."""
    private = os.open(folder / "client_key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(private, "wb") as file:
        file.write(keys.client_private)
    (folder / "host_key.pub").write_bytes(keys.host_public)


def _string(data: bytes) -> bytes:
    """Encode a string as in RFC 4251, section 5."""
    return struct.pack(">I", len(data)) + data


@dataclass(frozen=True)
class NetworkConfig:
    """A machine's network configuration; empty without networks.

    ``network`` has a line for each interface: the hardware address it is found by, the one it is
    to have, its IPv4 address and prefix length. ``hosts`` is the text of /etc/hosts. ``gateway``
    is the address of the default gateway, and of the name server behind it.
    """

    network: str = ""
    hosts: str = ""
    gateway: str = ""


def network_config(order: Order, device_macs: Sequence[str]) -> NetworkConfig:
    """Return a machine's network configuration; ``device_macs`` are its interfaces' initial ones. Pure."""
    if not order.attachments:
        return NetworkConfig()
    rows = [
        f"{device} {place.mac} {place.address}/{place.prefix}\n"
        for device, place in zip(device_macs, order.attachments, strict=True)
    ]
    known = "".join(f"{address} {name}\n" for name, address in order.hosts)
    return NetworkConfig("".join(rows), f"127.0.0.1 localhost\n{known}", GATEWAY if order.internet else "")


@dataclass(frozen=True)
class Desk:
    """What the student of a machine has there: her home disk, in bytes (0: none), who may log in besides
    (lines of authorized_keys), and how many processes she may have (0: any number)."""

    home: int = 0
    keys: tuple[str, ...] = ()
    processes: int = 0


def desk_of(order: Order, home: int) -> Desk:
    """Return what the order says of the machine's student, whose home disk has ``home`` bytes."""
    return Desk(home, order.student_keys, order.machine.pids or 0)


def render(
    name: str,
    keys: Keys,
    now: float,
    entropy: bytes,
    nonce: str = "",
    lines: NetworkConfig | None = None,
    desk: Desk | None = None,
) -> bytes:
    """Return the message with a machine's identity; ``now`` is in seconds since the epoch, ``nonce``
    is unique, since a clone must not share it with another."""
    desk = desk or Desk()
    parts = [
        ("hostname", name.encode()),
        ("time", f"{int(now)}.{int(now % 1 * 1e9):09d}".encode()),
        ("entropy", entropy),
        ("nonce", nonce.encode()),
        ("host-key", keys.host_private),
        ("host-key-openssh", keys.host_openssh),
        *([("home", str(desk.home).encode())] if desk.home else []),  # before the keys, which go into it
        ("authorised-key", keys.client_public),
        *(("student-keys", part) for part in _in_parts(desk.keys)),
        *([("processes", str(desk.processes).encode())] if desk.processes else []),
        *((key, text.encode()) for key, text in asdict(lines or NetworkConfig()).items() if text),
        ("end", b""),
    ]
    return b"".join(f"{key} {len(value)}\n".encode() + value for key, value in parts)


def _in_parts(lines: Sequence[str]) -> Iterator[bytes]:
    """Yield lines in as few values as they fit in."""
    part = b""
    for line in lines:
        more = line.encode() + b"\n"
        if part and len(part) + len(more) > MOST_BYTES:
            yield part
            part = b""
        part += more
    if part:
        yield part


class Port:
    """The controller's end of the guest's virtio-serial port: lines from its init, bytes to it."""

    def __init__(self, path: Path, deadline: Deadline) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(max(0.1, deadline.within(10).remaining()))
        try:
            connect(
                self._socket, path, deadline.within(10), "waiting for QEMU to open the guest's serial port"
            )
        except BaseException:
            self._socket.close()
            raise
        self._pending = b""
        self.notes: list[str] = []
        """What init has for people, in its own words."""

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def expect(self, word: str, deadline: Deadline, meanwhile: Callable[[], None]) -> None:
        """Wait for a line. ``meanwhile`` runs a few times a second and may raise.

        Raises BootError when init reports a failure, TimedOut, Interrupted.
        """
        while (line := self._line()) is None:
            try:
                block = self._receive(deadline.slice(0.25) or 0.001)
            except TimeoutError:
                meanwhile()
                deadline.check(f"waiting for {word!r} from the guest's init")
                continue
            except ConnectionError:
                block = b""
            if not block:
                meanwhile()
                raise BootError("the emulator closed the guest's serial port")
            self._pending += block
            deadline.check(f"waiting for {word!r} from the guest's init")
            if len(self._pending) > 4096:
                raise BootError("unexpected output from the guest's init")
        if line != word:
            raise BootError(f"the guest's init reported: {line[:200]}")

    def _receive(self, seconds: float) -> bytes:
        """Receive, waiting up to ``seconds``; b"" when the port is closed. Raises TimeoutError."""
        self._socket.settimeout(seconds)
        return self._socket.recv(4096)

    def send(self, data: bytes) -> None:
        self._socket.settimeout(30)
        self._socket.sendall(data)

    def _line(self) -> str | None:
        """Return the next line that is for us; those for people are kept."""
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if not found:
                return None
            self._pending = rest
            text = line.decode(errors="replace")
            if not text.startswith("note "):
                return text
            if len(self.notes) < MOST_NOTES:
                self.notes.append(printable(text.removeprefix("note "))[:300])


def give(
    port: Port, name: str, keys: Keys, lines: NetworkConfig | None = None, desk: Desk | None = None
) -> None:
    """Send a waiting machine its identity, with fresh entropy and the current time."""
    entropy, nonce = os.urandom(ENTROPY_BYTES), secrets.token_hex(16)
    port.send(render(name, keys, time.time(), entropy, nonce, lines, desk))
