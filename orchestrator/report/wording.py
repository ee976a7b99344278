"""Words and symbols shared by the human-readable reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator.formatting import bounded, format_value, printable, whole_lines
from orchestrator.labfile.expectation import expectation
from orchestrator.labfile.models import Check
from orchestrator.record import Status
from orchestrator.report import contention
from orchestrator.report.summary import Tally
from orchestrator.results.agreement import all_alike, reservations
from orchestrator.results.attribution import Attribution
from orchestrator.results.comparison import (
    Group,
    MachineColumn,
    Missing,
    Remark,
    Row,
    Section,
    Table,
)
from orchestrator.results.for_student import has_hidden
from orchestrator.results.platform import of_exercises

SYMBOLS = {Status.PASS: "✓", Status.FAIL: "✗", Status.ERROR: "!", Status.SKIP: "–"}
NOT_RUN = "·"
CAUSES: Mapping[Attribution, tuple[str, str]] = {
    "boundary": (
        "Differences explained by the boundary",
        "Machines behind the same boundary agree, whatever their architecture.",
    ),
    "privilege": (
        "Differences explained by privilege",
        "Same kernel as a bare process, but fewer capabilities, system calls or paths are allowed.",
    ),
    "architecture": (
        "Differences explained by the architecture",
        "Machines of the same architecture agree, whatever their boundary.",
    ),
    "library": (
        "Differences explained by the version of the C library",
        "Machines whose programs have the same version of the C library agree, whatever their architecture.",
    ),
    "kernel": (
        "Differences explained by the version of the kernel",
        "Machines with the same version of the kernel agree, whatever their architecture.",
    ),
    "versions": (
        "Differences explained by the version of the C library or of the kernel",
        "Machines with the same versions agree, whatever their architecture; they differ in both at once.",
    ),
    "mixed": (
        "Differences with several possible causes",
        "Boundary and architecture both matter, or these machines do not allow telling the two apart.",
    ),
    "unexplained": (
        "Unexplained differences",
        "Even machines with the same boundary and architecture disagree.",
    ),
}
_AGREEMENT_LIMIT = 1000
REASON_LIMIT = 16_000
"""Characters of a reason: the messages of a compiler fit in."""
HIDDEN_NOTE = "This report shows hidden tests. For students: isolab report RUN --for student"
WARNED = "What the compiler warned of where answers differ"
_REASONS_LIMIT = 300_000
"""Characters of all reasons of a page together."""
_NAMES = 6


def c_library(table: Table) -> str:
    """Return the C library that programs were linked with, and on which machines if there are several."""
    return printable(of_exercises(table.records()))


def warnings(table: Table) -> tuple[str, ...]:
    """Return what to know before reading a report: that hidden tests are in it, that the host was busy."""
    hidden = HIDDEN_NOTE if has_hidden(table.records()) else ""
    return tuple(words for words in (hidden, contention.warning(table)) if words)


def symbol(status: Status | None) -> str:
    """Return the symbol of a status; None is "not run"."""
    return NOT_RUN if status is None else SYMBOLS[status]


def legend() -> str:
    """Return the legend of a table's symbols, as one line."""
    marks = [f"{mark} {status}" for status, mark in SYMBOLS.items()]
    return "   ".join([*marks, f"{NOT_RUN} not run"])


def title(table: Table) -> str:
    """Return the table's labs and runs, printable and bounded."""
    runs = ", ".join(f"run {run}" for run in table.runs)
    return bounded(printable(" — ".join(part for part in (", ".join(table.labs), runs) if part)), 100)


def name(table: Table) -> str:
    """Return a table's display name: the title of its lab, else the lab's name."""
    return bounded(printable(table.about.title or ", ".join(table.labs)), 100)


def extent(table: Table) -> str:
    """Format the size of a table: ``15 exercises on 13 machines``."""
    return f"{_many(len(table.sections), 'exercise')} on {_many(len(table.machines), 'machine')}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def heading(section: Section) -> str:
    """Return an exercise's name and title."""
    name = printable(section.name)
    return f"{name} — {printable(section.title)}" if section.title else name


def counts(tally: Tally) -> str:
    """Format counts: ``34 pass, 2 fail, 1 error, 3 skip``."""
    return ", ".join(f"{number} {status}" for status, number in tally.counts.items())


