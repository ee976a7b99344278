"""What a class handed in of a lab, as grading takes it: each hand-in, or what was collected.

Who never handed in anything of a lab is graded by what ``collect`` brought, of the exercises that were begun;
that counts as handed in when its files, as they are, first came.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.paths import COLLECTED, HANDED_IN
from orchestrator.classes.work.begun import begun, student_files
from orchestrator.classes.work.deposit_box import Deposited, box, deposited, digests_of, first_time
from orchestrator.classes.work.hand_in import late_words
from orchestrator.classes.work.mirror import Kept, Mirror, mirror_lock
from orchestrator.classes.work.start import exercise_folder
from orchestrator.deadline import Deadline
from orchestrator.exercises.submission import MOST_BYTES
from orchestrator.formatting import printable
from orchestrator.gradebook.policy import Keep
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedExercise
from orchestrator.submissions.model import Intake, Submission

WORKING = "handedin"
"""Purpose of the working folder, which holds files of students."""
LOCK_SECONDS = 600.0


@contextmanager
def class_intake(
    found: LoadedClass, lab: ScheduledLab, exercises: Sequence[LoadedExercise], keep: Keep
) -> Iterator[Intake]:
    """Provide what a class handed in of these exercises of a lab for a ``with`` block. If the last attempt
    counts, earlier ones are left out. What was handed in is read where it is; what was collected is copied.

    Raises LabError for a hand-in that is damaged.
    """
    with working_folder(WORKING) as folder:
        empty = folder / ".empty"  # no seat is called so
        empty.mkdir()
        by_seat = {seat: list(_of(found, lab, exercises, keep, seat, empty)) for seat in found.seats}
        submissions = tuple(one for some in by_seat.values() for one in some)
        absent = tuple(
            member.student for seat, some in by_seat.items() if not some for member in seat.members
        )
        yield Intake(f"class {found.name}", submissions, absent, tuple(_notes(found, lab, by_seat)))


def _of(
    found: LoadedClass,
    lab: ScheduledLab,
    exercises: Sequence[LoadedExercise],
    keep: Keep,
    seat: Seat,
    empty: Path,
) -> Iterator[Submission]:
    before = deposited(box(found, lab.name, seat.name))
    if before:
        yield from _handed_in(lab, exercises, keep, seat, before, empty)
    else:
        yield from _collected(found, lab, exercises, seat, empty)


def _handed_in(
    lab: ScheduledLab,
    exercises: Sequence[LoadedExercise],
    keep: Keep,
    seat: Seat,
    before: Sequence[Deposited],
    empty: Path,
) -> Iterator[Submission]:
    blank = _blank(lab, seat, empty)
    last = {name: one.number for one in before for name in one.exercises}
    for one in before:
        about = [
            each.name
            for each in exercises
            if exercise_folder(each) in one.exercises
            and (keep is Keep.BEST or last[exercise_folder(each)] == one.number)
        ]
        if not about:
            continue
        changed = digests_of(one.content) != one.files
        words = ["its files were changed on the server since they were handed in"] if changed else []
        for time, some in _by_time(before, one, about).items():
            earlier = (
                [f"the same files came first {time.astimezone():%Y-%m-%d %H:%M %z}"]
                if time < one.time
                else []
            )
            yield replace(
                blank,
                folder=one.content,
                submitted=time,
                attempt=one.number,
                about=tuple(some),
                remarks=(f"handed in as number {one.number}", *earlier, *words),
            )
    never = tuple(each.name for each in exercises if exercise_folder(each) not in last)
    if never:
        yield replace(blank, attempt=before[-1].number, about=never)


def _by_time(
    before: Sequence[Deposited], one: Deposited, exercises: Sequence[str]
) -> dict[datetime, list[str]]:
    """Return these exercises of a hand-in by when their files were first handed in as they are."""
    found: dict[datetime, list[str]] = {}
    for name in exercises:
        short = name.removeprefix("./")
        found.setdefault(first_time(before, short, one.of(short)) or one.time, []).append(name)
    return found


def _collected(
    found: LoadedClass,
    lab: ScheduledLab,
    exercises: Sequence[LoadedExercise],
    seat: Seat,
    empty: Path,
) -> Iterator[Submission]:
    """Yield the work on each exercise as it was collected, if any was begun: on the first machine that has
    the lab's folder."""
    place, work = found.folder / COLLECTED / seat.name, empty.parent / seat.name
    machine, known = _copied(place, [*found.machines.lab.machines], lab.name, work)
    if not machine:
        return
    theirs = [each for each in exercises if begun(each, work / exercise_folder(each))]
    if not theirs:
        return
    blank = _blank(lab, seat, empty)
    for each in theirs:
        time = _came(each, f"{lab.name}/{exercise_folder(each)}", known)
        words = f"not handed in: taken from {machine} as it was collected"
        if time:
            late = late_words(found, lab, seat, time)
            words += f"; its files came {time.astimezone():%Y-%m-%d %H:%M %z}{late and f', {late}'}"
        yield replace(blank, folder=work, submitted=time, about=(each.name,), remarks=(words,))
    never = tuple(each.name for each in exercises if each not in theirs)
    if never:
        yield replace(blank, about=never)


def _copied(place: Path, machines: Sequence[str], lab: str, target: Path) -> tuple[str, dict[str, Kept]]:
    """Copy a lab's folder of what was collected to ``target``, as far as grading takes files, before the next
    collection changes it; returns the machine it is of ("" without any), and what is known of its files."""
    if not place.is_dir():
        return "", {}
    with mirror_lock(place, Deadline.after(LOCK_SECONDS)):
        for machine in machines:
            mirror = Mirror(place, machine)
            mirror.recover()
            if (mirror.copy / lab).is_dir():
                shutil.copytree(mirror.copy / lab, target, ignore=_large)
                return machine, mirror.known()
    return "", {}


def _large(folder: str, names: list[str]) -> list[str]:
    """Return which of these files are too large to be graded."""
    paths = {name: Path(folder) / name for name in names}
    return [name for name, path in paths.items() if path.is_file() and path.stat().st_size > MOST_BYTES]


def _blank(lab: ScheduledLab, seat: Seat, empty: Path) -> Submission:
    students = tuple(member.student for member in seat.members)
    return Submission(students, empty, printable(f"{lab.name}/{seat.name}"))


def _came(exercise: LoadedExercise, folder: str, known: dict[str, Kept]) -> datetime | None:
    """Return when the newest of an exercise's files came as it is; None if that is not known."""
    times = [known[path].came for name in student_files(exercise) if (path := f"{folder}/{name}") in known]
    return max((datetime.fromisoformat(time).astimezone(UTC) for time in times), default=None)


def _notes(found: LoadedClass, lab: ScheduledLab, by_seat: dict[Seat, list[Submission]]) -> Iterator[str]:
    if some := [seat.label for seat, all_ in by_seat.items() if any(map(_is_collected, all_))]:
        yield f"not handed in, graded as collected: {', '.join(map(printable, some))}"
    changed = [seat.label for seat, all_ in by_seat.items() if any("changed" in w for w in _remarks(all_))]
    if changed:
        yield f"changed since they were handed in: {', '.join(map(printable, changed))}"
    names = {seat.name for seat in found.seats}
    place = found.folder / HANDED_IN / lab.name
    there = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    if gone := [name for name in there if name not in names]:
        yield f"handed in, and no longer in the class: {', '.join(map(printable, gone))}"


def _is_collected(one: Submission) -> bool:
    return any(words.startswith("not handed in") for words in one.remarks)


def _remarks(some: Sequence[Submission]) -> list[str]:
    return [words for one in some for words in one.remarks]
