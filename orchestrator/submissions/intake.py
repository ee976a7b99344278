"""Open what a class handed in: recognise the layout, find out who is who, and copy each submission."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.formatting import counted, printable
from orchestrator.host.tempdirs import working_folder
from orchestrator.submissions import archive
from orchestrator.submissions.deposit import UNREADABLE, Deposit
from orchestrator.submissions.entries import ENCRYPTED, KINDS, EntrySource, Unreadable, shown_name
from orchestrator.submissions.identify import Identified, identified
from orchestrator.submissions.layouts.base import Listing, some
from orchestrator.submissions.layouts.table import recognised
from orchestrator.submissions.limits import ONE_SUBMISSION, WHOLE_CLASS, Budget, Exceeded, Shared
from orchestrator.submissions.model import Intake, ReadPeople, Student, Submission
from orchestrator.submissions.roster import NUMBERED, Roster, read_roster

WORKING = "submissions"
"""Purpose of the working folder, which holds copies of all that was handed in."""
_MOST_READ = 2**26
"""Bytes of a platform's own file about the submissions."""
_MOST_NAMED = 3
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _nobody(_ids: Collection[str]) -> tuple[()]:
    return ()


@contextlib.contextmanager
def opened(
    path: Path, roster: Path | None, layout: str = "", people: ReadPeople = _nobody
) -> Iterator[Intake]:
    """Open a folder or an archive of submissions for a ``with`` block: they are copied, and removed after it.

    ``layout`` is the key of one, instead of recognising it by its shape; ``people`` reads platforms' tables,
    which say who has which number. Raises SpecError: no such folder or
    archive, no layout fits or several do, mistakes in the roster.
    """
    known = read_roster(roster) if roster else None
    if not path.exists():
        raise SpecError(f"{path}: no such folder or archive", hint="name what holds the submissions")
    with working_folder(WORKING) as work:
        with _source(path) as source:
            intake = _intake(path, source, known, layout, work, people)
        yield replace(intake, roster=str(roster.resolve()) if roster else "")


def described(intake: Intake) -> list[str]:
    """Return what was recognised, in lines for the screen; the notes are the last."""
    of = [_called(one.students) for one in intake.submissions]
    first = ", ".join(of[:_MOST_NAMED]) + (", …" if len(of) > _MOST_NAMED else "")
    lines = [f"{intake.layout}: {counted(len(of), 'submission')}" + (f", of {first}" if of else "")]
    if nothing := [_name(one) for one in intake.absent if one not in intake.unclear]:
        lines.append(f"{len(nothing)} handed in nothing: {some(nothing)}")
    return [*lines, *intake.notes]


@contextlib.contextmanager
def _source(path: Path) -> Iterator[EntrySource]:
    try:
        with archive.source(path, WHOLE_CLASS) as found:
            yield found
    except Unreadable as problem:
        raise SpecError(
            f"{path} cannot be read: {problem}", hint="download it again, or unpack it and name the folder"
        ) from None
    except Exceeded as problem:
        raise SpecError(f"{path} holds {problem}", hint="grade it in parts") from None


def _intake(
    path: Path, source: EntrySource, roster: Roster | None, wanted: str, work: Path, read: ReadPeople
) -> Intake:
    if source.damage:  # who is in the rest would seem to have handed in nothing
        raise Unreadable(source.damage)
    if any(entry.refused == ENCRYPTED for entry in source.entries):
        raise Unreadable("it is encrypted")
    entries = tuple(entry for entry in source.entries if not entry.ignored)
    cloned = frozenset(f"{one.path}/".partition("/.git/")[0] for one in source.entries if one.ignored)
    listing = Listing(entries, lambda paths: _contents(source, paths), repositories=cloned)
    layout, inner = recognised(listing, roster, archive.stem(path.name) or path.name, wanted)
    split = layout.split(inner, roster)
    known = read({one.id for one in roster.students}) if roster else ()
    people = identified(split.findings, roster, known, layout.key)
    shared = Shared()
    deposits = [Deposit(work / str(at), Budget(ONE_SUBMISSION, shared)) for at in range(len(people))]
    left = _fill(deposits, source, inner.base, [one.finding.files for one in people])
    pairs = [(who, deposit) for who, deposit in zip(people, deposits, strict=True) if not who.finding.nothing]
    submissions = _numbered([_submission(who, deposit) for who, deposit in pairs])
    notes = (*split.notes, *left, *_strangers(people), *_about(submissions))
    absent = _absent(people, submissions, roster)
    unclear = _unclear(people, absent)
    return Intake(layout.title, submissions, absent, (*notes, *_open(unclear, layout.key)), unclear)


