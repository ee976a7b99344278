"""Attack matrix: the outcome of each attack behind each boundary, and what stopped it. Pure.

A row is one canary of one exercise, a column one machine. The verdict is the controller's own
observation of the canary; what stopped an attack is the ``why`` of the check on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.formatting import format_value, printable
from orchestrator.labfile.canary_kinds import LABELS, NOT_PLANTED, UNTOUCHED, observation
from orchestrator.labfile.models import Check
from orchestrator.results.comparison import Cell, MachineColumn, Section, Table
from orchestrator.results.ending import ending_of


class AttackOutcome(StrEnum):
    """Outcome of an attack."""

    BLOCKED = "blocked"
    THROUGH = "NOT blocked"
    NONE = "does not apply"


@dataclass(frozen=True)
class AttackResult:
    """One attack on one machine. ``found`` is what happened to the canary, or why there is no
    answer; ``by`` is what decided the outcome. Both are printable."""

    outcome: AttackOutcome
    found: str
    by: str = ""


@dataclass(frozen=True)
class Attack:
    """One attack on all machines; ``label`` describes it."""

    exercise: str
    title: str
    canary: str
    label: str
    results: tuple[AttackResult, ...]


@dataclass(frozen=True)
class AttackMatrix:
    """Attacks by machines; empty when no exercise is an attack."""

    machines: tuple[MachineColumn, ...]
    attacks: tuple[Attack, ...]


def matrix_of(table: Table) -> AttackMatrix:
    """Return the attack matrix of a table."""
    rows = (_attack(section, kind, table) for section in table.sections for kind in section.canaries)
    return AttackMatrix(table.machines, tuple(rows))


def _attack(section: Section, kind: str, table: Table) -> Attack:
    key = observation(kind)
    checks = [check for check in section.checks if check.that == key]
    pairs = zip(section.cells, table.machines, strict=True)
    attempts = tuple(_result(cell, column, key, checks) for cell, column in pairs)
    label = next((row.label for row in section.rows if row.key == key), LABELS[kind])
    return Attack(printable(section.name), printable(section.title), kind, label, attempts)


def _result(cell: Cell, column: MachineColumn, key: str, checks: Sequence[Check]) -> AttackResult:
    found = cell.record.observations.get(key) if cell.record else None
    if found is None:
        return AttackResult(AttackOutcome.NONE, printable(cell.reason))
    text = format_value(found, 80)
    if text.startswith(NOT_PLANTED):
        return AttackResult(AttackOutcome.NONE, text)
    if found == UNTOUCHED and (broken_off := _broken_off(cell)):
        return AttackResult(AttackOutcome.NONE, broken_off)
    outcome = AttackOutcome.BLOCKED if found == UNTOUCHED else AttackOutcome.THROUGH
    why = (check.why for check in checks if check.why and _is_about(check, column))
    return AttackResult(outcome, text, printable(next(why, "")))


def _broken_off(cell: Cell) -> str:
    """Return why an attack did not come to its end: then an untouched canary does not mean that anything
    stopped it. What the kernel killed is another matter: that stopped it."""
    ending = ending_of(cell.record) if cell.record else None
    return printable(ending.words) if ending and ending.by in ("isolab", "nobody") else ""


def _is_about(check: Check, column: MachineColumn) -> bool:
    where = check.where
    return (not where.boundary or column.boundary in where.boundary) and (
        not where.arch or column.arch in where.arch
    )
