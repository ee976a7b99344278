"""A gradebook under pseudonyms, for what is shown about a whole class. ``pseudonyms.csv``, which only its
owner may read, says who is who."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from typing import Any

from orchestrator.gradebook.csv import id_cell
from orchestrator.gradebook.policy import Policy
from orchestrator.grading.model import Grade, Gradebook
from orchestrator.record import Record
from orchestrator.report.csv import cell
from orchestrator.submissions.model import Student
from orchestrator.submissions.pseudonyms import pseudonyms

COLUMNS = ("pseudonym", "id", "name", "email", "group", "group_pseudonym")


def render_key(students: Sequence[Student], key: bytes) -> str:
    """Render the table of who is who, by pseudonym. It is not for others."""
    names, groups = _names(students, key)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for student in sorted(students, key=lambda one: names[one.id]):
        about = [cell(text) for text in (student.name, student.email, student.group)]
        writer.writerow([names[student.id], id_cell(student.id), *about, groups.get(student.group, "")])
    return text.getvalue()


def _names(students: Sequence[Student], key: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """The pseudonyms of the students, by id, and of their groups."""
    groups = pseudonyms({student.group for student in students} - {""}, key, "group")
    return pseudonyms((student.id for student in students), key), groups


def anonymous(book: Gradebook, key: bytes) -> Gradebook:
    """Return the gradebook under pseudonyms, in their order.

    Ids, groups, and what records say of the student are replaced; names, e-mail addresses and the platform's
    numbers are left out. In reasons, remarks, notes and what programs printed, the student's own id, name and
    address become the pseudonym as well. What else somebody writes into a program's output stays.
    """
    names, groups = _names(book.students, key)
    words = {
        student.id: dict.fromkeys((student.id, student.name, student.email), names[student.id])
        for student in book.students
    }
    masks = {name: _Mask(own) for name, own in words.items()}
    students = {
        student.id: Student(names[student.id], group=groups.get(student.group, ""))
        for student in book.students
    }
    grades = [
        replace(
            _grade(grade, students[grade.student.id], masks[grade.student.id]),
            copied_from=tuple(names[one] for one in grade.copied_from),
        )
        for grade in book.grades
    ]
    everybody = _Mask({word: instead for own in words.values() for word, instead in own.items()})
    return replace(
        book,
        students=tuple(sorted(students.values(), key=lambda student: student.id)),
        # A stable sort: exercises and attempts keep their order.
        grades=tuple(sorted(grades, key=lambda grade: grade.student.id)),
        notes=tuple(everybody(note) for note in book.notes),
    )


def anonymous_policy(policy: Policy, book: Gradebook, key: bytes) -> Policy:
    """Return the policy with its extensions under the pseudonyms of the students of a gradebook."""
    names, _ = _names(book.students, key)
    moved = {names[name]: later for name, later in policy.extensions.items() if name in names}
    return policy.model_copy(update={"extensions": moved})


class _Mask:
    """Replaces words in texts: the id ``7`` is not in ``17``."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = {word: instead for word, instead in words.items() if word.strip()}
        longest_first = sorted(self.words, key=len, reverse=True)
        found = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<!\w)(?:{found})(?!\w)" if found else r"(?!)")

    def __call__(self, text: str) -> str:
        return self._pattern.sub(lambda found: self.words[found[0]], text) if text else text


def _grade(grade: Grade, student: Student, mask: _Mask) -> Grade:
    return replace(
        grade,
        student=student,
        platform_id="",
        reason=mask(grade.reason),
        remarks=tuple(mask(remark) for remark in grade.remarks),
        files={mask(name): digest for name, digest in grade.files.items()},
        records=tuple(_record(record, student, mask) for record in grade.records),
    )


def _record(record: Record, student: Student, mask: _Mask) -> Record:
    texts = ("reason", "stdout", "stderr", "stdout_escaped", "stderr_escaped", "warnings")
    view = record.student_view
    if view is not None:
        view = {key: mask(value) if key in texts else value for key, value in view.items()}
    changed: dict[str, Any] = {name: mask(getattr(record, name)) for name in texts}
    return replace(record, student=student.id, student_view=view, **changed)
