"""Which exercises of a lab are graded."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import SpecError
from orchestrator.labfile.load import LoadedExercise, LoadedLab


def exercises_of(lab: LoadedLab, chosen: Sequence[str]) -> tuple[LoadedExercise, ...]:
    """Return the exercises that students solve, of those chosen (empty: all). Raises SpecError."""
    theirs = [exercise for exercise in lab.exercises if exercise.spec.student]
    others = [name for name in chosen if name not in {exercise.name for exercise in theirs}]
    if others:
        raise SpecError(
            f"students hand in nothing for {', '.join(others)}",
            hint=f"exercises to grade: {', '.join(e.name for e in theirs) or 'none in this lab'}",
        )
    if not theirs:
        raise SpecError(
            f"{lab.path} has no exercise for students",
            hint="an exercise that students solve has `student: {files: […]}` in its exercise.yaml",
        )
    return tuple(exercise for exercise in theirs if not chosen or exercise.name in chosen)