def _contents(source: EntrySource, paths: Collection[str]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for entry, opens in source.files():
        if entry.path in paths:
            with contextlib.suppress(*UNREADABLE), opens() as file:
                found[entry.path] = file.read(_MOST_READ)
    return found


def _fill(
    deposits: Sequence[Deposit], source: EntrySource, base: str, files: Sequence[Mapping[str, str]]
) -> tuple[str, ...]:
    """Copy each submission's files, and unpack the archives among them. Returns notes on what belongs to none
    and could not be taken."""
    places = {f"{base}{path}": (at, inner) for at, one in enumerate(files) for path, inner in one.items()}
    notes, full = [], set[int]()
    for entry in source.entries:
        if entry.refused and not entry.ignored and entry.path in places:
            at, inner = places[entry.path]
            deposits[at].refuse(replace(entry, shown=shown_name(inner)) if entry.refused in KINDS else entry)
        elif entry.refused and not entry.ignored:
            notes.append(f"{entry.shown} was left out: {entry.refused}")
    for entry, opens in source.files():
        at, inner = places.get(entry.path, (-1, ""))
        if at < 0 or at in full:
            continue
        try:
            deposits[at].take(inner, opens)
        except Exceeded as problem:
            full.add(at)
            deposits[at].remark(f"{shown_name(inner)} and what follows was not taken: {problem}")
    for deposit in deposits:
        deposit.unpack()
    return tuple(notes)


def _submission(who: Identified, deposit: Deposit) -> Submission:
    found = who.finding
    return Submission(
        who.students,
        deposit.folder,
        printable(found.source),
        submitted=found.submitted,
        late=found.late,
        platform_id=found.platform_id,
        remarks=(*found.remarks, *deposit.remarks),
        on_roster=not who.unknown,
    )


def _numbered(submissions: Sequence[Submission]) -> tuple[Submission, ...]:
    """Sort by student, and number the attempts: by time, where the layout says it."""
    before: dict[str, int] = defaultdict(int)
    done = []
    for one in sorted(submissions, key=lambda one: (_ids(one), one.submitted or _LONG_AGO, one.source)):
        attempt = 1 + max(before[student.id] for student in one.students)
        before.update({student.id: attempt for student in one.students})
        done.append(replace(one, attempt=attempt))
    return tuple(done)


def _absent(
    people: Sequence[Identified], submissions: Sequence[Submission], roster: Roster | None
) -> tuple[Student, ...]:
    """Return who is in the class and handed in nothing; without a roster, whose place is empty."""
    empty = (student for who in people if who.finding.nothing for student in who.students)
    everybody = roster.students if roster else empty
    there = {student.id for one in submissions for student in one.students}
    return tuple({one.id: one for one in everybody if one.id not in there}.values())


def _unclear(people: Sequence[Identified], absent: Sequence[Student]) -> tuple[Student, ...]:
    """Return the absent of whom a submission may be that nobody could tell whose it is."""
    candidates = {one.id for who in people if not who.finding.nothing for one in who.candidates}
    return tuple(one for one in absent if one.id in candidates)


def _open(unclear: Sequence[Student], platform: str) -> Iterator[str]:
    if unclear:
        whom = some([f"{one.id} ({one.name})" if one.name else one.id for one in unclear])
        hint = f"; --{platform} with its table says it, or a column {platform} with its numbers in the roster"
        yield (f"without a result until it is known who is who: {whom}{hint if platform in NUMBERED else ''}")


def _strangers(people: Sequence[Identified]) -> Iterator[str]:
    unknown = [one for who in people for one in who.unknown]
    if unknown and all(who.unknown for who in people):
        raise SpecError(
            "nobody who handed in is on the roster",
            hint="is it another class's, or another --layout? without --roster, everybody is graded",
        )
    if plain := [name for name, why in unknown if not why]:
        yield f"not on the roster: {', '.join(plain)}"
    alike: dict[str, list[str]] = defaultdict(list)
    for name, why in unknown:
        if why:
            alike[why].append(name)
    yield from (
        f"not on the roster: {', '.join(dict.fromkeys(names))}: {why}" for why, names in alike.items()
    )


def _about(submissions: Sequence[Submission]) -> Iterator[str]:
    """Yield who handed in more than once or late, and what could not be read."""
    attempts: dict[Student, list[Submission]] = defaultdict(list)
    for one in submissions:
        for student in one.students:
            attempts[student].append(one)
    for who, those in attempts.items():
        if len(those) > 1:
            last = shown_name(those[-1].source)
            known = all(one.submitted for one in those)
            order = "" if known else f"; nothing says in which order, {last} counts as the last"
            sources = ", ".join(shown_name(one.source) for one in those)
            yield f"{_name(who)} handed in {counted(len(those), 'time')}: {sources}{order}"
    if late := [_called(one.students) for one in submissions if one.late]:
        yield f"late: {', '.join(late)}"
    if empty := [_called(one.students) for one in submissions if not any(one.folder.iterdir())]:
        yield f"no files in the submission of {', '.join(empty)}"


def _ids(one: Submission) -> tuple[str, ...]:
    return tuple(student.id for student in one.students)


def _called(students: Sequence[Student]) -> str:
    return " and ".join(_name(one) for one in students)


def _name(student: Student) -> str:
    return printable(student.name or student.id)
