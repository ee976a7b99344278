"""The report for a terminal: the matrix of verdicts, then exercise by exercise what differs.

Everything is a rich ``Text``, never a string: rich reads markup in strings only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from orchestrator.attacks import matrix_of
from orchestrator.contrast import Section, Table
from orchestrator.record import Status
from orchestrator.report import attacks, wording
from orchestrator.report.fold import Column, Entry, blocks, column_width, fold
from orchestrator.report.summary import summarize
from orchestrator.values import printable

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
    """The report as plain text, ``width`` characters wide."""
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
    """The report for a rich console that is ``width`` characters wide."""
    parts: list[RenderableType] = [Text(wording.title(table), style="bold"), Text()]
    parts += _matrix(table, width)
    parts += [Text(wording.legend(), style="dim")]
    parts += _attacks(table, width)
    for section in table.sections:
        if section.rows or section.remarks:
            parts += [Text(), *_section(section, table, width)]
    return Group(*parts, Text(), *_ending(table))


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


def _verdict(section: Section, place: int) -> Entry:
    status = section.cells[place].status
    return Entry(wording.symbol(status), status or "missing")


def _section(section: Section, table: Table, width: int) -> Iterator[RenderableType]:
    yield Text(wording.heading(section), style="bold")
    rows = [row for row in section.rows if row.differs]
    if rows:
        columns = fold(
            (machine.name, [Entry(row.texts[place], _kind(row.ranks[place])) for row in rows])
            for place, machine in enumerate(table.machines)
        )
        depends = Column(("goes with",), tuple(Entry(wording.cause(row), "missing") for row in rows))
        yield from _grids("", [row.label for row in rows], (depends, *columns), width)
    agreed = [
        f"{row.label}: {wording.agreed(row, table.machines)}" for row in section.rows if not row.differs
    ]
    if agreed:
        yield Text(f"same everywhere: {'; '.join(agreed)}", style="dim")
    for item in section.remarks:
        yield Text(wording.remark(item), style=_STYLES[item.status])


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


def _ending(table: Table) -> Iterator[RenderableType]:
    summary = summarize(table)
    total = summary.total
    yield Text(f"{wording.counts(total)}; {wording.points(total)}; {wording.duration(total.seconds)} in all")
    if summary.slow:
        times = {column.name: tally.seconds for column, tally in summary.machines}
        slow = ", ".join(f"{name} {wording.duration(times[name])}" for name in summary.slow)
        yield Text(f"slow machines: {slow}", style="yellow")
