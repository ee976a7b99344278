"""The tables of the lecturer's page: all that somebody should look at. Pure but for the digests of skeletons.

They are bounded: a class of hundreds in which everything goes wrong still has a page that opens; the records
have all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.formatting import bounded, printable
from orchestrator.gradebook.class_tests import judged, named_checks, passed
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.labfile.check_submission import SKELETON
from orchestrator.record import Record, Status
from orchestrator.report import wording
from orchestrator.submissions.model import Student

ROWS = 300
"""Rows of a list; of more, it says how many."""
_SLOWEST = 15
_WORDS_LIMIT = 300
_EMPTY = hashlib.sha256().hexdigest()
_STOPPED = ("timeout", "processor")


@dataclass(frozen=True)
class Rows:
    """A table: its title, what it means, its columns, and its rows; ``more`` are left out. ``numbers`` are
    the columns that hold numbers."""

    anchor: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class _TableKind:
    """A table to make: what it is called and means, its columns, and what finds its rows."""

    anchor: str
    title: str
    about: str
    columns: tuple[str, ...]
    found: Callable[[Gradebook, Sequence[Grade]], Iterable[tuple[str, ...]]]
    numbers: tuple[int, ...] = ()


def tables_of(book: Gradebook, grades: Sequence[Grade]) -> tuple[Rows, ...]:
    """Return the tables that have rows; ``grades`` are those the page is about."""
    found = [_rows(kind, book, grades) for kind in _KINDS]
    return tuple(table for table in (*found, _everybody(book, grades)) if table.rows)


def _rows(kind: _TableKind, book: Gradebook, grades: Sequence[Grade]) -> Rows:
    found = list(kind.found(book, grades))
    rows, more = tuple(tuple(map(short, row)) for row in found[:ROWS]), max(0, len(found) - ROWS)
    return Rows(kind.anchor, kind.title, kind.about, kind.columns, rows, more, kind.numbers)


def totals_of(grades: Sequence[Grade]) -> dict[str, float]:
    """Return the points of those who handed in something and lack no result, by id."""
    points: dict[str, list[float | None]] = {}
    there = {grade.student.id for grade in grades if grade.handed_in}
    for grade in grades:
        if grade.student.id in there:
            points.setdefault(grade.student.id, []).append(grade.points)
    return {who: sum(filter(None, found)) for who, found in points.items() if None not in found}


def _who(grade: Grade) -> str:
    return _name(grade.student)


def _name(student: Student) -> str:
    """Return the name with the id, since names are not unique."""
    return f"{student.name} ({student.id})" if student.name not in ("", student.id) else student.id


def _no_result(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    for grade in grades:
        if grade.verdict is Verdict.NO_RESULT:
            failed = [f"{one.machine}: {one.reason}" for one in grade.records if one.status is Status.ERROR]
            yield _who(grade), grade.exercise, "; ".join(failed) or grade.reason


def _not_gradable(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    for grade in grades:
        if grade.verdict is Verdict.NOT_GRADABLE and grade.handed_in:
            yield _who(grade), grade.exercise, grade.reason


def _differing(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    for grade in grades:
        records = judged(grade)
        names = _differing_tests(records)
        if names or len({(one.points, one.max_points) for one in records}) > 1:
            points = [
                f"{one.machine} {wording.number(one.points)} of {wording.number(one.max_points)}"
                for one in records
            ]
            yield _who(grade), grade.exercise, ", ".join(points), ", ".join(names)


def _differing_tests(records: Sequence[Record]) -> list[str]:
    found: dict[str, set[bool]] = {}
    for record in records:
        for name, check in named_checks(record.checks):
            shown = f"{name} (hidden)" if check.hidden else name
            found.setdefault(shown, set()).add(passed(check))
    return [name for name, results in found.items() if len(results) > 1]


def _time_outs(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    for grade in grades:
        for record in grade.records:
            if record.killed_for in _STOPPED:
                yield _who(grade), grade.exercise, record.machine, record.reason.partition("\n")[0]


def _unstable(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    for grade in grades:
        if grade.unstable:
            yield _who(grade), grade.exercise, "; ".join(grade.unstable)


def _copied(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    names = {grade.student.id: _who(grade) for grade in grades}
    for grade in grades:
        if whose := grade.copied_from:
            yield _who(grade), grade.exercise, ", ".join(names.get(one, one) for one in whose)


def _late(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    found = {
        (
            _who(grade),
            str(grade.attempt),
            grade.submitted.isoformat(" ", "minutes") if grade.submitted else "",
        )
        for grade in grades
        if grade.late
    }
    yield from sorted(found)


def _slowest(_: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    found = [(record.seconds, grade, record) for grade in grades for record in grade.records]
    found.sort(key=lambda each: -each[0])
    for seconds, grade, record in found[:_SLOWEST]:
        yield _who(grade), grade.exercise, record.machine, wording.number(round(seconds, 1))


def _identical(book: Gradebook, grades: Sequence[Grade]) -> Iterator[tuple[str, ...]]:
    known = {_EMPTY, *_skeletons(book)}
    found: dict[tuple[str, str, str], list[Grade]] = {}
    for grade in grades:
        for name, digest in grade.files.items():
            if digest not in known:
                found.setdefault((grade.exercise, name, digest), []).append(grade)
    for (exercise, name, digest), theirs in found.items():
        if len({_team(grade) for grade in theirs}) > 1:
            yield exercise, name, ", ".join(dict.fromkeys(map(_who, theirs))), digest[:16]


def _team(grade: Grade) -> str:
    """Return what students have in common who handed in together: the platform's number of it."""
    return f"together {grade.platform_id}" if grade.platform_id else f"alone {grade.student.id}"


