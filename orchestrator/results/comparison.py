"""Compare records: a section per exercise, a column per machine, a row per observation.

Pure. Labels, column names and the texts of values are ready to display; reasons and output are as
recorded, and each report makes them printable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.exercises.parameters import example_checks
from orchestrator.formatting import bounded, format_value, identity, printable
from orchestrator.labfile.models import Boundary, Check, Exercise, Plot
from orchestrator.record import Record, Status
from orchestrator.results.attribution import Attribution, Observed, attribute, goes_with
from orchestrator.results.ending import ending_of
from orchestrator.results.platform import properties

_LABEL_LIMIT = 80
_STRENGTH = {str(boundary): rank for rank, boundary in enumerate(Boundary)}


@dataclass(frozen=True)
class RunInfo:
    """Facts about the run: its lab's title and description, and its exercises' files.

    ``sources``: exercise -> file name -> text, as they were when the lab ran. ``incomplete`` says what is
    missing of a run that did not come to its end; "" when nothing is. ``missing`` are the results it should
    have and has not, each as machine and exercise.
    """

    title: str = ""
    description: str = ""
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    incomplete: str = ""
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MachineColumn:
    """One machine. ``name`` also names the student when there are several, and repeated runs."""

    name: str
    machine: str
    student: str
    driver: str
    boundary: str
    arch: str
    accel: str


@dataclass(frozen=True)
class Cell:
    """Result of one exercise on one machine; ``record`` None: it was not run there."""

    record: Record | None = None

    @property
    def status(self) -> Status | None:
        return self.record.status if self.record else None

    @property
    def reason(self) -> str:
        return self.record.reason if self.record else "not run"

    @property
    def points(self) -> float:
        return self.record.points if self.record else 0.0

    @property
    def seconds(self) -> float:
        """Wall time in seconds."""
        return self.record.seconds if self.record else 0.0


@dataclass(frozen=True)
class Missing:
    """Stands for a value that a machine did not report: one ``word``, and the ``reason``."""

    word: str
    reason: str

    @property
    def text(self) -> str:
        return f"({self.word})"


@dataclass(frozen=True)
class Group:
    """The machines with the same value. ``text`` is unique among the groups of a row."""

    value: Any
    text: str
    machines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One observation on all machines.

    ``groups`` are the distinct values, most common first; ``ranks`` is each machine's index in
    ``groups``, None where its value is ``Missing``. Missing values make no difference. ``goes_with`` are
    the machines' properties that go with the difference, where they are known.
    """

    label: str
    key: str
    values: tuple[Any | Missing, ...]
    ranks: tuple[int | None, ...]
    groups: tuple[Group, ...]
    attribution: Attribution
    goes_with: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether at least one machine answered, and all that did gave the same value."""
        return len(self.groups) == 1

    @property
    def differs(self) -> bool:
        return len(self.groups) > 1

    @property
    def texts(self) -> tuple[str, ...]:
        """The values in human-readable form, one per machine."""
        places = zip(self.values, self.ranks, strict=True)
        return tuple(value.text if rank is None else self.groups[rank].text for value, rank in places)


@dataclass(frozen=True)
class Remark:
    """Why an exercise did not pass, or what is to be said of one that did, and on which machines."""

    status: Status
    reason: str
    machines: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One exercise: a cell per machine, and the rows to compare."""

    name: str
    title: str
    explain: str
    checks: tuple[Check, ...]
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    remarks: tuple[Remark, ...]
    canaries: tuple[str, ...] = ()
    plots: tuple[Plot, ...] = ()

    @property
    def topic(self) -> str:
        """The exercise's folder: ``ipc`` for ``ipc/pipe-capacity``."""
        return self.name.removeprefix("./").split("/")[0]


