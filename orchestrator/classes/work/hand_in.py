"""Hand in: freeze a copy of a seat's work, and give a signed receipt for it.

Work is taken whenever it comes. After the lab is due it is marked late, and the class's policy says what that
costs. An examination ends with its machines: everything has been collected then, and nothing is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.model import LoadedClass, ScheduledLab, Seat
from orchestrator.classes.paths import HANDED_IN
from orchestrator.classes.time_limits import TimeLimits
from orchestrator.classes.work.begun import begun as has_begun
from orchestrator.classes.work.chosen import Limits
from orchestrator.classes.work.deposit_box import (
    Deposited,
    box,
    deposit,
    deposited,
    digests_of,
    files_of,
    first_time,
    size_of,
)
from orchestrator.classes.work.own_work import exercises_named, lab_of, place_of, work_of
from orchestrator.classes.work.receipt import HandInFacts, receipt
from orchestrator.classes.work.start import exercise_folder
from orchestrator.deadline import Cancellation
from orchestrator.errors import SpecError, Unavailable
from orchestrator.exercises.submission import handed_in
from orchestrator.formatting import counted, size_words
from orchestrator.gradebook.policy import Policy
from orchestrator.grading.digests import digest_of_digests
from orchestrator.grading.keys import PUBLIC_FILE, public_pem, signing_key
from orchestrator.host.cache import digest, locked, write_atomically
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedExercise
from orchestrator.paths import state_dir

LIMITS = Limits(total=2**24, files=500)
"""Of one hand-in; grading takes files of at most 1 MiB."""
MOST_TIMES = 200
MOST_BYTES = 2**28
"""Of all hand-ins of one seat in one lab."""
LOCK_SECONDS = 120.0
WORKING = "handingin"
"""Purpose of the working folders, which hold files of students."""


@dataclass(frozen=True)
class HandIn:
    """What was handed in. ``exercises`` are the names of those it holds. ``missing`` says what was expected
    and is not there, ``skipped`` what was not taken and why, printable. ``late`` says how late, "" on time.
    ``again``: exactly this was handed in before, so it is that hand-in, with its number and time."""

    seat: str
    lab: str
    number: int
    time: datetime
    exercises: tuple[str, ...]
    digest: str
    receipt: str
    folder: Path
    missing: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    late: str = ""
    again: bool = False


def hand_in(
    found: LoadedClass,
    seat: Seat,
    lab_name: str,
    exercises: Sequence[str],
    by: str,
    cancellation: Cancellation | None = None,
) -> HandIn:
    """Hand in a seat's work on these exercises of a lab (empty: all that were begun), and record it.

    ``by`` says who did it, such as a student's id. What is the same as an earlier hand-in that still counts
    is not handed in again: its number stays. Files of an exercise that were handed in before keep their first
    time in any case. Raises SpecError (no such lab or exercise, nothing begun, too often), Unavailable if no
    machine of the seat is up, or an examination is over; TransportError, TimedOut, Interrupted, LabError.
    """
    _require_time(found, seat)
    lab = lab_of(found, lab_name)
    wanted = exercises_named(lab, exercises)
    now = datetime.now(UTC)
    limit = (cancellation or Cancellation()).deadline(LOCK_SECONDS)
    with (
        locked("hand-in", digest(str(found.file.resolve()), lab.name, seat.name), limit),
        working_folder(WORKING) as folder,
    ):
        (folder / "work").mkdir()
        _, taken = work_of(found, seat, lab, wanted, folder / "work", limit, LIMITS)
        begun = [one for one in wanted if exercises or has_begun(one, folder / "work" / exercise_folder(one))]
        missing = _missing(lab, wanted, begun, folder / "work")
        if not any(_has_files(folder / "work" / exercise_folder(one)) for one in begun):
            where = ", ".join(place_of(lab, one) for one in wanted[:3])
            raise SpecError(
                "there is nothing to hand in" if exercises else "nothing was begun, so nothing to hand in",
                hint=f"work on it in {where}{' …' if len(wanted) > 3 else ''}",
            )
        done = _deposited(found, seat, lab, begun, folder / "work", (now, by, tuple(missing)))
    if not done.again:
        words = f"number {done.number}: {', '.join(done.exercises)}" + (f", {done.late}" if done.late else "")
        activity = Activity(found)
        for name in done.exercises:
            activity.add(Event(seat.name, Kind.HANDED_IN, lab.name, name, words, time=done.time))
    return replace(done, skipped=taken.skipped)


def _require_time(found: LoadedClass, seat: Seat) -> None:
    """Raise Unavailable if this is an examination whose end, extensions included, has passed for a seat."""
    end = found.spec.end
    if not found.spec.exam or end is None:
        return
    end = TimeLimits(found).ends().get(seat.name, end)
    if datetime.now(UTC) >= end:
        raise Unavailable(
            f"the examination is over: it ended at {end.astimezone():%Y-%m-%d %H:%M %z}",
            hint="your files were collected then; nothing more is handed in",
        )


def late_words(found: LoadedClass, lab: ScheduledLab, seat: Seat, time: datetime) -> str:
    """Return how late work is that comes at this time; "" if it is on time, or never due. Of several members
    the one with the latest due date counts."""
    policy = policy_of(found, lab)
    dues = [(due, one.student.id) for one in seat.members if (due := policy.due_for(one.student.id))]
    if not dues:
        return ""
    due, student = max(dues)
    if not policy.days_late(student, time):
        return ""
    by = timedelta(seconds=int((time - due).total_seconds()))
    return f"late by {by}"


def policy_of(found: LoadedClass, lab: ScheduledLab) -> Policy:
    """Return the class's policy with the due date of one of its labs."""
    due = lab.spec.due or found.spec.policy.due
    return found.spec.policy.model_copy(update={"due": due})


