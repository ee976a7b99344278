"""The report in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.formatting import printable
from orchestrator.report import attacks, highlights, measured, wording
from orchestrator.report.fold import FoldedCell, fold
from orchestrator.report.summary import Summary, summarize
from orchestrator.results.attack_matrix import matrix_of
from orchestrator.results.comparison import Section, Table
from orchestrator.results.plot_data import plots_of

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~#$])")
_TICKS = re.compile("`+")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})


def render(table: Table) -> str:
    """Render the report as one Markdown document."""
    summary = summarize(table)
    lines = [*_summary(table, summary), "## Verdicts", "", *_matrix(table), "", wording.legend(), ""]
    lines += [*_attacks(table), *_measured(table)]
    for attribution in highlights.CAUSES:
        if found := highlights.lessons(table, attribution):
            heading, meaning = wording.CAUSES[attribution]
            lines += [f"## {heading}", "", meaning, ""]
            for lesson in found:
                lines += _lesson(lesson, table)
    if agreement := wording.agreement(table):
        lines += [escape(agreement), ""]
    lines += _warned(table)
    lines += ["## Exercises", ""]
    for section in table.sections:
        lines += _exercise(section, table)
    lines += ["## Machines", "", *_machines(summary)]
    if words := wording.c_library(table):
        lines += ["", f"{escape(words)}."]
    return "\n".join(lines) + "\n"


def _summary(table: Table, summary: Summary) -> Iterator[str]:
    total = summary.total
    yield from (f"# {escape(wording.name(table))}", "")
    if table.about.description:
        yield from (escape(" ".join(table.about.description.split())), "")
    yield f"{escape(wording.title(table))}: {wording.extent(table)}; {wording.counts(total)};"
    yield from (f"{wording.points(total)}; {wording.duration(total.seconds)} total.", "")
    if words := wording.incomplete(table):
        yield from (f"**{escape(words)}**", "")
    for words in wording.warnings(table):
        yield from (f"**{escape(words)}**", "")
    if telling := highlights.telling(table):
        yield from ("**Highlights**", "")
        for each in telling:
            words = escape(wording.difference(each.row))
            yield f"- **{escape(each.row.label)}**: {words} ({wording.cause(each.row)})"
        yield ""
    for title, found in (
        ("Failures, errors and skips", highlights.remarks(table)),
        ("Passed, but", highlights.notes(table)),
    ):
        yield from (f"**{title}**", "") if found else ()
        for _, section, item in found:
            line, block = wording.remark(item)
            yield f"- {escape(section.name)}: {escape(line)}"
            yield from code(block, "  ") if block else ()
        yield from ("",) if found else ()


def escape(text: str) -> str:
    """Escape ``text`` for Markdown: no markup, no HTML, no new cell, no mention."""
    return _SPECIAL.sub(r"\\\1", printable(text)).translate(_ENTITIES)


def code(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of a block of code, also in a list item; nothing in it is markup, nor ends it."""
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    yield ""
    yield from (f"{indent}{line}".rstrip() for line in (f"{fence}text", *text.split("\n"), fence))
    yield ""


def grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; its cells are Markdown."""
    for line in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(line)} |"


def _matrix(table: Table) -> Iterator[str]:
    header = ["exercise", *(escape(machine.name) for machine in table.machines)]
    yield from grid(
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
    yield from grid(["attack", *(escape(column.header) for column in columns)], rows)
    yield ""
    for label, lines in attacks.reasons(matrix):
        yield f"- {escape(label)}"
        yield from (f"  - {escape(line)}" for line in lines)
    yield ""


def _outcome(entry: FoldedCell) -> str:
    return f"**{escape(entry.text)}**" if entry.kind == "fail" else escape(entry.text)


def _measured(table: Table) -> Iterator[str]:
    found = plots_of(table)
    if found:
        yield from (f"## {measured.TITLE}", "", f"{measured.NOTE.capitalize()}.", "")
    for plot in found:
        yield from (f"### {escape(measured.title(plot))}", "")
        yield from (f"{escape(plot.exercise)}, {measured.extent(plot)}", "")
        rows = [
            [escape(group.label), *(escape(measured.cell_with_wall(mark, plot)) for mark in group.marks)]
            for group in plot.series
        ]
        yield from grid(["", *(escape(machine.name) for machine in table.machines)], rows)
        yield ""


def _warned(table: Table) -> Iterator[str]:
    found = highlights.warned(table)
    if found:
        yield from (f"## {wording.WARNED}", "")
    for each in found:
        yield f"- {escape(each.section.name)}: for {escape(', '.join(each.machines))}"
        yield from code(wording.reason(each.words), "  ")


def _lesson(lesson: highlights.Lesson, table: Table) -> Iterator[str]:
    yield from (f"### {escape(wording.heading(lesson.section))}", "")
    rows = lesson.rows
    columns = fold(
        (machine.name, [FoldedCell(row.texts[place], str(row.ranks[place] or 0)) for row in rows])
        for place, machine in enumerate(table.machines)
    )
    lines = [
        [escape(row.label), *(_entry(column.entries[line]) for column in columns)]
        for line, row in enumerate(rows)
    ]
    yield from grid(["", *(escape(column.header) for column in columns)], lines)
    yield ""


def _exercise(section: Section, table: Table) -> Iterator[str]:
    """Yield what to report about an exercise besides its differences, if anything."""
    rows = wording.agreeing(section)
    if not section.explain and not rows:
        return
    yield from (f"### {escape(wording.heading(section))}", "")
    if section.explain:
        yield from (escape(" ".join(section.explain.split())), "")
    if rows:
        words = "; ".join(f"{row.label}: {wording.agreed(row, table.machines)}" for row in rows)
        yield from (f"Same everywhere: {escape(words)}", "")


def _entry(entry: FoldedCell) -> str:
    text = escape(entry.text)
    return text if entry.kind == "0" else f"**{text}**"


def _machines(summary: Summary) -> Iterator[str]:
    header = ["machine", "driver", "boundary", "architecture", "accelerator", "verdicts", "points", "time"]
    rows = []
    for column, tally in summary.machines:
        facts = (column.name, column.driver, column.boundary, column.arch, column.accel)
        sums = (wording.counts(tally), wording.points(tally), wording.duration(tally.seconds))
        rows.append([*(escape(fact) for fact in facts), *sums])
    yield from grid(header, rows)
