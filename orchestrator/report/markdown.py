"""The report in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.attacks import matrix_of
from orchestrator.contrast import Section, Table
from orchestrator.report import attacks, wording
from orchestrator.report.fold import Entry, fold
from orchestrator.report.summary import Summary, summarize
from orchestrator.values import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~#$])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})


def render(table: Table) -> str:
    """The report as one Markdown document."""
    summary = summarize(table)
    lines = [f"# {escape(wording.title(table))}", "", f"{wording.counts(summary.total)}; "]
    lines[-1] += f"{wording.points(summary.total)}; {wording.duration(summary.total.seconds)} in all."
    lines += ["", "## Verdicts", "", *_matrix(table), "", wording.legend(), ""]
    lines += _attacks(table)
    lines += ["## Comparison", ""]
    for section in table.sections:
        if section.rows or section.remarks:
            lines += _section(section, table)
    lines += ["## Machines", "", *_machines(summary)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """``text`` as Markdown that shows exactly it: no markup, no HTML, no new cell, no mention."""
    return _SPECIAL.sub(r"\\\1", printable(text)).translate(_ENTITIES)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for line in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(line)} |"


def _matrix(table: Table) -> Iterator[str]:
    header = ["exercise", *(escape(machine.name) for machine in table.machines)]
    yield from _grid(
        header,
        [
            [escape(section.name), *(wording.symbol(cell.status) for cell in section.cells)]
            for section in table.sections
        ],
    )


def _attacks(table: Table) -> Iterator[str]:
    matrix = matrix_of(table)
    if not matrix.attacks:
        return
    yield from (f"## {attacks.TITLE}", "", f"{attacks.NOTE.capitalize()}.", "")
    columns = attacks.columns_of(matrix)
    rows = [
        [escape(label), *(_outcome(column.entries[line]) for column in columns)]
        for line, label in enumerate(attacks.labels_of(matrix))
    ]
    yield from _grid(["attack", *(escape(column.header) for column in columns)], rows)
    yield ""
    for label, lines in attacks.reasons(matrix):
        yield f"- {escape(label)}"
        yield from (f"  - {escape(line)}" for line in lines)
    yield ""


def _outcome(entry: Entry) -> str:
    return f"**{escape(entry.text)}**" if entry.kind == "fail" else escape(entry.text)


def _section(section: Section, table: Table) -> Iterator[str]:
    yield from (f"### {escape(wording.heading(section))}", "")
    if section.explain:
        yield from (escape(" ".join(section.explain.split())), "")
    rows = [row for row in section.rows if row.differs]
    if rows:
        columns = fold(
            (machine.name, [Entry(row.texts[place], str(row.ranks[place] or 0)) for row in rows])
            for place, machine in enumerate(table.machines)
        )
        lines = [
            [escape(row.label), wording.cause(row), *(_entry(column.entries[line]) for column in columns)]
            for line, row in enumerate(rows)
        ]
        yield from _grid(["", "goes with", *(escape(column.header) for column in columns)], lines)
        yield ""
    agreed = [
        f"{row.label}: {wording.agreed(row, table.machines)}" for row in section.rows if not row.differs
    ]
    if agreed:
        yield from (f"Same everywhere: {escape('; '.join(agreed))}", "")
    if section.remarks:
        yield from (*(f"- {escape(wording.remark(item))}" for item in section.remarks), "")


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    return text if entry.kind == "0" else f"**{text}**"


def _machines(summary: Summary) -> Iterator[str]:
    header = ["machine", "driver", "boundary", "architecture", "accelerator", "verdicts", "points", "time"]
    rows = []
    for column, tally in summary.machines:
        facts = (column.name, column.driver, column.boundary, column.arch, column.accel)
        sums = (wording.counts(tally), wording.points(tally), wording.duration(tally.seconds))
        rows.append([*(escape(fact) for fact in facts), *sums])
    yield from _grid(header, rows)
