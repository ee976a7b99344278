"""A README as HTML: CommonMark and tables; HTML in it stays text, links lead to the web only."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from orchestrator.formatting import printable

MOST = 2**18
"""Characters of a README that are shown."""


def to_html(text: str) -> Markup:
    """Return Markdown as HTML that is safe in a page: raw HTML is escaped, images are left out (their words
    stay), and a link goes nowhere but to http and https."""
    return Markup(_renderer().render(printable(text[:MOST], keep="\n\t")))


@cache
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table").disable("image")
    made.validateLink = _leads_to_the_web  # type: ignore[method-assign]
    return made


def _leads_to_the_web(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
