"""plan --submissions: how long a class's submissions take to grade."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.choose import chosen as chosen_of
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit
from orchestrator.exercises.submission import machines_for_students
from orchestrator.formatting import counted
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.worker import at_once
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.plan import grading_seconds
from orchestrator.submissions.intake import opened


def show_grading(lab: LoadedLab, only: tuple[str, ...], submissions: str, form: str) -> Exit:
    """Show how long grading these submissions takes, and how many machines are up meanwhile."""
    names, left_out = machines_for_students(lab, chosen_of(only, list(lab.lab.machines), "machine"))
    exercises = exercises_of(lab, ())
    number, host = _number_of(submissions), this_host()
    together = at_once(lab, names, host)
    seconds = grading_seconds(number, len(names), exercises, min(host.cpus, together))
    if form == JSON:
        counts = {"submissions": number, "machines": list(names), "exercises": [e.name for e in exercises]}
        say_json({**counts, "machines_at_once": together, "seconds": seconds, "notes": left_out})
        return Exit.PASSED
    verdicts = number * len(names) * len(exercises)
    say(
        f"{counted(number, 'submission')}, {counted(len(exercises), 'exercise')}, "
        f"{counted(len(names), 'machine')} ({', '.join(names)}): {counted(verdicts, 'verdict')}"
    )
    say(f"at most {counted(together, 'machine')} at once on {counted(host.cpus, 'processor')}")
    say(
        f"expected time: about {_duration(seconds)}, if programs end quickly; less for what is graded already"
    )
    for words in left_out:
        say(words)
    return Exit.PASSED


def _number_of(submissions: str) -> int:
    if submissions.isdigit():
        return int(submissions)
    with opened(Path(submissions), None) as intake:
        return len(intake.submissions)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
