"""Whatever browsers, machines and READMEs say: nothing but what pages are made of comes of it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.web import sockets
from orchestrator.classes.web.machines import _view, plain_name, plain_path
from orchestrator.classes.web.terminals import Terminal, Viewer, bounded_size
from orchestrator.errors import SpecError
from orchestrator.report.html.markdown import to_html

TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "title", "start", "class"}
PIECES = st.sampled_from(
    [
        *(
            "<script>alert(1)</script>",
            "<img src=x onerror=y>",
            "[a](javascript:b)",
            "[a](data:text/html,b)",
            "![i](u)",
        ),
        *(
            "[a](https://x.example 'q\"')",
            "<https://x.example>",
            "`",
            "```\n",
            "# ",
            "* ",
            "| a | b |\n|:-:|---|\n| c | d |\n",
        ),
        *(
            "\n",
            "\n\n",
            "&lt;",
            "&#60;script&#62;",
            '"',
            "'",
            "<a href=x>",
            "[r]\n\n[r]: vbscript:x",
            "\x1b[2J",
            "\u202e",
        ),
    ]
)


class Seen(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@given(st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_readme_is_of_harmless_tags_only(pieces: list[str]) -> None:
    seen = Seen()
    seen.feed(to_html("".join(pieces)))
    assert seen.tags <= TAGS
    for name, value in seen.attributes:
        assert name in ATTRIBUTES
        assert name != "href" or value.startswith(("http://", "https://"))


PARTS = st.sampled_from(["..", ".", "", "a", "~", "-x", "é", "\0", "\n", "x" * 300, "*", "$(id)"])


@given(st.lists(PARTS, max_size=6).map("/".join) | st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_paths_stay_below_the_home_folder(text: str) -> None:
    try:
        path = plain_path(text)
    except SpecError:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
    try:
        name = plain_name(text)
    except SpecError:
        return
    assert "/" not in name
    assert name.isprintable()
    assert name not in ("", ".", "..")


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda raw: b"f 1 " + raw))
@settings(max_examples=60, deadline=None)
def test_a_listing_holds_names_that_can_be_asked_for(item: bytes) -> None:
    view = _view(item)
    if view is not None:
        assert plain_name(view.name) == view.name
        assert view.size >= 0


@given(
    st.text(max_size=30)
    | st.dictionaries(
        st.sampled_from(["kind", "columns", "rows", "bytes", "types"]),
        st.sampled_from(["size", "shown", "join", True, None, -1, 10**30, 2.5, [], {}]),
    ).map(json.dumps)
)
@settings(max_examples=60, deadline=None)
def test_what_a_page_says_of_itself_breaks_nothing(said: str) -> None:
    class NoPty:
        descriptor = -1

        def resize(self, columns: int, rows: int) -> None:
            assert (columns, rows) == bounded_size(columns, rows)

        def close(self) -> None: ...

    terminal = Terminal(NoPty(), lambda _: None)
    terminal._closed = True  # without an event loop
    viewer = Viewer(False, True, lambda _: None, lambda _: None, lambda: None)
    terminal.viewers.append(viewer)
    sockets._heard(terminal, viewer, said)
    assert viewer.types
    assert viewer.behind == 0
