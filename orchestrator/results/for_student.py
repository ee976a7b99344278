"""Records as their student may see them: without what hidden tests expected, printed and observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.exercises.student_view import read_view, told_apart
from orchestrator.record import Record


def has_hidden(records: Iterable[Record]) -> bool:
    """Return whether hidden tests were part of any of these records."""
    return any(record.student_view is not None for record in records)


def for_student(record: Record) -> Record:
    """Return the record as its student may see it: the record itself where nothing is hidden."""
    if record.student_view is None:
        return record
    return replace(record, **read_view(record.student_view), student_view=None)


def output_for_people(record: Record) -> str:
    """Return a program's output without its lines of observations."""
    return told_apart(record.stdout)
