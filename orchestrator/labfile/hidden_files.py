"""Which files of an exercise are not for students: its hidden tests and its solutions."""

from __future__ import annotations

from orchestrator.labfile.check_submission import ALTERNATIVES, SOLUTION, WRONG
from orchestrator.labfile.load import HIDDEN_FILE, LoadedExercise
from orchestrator.labfile.models import Exercise, Hidden
from orchestrator.labfile.shared import ABOVE

SOLUTIONS = (SOLUTION, ALTERNATIVES, WRONG)
"""Folders of solutions, right and wrong."""


def hidden_names(exercise: LoadedExercise) -> set[str]:
    """Return ``hidden.yaml``, the files that only it names, by their paths in the folder, and the folders
    they are in, with a slash at the end; nothing without hidden tests."""
    if exercise.hidden is None:
        return set()
    own = {name for name in _named(exercise.hidden) if not name.startswith(ABOVE)}
    own -= _named(exercise.public.spec)
    return {HIDDEN_FILE, *own, *(f"{name.rsplit('/', 1)[0]}/" for name in own if "/" in name)}


def is_among(name: str, hidden: set[str]) -> bool:
    """Return whether a file of the exercise's folder is one of ``hidden_names``."""
    return name in hidden or any(one.endswith("/") and name.startswith(one) for one in hidden)


def _named(tests: Exercise | Hidden) -> set[str]:
    """Return the files of the exercise's folder that its tests name."""
    sources = {name for build in tests.build for name in build.sources}
    return {*tests.files, *sources, *(step.stdin for step in tests.run if step.stdin)}
