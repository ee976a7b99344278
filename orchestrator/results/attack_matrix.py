"""The attack matrix: what each attack came to behind each boundary, and what stopped it. Pure.

A row is one canary of one exercise, a column one machine. The verdict is the controller's own
observation of the canary; by what an attack was stopped is the ``why`` of the check on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.formatting import format_value, printable
from orchestrator.labfile.canary_kinds import LABELS, NOT_PLANTED, UNTOUCHED, observation
from orchestrator.labfile.models import Check
from orchestrator.results.comparison import Cell, MachineColumn, Section, Table


class Outcome(StrEnum):
    """What an attack came to."""

    BLOCKED = "blocked"
    THROUGH = "NOT blocked"
    NONE = "does not apply"


@dataclass(frozen=True)
class Attempt:
    """One attack on one machine. ``found`` is what became of the canary, or why there is no
    answer; ``by`` says what decided it. Both are printable."""

    outcome: Outcome
    found: str
    by: str = ""


@dataclass(frozen=True)
class Attack:
    """One attack on all machines; ``label`` says what it tries."""

    exercise: str
    title: str
    canary: str
    label: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class AttackMatrix:
    """Attacks by machines; without rows when no exercise attacked anything."""

    machines: tuple[MachineColumn, ...]
    attacks: tuple[Attack, ...]


def matrix_of(table: Table) -> AttackMatrix:
    """The attack matrix of records already laid side by side."""
    rows = (_attack(section, kind, table) for section in table.sections for kind in section.canaries)
    return AttackMatrix(table.machines, tuple(rows))


def _attack(section: Section, kind: str, table: Table) -> Attack:
    key = observation(kind)
    checks = [check for check in section.checks if check.that == key]
    pairs = zip(section.cells, table.machines, strict=True)
    attempts = tuple(_attempt(cell, column, key, checks) for cell, column in pairs)
    label = next((row.label for row in section.rows if row.key == key), LABELS[kind])
    return Attack(printable(section.name), printable(section.title), kind, label, attempts)


def _attempt(cell: Cell, column: MachineColumn, key: str, checks: Sequence[Check]) -> Attempt:
    found = cell.record.observations.get(key) if cell.record else None
    if found is None:
        return Attempt(Outcome.NONE, printable(cell.reason))
    text = format_value(found, 80)
    if text.startswith(NOT_PLANTED):
        return Attempt(Outcome.NONE, text)
    outcome = Outcome.BLOCKED if found == UNTOUCHED else Outcome.THROUGH
    why = (check.why for check in checks if check.why and _is_about(check, column))
    return Attempt(outcome, text, printable(next(why, "")))


def _is_about(check: Check, column: MachineColumn) -> bool:
    where = check.where
    return (not where.boundary or column.boundary in where.boundary) and (
        not where.arch or column.arch in where.arch
    )
