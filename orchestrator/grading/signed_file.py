"""A file that is signed as a whole: ``grades.csv``, with its signature beside it."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from orchestrator.grading.keys import is_signed
from orchestrator.host.cache import write_atomically

SUFFIX = ".sig"
_CONTEXT = b"isolab grades 1\n"
"""Signed in front of the content, so that a signature of this key means nothing anywhere else."""


def write_signed(path: Path, data: bytes, key: Ed25519PrivateKey) -> Path:
    """Write a file, and its signature (Ed25519, RFC 8032) beside it, in Base64; returns the latter's path.

    The signature of the new content is added before it is written, and that of the old one removed after:
    killed at any moment, what is there is signed. Raises OSError.
    """
    beside = path.with_name(path.name + SUFFIX)
    ours = base64.b64encode(key.sign(_CONTEXT + data)) + b"\n"
    before = _content(beside)
    if _content(path) != data:
        write_atomically(beside, before.replace(ours, b"") + ours, mode=0o644)
        write_atomically(path, data, mode=0o600)
    if _content(beside) != ours:
        write_atomically(beside, ours, mode=0o644)
    return beside


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def problem_of(path: Path, key: Ed25519PublicKey, *, finished: bool = True, expected: bool = False) -> str:
    """Return in words what is wrong with a signed file; "" if it is as it was signed, or if neither it nor
    its signature is there, unless they are ``expected``. Where all is not ``finished``, it may not have been
    written yet."""
    beside = path.with_name(path.name + SUFFIX)
    if not path.exists() and not (finished and (expected or beside.exists())):
        return ""
    try:
        signatures = [base64.b64decode(one, validate=True) for one in beside.read_bytes().split()]
        content = path.read_bytes()
    except (OSError, binascii.Error):
        missing = " and ".join(one.name for one in (path, beside) if not one.exists())
        if not missing:
            return f"{path.name} or {beside.name} cannot be read; grading again writes them"
        return f"{missing} {'are' if ' ' in missing else 'is'} missing; grading again writes both"
    if any(is_signed(key, one, _CONTEXT + content) for one in signatures):
        return ""
    return f"{path.name} is not as isolab wrote it: it was changed, or signed by another key"
