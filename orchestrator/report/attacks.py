"""The attack matrix in words: columns, labels and reasons that the reports for people share."""

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
    """The matrix folded: machines on which every attack came to the same are one column.

    The kind of an entry is a status: what went through looks like what failed.
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
    """A label for each row: the exercise, without a topic that all share, and what is tried."""
    topics = {attack.exercise.rpartition("/")[0] for attack in matrix.attacks}
    shared = f"{topics.pop()}/" if len(topics) == 1 else ""
    return [f"{attack.exercise.removeprefix(shared)}: {attack.label}" for attack in matrix.attacks]


def reasons(matrix: AttackMatrix) -> Iterator[tuple[str, list[str]]]:
    """For each attack its label, and on which machines what decided it."""
    for label, attack in zip(labels_of(matrix), matrix.attacks, strict=True):
        grouped: dict[tuple[AttackOutcome, str], list[str]] = {}
        for result, machine in zip(attack.results, matrix.machines, strict=True):
            grouped.setdefault((result.outcome, in_words(result)), []).append(machine.name)
        yield label, [f"{outcome} on {', '.join(on)}: {words}" for (outcome, words), on in grouped.items()]


def in_words(result: AttackResult) -> str:
    """What decided it; for what went through, what became of the canary as well."""
    if result.outcome is AttackOutcome.BLOCKED:
        return result.by or result.found
    return f"{result.found} ({result.by})" if result.by else result.found


def explained(matrix: AttackMatrix) -> Iterator[RenderableType]:
    """For a terminal: what decided each attack."""
    for label, lines in reasons(matrix):
        yield Text(label)
        for line in lines:
            yield Text(f"  {line}", style="dim")
