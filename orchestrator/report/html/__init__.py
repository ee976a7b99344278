"""The report as one self-contained HTML page, for a projector, paper or a browser.

Summary, matrix and differences are in the page itself and readable without JavaScript. Bulky data
(``details``) is in one JSON element, which the script shows on demand. The page loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from orchestrator.formatting import printable
from orchestrator.record import Status
from orchestrator.report import attacks, highlights, measured, wording
from orchestrator.report.html.details import details
from orchestrator.report.html.plot import OWN_KERNEL, drawn
from orchestrator.report.html.self_contained import environment, part, policy
from orchestrator.report.html.strip import strip
from orchestrator.report.summary import summarize
from orchestrator.results.attack_matrix import matrix_of
from orchestrator.results.comparison import MachineColumn, Section, Table


def render(table: Table) -> str:
    """Render the report as an HTML document."""
    style, script = part("style.css"), part("script.js")
    return (
        environment(part)
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
            plots=drawn(table),
            measured=measured,
            boundaries=tuple(dict.fromkeys(machine.boundary for machine in table.machines)),
            own_kernel=OWN_KERNEL,
            details=Markup(details(table)),
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
            strip=strip,
            odd=_odd,
            wording=wording,
        )
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
