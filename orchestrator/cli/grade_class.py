"""grade CLASS: what a class handed in, or what was collected, for each of its labs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.classes.load import load_class
from orchestrator.classes.model import LoadedClass, ScheduledLab
from orchestrator.classes.paths import GRADES, HANDED_IN
from orchestrator.classes.work.class_intake import class_intake
from orchestrator.classes.work.hand_in import policy_of
from orchestrator.cli.choose import chosen
from orchestrator.cli.grade import Options, choice_of, data_of, grade_opened
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, Interrupted, LabError, SpecError
from orchestrator.gradebook.policy import load_policy
from orchestrator.grading.grade import Outcome
from orchestrator.grading.out_folder import check_out_folder
from orchestrator.grading.selection import exercises_of
from orchestrator.submissions.model import Intake

_WORST = (Exit.INFRASTRUCTURE, Exit.BAD_INPUT, Exit.FAILED, Exit.PASSED)


def grade_class_file(path: Path, options: Options) -> Exit:
    """Grade each lab of the class into ``grades/LAB`` beside the class file, or below ``--out``. Roster and
    policy are the class's; ``--policy`` replaces the latter. Returns the worst of the labs' exit codes."""
    for name in ("roster", "layout"):
        if getattr(options, name):
            raise SpecError(
                f"grade: --{name} has no use with a class, which has its own", hint="leave it out"
            )
    found = load_class(path)
    labs = [lab for lab in found.open_labs() if any(one.spec.student for one in lab.lab.exercises)]
    if not labs:
        raise SpecError(f"no open lab of {path} has an exercise for students", hint="see `labs:` there")
    if options.moodle or options.canvas:
        labs = _one(labs)
    told: list[dict[str, Any]] = []
    some = _with(labs, options)
    codes = [_tried(found, lab, own, told, alone=len(some) == 1) for lab, own in some]
    if options.form == JSON:
        say_json({"class": found.name, "labs": told})
    return next(code for code in _WORST if code in codes)


def _one(labs: list[ScheduledLab]) -> list[ScheduledLab]:
    if len(labs) > 1:
        raise SpecError(
            "grade: a platform's file is of one assignment, and the class has several labs",
            hint="import grades/LAB/grades.csv, or choose one lab's exercises with --exercise",
        )
    return labs


def _with(labs: Sequence[ScheduledLab], options: Options) -> list[tuple[ScheduledLab, Options]]:
    """Return the labs that have any of the chosen exercises and machines, with those they have. Raises
    SpecError for a name that none has."""
    every = [one.name for lab in labs for one in lab.lab.exercises]
    hosts = [name for lab in labs for name in lab.lab.lab.machines]
    exercises = chosen(options.exercises, list(dict.fromkeys(every)), "exercise")
    machines = chosen(options.only, list(dict.fromkeys(hosts)), "machine")
    chosen([pin.partition("=")[0] for pin in options.pins], list(dict.fromkeys(hosts)), "machine")
    found = []
    for lab in labs:
        own = tuple(one.name for one in lab.lab.exercises if one.name in exercises)
        only = tuple(name for name in lab.lab.lab.machines if name in machines)
        if (own or not exercises) and (only or not machines):
            pins = tuple(
                pin for pin in options.pins if pin.partition("=")[0] in (only or lab.lab.lab.machines)
            )
            found.append((lab, replace(options, exercises=own, only=only, pins=pins)))
    return found


def _tried(
    found: LoadedClass, lab: ScheduledLab, own: Options, told: list[dict[str, Any]], *, alone: bool
) -> Exit:
    """Grade one lab. What keeps it from being graded is told, and does not keep the next one from it."""
    try:
        return _grade(found, lab, own, told)
    except Interrupted:
        raise
    except LabError as problem:
        if alone:
            raise
        told.append({"lab": lab.name, "exit_code": int(problem.exit_code), "error": problem.message})
        if own.form != JSON:
            say(f"{lab.name} was not graded: {problem.describe()}")
        return problem.exit_code


def _grade(found: LoadedClass, lab: ScheduledLab, own: Options, told: list[dict[str, Any]]) -> Exit:
    choice = choice_of(lab.lab, own)
    exercises = exercises_of(lab.lab, choice.exercises)
    policy = load_policy(Path(own.policy)) if own.policy else policy_of(found, lab)
    out = (Path(own.out) if own.out else found.folder / GRADES) / lab.name
    check_out_folder(out, found.folder / HANDED_IN)

    def printing(outcome: Outcome, intake: Intake, folder: Path, written: Sequence[Path]) -> None:
        told.append({"lab": lab.name, **data_of(outcome, intake, folder, written)})

    if own.form != JSON:
        say(f"{'' if lab is found.labs[0] else chr(10)}{lab.name}: {lab.lab.lab.title}".rstrip(": "))
    return grade_opened(
        lab.lab,
        choice,
        class_intake(found, lab, exercises, policy.keep),
        policy,
        out,
        own,
        printing if own.form == JSON else None,
    )
