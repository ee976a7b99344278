"""A README as HTML: CommonMark and tables; HTML in it stays text, links lead to the web only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from orchestrator.formatting import printable

MOST = 2**18
"""Characters of a README that are shown."""


def to_html(text: str) -> Markup:
    """Return Markdown as HTML that is safe in a page: raw HTML is escaped, of images their words stay, and a
    link leads to http and https only: others, such as those to files beside it, are plain words."""
    return Markup(_renderer().render(printable(text[:MOST], keep="\n\t")))


@cache
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
    made.core.ruler.push("only_web_links", _only_web_links)
    return made


def _only_web_links(state: StateCore) -> None:
    for token in state.tokens:
        token.attrs.pop("style", None)  # how a column is aligned: our policy allows no style attribute
        if token.children:
            token.children = list(_kept(token.children))


def _kept(tokens: Sequence[Token]) -> Iterator[Token]:
    leads = True
    for token in tokens:
        if token.type == "link_open":
            leads = str(token.attrs.get("href", "")).lower().startswith(("http://", "https://"))
        if token.type == "image":
            yield Token("text", "", 0, content=token.content)
        elif leads or token.type not in ("link_open", "link_close"):
            yield token
        if token.type == "link_close":
            leads = True
