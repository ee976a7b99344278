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
from orchestrator.errors import Exit, SpecError
from orchestrator.gradebook.policy import load_policy
from orchestrator.grading.grade import Outcome
from orchestrator.grading.out_folder import check_out_folder
from orchestrator.grading.selection import exercises_of
from orchestrator.submissions.model import Intake

_WORST = (Exit.INFRASTRUCTURE, Exit.FAILED, Exit.PASSED)


def grade_class_file(path: Path, options: Options) -> Exit:
    """Grade each lab of the class into ``grades/LAB`` beside the class file, or below ``--out``. Roster and
    policy are the class's; ``--policy`` replaces the latter. Returns the worst of the labs' exit codes."""
    for name in ("roster", "layout"):
        if getattr(options, name):
            raise SpecError(
                f"grade: --{name} has no use with a class, which has its own", hint="leave it out"
            )
    found = load_class(path)
    labs = [lab for lab in found.labs if any(one.spec.student for one in lab.lab.exercises)]
    if not labs:
        raise SpecError(f"no lab of {path} has an exercise for students", hint="add one under `labs:`")
    if options.moodle or options.canvas:
        labs = _one(labs)
    told: list[dict[str, Any]] = []
    codes = [_grade(found, lab, options, told) for lab in _with(labs, options)]
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


def _with(labs: Sequence[ScheduledLab], options: Options) -> list[ScheduledLab]:
    """Return the labs that have any of the chosen exercises and machines. Raises SpecError for a name that
    none has."""
    known = {
        "exercise": [one.name for lab in labs for one in lab.lab.exercises],
        "machine": [name for lab in labs for name in lab.lab.lab.machines],
    }
    exercises = chosen(options.exercises, known["exercise"], "exercise")
    machines = chosen(options.only, known["machine"], "machine")
    return [
        lab
        for lab in labs
        if (not exercises or {one.name for one in lab.lab.exercises} & {*exercises})
        and (not machines or {*lab.lab.lab.machines} & {*machines})
    ]


def _grade(found: LoadedClass, lab: ScheduledLab, options: Options, told: list[dict[str, Any]]) -> Exit:
    names, machines = [one.name for one in lab.lab.exercises], list(lab.lab.lab.machines)
    own = replace(
        options,
        exercises=tuple(one for one in options.exercises if one in names),
        only=tuple(one for one in options.only if one in machines),
    )
    choice = choice_of(lab.lab, own)
    exercises = exercises_of(lab.lab, choice.exercises)
    policy = load_policy(Path(options.policy)) if options.policy else policy_of(found, lab)
    out = (Path(options.out) if options.out else found.folder / GRADES) / lab.name
    check_out_folder(out, found.folder / HANDED_IN)

    def printing(outcome: Outcome, intake: Intake, folder: Path, written: Sequence[Path]) -> None:
        told.append({"lab": lab.name, **data_of(outcome, intake, folder, written)})

    if options.form != JSON:
        say(f"{'' if lab is found.labs[0] else chr(10)}{lab.name}: {lab.lab.lab.title}".rstrip(": "))
    return grade_opened(
        lab.lab,
        choice,
        class_intake(found, lab, exercises, policy.keep),
        policy,
        out,
        own,
        printing if options.form == JSON else None,
    )
