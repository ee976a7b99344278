"""The attack matrix for a terminal, as Markdown, and as a plain HTML table's cells."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from orchestrator.attacks import Attack, AttackMatrix, Outcome, matrix_of
from orchestrator.contrast import Table
from orchestrator.report.fold import Column, Entry, fold

TITLE = "Attacks"
NOTE = "verdicts are read off canaries outside the boundary, by the controller"
_STYLES = {Outcome.BLOCKED: "pass", Outcome.THROUGH: "fail", Outcome.NONE: "missing"}


def columns_of(matrix: AttackMatrix) -> tuple[Column, ...]:
    """The matrix folded: machines on which every attack came to the same are one column.

    The kind of an entry is a status: what went through looks like what failed.
    """
    return fold(
        (
            machine.name,
            [
                Entry(_words(attack, place), _STYLES[attack.attempts[place].outcome])
                for attack in matrix.attacks
            ],
        )
        for place, machine in enumerate(matrix.machines)
    )


def _words(attack: Attack, place: int) -> str:
    attempt = attack.attempts[place]
    return f"{attempt.outcome}: {attempt.found}" if attempt.outcome is Outcome.THROUGH else attempt.outcome


def labels_of(matrix: AttackMatrix) -> list[str]:
    """A label for each row: what is tried, and the exercise when it is another than above."""
    return [f"{attack.exercise}: {attack.label}" for attack in matrix.attacks]


def reasons(matrix: AttackMatrix) -> Iterator[tuple[str, list[str]]]:
    """For each attack its label, and on which machines what decided it."""
    for label, attack in zip(labels_of(matrix), matrix.attacks, strict=True):
        grouped: dict[tuple[Outcome, str], list[str]] = {}
        for attempt, machine in zip(attack.attempts, matrix.machines, strict=True):
            said = attempt.by or (attempt.found if attempt.outcome is Outcome.NONE else "")
            if said:
                grouped.setdefault((attempt.outcome, said), []).append(machine.name)
        yield label, [f"{outcome} on {', '.join(on)}: {said}" for (outcome, said), on in grouped.items()]


def heading(table: Table) -> tuple[AttackMatrix, list[RenderableType]]:
    """For a terminal: the matrix, and its title when there is one to show."""
    matrix = matrix_of(table)
    if not matrix.attacks:
        return matrix, []
    return matrix, [Text(), Text(f"{TITLE} — {NOTE}", style="bold")]


def explained(matrix: AttackMatrix) -> Iterator[RenderableType]:
    """For a terminal: what decided each attack."""
    for label, lines in reasons(matrix):
        if lines:
            yield Text(label)
        for line in lines:
            yield Text(f"  {line}", style="dim")