def points(tally: Tally) -> str:
    """Format points: ``31 of 36 points``; errors and skips count in neither number."""
    return f"{number(tally.points)} of {number(tally.max_points)} points"


def number(value: float) -> str:
    """Format a number for a report: points, seconds."""
    return format_value(float(value))


def duration(seconds: float) -> str:
    """Format seconds as ``0.4 s``, ``75 s`` or ``3 min 5 s``."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def reason(text: str, limit: int = REASON_LIMIT) -> str:
    """Return a record's reason, printable, in lines; what is too much is left out at the end."""
    return whole_lines(printable(text, keep="\n\t"), limit)


def fitting_reason(reasons: Collection[str]) -> int:
    """Return how many characters of each reason fit a page: fewer where many are long."""
    limit = REASON_LIMIT
    while limit > 250 and sum(min(len(text), limit) for text in reasons) > _REASONS_LIMIT:
        limit //= 2
    return limit


def where(item: Remark) -> str:
    """Format which machines a remark is about: ``✗ fail on vm, s390x``."""
    return f"{symbol(item.status)} {item.status} on {', '.join(item.machines)}"


def remark(item: Remark) -> tuple[str, str]:
    """Format a remark as a line, ``✗ fail on vm, s390x: why``, and a block that belongs below it: a reason
    of several lines is a block, and keeps its alignment."""
    words = reason(item.reason)
    if "\n" in words:
        return f"{where(item)}:", words
    return (f"{where(item)}: {words}" if words else where(item)), ""


def silent(row: Row, columns: Sequence[MachineColumn]) -> tuple[str, ...]:
    """Return the machines without a value for ``row``."""
    pairs = zip(columns, row.values, strict=True)
    return tuple(column.name for column, value in pairs if isinstance(value, Missing))


def agreed(row: Row, columns: Sequence[MachineColumn]) -> str:
    """Return the common value of a row that is the same, and which machines did not answer."""
    quiet = silent(row, columns)
    without = f" (no answer: {', '.join(quiet)})" if quiet else ""
    return f"{row.groups[0].text}{without}"


def agreeing(section: Section) -> tuple[Row, ...]:
    """Return the rows on which all machines that answered agree: at least one did."""
    return tuple(row for row in section.rows if row.same)


def agreement(table: Table) -> str:
    """Return what can be said of a table: that all machines gave the same answers, only if all that was
    observed, printed and how it ended is alike; else why that cannot be said."""
    if any(row.differs for row in table.rows):
        return ""
    if all_alike(table):
        one = len(table.machines) == 1
        return "No differences: " + (
            "there is only one machine." if one else "all machines gave the same answers."
        )
    if not table.sections:
        return "No differences: there are no results."
    found = bounded(printable("; ".join(reservations(table))), _AGREEMENT_LIMIT)
    return f"No differences in what was observed, but: {found}."


def incomplete(table: Table) -> str:
    """Return what is missing of a run that did not come to its end, printable; "" if nothing is."""
    words = printable(table.about.incomplete)
    return f"Incomplete run: {words}" if words else ""


def attribution(row: Row) -> str:
    """Return a row's likely cause, in words for a narrow column."""
    return "no answer" if row.attribution == "unanswered" else row.attribution


def cause(row: Row) -> str:
    """Return a row's likely cause, and the properties of the machines that go with it:
    ``architecture: byte order``."""
    known = bounded(", ".join(row.goes_with), _AGREEMENT_LIMIT)
    return f"{attribution(row)}: {known}" if known else attribution(row)


def difference(row: Row) -> str:
    """Format a difference, the minority first: ``big on s390x; little on the other 11``."""
    rest = row.groups[0]
    few = [f"{group.text} on {_on(group)}" for group in row.groups[1:]]
    most = f"the other {len(rest.machines)}" if len(rest.machines) > 2 else ", ".join(rest.machines)
    return "; ".join([*few, f"{rest.text} on {most}"])


def _on(group: Group) -> str:
    names = group.machines
    return ", ".join(names) if len(names) <= _NAMES else f"{', '.join(names[:2])} and {len(names) - 2} more"


def wanted(check: Check) -> str:
    """Format what a check expects, as it follows the word "expected": ``65536``, ``at least 2``."""
    return expectation(check, lambda value: format_value(value, 80))
