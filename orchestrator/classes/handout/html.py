"""A handout as a self-contained HTML page that looks like the project's others and prints on a sheet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from orchestrator.classes.handout.blocks import Block, Handout, Typed
from orchestrator.classes.handout.wording import PRIVATE
from orchestrator.gradebook import pages
from orchestrator.report.html import self_contained

_TEMPLATE, _STYLE, _FRAME = "handout.html.j2", "handout.css", "frame.html.j2"


def handout_html(handout: Handout) -> str:
    """Return the page as one HTML document: it loads nothing, and has no script."""
    return _template().render(**_frame(), handout=handout, warning=PRIVATE)


def _kind(block: Block) -> str:
    return type(block).__name__


@cache
def _template() -> Template:
    """Return the template; a class has hundreds of pages of it."""
    environment = self_contained.environment(_part)
    environment.tests["typed"] = lambda part: isinstance(part, Typed)
    environment.filters["kind"] = _kind
    return environment.get_template(_TEMPLATE)


@cache
def _frame() -> Mapping[str, Any]:
    style = self_contained.part("style.css") + _part(_STYLE)
    return {"style": Markup(style), "script": Markup(), "policy": self_contained.policy(style)}


def _part(name: str) -> str:
    if name == _FRAME:
        return pages.part(name)
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
