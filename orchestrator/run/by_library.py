"""A program that is run with several C libraries: what its machines are called then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.libc_facts import platform_of_library
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.record import Record
from orchestrator.results.platform import LIBRARY_MARK


def labelled(lab: LoadedLab, exercise: LoadedExercise, name: str) -> str:
    """The name of a machine or an architecture, followed by the C library if there are programs of two."""
    return name if len(lab.exercises) == 1 else f"{name}{LIBRARY_MARK}{exercise.spec.libc}"


def places(lab: LoadedLab) -> list[str]:
    """The names of all results of a lab with one program, in order."""
    return [labelled(lab, exercise, name) for name in lab.lab.machines for exercise in lab.exercises]


def named_by_library(lab: LoadedLab, records: Iterable[Record]) -> list[Record]:
    """The records with their machines named as in ``places``, and with the C library of programs that were
    built here and ran on another host, which need not know it."""
    of = {exercise.name: exercise for exercise in lab.exercises}
    found = []
    for record in records:
        exercise = of[record.exercise]
        library = platform_of_library(ARCHITECTURES[record.arch].linked_with(exercise.spec.libc))
        platform = {**record.platform, **library} if record.platform else record.platform
        found.append(replace(record, machine=labelled(lab, exercise, record.machine), platform=platform))
    return found
