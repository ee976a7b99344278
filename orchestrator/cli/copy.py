"""copy: copy a lab and its exercises, to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.grading.hand_out import hand_out
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.labfile.copy_lab import copy_lab
from orchestrator.labfile.load import LoadedLab
from orchestrator.paths import state_dir
from orchestrator.submissions.roster import read_roster

STUDENT = "student"


def copy(lab: str, folder: str, form: str, reader: str = "", roster: str = "") -> Exit:
    """Copy a lab and its exercises into ``folder``, and print the next commands; for the ``reader`` student
    without hidden tests and solutions, for each of a ``roster`` with the parameters of each."""
    check_format(form)
    loaded = open_lab(lab)
    if reader or roster:
        return _hand_out(loaded, folder, form, reader, roster)
    exercises = copy_lab(loaded, Path(folder))
    following = [shlex.join(("isolab", verb, folder)) for verb in ("validate", "run")]
    if form == JSON:
        say_json({"lab": loaded.lab.lab, "folder": folder, "exercises": exercises, "next": following})
    else:
        say(f"copied lab {loaded.lab.lab} and its {counted(len(exercises), 'exercise')} to {folder}")
        say("edit it, then run: " + "\n                    ".join(following))
    return Exit.PASSED


def _hand_out(lab: LoadedLab, folder: str, form: str, reader: str, roster: str) -> Exit:
    if reader not in ("", STUDENT):
        raise SpecError(f"unknown reader {reader!r} for --for", hint=f"the only one is {STUDENT}")
    students = read_roster(Path(roster)).students if roster else ()
    exercises = hand_out(lab, Path(folder), students, course_key(signing_key(state_dir())))
    if form == JSON:
        say_json({"lab": lab.lab.lab, "folder": folder, "exercises": exercises, "students": len(students)})
        return Exit.PASSED
    whose = f" for each of {counted(len(students), 'student')}" if students else ""
    say(f"copied lab {lab.lab.lab} to {folder}{whose}, without hidden tests and solutions")
    return Exit.PASSED
