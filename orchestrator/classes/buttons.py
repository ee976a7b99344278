"""What is behind the buttons of the class's pages: check, hand in, reset, more time, keys, messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.classes import gateway
from orchestrator.classes.gateway.added_keys import AddedKeys
from orchestrator.classes.gateway.allow import allow_seat
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.reset import reset
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.web.plainly import plainly
from orchestrator.classes.web.ports import Line, Outcome, Wired
from orchestrator.classes.work.check import check
from orchestrator.classes.work.hand_in import HandIn, hand_in
from orchestrator.classes.work.message import message
from orchestrator.classes.work.tested import CheckResult, MachineResult, folded
from orchestrator.deadline import Cancellation
from orchestrator.exercises.parameters import Values, values
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.labfile.load import LoadedExercise
from orchestrator.paths import state_dir
from orchestrator.progress import SilentProgress

BROWSER = "in the browser"


@dataclass(frozen=True)
class Buttons:
    """The buttons of one class."""

    found: LoadedClass

    def wired(self) -> Wired:
        """Return them as the pages call them."""
        timed = self.found.spec.end is not None or self.found.spec.lifetime is not None
        return Wired(
            check=self._check,
            hand_in=self._hand_in,
            reset=self._reset,
            extend=self._extend if timed else None,
            ends=self._ends if timed else None,
            add_key=self._add_key,
            message=self._message,
        )

    def values(self, seat: Seat, exercise: LoadedExercise) -> Values:
        """Return a seat's values of an exercise's parameters."""
        return values(exercise.spec, exercise.name, seat.owner, course_key(signing_key(state_dir())))

    def _check(self, seat: Seat, lab: str, exercise: str, cancellation: Cancellation) -> Outcome:
        return checked(check(self.found, seat, lab, exercise, SilentProgress(), cancellation))

    def _hand_in(self, seat: Seat, lab: str, exercises: Sequence[str]) -> Outcome:
        return handed_in(hand_in(self.found, seat, lab, exercises, f"{seat.label}, {BROWSER}"))

    def _reset(self, seat: Seat, machine: str) -> Outcome:
        with plainly(machine):
            ((_, problem),) = reset(self.found, [seat], [machine], SilentProgress())
            if problem is not None:
                raise problem
        return Outcome(f"{machine} is a fresh machine; your home folder is as it was", good=True)

    def _extend(self, seats: Sequence[Seat], seconds: float) -> None:
        TimeLimits(self.found).extend([seat.name for seat in seats], seconds)

    def _ends(self) -> Mapping[str, datetime]:
        return TimeLimits(self.found).ends()

    def _add_key(self, seat: Seat, line: str) -> str:
        AddedKeys(self.found).add(seat.name, line)
        if gateway.wanted(self.found):
            gateway.refresh(self.found)
        allow_seat(self.found, seat.name)
        return "your key was added: it opens your machines from now on"

    def _message(self, seats: Sequence[Seat], text: str) -> None:
        message(self.found, seats, text, SilentProgress(), Cancellation())


def checked(result: CheckResult) -> Outcome:
    """Return what a check found, for a page. Pure."""
    lines = [Line(result.missing, good=False)] if result.missing else []
    lines += [Line(words) for words in result.remarks]
    for one in folded(result.machines):
        lines += _of_machine(one)
    good = None if result.points is None else result.passed and not result.missing
    return Outcome(result.summary, good, tuple(lines))


def _of_machine(one: MachineResult) -> list[Line]:
    head = f"{one.machine}: {one.points:g} of {one.most:g} points"
    lines = [Line(head if one.status != "skip" else f"{one.machine}: skipped", _good(one.status))]
    lines += [Line(f"{one.machine}: {words}") for words in one.reason.splitlines()]
    for test in one.tests:
        told = f"{one.machine}: {test.name}"
        if not test.passed:
            told += f": expected {test.expected}, got {test.got}" + (f" ({test.why})" if test.why else "")
        lines.append(Line(told, test.passed))
    return lines


def _good(status: str) -> bool | None:
    return {"pass": True, "fail": False}.get(status)


def handed_in(done: HandIn) -> Outcome:
    """Return what was handed in, for a page. Pure."""
    again = "this was handed in before, and counts: " if done.again else ""
    title = f"{again}hand-in {done.number} of {done.lab}, {done.time.astimezone():%Y-%m-%d %H:%M}"
    lines = [Line(f"holds {name}", good=True) for name in done.exercises]
    lines += [Line(f"missing: {words}", good=False) for words in done.missing]
    lines += [Line(f"not taken: {words}") for words in done.skipped]
    lines += [Line(done.late, good=False)] if done.late else []
    lines += [Line(words) for words in done.receipt.splitlines()]
    return Outcome(title, not done.missing, tuple(lines))
