"""A student's files of a lab, taken from the seat's machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.work.chosen import Chosen, Limits
from orchestrator.classes.work.start import exercise_folder
from orchestrator.classes.work.take import discard, take_folders
from orchestrator.deadline import Deadline
from orchestrator.errors import SpecError, Unavailable
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.sessions.lookup import SessionMachine

LIMITS = Limits(total=2**26, files=2000)
"""Of the work on one lab that is checked or handed in; as of a submission that is graded."""


def lab_of(found: LoadedClass, name: str) -> ScheduledLab:
    """Return an open lab of the class by its name. Raises SpecError."""
    labs = {lab.name: lab for lab in found.open_labs()}
    if name not in labs:
        hint = did_you_mean(name, labs) or f"labs: {', '.join(labs) or 'none is open'}"
        raise SpecError(f"the class has no lab {quote(name)}", hint=hint)
    return labs[name]


def exercises_named(lab: ScheduledLab, names: Sequence[str]) -> tuple[LoadedExercise, ...]:
    """Return the exercises of a lab that students solve, those of these names (empty: all), with or without
    ``./``. A last part such as ``pipe`` for ``ipc/pipe`` will do. Raises SpecError."""
    theirs = {exercise_folder(one): one for one in lab.lab.exercises if one.spec.student}
    short: dict[str, list[str]] = {}
    for name in theirs:
        short.setdefault(name.rpartition("/")[2], []).append(name)
    wanted = []
    for name in (one.removeprefix("./").strip("/") for one in names):
        alike = short.get(name, [])
        if name not in theirs and len(alike) != 1:
            hint = did_you_mean(name, [*theirs, *short]) or f"exercises: {', '.join(theirs) or 'none'}"
            raise SpecError(f"lab {lab.name} has no exercise {quote(name)} for students", hint=hint)
        wanted.append(name if name in theirs else alike[0])
    return tuple(one for name, one in theirs.items() if not names or name in wanted)


def work_of(
    found: LoadedClass,
    seat: Seat,
    lab: ScheduledLab,
    exercises: Sequence[LoadedExercise],
    target: Path,
    deadline: Deadline,
    limits: Limits = LIMITS,
) -> tuple[SessionMachine, Chosen]:
    """Copy the folders of these exercises from the seat's home folder into ``target``, as ``EXERCISE/…``,
    from the first of its machines that has any of them; returns that machine and what was taken.

    Raises Unavailable if no machine of the seat is up; TransportError, TimedOut, Interrupted.
    """
    there = [machine for machine in machines_of(found, [seat]) if not machine.coming]
    if not there:
        raise Unavailable(
            f"no machine of {seat.label} is up, so its files cannot be read",
            hint="ask whoever runs the class to bring it up",
        )
    folders = [f"{lab.name}/{exercise_folder(one)}" for one in exercises]
    for machine in there:
        taken = take_folders(machine, folders, target / ".taking", limits, deadline)
        if taken.files or machine is there[-1]:
            break
    inner = target / ".taking" / lab.name
    if inner.is_dir():
        for path in inner.iterdir():
            path.rename(target / path.name)
    discard(target / ".taking")
    return machine, taken


def place_of(lab: ScheduledLab, exercise: LoadedExercise) -> str:
    """Return where the work on an exercise belongs, as students type it."""
    return f"~/{lab.name}/{exercise_folder(exercise)}/"
