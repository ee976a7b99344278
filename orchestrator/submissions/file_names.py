"""Names of files made of students' ids, which may hold anything."""

from __future__ import annotations

import hashlib
import string

_SAFE = frozenset(string.ascii_letters + string.digits + "@_+=,.-")
_NOT_FIRST = frozenset(".-")
_LONGEST = 120


def file_name(id: str) -> str:  # noqa: A002
    """Return a file name for an id: itself where it is harmless, else with other bytes as ``%2F``. Different
    ids have different names; none has a slash, begins with a dot or dash, or is longer than a file's name
    may be."""
    raw = id.encode(errors="surrogatepass")
    harmless = (chr(byte) in _SAFE and (at or chr(byte) not in _NOT_FIRST) for at, byte in enumerate(raw))
    name = "".join(chr(byte) if plain else f"%{byte:02X}" for byte, plain in zip(raw, harmless, strict=True))
    if len(name) > _LONGEST:
        return f"{name[:_LONGEST]}%{hashlib.sha256(raw).hexdigest()[:32]}"
    return name or "%"