def _skeletons(book: Gradebook) -> Iterator[str]:
    """Yield the digests of what students were given."""
    for exercise in book.lab.exercises:
        for name in exercise.public.spec.student.files if exercise.public.spec.student else ():
            path = exercise.public.folder / SKELETON / name
            if path.is_file():
                yield hashlib.sha256(path.read_bytes()).hexdigest()


def _everybody(book: Gradebook, grades: Sequence[Grade]) -> Rows:
    by = {(grade.student.id, grade.exercise): grade for grade in grades}
    totals = totals_of(grades)
    rows = [
        (
            _name(student),
            student.group,
            wording.number(totals[student.id]) if student.id in totals else "–",
            *(_points(by.get((student.id, name))) for name in book.exercises),
        )
        for student in book.students
    ]
    columns = ("student", "group", "total", *map(short, book.exercises))
    numbers = tuple(range(2, len(columns)))
    about = "Points before any policy. “–”: no result, or nothing handed in at all."
    shown = tuple(tuple(map(short, row)) for row in rows)  # everybody: this is not bounded
    return Rows("everybody", "Everybody", about, columns, shown, 0, numbers)


def _points(grade: Grade | None) -> str:
    if grade is None or grade.points is None or not grade.handed_in:
        return "–"
    return wording.number(grade.points)


def short(text: str) -> str:
    """Return a text for one cell: printable, bounded, on one line."""
    line = " ".join(bounded(text, _WORDS_LIMIT).split())
    return bounded(printable(line), _WORDS_LIMIT)


_KINDS = (
    _TableKind(
        "no-result",
        "No result",
        "isolab or the host failed, which costs nobody points. Run the same `isolab grade` again.",
        ("student", "exercise", "why"),
        _no_result,
    ),
    _TableKind(
        "not-gradable",
        "Not gradable",
        "0 points: the work does not compile, or files are missing or refused.",
        ("student", "exercise", "why"),
        _not_gradable,
    ),
    _TableKind(
        "differ",
        "Machines on which answers differ",
        "The same work has other points on another machine: often byte order, word size, or luck.",
        ("student", "exercise", "points", "tests that differ"),
        _differing,
    ),
    _TableKind(
        "time-outs",
        "Time-outs",
        "Stopped by isolab. Limits are scaled by each machine's speed.",
        ("student", "exercise", "machine", "how"),
        _time_outs,
    ),
    _TableKind(
        "unstable",
        "Not the same when graded again",
        "The same work had other results.",
        ("student", "exercise", "what"),
        _unstable,
    ),
    _TableKind(
        "copied",
        "Answers with another student's parameters",
        "Where few values are possible, a wrong answer is somebody's by chance.",
        ("student", "exercise", "whose"),
        _copied,
    ),
    _TableKind(
        "identical",
        "Identical files",
        "The same bytes from several students; skeletons and empty files are left out.",
        ("exercise", "file", "students", "SHA-256"),
        _identical,
    ),
    _TableKind(
        "late",
        "Late",
        "By the learning platform's own mark, before any policy.",
        ("student", "attempt", "handed in"),
        _late,
    ),
    _TableKind(
        "slowest",
        "Slowest",
        "The longest times, seen from the controller.",
        ("student", "exercise", "machine", "seconds"),
        _slowest,
        numbers=(3,),
    ),
)
