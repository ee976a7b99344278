"""The report as one self-contained HTML page, to project, to print and to click through.

The page (``html.j2``) reads without JavaScript and loads nothing. Every string that reaches it is
made printable and escaped, in one place: the environment.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from orchestrator.attacks import matrix_of
from orchestrator.contrast import Cell, Table
from orchestrator.record import Status
from orchestrator.report import wording
from orchestrator.report.summary import summarize
from orchestrator.values import bounded, format_value, printable

_OUTPUT_LIMIT = 4000
_VALUE_LIMIT = 400


def render(table: Table) -> str:
    """The report as an HTML document."""
    template = _environment().from_string(files(__package__).joinpath("html.j2").read_text(encoding="utf-8"))
    return template.render(
        table=table,
        summary=summarize(table),
        attacks=matrix_of(table),
        statuses=tuple(Status),
        topics=sorted({section.topic for section in table.sections}),
        wording=wording,
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    environment.filters.update(value=_value, output=_output, statuses=_statuses)
    return environment


def _shown(value: object) -> object:
    """Any expression of the template, before it is escaped."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, keep="\n\t")
    return value


def _value(value: object) -> str:
    return format_value(value, _VALUE_LIMIT)


def _output(text: str) -> str:
    return bounded(text, _OUTPUT_LIMIT)


def _statuses(cells: Iterable[Cell]) -> str:
    """The statuses among ``cells``, for the filter."""
    return " ".join(dict.fromkeys(str(cell.status) for cell in cells if cell.status))
