"""The people of a class: its roster, read with their keys."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.classfile.sound import Sound
from orchestrator.classes.model import Member
from orchestrator.errors import Problem, SpecError
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.submissions.roster import Roster, read_roster


def people(document: Document, found: Sound, file: Path) -> tuple[list[Member], list[Problem]]:
    """Read the roster of a class, ``file``. Returns who is on it, and what is wrong: with the roster, in its
    lines, or with there being none, where the class file names it."""
    written = document.data if isinstance(document.data, dict) else {}
    if "roster" in written and written["roster"] != found.spec.roster:
        return [], []  # what the file has there is wrong, and reported
    try:
        roster = read_roster(file, keys=True)
    except SpecError as wrong:
        own = document.problem(("roster",), wrong.message, wrong.hint)
        return [], [*wrong.problems] or [own]
    if not roster.students:
        return [], [document.problem(("roster",), f"the roster {file} has no students")]
    members = [
        Member(one, roster.keys.get(one.id, ()), roster.github.get(one.id, "")) for one in roster.students
    ]
    return members, _group_problems(document, found, file, roster)


def _group_problems(document: Document, found: Sound, file: Path, roster: Roster) -> list[Problem]:
    """Groups that one cannot tell apart, or that there are none, where they have machines."""
    if found.spec.per != "group":
        return []
    if not any(one.group for one in roster.students):
        return [document.problem(("per",), f"nobody in {file} has a group", "use per: student")]
    problems, first = [], dict[str, tuple[str, int]]()
    for one in roster.students:
        line = roster.lines[one.id]
        other, there = first.setdefault(one.group.casefold(), (one.group, line))
        if other != one.group:
            why = f"the group {quote(one.group)} is written {quote(other)} in line {there}"
            problems.append(Problem(str(file), line, 1, why, "write it the same everywhere"))
    return problems
