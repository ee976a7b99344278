"""Files that are sent to an agent in parts, over one connection, in order."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cluster.agent.protocol import PART
from orchestrator.errors import SpecError, TransportError

MOST_BYTES = 16 * 2**30
"""Of one file: templates of guests with gigabytes of memory are the largest."""


@dataclass
class _Partial:
    path: Path
    size: int = 0
    state: hashlib._Hash = field(default_factory=hashlib.sha256)


@dataclass
class Incoming:
    """What comes over one connection; each file by a name the sender chose. Nothing is left of a file that
    did not come to its end."""

    folder: Path
    _parts: dict[str, _Partial] = field(default_factory=dict)

    def add(self, name: str, part: object) -> int:
        """Add a part (base64) of a file; returns the bytes so far. Raises TransportError for what is no
        part, OSError."""
        data = decoded(part)
        fresh = _Partial(self.folder / secrets.token_hex(8))
        found = self._parts.setdefault(name, fresh)
        if found.size + len(data) > MOST_BYTES:
            raise SpecError(f"{name}: a file of more than {MOST_BYTES // 2**30} GiB is refused")
        with found.path.open("ab") as file:
            file.write(data)
        found.size += len(data)
        found.state.update(data)
        return found.size

    def take(self, name: str, digest: str) -> Path:
        """Return a file that is complete; it is the caller's now. Raises TransportError if its SHA-256 is not
        this one; then it has to be sent again."""
        found = self._parts.pop(name)
        if not digest or not found.state.hexdigest().startswith(digest):
            found.path.unlink(missing_ok=True)
            raise TransportError(f"{name} arrived damaged: its digest is {found.state.hexdigest()[:16]}…")
        return found.path

    def close(self) -> None:
        """Remove what did not come to its end."""
        for found in self._parts.values():
            found.path.unlink(missing_ok=True)
        self._parts.clear()


def in_parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts for messages."""
    data = bytearray()
    for block in blocks:
        data += block
        while len(data) >= PART:
            yield bytes(data[:PART])
            del data[:PART]
    if data:
        yield bytes(data)


def encoded(data: bytes) -> str:
    """Return a part as a message has it."""
    return base64.b64encode(data).decode()


def decoded(part: object) -> bytes:
    """Return the bytes of a part. Raises TransportError."""
    try:
        data = base64.b64decode(part, validate=True) if isinstance(part, str) else None
    except binascii.Error:
        data = None
    if data is None or len(data) > PART:
        raise TransportError(f"a part of a file is not base64 of at most {PART} bytes")
    return data
