"""What students ask of their class from a terminal: ``hand-in``, ``check``, ``status``, ``help``.

The words come from a student: they are only ever compared with names, and what is said back is printable.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import chain

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.handout.dates import when
from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.work.check import check
from orchestrator.classes.work.deposit_box import box, deposited, first_time
from orchestrator.classes.work.hand_in import HandIn, hand_in, late_words, policy_of
from orchestrator.classes.work.own_work import exercises_named
from orchestrator.classes.work.start import exercise_folder
from orchestrator.classes.work.tested import CheckResult, MachineResult, folded
from orchestrator.deadline import Cancellation
from orchestrator.errors import Exit, LabError, SpecError, from_os
from orchestrator.formatting import counted, printable
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.progress import Progress

Answer = Generator[str, None, Exit]
"""Lines for a terminal, without their ends, as they come; its value is the exit code of the command."""
MOST_WORDS, LONGEST_WORD = 16, 200
MOST_TESTS = 40
HELP = (
    "isolab hand-in [LAB[/EXERCISE]]  hand in: a copy is frozen, and you get a signed receipt",
    "isolab check LAB/EXERCISE        run the visible tests on your files",
    "isolab status                    what you have handed in and checked, and what is due when",
    "isolab help                      this text",
    "",
    "Your work on an exercise belongs in ~/LAB/EXERCISE/. Hand in as often as you like.",
)
_COMMANDS = ("hand-in", "check", "status", "help")


def answer(
    found: LoadedClass,
    seat: Seat,
    words: Sequence[str],
    progress: Progress,
    cancellation: Cancellation | None = None,
    by: str = "",
) -> Answer:
    """Answer a command of somebody at this seat, such as ``["check", "memory/pipe"]``; a leading ``isolab``
    is passed over. ``by`` is who asks, as a hand-in records it: by default the seat's label.

    Nothing is raised: what cannot be done is said, and the exit code tells (0 done and passed, 1 tests
    failed, 2 the words are wrong, 3 it could not be done, 130 cancelled).
    """
    said = [word for word in words[:MOST_WORDS]]
    rest = said[1:] if said[:1] == ["isolab"] else said
    stop = cancellation or Cancellation()
    try:
        if any(len(word) > LONGEST_WORD for word in rest) or len(words) > MOST_WORDS:
            raise SpecError("that is too long", hint="isolab help")
        return (yield from _answered(found, seat, rest, progress, stop, by or seat.label))
    except LabError as problem:
        yield from _lines(problem.describe())
        return problem.exit_code
    except OSError as problem:
        yield from _lines(from_os(problem).describe())
        return Exit.INFRASTRUCTURE


def _answered(
    found: LoadedClass,
    seat: Seat,
    words: Sequence[str],
    progress: Progress,
    stop: Cancellation,
    by: str,
) -> Answer:
    match words:
        case [] | ["help" | "--help" | "-h"]:
            yield from HELP
            return Exit.PASSED
        case ["status"]:
            yield from _status(found, seat)
            return Exit.PASSED
        case ["check", one]:
            return (yield from _check(found, seat, one, progress, stop))
        case ["hand-in"]:
            return (yield from _hand_in_all(found, seat, by, stop))
        case ["hand-in", *some]:
            return (yield from _hand_in(found, seat, some, by, stop))
        case ["help" | "status" as command, *_]:
            raise SpecError(f"isolab {command} takes no further words", hint=f"isolab {command}")
        case ["check", *_]:
            raise SpecError("which exercise?", hint="isolab check LAB/EXERCISE; `isolab status` lists them")
        case _:
            hint = did_you_mean(words[0], _COMMANDS) or "isolab help"
            raise SpecError(f"isolab cannot do {quote(words[0])} here", hint=hint)


def _named(found: LoadedClass, word: str) -> tuple[ScheduledLab, tuple[str, ...]]:
    """Return the lab and the exercises of it that a word names: ``LAB``, ``LAB/EXERCISE``, or an exercise
    alone if only one lab has it. Raises SpecError."""
    labs = {lab.name: lab for lab in found.open_labs()}
    name, _, exercise = word.removeprefix("~/").strip("/").partition("/")
    if name in labs:
        return labs[name], (exercise,) if exercise else ()
    having = [lab for lab in labs.values() if _has(lab, word)]
    if len(having) == 1:
        return having[0], (word,)
    known = [
        f"{lab.name}/{exercise_folder(one)}" for lab in labs.values() for one in exercises_named(lab, ())
    ]
    hint = did_you_mean(word, [*labs, *known]) or f"labs: {', '.join(labs) or 'none is open'}"
    raise SpecError(f"there is no lab or exercise {quote(word)}", hint=hint)


def _has(lab: ScheduledLab, name: str) -> bool:
    try:
        return len(exercises_named(lab, [name])) == 1
    except SpecError:
        return False


def _check(found: LoadedClass, seat: Seat, word: str, progress: Progress, stop: Cancellation) -> Answer:
    lab, exercises = _named(found, word)
    if not exercises:
        theirs = ", ".join(f"{lab.name}/{exercise_folder(one)}" for one in exercises_named(lab, ()))
        raise SpecError("check one exercise at a time", hint=theirs or "this lab has none to check")
    telling = _Telling(progress)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(check, found, seat, lab.name, exercises[0], telling, stop)
        try:
            yield from telling.until(running.done)
        except BaseException:  # whoever asked has gone
            stop.cancel()
            raise
        done = running.result()
    yield from check_lines(done)
    if done.points is None:
        return Exit.INFRASTRUCTURE
    return Exit.PASSED if done.passed else Exit.FAILED


def check_lines(done: CheckResult) -> Iterator[str]:
    """Yield the result of a check for a terminal."""
    yield f"{done.lab}/{done.exercise}: {printable(done.summary)}"
    for words in (*done.missing.split("\n"), *done.remarks) if done.missing else done.remarks:
        yield f"  {printable(words)}"
    for one in folded(done.machines):
        yield from _machine_lines(one)
    if done.machines:
        yield "Hidden tests, if there are any, run when it is graded."


def _machine_lines(one: MachineResult) -> Iterator[str]:
    points = f", {one.points:g} of {one.most:g}" if one.most and one.status in ("pass", "fail") else ""
    yield f"on {one.machine}: {one.status}{points}"
    for test in one.tests[:MOST_TESTS]:
        mark = "ok  " if test.passed else "FAIL"
        words = "" if test.passed else f": got {test.got}, expected {test.expected}"
        why = f" ({test.why})" if test.why and not test.passed else ""
        yield f"  {mark} {printable(test.name)}{printable(words)}{printable(why)}"
    if not one.tests or one.status in ("error", "skip"):
        yield from (f"  {line}" for line in _lines(one.reason))
    if one.warnings:
        yield from (f"  {line}" for line in _lines(one.warnings))


def _hand_in_all(found: LoadedClass, seat: Seat, by: str, stop: Cancellation) -> Answer:
    """Hand in every open lab that was begun. Where there is one lab only, say why nothing was."""
    labs = [lab for lab in found.open_labs() if any(one.spec.student for one in lab.lab.exercises)]
    done = 0
    for lab in labs:
        try:
            yield from hand_in_lines(hand_in(found, seat, lab.name, (), by, stop))
            done += 1
        except SpecError as problem:
            yield f"{lab.name}: {printable(problem.message)}"
    if not labs:
        raise SpecError("no lab is open that has something to hand in", hint="isolab status")
    return Exit.PASSED if done else Exit.BAD_INPUT


def _hand_in(found: LoadedClass, seat: Seat, words: Sequence[str], by: str, stop: Cancellation) -> Answer:
    wanted: dict[str, list[str]] = {}
    whole: set[str] = set()
    for word in words:
        lab, exercises = _named(found, word)
        wanted.setdefault(lab.name, []).extend(exercises)
        if not exercises:
            whole.add(lab.name)
    for name, exercises_of_lab in wanted.items():
        some = () if name in whole else exercises_of_lab
        yield from hand_in_lines(hand_in(found, seat, name, some, by, stop))
    return Exit.PASSED


def hand_in_lines(done: HandIn) -> Iterator[str]:
    """Yield what a student is told of a hand-in, the signed receipt last, for a terminal."""
    if done.again:
        yield f"{done.lab}: nothing has changed since number {done.number}, which stays as it is"
    else:
        late = f" ({printable(done.late)})" if done.late else ""
        yield f"{done.lab}: handed in as number {done.number}{late}: {', '.join(done.exercises)}"
    yield from (f"  expected, but not there: {printable(words)}" for words in done.missing)
    yield from (f"  not taken: {printable(words)}" for words in done.skipped)
    yield "Keep this receipt:"
    yield ""
    yield from done.receipt.rstrip("\n").split("\n")


def _status(found: LoadedClass, seat: Seat) -> Iterator[str]:
    events = [one for one in Activity(found).events((Kind.CHECKED,)) if one.seat == seat.name]
    best = {(one.lab, one.exercise): one for one in sorted(events, key=lambda one: one.points or 0.0)}
    yield f"{printable(found.spec.title or found.name)}: {printable(seat.label)}"
    for lab in found.open_labs():
        yield ""
        yield from _lab_status(found, seat, lab, best)


def _lab_status(
    found: LoadedClass, seat: Seat, lab: ScheduledLab, best: dict[tuple[str, str], Event]
) -> Iterator[str]:
    dues = [due for one in seat.members if (due := policy_of(found, lab).due_for(one.student.id))]
    due = max(dues, default=None)
    yield f"{lab.name}: {f'due {when(due)}' if due else 'no due date'}"
    before = deposited(box(found, lab.name, seat.name))
    for exercise in exercises_named(lab, ()):
        name = exercise_folder(exercise)
        checked = best.get((lab.name, name))
        words = f"best check {checked.points or 0:g} of {checked.most or 0:g}" if checked else "never checked"
        last = [one for one in before if name in one.exercises][-1:]
        firsts = [(one, first_time(before, name, one.of(name)) or one.time) for one in last]
        handed = chain.from_iterable(
            (f"handed in {_time(first, due)} (number {one.number}", late_words(found, lab, seat, first))
            for one, first in firsts
        )
        told = ", ".join(part for part in handed if part)
        yield f"  {name}: {words}; {f'{told})' if told else 'not handed in'}"
    if before:
        yield f"  {counted(len(before), 'hand-in')}"


def _time(moment: datetime, due: datetime | None) -> str:
    """Return a moment in the time zone in which the work is due, so that both can be compared."""
    return moment.astimezone(due.tzinfo if due else None).strftime("%Y-%m-%d %H:%M %z")


def _lines(text: str) -> Iterator[str]:
    yield from (printable(line.expandtabs()) for line in text.split("\n"))


class _Telling:
    """Progress whose lines can be waited for, besides being shown: one now and then, as a sign of life."""

    EVERY = 3.0
    """Seconds between two lines."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._said: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        self._shown.doing(who, what, expected)
        with self._lock:
            if time.monotonic() - self._last >= self.EVERY:
                self._said.put(f"… {printable(who)}: {printable(what)}")
                self._last = time.monotonic()

    def done(self, who: str, what: str = "") -> None:
        self._shown.done(who, what)

    def tell(self, text: str) -> None:
        self._shown.tell(text)

    def until(self, over: object) -> Iterator[str]:
        """Yield what is done, as it begins, until ``over()`` says that all is."""
        assert callable(over)
        while not over():
            try:
                yield self._said.get(timeout=0.1)
            except queue.Empty:
                continue
