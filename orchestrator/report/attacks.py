"""Attack matrix as text: columns, labels and reasons shared by the human-readable reports."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from orchestrator.report.fold import Column, FoldedCell, fold
from orchestrator.results.attack_matrix import AttackMatrix, AttackOutcome, AttackResult

TITLE = "Attacks"
NOTE = "the controller decides each verdict from canaries planted outside the boundary"
_STYLES = {AttackOutcome.BLOCKED: "pass", AttackOutcome.THROUGH: "fail", AttackOutcome.NONE: "missing"}


def columns_of(matrix: AttackMatrix) -> tuple[Column, ...]:
    """Fold the matrix: machines with the same outcome for every attack share a column.

    The kind of an entry is a status: an attack that was not blocked looks like a failure.
    """
    return fold(
        (
            machine.name,
            [
                FoldedCell(str(attack.results[place].outcome), _STYLES[attack.results[place].outcome])
                for attack in matrix.attacks
            ],
        )
        for place, machine in enumerate(matrix.machines)
    )


def labels_of(matrix: AttackMatrix) -> list[str]:
    """Return a label for each row: the exercise (without a topic shared by all) and the attack."""
    topics = {attack.exercise.rpartition("/")[0] for attack in matrix.attacks}
    shared = f"{topics.pop()}/" if len(topics) == 1 else ""
    return [f"{attack.exercise.removeprefix(shared)}: {attack.label}" for attack in matrix.attacks]


def reasons(matrix: AttackMatrix) -> Iterator[tuple[str, list[str]]]:
    """Yield each attack's label with its outcomes, their machines and reasons."""
    for label, attack in zip(labels_of(matrix), matrix.attacks, strict=True):
        grouped: dict[tuple[AttackOutcome, str], list[str]] = {}
        for result, machine in zip(attack.results, matrix.machines, strict=True):
            grouped.setdefault((result.outcome, in_words(result)), []).append(machine.name)
        yield label, [f"{outcome} on {', '.join(on)}: {words}" for (outcome, words), on in grouped.items()]


def in_words(result: AttackResult) -> str:
    """Return what decided the outcome and, if not blocked, what happened to the canary."""
    if result.outcome is AttackOutcome.BLOCKED:
        return result.by or result.found
    return f"{result.found} ({result.by})" if result.by else result.found


def explained(matrix: AttackMatrix) -> Iterator[RenderableType]:
    """Render the reasons of each attack for a terminal."""
    for label, lines in reasons(matrix):
        yield Text(label)
        for line in lines:
            yield Text(f"  {line}", style="dim")
