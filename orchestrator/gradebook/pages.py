"""Lay out pages about grades: self-contained HTML that looks like the report's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from orchestrator.report.html import self_contained


def page(template: str, *, sortable: bool = False, **values: Any) -> str:
    """Return the page made from a template of this package. It has the report's style and that of grades, the
    script that sorts tables if it is ``sortable``, and a policy that allows nothing else."""
    return _template(template).render(**_frame(sortable), **values)


@cache
def _template(name: str) -> Template:
    """Return a template; a class has hundreds of pages of the same one."""
    return self_contained.environment(part).get_template(name)


@cache
def _frame(sortable: bool) -> Mapping[str, Any]:
    style = self_contained.part("style.css") + part("grades.css")
    script = part("sort.js") if sortable else ""
    policy = self_contained.policy(style, script)
    return {"style": Markup(style), "script": Markup(script), "policy": policy}


def part(name: str) -> str:
    """Return a file of this package's templates: the frame of every page, a template, the style of grades."""
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
