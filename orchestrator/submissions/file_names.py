"""File names for what is kept per student: any id has one, and no two ids have the same."""

from __future__ import annotations

import hashlib
import re

MOST_BYTES = 150
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_OTHER = re.compile(r"[^a-z0-9_-]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
"""Names of devices, on Windows: with any suffix, too."""
_MARK = "~"
_DIGITS = 16
_KEPT = 60


def file_name(key: str) -> str:
    """Return the file name, without a suffix, for an id.

    It is ASCII of at most 150 bytes, without folders, not hidden and usable on Windows; different ids have
    different names even where case does not count.

    An id of lower-case letters, digits, ``-``, ``_`` and single dots is its own. Any other keeps what is
    readable of it, and gets ``~`` and 16 digits of its SHA-256, which no plain id can end with.
    """
    if _PLAIN.fullmatch(key) and len(key) <= MOST_BYTES and not _RESERVED.fullmatch(key):
        return key
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    readable = _OTHER.sub("-", key.lower())[:_KEPT].strip("-_")
    return f"{readable or 'id'}{_MARK}{digest}"
