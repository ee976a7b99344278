"""The keys the gateway has: its own, and one for each seat by which it enters that seat's machines.

They are made once and kept in the class's state: students know the first, machines are given the others.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from orchestrator.classes.gateway.added_keys import AddedKeys, every_key
from orchestrator.classes.gateway.folder import Folder, folder_of, readable
from orchestrator.classes.gateway.public_key import key_line
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.host.cache import write_atomically
from orchestrator.labfile.ssh_endpoint import fingerprint
from orchestrator.paths import make_folder


def host_key(found: LoadedClass) -> str:
    """Return the gateway's public key, ``ssh-ed25519 AAAA…``: what students' clients get to see."""
    return _public(folder_of(found).host_key)


def host_key_fingerprint(found: LoadedClass) -> str:
    """Return the fingerprint of the gateway's key, as students' clients show it the first time."""
    return fingerprint(base64.b64decode(host_key(found).split()[1])).split()[0]


def seat_key(folder: Folder, seat: str) -> str:
    """Return the public key by which the gateway enters a seat's machines."""
    make_folder(folder.seat(seat), 0o755, exist_ok=True)
    return _public(folder.seat(seat) / "key")


def student_keys(found: LoadedClass, seat: str) -> tuple[str, ...]:
    """Return the public keys that open ``student`` on a seat's machines, each ``TYPE BASE64``: the gateway's
    of this seat, and the student's own, for those who go through the gateway without ending there; not in an
    examination, where nobody does. On a host that has a part of the class, those that its controller named.
    ``shared`` stands for the machines that are there for everybody. Raises
    SpecError, Unavailable."""
    if found.given is not None:
        return found.given.keys.get(seat, ())
    folder = folder_of(found)
    own = {} if found.spec.exam else every_key(found, AddedKeys(found))
    seats = [one.name for one in found.seats] if seat == SHARED else [seat]

    def keys() -> Iterator[str]:
        for name in seats:
            yield seat_key(folder, name)
            yield from map(key_line, own.get(name, ()))

    return tuple(dict.fromkeys(keys()))


def _public(private: Path) -> str:
    """Return the public half of a key pair, made unless it is there: the private file holds both."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_ssh_private_key,
    )

    if not private.is_file():
        fresh = Ed25519PrivateKey.generate()
        _once(private, fresh.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        readable(private)
    key = load_ssh_private_key(private.read_bytes(), None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _once(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; if somebody else is first, theirs stays."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        write_atomically(fresh, data)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # unlike rename(2), never replaces
    finally:
        fresh.unlink(missing_ok=True)
