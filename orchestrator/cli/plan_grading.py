"""plan --submissions: how long a class's submissions take to grade, here or on the hosts of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.choose import chosen as chosen_of
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit
from orchestrator.exercises.submission import machines_for_students
from orchestrator.formatting import counted
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.worker import at_once
from orchestrator.host.resources import this_host
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.plan import grading_seconds
from orchestrator.submissions.intake import opened


@dataclass(frozen=True)
class Grading:
    """So many submissions, each graded on these machines; ``notes`` say which are left out and why."""

    submissions: int
    machines: tuple[str, ...]
    exercises: tuple[LoadedExercise, ...]
    notes: list[str]

    @property
    def words(self) -> str:
        """Return how much it is."""
        number = self.submissions * len(self.machines) * len(self.exercises)
        where = f"{counted(len(self.machines), 'machine')} ({', '.join(self.machines)})"
        return (
            f"{counted(self.submissions, 'submission')}, {counted(len(self.exercises), 'exercise')}, "
            f"{where}: {counted(number, 'verdict')}"
        )

    def data(self, together: int, seconds: float) -> dict[str, object]:
        """Return it as JSON has it, with how many machines are up ``together``, and how long it takes."""
        return {
            "submissions": self.submissions,
            "machines": list(self.machines),
            "exercises": [one.name for one in self.exercises],
            "machines_at_once": together,
            "seconds": seconds,
            "notes": self.notes,
        }


def grading_of(lab: LoadedLab, only: tuple[str, ...], submissions: str) -> Grading:
    """Return what is graded of these submissions: a number, or where they are. Raises SpecError."""
    names, left_out = machines_for_students(lab, chosen_of(only, list(lab.lab.machines), "machine"))
    return Grading(_number_of(submissions), names, exercises_of(lab, ()), left_out)


def show_grading(lab: LoadedLab, only: tuple[str, ...], submissions: str, form: str) -> Exit:
    """Show how long grading these submissions takes, and how many machines are up meanwhile."""
    what, host = grading_of(lab, only, submissions), this_host()
    together = at_once(lab, what.machines, host)
    seconds = grading_seconds(what.submissions, len(what.machines), what.exercises, min(host.cpus, together))
    if form == JSON:
        say_json(what.data(together, seconds))
        return Exit.PASSED
    say(what.words)
    say(f"at most {counted(together, 'machine')} at once on {counted(host.cpus, 'processor')}")
    say_time(what, seconds)
    return Exit.PASSED


def say_time(what: Grading, seconds: float) -> None:
    """Say how long it takes, and what is left out."""
    say(
        f"expected time: about {_duration(seconds)}, if programs end quickly; less for what is graded already"
    )
    for words in what.notes:
        say(words)


def _number_of(submissions: str) -> int:
    if submissions.isdigit():
        return int(submissions)
    with opened(Path(submissions), None) as intake:
        return len(intake.submissions)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
