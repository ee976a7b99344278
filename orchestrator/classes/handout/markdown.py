"""A handout in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from orchestrator.classes.handout.blocks import Block, Handout, Lines, Paragraph, Points, Table, Typed, Words
from orchestrator.classes.handout.wording import PRIVATE
from orchestrator.formatting import printable
from orchestrator.report.markdown import code, escape, grid

_TICKS = re.compile("`+")


def handout_markdown(handout: Handout) -> str:
    """Return the page as one Markdown document; nothing in it is markup but our own."""
    return "\n".join(_lines(handout)).rstrip("\n") + "\n"


def _lines(handout: Handout) -> Iterator[str]:
    yield from (escape(handout.over), "", f"# {escape(handout.who)}", "")
    for line in handout.about:
        yield from (escape(line), "")
    if handout.private:
        yield from (f"**{PRIVATE}**", "")
    for section in handout.sections:
        yield from (f"## {escape(section.title)}", "")
        for block in section.blocks:
            yield from _block(block)
        for part in section.parts:
            yield from (f"### {escape(part.title)}", "")
            for block in part.blocks:
                yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            text = _inline(block.words)
            yield from (f"**{text}**" if block.warning else text, "")
        case Lines():
            # A block of code begins with an empty line; so did the last block end.
            yield from islice(code("\n".join(map(printable, block.lines))), 1, None)
        case Points():
            yield from (*(f"- {_inline(item)}" for item in block.items), "")
        case Table():
            yield from grid(
                [escape(name) for name in block.columns],
                [[_inline(cell, cell=True) for cell in row] for row in block.rows],
            )
            yield ""


def _inline(words: Words, *, cell: bool = False) -> str:
    return "".join(
        _span(part.text, cell=cell) if isinstance(part, Typed) else escape(" ".join(part.split("\n")))
        for part in words
    )


def _span(text: str, *, cell: bool) -> str:
    """Return a code span; within a table, GitHub takes ``|`` for the end of the cell even there."""
    shown = printable(" ".join(text.split("\n")))
    if cell:
        shown = shown.replace("|", r"\|")
    ticks = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    space = " " if "`" in shown or not shown.strip() else ""
    return f"{ticks}{space}{shown}{space}{ticks}"