@dataclass(frozen=True)
class Table:
    """A comparison of records. Every record is the ``record`` of exactly one cell."""

    labs: tuple[str, ...]
    runs: tuple[str, ...]
    machines: tuple[MachineColumn, ...]
    sections: tuple[Section, ...]
    about: RunInfo = RunInfo()

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for section in self.sections for row in section.rows)

    def records(self, column: int | None = None) -> tuple[Record, ...]:
        """The records in table order, machine by machine, or only those of ``column``."""
        columns = range(len(self.machines)) if column is None else (column,)
        cells = (section.cells[place] for place in columns for section in self.sections)
        return tuple(cell.record for cell in cells if cell.record)


def compare(
    records: Sequence[Record],
    exercises: Mapping[str, Exercise] | None = None,
    machines: Sequence[str] = (),
    about: RunInfo | None = None,
) -> Table:
    """Compare ``records``.

    ``exercises`` (by name) provide titles, the rows to show and the order of the sections; an
    exercise that is not among them, or has no ``shows``, has a row for every key observed.
    ``machines`` is the order of the columns; other machines follow, by strength of boundary and
    then in order of appearance.
    """
    known = exercises or {}
    places: dict[tuple[str, str, int], dict[str, Record]] = {}
    for record in records:
        attempt = 1
        while record.exercise in places.get((record.student, record.machine, attempt), {}):
            attempt += 1
        places.setdefault((record.student, record.machine, attempt), {})[record.exercise] = record
    several = len({student for student, _, _ in places}) > 1
    found = [(_column(key, list(mine.values()), several), mine) for key, mine in places.items()]
    found.sort(key=lambda pair: _order(pair[0], machines))
    columns = tuple(column for column, _ in found)
    observed = _unique(record.exercise for record in records)
    names = [*(name for name in known if name in observed), *(name for name in observed if name not in known)]
    sections = (
        _section(name, known.get(name), columns, tuple(Cell(mine.get(name)) for _, mine in found))
        for name in names
    )
    return Table(
        _unique(record.lab for record in records),
        _unique(record.run for record in records),
        columns,
        tuple(sections),
        about or RunInfo(),
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _column(key: tuple[str, str, int], records: Sequence[Record], several: bool) -> MachineColumn:
    student, machine, attempt = key
    name = (f"{student}/{machine}" if several else machine) + (f" ({attempt})" if attempt > 1 else "")

    def fact(field: str) -> str:
        # A record made before the machine was up may be incomplete.
        return next((str(value) for record in records if (value := getattr(record, field))), "")

    return MachineColumn(
        printable(name), machine, student, fact("driver"), fact("boundary"), fact("arch"), fact("accel")
    )


def _order(column: MachineColumn, machines: Sequence[str]) -> tuple[int, int]:
    if column.machine in machines:
        return (machines.index(column.machine), 0)
    return (len(machines), _STRENGTH.get(column.boundary, len(_STRENGTH)))


def _section(
    name: str, exercise: Exercise | None, columns: tuple[MachineColumn, ...], cells: tuple[Cell, ...]
) -> Section:
    seen = _unique(key for cell in cells if cell.record for key in cell.record.observations)
    # Measurements always differ between machines; as rows they would drown everything else.
    measured = exercise.measured if exercise else ()
    shows = exercise.shows if exercise and exercise.shows else {k: k for k in seen if k not in measured}
    rows = (
        *(_row(key, label, columns, cells) for key, label in shows.items()),
        *_further(shows, columns, cells),
    )
    remarks: dict[tuple[Status, str], list[str]] = {}
    for column, cell in zip(columns, cells, strict=True):
        if cell.status is not None and (cell.status is not Status.PASS or cell.reason):
            remarks.setdefault((cell.status, cell.reason), []).append(column.name)
    return Section(
        name,
        exercise.title if exercise else "",
        exercise.explain if exercise else "",
        example_checks(exercise, name) if exercise else (),
        cells,
        rows,
        tuple(Remark(status, reason, tuple(names)) for (status, reason), names in remarks.items()),
        tuple(exercise.canaries) if exercise else (),
        tuple(exercise.plots) if exercise else (),
    )


def _further(
    shows: Mapping[str, str], columns: tuple[MachineColumn, ...], cells: tuple[Cell, ...]
) -> Iterator[Row]:
    """Yield what is compared besides observations: endings that differ, and, where nothing was observed,
    what was printed."""
    ended = _compared("ended", "How it ended", columns, cells, ending_value)
    if ended.differs:
        yield ended
    if shows:
        return
    for stream, label in (("stdout", "Standard output"), ("stderr", "Standard error")):
        row = _compared(stream, label, columns, cells, printed_value(stream))
        if row.groups and (row.differs or row.groups[0].text):
            yield row


def _row(key: str, label: str, columns: tuple[MachineColumn, ...], cells: tuple[Cell, ...]) -> Row:
    def observed(cell: Cell) -> tuple[Any | Missing, str]:
        value = value_of(cell, key)
        return value, "" if isinstance(value, Missing) else identity(value)

    return _compared(key, label, columns, cells, observed)


def _compared(
    key: str,
    label: str,
    columns: tuple[MachineColumn, ...],
    cells: tuple[Cell, ...],
    value_with_identity: Callable[[Cell], tuple[Any | Missing, str]],
) -> Row:
    found = [value_with_identity(cell) for cell in cells]
    values = tuple(value for value, _ in found)
    identities = [None if isinstance(value, Missing) else same for value, same in found]
    sizes = Counter(identity for identity in identities if identity is not None)
    order = [identity for identity, _ in sizes.most_common()]
    ranks = tuple(None if identity is None else order.index(identity) for identity in identities)
    groups: list[Group] = []
    for rank in range(len(order)):
        value = values[ranks.index(rank)]
        members = tuple(column.name for column, mine in zip(columns, ranks, strict=True) if mine == rank)
        groups.append(Group(value, _distinct(format_value(value), groups), members))
    answers = [
        Observed(column.boundary, column.arch, rank, properties(cell.record) if cell.record else {})
        for column, cell, rank in zip(columns, cells, ranks, strict=True)
        if rank is not None
    ]
    name = bounded(printable(label), _LABEL_LIMIT)
    return Row(name, key, values, ranks, tuple(groups), attribute(answers), goes_with(answers))


def value_of(cell: Cell, key: str) -> Any | Missing:
    """Return the observed value, whatever the verdict: values of failed checks matter most."""
    if cell.record is None:
        return Missing("not run", cell.reason)
    if key in cell.record.observations:
        return cell.record.observations[key]
    if cell.record.cut:
        return Missing("cut", "the program printed more than is kept; it may have reported it there")
    if cell.record.status is Status.PASS:
        return Missing("none", "the program did not report it")
    return Missing(cell.record.status, cell.reason)


def ending_value(cell: Cell) -> tuple[str | Missing, str]:
    """Return how a program ended, and what tells endings apart."""
    if cell.record is None or cell.status in (Status.ERROR, Status.SKIP):
        return Missing(cell.status or "not run", cell.reason), ""
    words = ending_of(cell.record).words
    return words, words


def printed_value(stream: str) -> Callable[[Cell], tuple[str | Missing, str]]:
    """Return a function for what a program printed on a stream, and the digest of all of it."""

    def printed(cell: Cell) -> tuple[str | Missing, str]:
        if cell.record is None or cell.status in (Status.ERROR, Status.SKIP):
            return Missing(cell.status or "not run", cell.reason), ""
        text: str = getattr(cell.record, f"{stream}_escaped") or getattr(cell.record, stream)
        return text, getattr(cell.record, f"{stream}_sha256") or text

    return printed


def _distinct(text: str, groups: Sequence[Group]) -> str:
    """Number ``text`` when another value reads the same (truncated, or the word "yes" beside true)."""
    taken = {group.text for group in groups}
    numbered = (f"{text} ({number})" for number in range(2, len(taken) + 3))
    return text if text not in taken else next(each for each in numbered if each not in taken)
