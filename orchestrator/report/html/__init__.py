"""The report as one self-contained HTML page, for a projector, paper or a browser.

Summary, matrix and differences are in the page itself and readable without JavaScript. Bulky data
(``details``) is in one JSON element, which the script shows on demand. The page loads nothing.
Every string is made printable and escaped in one place, the environment, and the policy allows
one style and one script, by their hashes: injected markup would do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.formatting import printable
from orchestrator.record import Status
from orchestrator.report import attacks, highlights, measured, wording
from orchestrator.report.html.details import details
from orchestrator.report.html.plot import OWN_KERNEL, panels
from orchestrator.report.html.strip import strip
from orchestrator.report.summary import summarize
from orchestrator.results.attack_matrix import matrix_of
from orchestrator.results.comparison import MachineColumn, Section, Table
from orchestrator.results.plot_data import plots_of


def render(table: Table) -> str:
    """Render the report as an HTML document."""
    style, script = _part("style.css"), _part("script.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            table=table,
            summary=summarize(table),
            statuses=tuple(Status),
            topics=tuple(dict.fromkeys(section.topic for section in table.sections)),
            blocks=_by_topic(table.sections),
            telling=highlights.telling(table),
            lessons={
                attribution: highlights.lessons(table, attribution) for attribution in highlights.CAUSES
            },
            agreed=[(section, rows) for section in table.sections if (rows := wording.agreeing(section))],
            remarks=highlights.remarks(table),
            warned=highlights.warned(table),
            notes=highlights.notes(table),
            agreement=wording.agreement(table),
            reason_limit=wording.fitting_reason([item.reason for _, _, item in highlights.remarks(table)]),
            edges=_edges(table.machines),
            attacks=matrix_of(table),
            attacked=attacks,
            lines={printable(section.name): line for line, section in enumerate(table.sections)},
            plots=[
                (plot, panels(plot, number, table.machines))
                for number, plot in enumerate(plots_of(table), start=1)
            ],
            measured=measured,
            boundaries=tuple(dict.fromkeys(machine.boundary for machine in table.machines)),
            own_kernel=OWN_KERNEL,
            details=Markup(details(table)),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            strip=strip,
            odd=_odd,
            wording=wording,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        loader=FunctionLoader(_part),
    )
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(name: str) -> Markup:
    """Return an exercise's name, which may wrap after its topic."""
    return Markup("/<wbr>").join(printable(name).split("/"))


def _shown(value: object) -> object:
    """Make any expression of the templates printable, before it is escaped."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, keep="\n\t")
    return value


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy (W3C, Level 3): only this style and script, and nothing may load."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _by_topic(sections: Sequence[Section]) -> list[tuple[str, list[tuple[int, Section]]]]:
    """Return the exercises in the lab's order with their indexes, grouped by topic."""
    return [
        (topic, list(block)) for topic, block in groupby(enumerate(sections), key=lambda pair: pair[1].topic)
    ]


def _odd(section: Section, place: int) -> int:
    """Count the rows on which a machine's value is not the most common one."""
    return sum(bool(row.ranks[place]) for row in section.rows if row.differs)


def _edges(machines: Sequence[MachineColumn]) -> list[bool]:
    """Return whether each machine is the first of another boundary."""
    return [
        place > 0 and machine.boundary != machines[place - 1].boundary
        for place, machine in enumerate(machines)
    ]
