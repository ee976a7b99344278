"""An HTML page as a test reads it: its elements, and the parts that are agreed in a golden file."""

from __future__ import annotations

import re
from collections.abc import Set
from html.parser import HTMLParser


class Elements(HTMLParser):
    """The elements of a page: whether they nest, their text, and what they refer to.

    ``void`` are the elements without an end that the page may have. Paths close themselves:
    ``handle_startendtag`` is both.
    """

    def __init__(self, page: str, void: Set[str]) -> None:
        super().__init__()
        self._void = void
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def without_style_and_script(page: str) -> str:
    """A page without what is in style sheets and scripts, and without their digests."""
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", page, flags=re.DOTALL)
    return re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256-", page)
