"""A host's key: it signs what happened there, so that no host can speak for another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from orchestrator.cluster.model import SignedLine
from orchestrator.errors import Unavailable
from orchestrator.host.cache import write_atomically


@dataclass(frozen=True)
class HostKey:
    """The key of one host (Ed25519, RFC 8032)."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public half: 64 hexadecimal digits."""
        return self.private.public_key().public_bytes_raw().hex()

    def sign(self, line: SignedLine) -> SignedLine:
        """Return the line with its signature."""
        return replace(line, signature=self.private.sign(line.signed()).hex())


def host_key(path: Path) -> HostKey:
    """Return the key in this file, made if there is none. Raises Unavailable if it is damaged, OSError."""
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(path, pem, mode=0o600)
    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise Unavailable(
            f"{path}: this host's key cannot be read",
            hint="move it away, and run `isolab cluster up` again: the host then gets a new one",
        )
    return HostKey(found)


def is_signed(line: SignedLine, public: str) -> bool:
    """Return whether a line is signed with the key whose public half this is (hexadecimal)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(line.signature), line.signed())
    except (InvalidSignature, ValueError):
        return False
    return True
