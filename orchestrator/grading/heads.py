"""How far this host has got with each chain of receipts: kept in the state folder, so that receipts cut off
at the end are missed, which the chain itself does not show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.host.cache import write_atomically

FOLDER = "receipt-heads"
"""Its name in the state folder: a file for each chain, named after the digest of its first line."""


@dataclass(frozen=True)
class Head:
    """The last line that was sealed: its number, and its SHA-256, hexadecimal."""

    number: int
    digest: str


class Heads:
    """The heads kept in a state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def keep(self, first: str, head: Head) -> None:
        """Keep the head of the chain whose first line has the digest ``first``. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._folder / first, json.dumps(asdict(head)).encode())

    def of(self, first: str) -> Head | None:
        """Return the head of a chain; None if this host has not sealed it, or a power cut took the file."""
        try:
            data = json.loads((self._folder / first).read_bytes())
            return Head(int(data["number"]), str(data["digest"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def problem(self, lines: Sequence[bytes]) -> str:
        """Say in words how a chain, given as its lines without their ends, falls short of what was sealed; ""
        if it does not, or if that is not known here."""
        head = self.of(digest(lines[0])) if lines else None
        if head is None or (len(lines) >= head.number and digest(lines[head.number - 1]) == head.digest):
            return ""
        if len(lines) < head.number:
            return f"{head.number} receipts were sealed on this host, but only {len(lines)} are there"
        return f"receipt {head.number} is not the one that was sealed on this host"


def digest(line: bytes) -> str:
    """Return the digest of a line without its end, by which the next one names it."""
    return hashlib.sha256(line).hexdigest()