def _has_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else False


def _missing(
    lab: ScheduledLab, wanted: Sequence[LoadedExercise], begun: Sequence[LoadedExercise], work: Path
) -> list[str]:
    """Return in words what grading will not find."""
    others = [one.name for one in lab.lab.exercises if one not in wanted]
    found = zip(wanted, handed_in(work, wanted, others), strict=True)
    words = []
    for exercise, one in found:
        if exercise not in begun:
            words.append(f"{exercise_folder(exercise)}: not begun")
        else:
            words += [f"{missing}" for missing in one.missing]
    return words


def _deposited(
    found: LoadedClass,
    seat: Seat,
    lab: ScheduledLab,
    begun: Sequence[LoadedExercise],
    work: Path,
    about: tuple[datetime, str, tuple[str, ...]],
) -> HandIn:
    now, by, missing = about
    content = _only(work, [exercise_folder(one) for one in begun])
    names = tuple(exercise_folder(one) for one in begun)
    place = box(found, lab.name, seat.name)
    before = deposited(place)
    files = digests_of(content)
    for one in before:
        if one.files == files and one.exercises == names and _counts(before, one):
            return _hand_in(found, seat, lab, one, missing, before, again=True)
    _require_room(before, place)
    facts = HandInFacts(
        class_name=found.name,
        lab=lab.name,
        seat=seat.label,
        number=before[-1].number + 1 if before else 1,
        students=tuple(one.student.id for one in seat.members),
        by=by,
        time=now,
        files=files,
        missing=missing,
        late=late_words(found, lab, seat, _came(before, names, files, now)),
    )
    key = signing_key(state_dir())
    done = deposit(place, content, facts, names, receipt(facts, key))
    public = found.folder / HANDED_IN / PUBLIC_FILE
    if not public.exists():
        write_atomically(public, public_pem(key.public_key()), mode=0o644)
    return _hand_in(found, seat, lab, done, missing, before, again=False)


def _counts(before: Sequence[Deposited], one: Deposited) -> bool:
    """Whether no later hand-in has other files of any of its exercises: of several the last may count."""
    last = {name: each for each in before for name in each.exercises}
    return all(last[name].of(name) == one.of(name) for name in one.exercises)


def _came(
    before: Sequence[Deposited], names: Sequence[str], files: Mapping[str, str], time: datetime
) -> datetime:
    """Return when the last of these exercises was first handed in as it is, at ``time`` if not before."""
    return max((first_time(before, name, files_of(files, name)) or time for name in names), default=time)


def _only(work: Path, names: Sequence[str]) -> Path:
    """Move these exercises' folders to one that has nothing else."""
    content = work.parent / "content"
    content.mkdir()
    for name in names:
        if (work / name).is_dir():
            (content / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).rename(content / name)
    return content


def _require_room(before: Sequence[Deposited], place: Path) -> None:
    """Raise SpecError where a seat has handed in too often or too much: the disk is everybody's."""
    if len(before) >= MOST_TIMES or size_of(place) > MOST_BYTES:
        raise SpecError(
            f"this lab was handed in {counted(len(before), 'time')} ({size_words(size_of(place))}) already",
            hint="ask whoever runs the class to move some of it away",
        )


def _hand_in(
    found: LoadedClass,
    seat: Seat,
    lab: ScheduledLab,
    one: Deposited,
    missing: Sequence[str],
    before: Sequence[Deposited],
    *,
    again: bool,
) -> HandIn:
    return HandIn(
        seat=seat.name,
        lab=lab.name,
        number=one.number,
        time=one.time,
        exercises=one.exercises,
        digest=digest_of_digests(one.files),
        receipt=one.receipt,
        folder=one.folder,
        missing=tuple(missing),
        late=late_words(found, lab, seat, _came(before, one.exercises, one.files, one.time)),
        again=again,
    )
