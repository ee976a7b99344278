"""Which exercises and machines of a lab are graded."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.driver_traits import TRAITS
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


def machines_of(lab: LoadedLab, chosen: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the machines to grade on, and messages on those left out: submissions run on this host itself
    only on machines ``chosen`` by name. Raises SpecError when none is left."""
    names = [name for name in lab.lab.machines if not chosen or name in chosen]
    here = [name for name in names if TRAITS[lab.lab.machines[name].driver].on_host and not chosen]
    if not here:
        return tuple(names), []
    others = tuple(name for name in names if name not in here)
    message = f"submissions are not graded on {', '.join(here)}, which is this host itself"
    advice = "to grade there anyway, name the machine with --only"
    if not others:
        raise SpecError(message, hint=advice)
    return others, [f"{message}; {advice}"]
