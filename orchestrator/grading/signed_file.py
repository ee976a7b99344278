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


def sign(path: Path, key: Ed25519PrivateKey) -> Path:
    """Sign a file (Ed25519, RFC 8032) and write the signature beside it, in Base64; returns its path. Raises
    OSError."""
    beside = path.with_name(path.name + SUFFIX)
    signature = base64.b64encode(key.sign(_CONTEXT + path.read_bytes()))
    write_atomically(beside, signature + b"\n", mode=0o644)
    return beside


def problem_of(path: Path, key: Ed25519PublicKey) -> str:
    """Return in words what is wrong with a signed file; "" if it is as it was signed, or if neither it nor
    its signature is there, as of a class that is still graded."""
    beside = path.with_name(path.name + SUFFIX)
    if not path.exists() and not beside.exists():
        return ""
    try:
        signature = base64.b64decode(beside.read_bytes().strip(), validate=True)
        content = path.read_bytes()
    except (OSError, binascii.Error):
        return f"{path.name} and {beside.name} are not both there; grading again writes them"
    if is_signed(key, signature, _CONTEXT + content):
        return ""
    return f"{path.name} is not as isolab wrote it: it was changed, or signed by another key"
