"""What a handout is made of: each format lays out the same blocks, so all say the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Typed:
    """Something that is typed, or read, exactly as it is written."""

    text: str


Words = tuple[str | Typed, ...]
"""A sentence or two, with what is typed in it."""


@dataclass(frozen=True)
class Paragraph:
    """Words of their own. A ``warning`` stands out."""

    words: Words
    warning: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines to type or to copy; ``label`` says what they are to who does not see the page. ``opens``: they
    are addresses of pages."""

    lines: tuple[str, ...]
    label: str
    opens: bool = False


@dataclass(frozen=True)
class Points:
    """A list."""

    items: tuple[Words, ...]


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading."""

    label: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


Block = Paragraph | Lines | Points | Table


@dataclass(frozen=True)
class Part:
    """Blocks under a smaller heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """Blocks under a heading, then its parts. ``anchor`` is the heading's name in a link."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Handout:
    """The page of a seat: ``over`` stands above ``who``, ``about`` below."""

    over: str
    who: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]
    private: bool
    """Whether who reads it can get in."""


def words(*parts: str | Typed) -> Words:
    """Return these parts as words, without those that are empty."""
    return tuple(part for part in parts if part)
