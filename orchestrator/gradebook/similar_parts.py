"""A text cut into parts that are, or are not, in another one, short enough for a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.formatting import counted, printable

Span = tuple[int, int]
"""Where a part begins and ends, in characters."""
_LIMIT = 8000
_AROUND = 240
"""Characters that are kept before and after what is in common."""


@dataclass(frozen=True)
class TextPart:
    """A part of a text, printable; ``same``: the other text has it too."""

    text: str
    same: bool


def merged(spans: Sequence[Span], length: int) -> tuple[Span, ...]:
    """Return the spans within the text, in order, those that touch as one."""
    found: list[Span] = []
    for start, end in sorted((max(0, start), min(length, end)) for start, end in spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def parts_of(text: str, spans: Sequence[Span]) -> tuple[TextPart, ...]:
    """Return the text in parts. What is far from anything in common is left out, and what is too much."""
    found: list[TextPart] = []
    room = _LIMIT
    for words, same in _cut(text, merged(spans, len(text))):
        if room <= 0:
            found.append(TextPart("\n…", False))
            break
        shown = words[:room] if same else _ends(words, room)
        found.append(TextPart(printable(shown, keep="\n\t"), same))
        room -= len(shown)
    return tuple(found)


def _cut(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    place = 0
    for start, end in spans:
        if place < start:
            yield text[place:start], False
        yield text[start:end], True
        place = end
    if place < len(text):
        yield text[place:], False


def _ends(text: str, room: int) -> str:
    """Return the text, of a long one both ends, by whole lines where it has lines."""
    if len(text) <= 2 * _AROUND + 80:
        return text[:room]
    head, tail = text[:_AROUND], text[-_AROUND:]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    left = counted(text.count("\n") - head.count("\n") - tail.count("\n"), "line")
    return f"{head}… ({left}) …\n{tail}"
