"""The Ed25519 key that seals receipts: made on first use, kept in the state folder.

The public half lies beside the receipts, in PEM (RFC 7468, RFC 8410), so that ``openssl`` can verify them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrator.errors import SpecError, Unavailable

KEY_FILE = "receipts-key"
"""The private key's name in the state folder."""
PUBLIC_FILE = "receipts.pub"
"""The public key's name beside the receipts."""
SIGNATURE_BYTES = 64


def signing_key(state: Path) -> Ed25519PrivateKey:
    """Return the key of a state folder, making it the first time.

    Processes that make it at once all get the one that came first. Raises Unavailable if it cannot be
    written or read, or is damaged: it is never replaced, since what it sealed needs its public half.
    """
    path = state / KEY_FILE
    if not path.exists():
        _make(path)
    return _read(path)


def existing_key(state: Path) -> Ed25519PublicKey | None:
    """Return the public half of a state folder's key; None where none has been made. Raises Unavailable."""
    path = state / KEY_FILE
    return _read(path).public_key() if path.exists() else None


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM (SubjectPublicKeyInfo), as ``openssl pkey -pubout`` writes it."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public(path: Path) -> Ed25519PublicKey:
    """Read a public key in PEM. Raises SpecError."""
    hint = "name the receipts.pub that was published, or leave the key out to use the one beside the receipts"
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise SpecError(f"cannot read the public key {path}: {problem.strerror}", hint=hint) from None
    with contextlib.suppress(ValueError, UnsupportedAlgorithm):
        key = serialization.load_pem_public_key(raw)
        if isinstance(key, Ed25519PublicKey):
            return key
    raise SpecError(f"{path} is not a public Ed25519 key in PEM", hint=hint)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key's DER form, hexadecimal: short enough to be read out or printed."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether ``signature`` is this key's of ``message``."""
    with contextlib.suppress(InvalidSignature):
        key.verify(signature, message)
        return True
    return False


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise Unavailable(
            f"cannot read the key that signs receipts, {path}: {problem.strerror}",
            hint="make it yours and readable for you, or set ISOLAB_STATE to another folder",
        ) from None
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = serialization.load_pem_private_key(raw, password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise Unavailable(
        f"{path}, the key that signs receipts, is damaged",
        hint="restore it from a backup; or move it away: isolab makes a new one, which cannot go on with "
        "receipts of the old one, so grade into a new folder",
    )


def _make(path: Path) -> None:
    """Write a new key, whole or not at all, readable for its owner only."""
    raw = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(name, path)  # unlike rename(2), never replaces
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as problem:
        raise Unavailable(
            f"cannot write the key that signs receipts to {path.parent}: {problem.strerror}",
            hint="free space, make the folder yours, or set ISOLAB_STATE to another folder",
        ) from None


def course_key(key: Ed25519PrivateKey) -> bytes:
    """Return the secret from which students' pseudonyms and parameters are derived, 32 bytes: of the signing
    key by HKDF (RFC 5869), so that there is one key to keep and to carry to another host."""
    raw = key.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"isolab course 1").derive(raw)
