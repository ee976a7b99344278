"""Report formats. Pure, except ``write_reports``; a format's imports load when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from orchestrator.errors import SpecError
from orchestrator.results.comparison import Table
from orchestrator.results.lab_page import LabPage


class Format(NamedTuple):
    """A report format: its file name in a run's folder, and the function that renders it."""

    file: str
    render: Callable[[Table], str]


def _lazily(module: str) -> Callable[[Table], str]:
    def render_table(table: Table) -> str:
        text: str = import_module(f"{__name__}.{module}").render(table)
        return text

    return render_table


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "text": Format("report.txt", _lazily("text")),
        "markdown": Format("report.md", _lazily("markdown")),
        "html": Format("report.html", _lazily("html")),
        "junit": Format("junit.xml", _lazily("junit")),
        "csv": Format("report.csv", _lazily("csv")),
        "gradescope": Format("results.json", _lazily("gradescope")),
        "json": Format("report.json", _lazily("json")),
    }
)
_WRITTEN = ("html", "markdown", "junit")


def render(name: str, table: Table) -> str:
    """Render ``table`` in the format ``name``.

    Raises SpecError for an unknown format, or one that cannot express these records
    (Gradescope accepts one student at a time).
    """
    if name not in FORMATS:
        raise SpecError(f"unknown report format {name!r}", hint=f"formats: {', '.join(FORMATS)}")
    return FORMATS[name].render(table)


def render_lab_page(table: Table, page: LabPage) -> str:
    """Return the page of a lab, with what a run found, as HTML to project."""
    text: str = import_module(f"{__name__}.html.lab_page").render(table, page)
    return text


def write_reports(out: Path, table: Table) -> tuple[Path, ...]:
    """Write the reports every run produces to the folder ``out``, and return their paths.

    Raises OSError when they cannot be written.
    """
    written = []
    for name in _WRITTEN:
        path = out / FORMATS[name].file
        path.write_text(FORMATS[name].render(table), encoding="utf-8")
        written.append(path)
    return tuple(written)
