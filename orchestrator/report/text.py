"""The report for a terminal: summary, matrix of verdicts, then differences by likely cause.

Everything is a rich ``Text``, never a string: rich reads markup in strings only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from orchestrator.formatting import printable
from orchestrator.record import Status
from orchestrator.report import attacks, highlights, measured, wording
from orchestrator.report.fold import Column, FoldedCell, blocks, column_width, fold
from orchestrator.report.summary import summarize
from orchestrator.results.attack_matrix import matrix_of
from orchestrator.results.comparison import Section, Table
from orchestrator.results.plot_data import Mark, PlotData, plots_of

_GAP = 2
_ENTRY_WIDTH = 26
_STYLES = {
    str(Status.PASS): "green",
    str(Status.FAIL): "bold red",
    str(Status.ERROR): "bold magenta",
    str(Status.SKIP): "dim",
    "other": "bold yellow",
    "missing": "dim",
}


def render(table: Table, width: int = 100) -> str:
    """Render the report as plain text, ``width`` characters wide."""
    console = Console(
        file=StringIO(),
        width=width,
        color_system=None,
        legacy_windows=False,
        force_terminal=False,
        _environ={},
    )
    with console.capture() as capture:
        console.print(renderable(table, width))
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def renderable(table: Table, width: int) -> RenderableType:
    """Render the report for a rich console that is ``width`` characters wide.

    The totals appear at both ends, because a terminal shows the end of its output.
    """
    parts: list[RenderableType] = [*_summary(table), Text(), *_matrix(table, width)]
    parts += [Text(wording.legend(), style="dim")]
    parts += [*_attacks(table, width), *_measured(table, width)]
    for attribution in highlights.CAUSES:
        if found := highlights.lessons(table, attribution):
            parts += [Text(), Text(wording.CAUSES[attribution][0], style="bold underline")]
            for lesson in found:
                parts += [Text(), *_lesson(lesson, table, width)]
    if agreement := wording.agreement(table):
        parts += [Text(), Text(agreement)]
    return Group(*parts, *_warned(table), *_agreed(table), Text(), *_how_it_ended(table))


def _summary(table: Table) -> Iterator[RenderableType]:
    if table.about.title:
        yield Text(wording.name(table), style="bold")
    yield Text(wording.title(table), style="dim" if table.about.title else "bold")
    yield Text(f"{wording.extent(table)}: {_sums(table)}")
    yield from _incomplete(table)
    yield from (Text(words, style="yellow") for words in wording.warnings(table))
    if found := highlights.telling(table):
        yield from (Text(), Text("Highlights", style="bold"))
        for each in found:
            yield _point(f"{each.row.label}: ", f"{wording.difference(each.row)} ({wording.cause(each.row)})")
    if trouble := highlights.remarks(table):
        yield from (Text(), Text("Failures, errors and skips", style="bold"))
        yield from _remarks(trouble)
    if noted := highlights.notes(table):
        yield from (Text(), Text("Passed, but", style="bold"))
        yield from _remarks(noted)


def _remarks(found: Sequence[highlights.Trouble]) -> Iterator[RenderableType]:
    for _, exercises, item in found:
        line, block = wording.remark(item)
        yield _point(f"{printable(exercises.name)}: ", line, _STYLES[item.status])
        if block:
            yield Padding(Text(block), (0, 0, 0, 6))


def _incomplete(table: Table) -> Iterator[RenderableType]:
    if words := wording.incomplete(table):
        yield Text(words, style=_STYLES[str(Status.ERROR)])


def _point(about: str, words: str, style: str = "") -> RenderableType:
    """Format a list item with hanging indent."""
    return Padding(Text(style=style).append(about, style="bold").append(words), (0, 0, 0, 2))


def _matrix(table: Table, width: int) -> Iterator[RenderableType]:
    labels = [printable(section.name) for section in table.sections]
    columns = fold(
        (machine.name, [_verdict(section, place) for section in table.sections])
        for place, machine in enumerate(table.machines)
    )
    yield from _grids("exercise", labels, columns, width)


def _attacks(table: Table, width: int) -> Iterator[RenderableType]:
    matrix = matrix_of(table)
    if matrix.attacks:
        yield from (Text(), Text(f"{attacks.TITLE} — {attacks.NOTE}", style="bold"))
        yield from _grids("attack", attacks.labels_of(matrix), attacks.columns_of(matrix), width)
        yield from attacks.explained(matrix)


def _measured(table: Table, width: int) -> Iterator[RenderableType]:
    found = plots_of(table)
    if found:
        yield from (Text(), Text(f"{measured.TITLE} — {measured.NOTE}", style="bold underline"))
    for plot in found:
        yield from (Text(), Text(measured.title(plot), style="bold"))
        yield Text(f"{printable(plot.exercise)}, {measured.extent(plot)}", style="dim")
        columns = fold(
            (machine.name, [_figure(group.marks[place], plot) for group in plot.series])
            for place, machine in enumerate(table.machines)
        )
        yield from _grids("", [group.label for group in plot.series], columns, width)


def _figure(mark: Mark, plot: PlotData) -> FoldedCell:
    return FoldedCell(measured.cell(mark, plot), "" if mark.measurement else "missing")


def _verdict(section: Section, place: int) -> FoldedCell:
    status = section.cells[place].status
    return FoldedCell(wording.symbol(status), status or "missing")


def _warned(table: Table) -> Iterator[RenderableType]:
    found = highlights.warned(table)
    if found:
        yield from (Text(), Text(wording.WARNED, style="bold underline"))
    for each in found:
        yield _point(f"{printable(each.section.name)}: ", f"for {', '.join(each.machines)}")
        yield Padding(Text(wording.reason(each.words)), (0, 0, 0, 6))


def _lesson(lesson: highlights.Lesson, table: Table, width: int) -> Iterator[RenderableType]:
    yield Text(wording.heading(lesson.section), style="bold")
    rows = lesson.rows
    columns = fold(
        (machine.name, [FoldedCell(row.texts[place], _kind(row.ranks[place])) for row in rows])
        for place, machine in enumerate(table.machines)
    )
    yield from _grids("", [row.label for row in rows], columns, width)


def _agreed(table: Table) -> Iterator[RenderableType]:
    found = [(section, rows) for section in table.sections if (rows := wording.agreeing(section))]
    if found:
        yield from (Text(), Text("Same on every machine that answered", style="bold underline"))
    for section, rows in found:
        words = "; ".join(f"{row.label}: {wording.agreed(row, table.machines)}" for row in rows)
        yield _point(f"{printable(section.name)}: ", words, "dim")


def _kind(rank: int | None) -> str:
    return "missing" if rank is None else "other" if rank else ""


def _grids(
    corner: str, labels: Sequence[str], columns: Sequence[Column], width: int
) -> Iterator[RenderableType]:
    label_width = min(max(map(cell_len, [corner, *labels])), width * 2 // 5)
    available = width - label_width
    limit = min(_ENTRY_WIDTH, available - _GAP)
    widths = [column_width(each, [cell_len(entry.text) for entry in each.entries], limit) for each in columns]
    for number, block in enumerate(blocks(widths, available, _GAP)):
        if number:
            yield Text()
        grid = Grid(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
        grid.add_column(Text(corner), width=label_width, overflow="fold")
        for place in block:
            grid.add_column(Text(columns[place].header), width=widths[place], overflow="fold", vertical="top")
        for line, label in enumerate(labels):
            entries = [columns[place].entries[line] for place in block]
            grid.add_row(Text(label), *(Text(one.text, style=_STYLES.get(one.kind, "")) for one in entries))
        yield grid


def _sums(table: Table) -> str:
    total = summarize(table).total
    return f"{wording.counts(total)}; {wording.points(total)}; {wording.duration(total.seconds)} total"


def _how_it_ended(table: Table) -> Iterator[RenderableType]:
    yield from _incomplete(table)
    yield Text(_sums(table))
    summary = summarize(table)
    if summary.slow:
        times = {column.name: tally.seconds for column, tally in summary.machines}
        slow = ", ".join(f"{name} {wording.duration(times[name])}" for name in summary.slow)
        yield Text(f"slow machines: {slow}", style="yellow")
    if words := wording.c_library(table):
        yield Text(words)
