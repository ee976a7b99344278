"""Copy files into the home folders of a class, side by side."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.work.listing import Item, list_home
from orchestrator.classes.work.not_for_students import require_for_students
from orchestrator.classes.work.one_line import one_line
from orchestrator.classes.work.place import (
    KEPT,
    PLACE_SECONDS,
    SAME,
    STAGE,
    discard_command,
    place_command,
)
from orchestrator.classes.work.seat_machines import home_of
from orchestrator.classes.work.start import starting
from orchestrator.classes.work.take import LEAST_RATE, LEAST_SECONDS
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import LabError, SpecError, TransportError, from_os
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.host.cache import digest, locked
from orchestrator.labfile.models import User
from orchestrator.progress import Progress
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.exec_command import entry
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.sessions.outgoing import Outgoing, outgoing
from orchestrator.sessions.transfer import send
from orchestrator.submissions.entries import shown_name

LOCK_SECONDS = 600.0


@dataclass(frozen=True)
class Pushed:
    """What was copied into one home folder: how many ``files``. ``left_alone`` are those that were there
    already, the same or not ours to replace. ``backed_up`` are the names that a student's files, whose
    place was taken, have now: NAME~, NAME~2 and so on, printable. ``problem`` says why nothing was copied;
    then all is as it was, and "" if it was."""

    seat: str
    machine: str
    files: int = 0
    left_alone: tuple[str, ...] = ()
    backed_up: tuple[str, ...] = ()
    problem: str = ""


def push_files(
    found: LoadedClass,
    seats: Sequence[Seat],
    paths: Sequence[Path],
    progress: Progress,
    cancellation: Cancellation,
) -> list[Pushed]:
    """Copy files and folders of this host into the home folders of these seats that are up, where they are
    not there already. A student's file of the same name is kept beside as NAME~; nothing is overwritten.
    Raises SpecError for a path that cannot be read or is not for students, Interrupted."""
    what = outgoing(paths)
    names = [name for _, name in (*what.members, *what.sparse)]
    if broken := [name for name in names if "\n" in name]:
        raise SpecError(f"there is a line break in the name {shown_name(broken[0])}", hint="rename the file")
    require_for_students(found, paths, names)

    def one(machine: SessionMachine) -> Pushed:
        return _copied(machine, what, cancellation)

    return _everywhere(found, seats, one, progress, cancellation)


def push_starting_files(
    found: LoadedClass, seats: Sequence[Seat], progress: Progress, cancellation: Cancellation
) -> list[Pushed]:
    """Copy what is missing of the open labs' starting files into the home folders of these seats that are up.
    Whatever is there under such a name is left alone. Raises SpecError, Unavailable, Interrupted."""
    by_name = {seat.name: seat for seat in seats}
    with starting(found) as labs:
        names = [lab.name for lab in labs.labs]

        def one(machine: SessionMachine) -> Pushed:
            with Connections() as connections:
                home, deadline = home_of(machine), cancellation.deadline()
                listing = list_home(machine, connections, home, names, deadline, only=True)
            with labs.of(by_name[found.seat_of(machine.session)]) as folder:
                whole = outgoing([folder / name for name in names])
                missing, there = missing_of(whole, listing.items)
                done = _copied(machine, missing, cancellation) if missing.members else Pushed("", "")
            return replace(done, left_alone=(*map(shown_name, there), *done.left_alone))

        return _everywhere(found, seats, one, progress, cancellation)


def missing_of(what: Outgoing, items: Sequence[Item]) -> tuple[Outgoing, list[str]]:
    """Return what a home folder with these entries lacks of it, and the names of the files that it has, or
    whose place is taken. Pure but for a look at what is sent."""
    there = {item.path for item in items}
    taken = {item.path for item in items if not item.is_folder}
    members, left = [], []
    for path, name in what.members:
        above = name.split("/")[:-1]
        if name in there or any("/".join(above[: end + 1]) in taken for end in range(len(above))):
            left += [] if path.is_dir() else [name]
        else:
            members.append((path, name))
    return Outgoing(members=members), left


def _copied(machine: SessionMachine, what: Outgoing, cancellation: Cancellation) -> Pushed:
    """Send files beside the others of a home folder, then put them in their places: all, or none."""
    with locked("push", digest(machine.name), cancellation.deadline(LOCK_SECONDS)):
        try:
            _run(machine, discard_command(home_of(machine)), "remove what a push before this one left")
            _send(machine, what, f"{home_of(machine)}/{STAGE}", cancellation.deadline())
            lines = os.fsencode("".join(f"{line}\n" for line in lines_of(what)))
            said = _run(machine, place_command(home_of(machine)), "put the files in their places", lines)
        except LabError:
            with contextlib.suppress(LabError):  # the first problem is the one to tell
                _run(machine, discard_command(home_of(machine)), "remove the files")
            raise
    return placed(said, [name for path, name in (*what.members, *what.sparse) if not _is_folder(path)])


def placed(said: bytes, names: Sequence[str]) -> Pushed:
    """Return what was done with files of these ``names``, given what a machine said. Pure."""
    lines = {*os.fsdecode(said).splitlines()}
    same = [name for name in names if f"{SAME} {name}" in lines]
    kept = [line.split(" ", 2)[1:] for line in os.fsdecode(said).splitlines() if line.startswith(f"{KEPT} ")]
    new = tuple(shown_name(f"{one[1]}{one[0]}") for one in kept if len(one) == 2)
    return Pushed("", "", len(names) - len(same), tuple(map(shown_name, same)), new)


def lines_of(what: Outgoing) -> list[str]:
    """Return what is to be put in its place, folders before what is in them, and marked by a slash."""
    return [f"{name}/" if _is_folder(path) else name for path, name in (*what.members, *what.sparse)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _send(machine: SessionMachine, what: Outgoing, folder: str, deadline: Deadline) -> int:
    user = User.STUDENT.value  # who may write nowhere else, whatever links there are
    uid = machine.handle.site.users[user]

    def as_student(argv: Sequence[str]) -> Sequence[str]:
        return entry(machine, user, argv).argv

    limit = deadline.within(LEAST_SECONDS + what.size / LEAST_RATE)

    def on_progress(_size: int) -> None:
        limit.check(f"copying files to {machine.name}")

    return send(as_student, folder, what, uid, on_progress)


def _run(machine: SessionMachine, argv: Sequence[str], what: str, lines: bytes = b"") -> bytes:
    """Run a command as the student; returns its output. Raises TransportError if it fails."""
    way = entry(machine, User.STUDENT.value, argv)
    done = process.run(way.argv, deadline=Deadline.after(PLACE_SECONDS), stdin=lines, check=False)
    if done.code != 0:
        words = printable(done.tail(1)) or f"status {done.code}"
        raise TransportError(f"{machine.name} cannot {what}: {words}; its files are as they were")
    return done.stdout


def _everywhere(
    found: LoadedClass,
    seats: Sequence[Seat],
    work: Callable[[SessionMachine], Pushed],
    progress: Progress,
    cancellation: Cancellation,
) -> list[Pushed]:
    """Do this on every machine of these seats that is up; returns one for each."""

    def one(machine: SessionMachine) -> Pushed:
        progress.doing(machine.name, "copying files")
        try:
            return work(machine)
        except OSError as problem:
            raise from_os(problem) from None
        finally:
            progress.done(machine.name)

    there = [machine for machine in machines_of(found, seats) if not machine.coming]
    return [
        replace(
            Pushed("", "", problem=one_line(done)) if isinstance(done, LabError) else done,
            seat=found.seat_of(machine.session),
            machine=machine.machine,
        )
        for machine, done in side_by_side(one, there, cancellation)
    ]
