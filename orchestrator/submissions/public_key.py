"""Public SSH keys as people paste them: one line of ``~/.ssh/id_….pub``, checked to the last byte.

sshd takes what it cannot read for a comment, and its options before a key are commands; so a key that is not
exactly one is refused here. Pure. Sources: sshd(8) AUTHORIZED_KEYS FILE FORMAT, RFC 4253 section 6.6,
RFC 5656 section 3.1, RFC 8709 section 4, OpenSSH's PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import binascii
import re

from orchestrator.labfile.suggest import quote

CURVES = {"nistp256": "SECP256R1", "nistp384": "SECP384R1", "nistp521": "SECP521R1"}
TYPES = (
    "ssh-ed25519",
    *(f"ecdsa-sha2-{curve}" for curve in CURVES),
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""The types of keys that OpenSSH takes for logging in."""

_ED25519_BYTES = 32
_RSA_BITS = range(2048, 16385)
_MOST_NAME = 255
_MOST_COMMENT = 64
_NEW = "make a new one: ssh-keygen -t ed25519"
_PASTE = "paste the one line of a file that ends in .pub, such as ~/.ssh/id_ed25519.pub"


def public_key(text: str) -> str:
    """Return the key as a line of authorized_keys: its type, its base64, and what is harmless of its comment.

    Raises ValueError that says what is wrong and, in its second argument, what to do.
    """
    words = text.split()
    if "PRIVATE KEY" in text:
        raise ValueError(
            "this is a private key", "others have seen it: make a new pair, and give the .pub file"
        )
    if text.lstrip().startswith("----"):
        raise ValueError("this is not OpenSSH's form of a key", "convert it: ssh-keygen -i -f FILE")
    if not words or words[0] not in TYPES:
        raise ValueError(*_no_type(words))
    if len(words) < 2:
        raise ValueError(f"nothing follows {words[0]}", _PASTE)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the key after {words[0]} is damaged", _PASTE) from None
    _check(words[0], blob)
    comment = re.sub(r"[^A-Za-z0-9@._+-]", "_", "_".join(words[2:]))[:_MOST_COMMENT]
    return " ".join(filter(None, (words[0], base64.b64encode(blob).decode(), comment)))


def identity(key: str) -> str:
    """Return what two lines of one key have in common: all but the comment."""
    return " ".join(key.split()[:2])


def _no_type(words: list[str]) -> tuple[str, str]:
    """Message and advice for a text that does not begin with a type of key."""
    if any(word in TYPES for word in words[1:]):
        return "a key has options before it, or another word", "leave out what stands before the type"
    first = words[0] if words else ""
    if first == "ssh-dss":
        return "OpenSSH takes no DSA keys", _NEW
    if first.endswith("-cert-v01@openssh.com"):
        return "this is a certificate, not a key", _PASTE
    return f"no public key begins with {quote(first)}", _PASTE


def _check(kind: str, blob: bytes) -> None:
    """Raise ValueError unless ``blob`` is a whole key of this type, and nothing else."""
    damaged = f"this is no key of type {kind}", _PASTE
    try:
        name, *fields = _fields(blob)
    except ValueError:
        raise ValueError(*damaged) from None
    if kind.startswith("sk-"):
        *fields, application = fields
        if not 0 < len(application) <= _MOST_NAME:
            raise ValueError(*damaged)
    if name.decode("ascii", "replace") != kind or len(fields) != (1 if "ed25519" in kind else 2):
        raise ValueError(*damaged)
    if "ed25519" in kind:
        sound = len(fields[0]) == _ED25519_BYTES
    elif kind == "ssh-rsa":
        sound = _is_rsa(*fields)
    else:
        sound = fields[0].decode("ascii", "replace") in kind and _is_point(*fields)
    if not sound:
        raise ValueError(*damaged)


def _fields(blob: bytes) -> list[bytes]:
    """Return the strings that ``blob`` consists of, each after its length. Raises ValueError."""
    found = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("truncated")
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if len(found) < 2:
        raise ValueError("too few")
    return found


def _is_rsa(exponent: bytes, modulus: bytes) -> bool:
    """Whether these are numbers of an RSA key. Raises ValueError for one of a size that sshd refuses."""
    e, n = int.from_bytes(exponent, signed=True), int.from_bytes(modulus, signed=True)
    if n > 0 and n.bit_length() not in _RSA_BITS:
        raise ValueError(f"this RSA key has {n.bit_length()} bits: at least {_RSA_BITS[0]} are needed", _NEW)
    return n > 0 and n % 2 == 1 and e > 1 and e % 2 == 1


def _is_point(curve: bytes, point: bytes) -> bool:
    """Whether ``point`` is on the curve of this name."""
    from cryptography.hazmat.primitives.asymmetric import ec  # few have such keys

    name = CURVES.get(curve.decode("ascii", "replace"), "")
    if not name or point[:1] != b"\4":
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, name)(), point)
    except ValueError:
        return False
    return True
