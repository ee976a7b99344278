"""Pseudonyms of students: the same student has the same one in every lab of a course.

They are made of the ids with a secret key of the course (HMAC-SHA-256, RFC 2104): without the key nobody can
try ids until one fits.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

_CONTEXT = b"isolab pseudonym 1\0"
_LETTERS = "23456789abcdefghjkmnpqrstvwxyz"
"""Without what is easily confused, and without most vowels: no words by chance."""
_SHORTEST, _LONGEST = 8, 40


def pseudonyms(ids: Iterable[str], key: bytes, kind: str = "student") -> dict[str, str]:
    """Return a pseudonym for each id, such as ``student-k7f3q2``: all are different. One is longer where the
    short one would be somebody else's as well."""
    whole = {one: _letters(key, kind, one) for one in sorted(set(ids))}
    alike: dict[str, list[str]] = {}
    for text in whole.values():
        alike.setdefault(text[:_SHORTEST], []).append(text)
    return {one: f"{kind}-{text[: _length(text, alike[text[:_SHORTEST]])]}" for one, text in whole.items()}


def _letters(key: bytes, kind: str, name: str) -> str:
    about = _CONTEXT + kind.encode() + b"\0" + name.encode(errors="surrogatepass")
    rest = int.from_bytes(hmac.digest(key, about, "sha256"), "big")
    letters = []
    for _ in range(_LONGEST):
        rest, place = divmod(rest, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


def _length(text: str, alike: Sequence[str]) -> int:
    """How much of a text tells it apart from the others that begin like it."""
    lengths = range(_SHORTEST, _LONGEST + 1)
    return next(length for length in lengths if sum(one.startswith(text[:length]) for one in alike) == 1)
