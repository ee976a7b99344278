"""The built-in labs and exercises, loaded once by each process of tests, which change none of them."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping

from orchestrator.labfile.builtin import find_lab
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_exercise, load_lab
from orchestrator.paths import EXERCISES


def built_in_lab(name: str) -> LoadedLab:
    """A lab as it is on this host, or on the one that a test makes of it (``platform.machine``)."""
    return _lab(name, platform.machine())


@functools.cache
def _lab(name: str, _host: str) -> LoadedLab:
    return load_lab(find_lab(name), EXERCISES, images=least_memory(recipes()))


@functools.cache
def built_in_exercises() -> Mapping[str, LoadedExercise]:
    """All exercises, by name."""
    names = sorted(str(file.parent.relative_to(EXERCISES)) for file in EXERCISES.rglob("exercise.yaml"))
    return {name: load_exercise(EXERCISES / name, name) for name in names}
