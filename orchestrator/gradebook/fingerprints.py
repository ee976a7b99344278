"""Fingerprints of sources, by copydetect; the extra ``similarity`` installs it.

Sources are hostile, and pygments takes quadratic time for some: comments and repeated spaces are removed
first, in linear time, and what is left is bounded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from orchestrator.errors import Unavailable
from orchestrator.gradebook.similar_parts import Span
from orchestrator.host.extras import how_to_install

GRAM = 25
"""Characters of code, each name one character, that must be in both for a part to be in common."""
CHARACTERS = 24_000
"""Characters of a source without its comments that are looked at."""
_LANGUAGES = {
    ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp",
    ".py": "python", ".rs": "rust", ".java": "java",
}  # fmt: skip
_WITHOUT_COMMENTS = re.compile(
    r"""(?P<gone>\s+|//[^\n]*+|/\*.*?(?:\*/|\Z))|"(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?|[^\s/"']++|/""",
    re.DOTALL,
)
_SPACE = re.compile(r"\s+|\S+")
_C_LIKE = ("c", "cpp", "rust", "java")


@dataclass(frozen=True)
class Fingerprint:
    """What a source is recognised by. ``origin`` says where each character of the squeezed source was in
    ``text``; ``data`` is copydetect's."""

    text: str
    origin: Sequence[int]
    data: Any = field(repr=False)

    def in_common(self, other: Fingerprint) -> float:
        """Return the share of the smaller one's marks that both have, from 0 to 1; 0 where one has none."""
        fewer = min(len(self.data.hashes), len(other.data.hashes))
        return len(self.data.hashes & other.data.hashes) / fewer if fewer else 0.0


@dataclass(frozen=True)
class Compared:
    """What two sources have in common: shares from 0 to 1, and where it is in each."""

    one_share: float
    other_share: float
    one_spans: tuple[Span, ...]
    other_spans: tuple[Span, ...]


class Fingerprints:
    """Makes and compares fingerprints; what is in ``boilerplate`` is in none of them.

    Raises Unavailable without copydetect.
    """

    def __init__(self, boilerplate: Iterable[tuple[str, str]] = ()) -> None:
        """``boilerplate`` are paths and texts."""
        self._library = require_copydetect()
        self._known: set[int] = set()
        for path, text in boilerplate:
            self._known |= self.of(path, text).data.hashes

    def of(self, path: str, text: str) -> Fingerprint:
        """Return a source's fingerprint; ``path`` ends in what tells its language."""
        language = _LANGUAGES.get(PurePosixPath(path).suffix.lower(), "")
        code, origin = squeezed(text, language)
        data = self._data(code, language)
        # Not by copydetect: it also removes what a source has twice.
        data.hashes = data.hashes - self._known
        data.hash_idx = {mark: places for mark, places in data.hash_idx.items() if mark in data.hashes}
        data.token_coverage = self._library.utils.get_token_coverage(
            data.hash_idx, GRAM, len(data.filtered_code)
        )
        return Fingerprint(text, origin, data)

    def compared(self, one: Fingerprint, other: Fingerprint) -> Compared:
        """Return what two sources have in common."""
        if not one.data.hashes & other.data.hashes:
            return Compared(0.0, 0.0, (), ())
        _, shares, slices = self._library.compare_files(one.data, other.data)
        first, second = (min(1.0, float(share)) for share in shares)
        return Compared(first, second, _spans(one, slices[0]), _spans(other, slices[1]))

    def _data(self, code: str, language: str) -> Any:
        # A window of one: all grams count, so that the same sources always have the same fingerprint.
        return self._library.CodeFingerprint(
            "source", GRAM, 1, filter=bool(language), language=language or None, fp=io.StringIO(code)
        )


def squeezed(text: str, language: str) -> tuple[str, Sequence[int]]:
    """Return a source without comments, where the language is known to have C's, and with single spaces;
    bounded; and for each character its place in ``text``, with the end of the last one."""
    pattern = _WITHOUT_COMMENTS if language in _C_LIKE else _SPACE
    code: list[str] = []
    origin: list[int] = []
    for found in pattern.finditer(text):
        words = found[0]
        gone = words.isspace() if pattern is _SPACE else found["gone"] is not None
        if gone:
            words = "\n" if "\n" in words else " "
            if code and code[-1].isspace():
                continue
        code.append(words)
        origin.extend(range(found.start(), found.start() + len(words)))
        if len(origin) > CHARACTERS:
            break
    return "".join(code)[:CHARACTERS], [*origin[:CHARACTERS], min(len(text), origin[-1] + 1 if origin else 0)]


def _spans(source: Fingerprint, slices: Any) -> tuple[Span, ...]:
    """Return slices of the squeezed source as spans of the text."""
    last = len(source.origin) - 1
    return tuple(
        (source.origin[min(int(start), last)], source.origin[min(int(end), last)])
        for start, end in zip(*slices, strict=True)
    )


def require_copydetect() -> Any:
    """Return the library. Raises Unavailable if it is not installed."""
    try:
        import copydetect
        import copydetect.utils
    except ImportError as problem:
        raise Unavailable(
            f"copydetect is not installed ({problem}), which compares submissions",
            hint=how_to_install("similarity"),
        ) from None
    return copydetect
