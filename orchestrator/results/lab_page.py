"""The page of a lab that one teaches from: what of it is projected, read from Markdown.

A page has the sections of ``docs/labs``: its parts are found by their headings, wherever they stand.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.paths import LAB_PAGES

PARTS = (
    "Aims",
    "The A list",
    "Plan",
    "To be typed live",
    "Figure",
    "The row to show",
    "Misconceptions",
    "Questions",
    "For an examination",
)
"""Headings of what is projected, in this order."""
_MOST_BYTES = 2**18
_MOST_PICTURE = 2**21
"""Bytes of a figure."""
_KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
_HEADING = re.compile(r"^#{2,3} (.+?)[ #]*$")
_FENCE = re.compile(r"^(`{3,}|~{3,})")
_PICTURE = re.compile(r"^!\[([^\]\n]*)\]\(([^)\s]+)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Figure:
    """A picture with the words for those who do not see it; ``uri`` is all of it, as a ``data:`` URI."""

    words: str
    uri: str


@dataclass(frozen=True)
class LabPage:
    """The parts of a page, Markdown by heading, and its figures."""

    name: str
    parts: Mapping[str, str]
    figures: tuple[Figure, ...] = ()


def page_of(labs: tuple[str, ...]) -> Path:
    """Return the page of the built-in lab that a run was of. Raises SpecError where there is none."""
    hint = "give the page of your own lab: --page FILE"
    if len(labs) != 1:
        raise SpecError(f"a lab page is of one lab, and these records are of {len(labs)}", hint=hint)
    path = LAB_PAGES / f"{labs[0]}.md"
    if labs[0] not in builtin_labs() or not path.is_file():
        raise SpecError(f"there is no page for the lab {labs[0]!r}: it is not a built-in one", hint=hint)
    return path


def read_page(path: Path) -> LabPage:
    """Read a page and its figures. Raises SpecError where it cannot be read, or has none of the parts."""
    text = _bytes_of(path, _MOST_BYTES, "the page").decode("utf-8", "replace").replace("\r\n", "\n")
    found = dict(_parts(text))
    parts = {name: found[name] for name in PARTS if found.get(name, "").strip()}
    if not parts:
        raise SpecError(
            f"{path} has nothing to project: it has no section of the name {', '.join(PARTS)}",
            hint="docs/labs/separation.md is an example",
        )
    pictures = _PICTURE.findall(parts.get("Figure", ""))
    figures = tuple(Figure(words, _embedded(path, name)) for words, name in pictures)
    return LabPage(path.stem, parts, figures)


def without_pictures(text: str) -> str:
    """Return Markdown without the pictures that stand alone on a line."""
    return _PICTURE.sub("", text)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands below each heading of the second and third level, up to the next."""
    heading, lines, fence = "", list[str](), ""
    for line in text.split("\n"):
        if mark := _FENCE.match(line):
            fence = fence if fence and not line.startswith(fence) else "" if fence else mark[1]
        if not fence and (found := _HEADING.match(line)):
            yield heading, "\n".join(lines)
            heading, lines = found[1], []
        else:
            lines.append(line)
    yield heading, "\n".join(lines)


def _embedded(page: Path, name: str) -> str:
    """Return a figure beside the page as a ``data:`` URI (RFC 2397)."""
    path = (page.parent / name).resolve()
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise SpecError(
            f"{page}: the figure {name} is no picture that can be shown",
            hint=f"make it one of {', '.join(_KINDS)}",
        )
    if not path.is_relative_to(page.parent.resolve()):
        raise SpecError(f"{page}: the figure {name} is elsewhere", hint="put it beside the page, or below")
    content = _bytes_of(path, _MOST_PICTURE, "the figure")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _bytes_of(path: Path, most: int, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as problem:
        raise SpecError(
            f"cannot read {what} {path}: {problem.strerror or problem}", hint="name a Markdown file: --page"
        ) from None
    if len(content) > most:
        raise SpecError(f"{what} {path} is larger than {most // 2**10} KiB", hint="make it smaller")
    return content
