"""Copy files into the home folders of a class, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.work.listing import Item, list_home
from orchestrator.classes.work.one_line import one_line
from orchestrator.classes.work.seat_machines import home_of
from orchestrator.classes.work.start import starting
from orchestrator.classes.work.take import LEAST_RATE, LEAST_SECONDS
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import LabError, SpecError, TransportError, from_os
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.labfile.models import User
from orchestrator.progress import Progress
from orchestrator.sessions.exec_command import entry
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.sessions.outgoing import Outgoing, outgoing
from orchestrator.sessions.transfer import send
from orchestrator.submissions.entries import shown_name

KEEP_SECONDS = 120.0
BACKUP = "~"
"""Behind the name of a student's file whose place was taken, as of cp(1) --backup=simple."""

_KEEP = f"""\
cd "$1" || exit 1
while IFS= read -r name; do
  if [ -f "$name" ] && [ ! -L "$name" ]; then mv -f -- "$name" "$name{BACKUP}" && printf '%s\\n' "$name"; fi
done
"""


@dataclass(frozen=True)
class Pushed:
    """What was copied into one home folder: how many ``files``; ``left_alone`` are those that were there
    already and are not ours to replace, ``backed_up`` those that were, and are kept as NAME~, printable.
    ``problem`` says why nothing, or not all, was copied; "" if all was."""

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
    """Copy files and folders of this host into the home folders of these seats that are up. A student's file
    of the same name is kept beside as NAME~. Raises SpecError for a path that cannot be read, Interrupted."""
    what = outgoing(paths)
    names = [name for path, name in (*what.members, *what.sparse) if not path.is_dir()]
    if broken := [name for name in names if "\n" in name]:
        raise SpecError(f"there is a line break in the name {shown_name(broken[0])}", hint="rename the file")

    def one(machine: SessionMachine) -> Pushed:
        backed_up = _keep(machine, names)
        return Pushed("", "", _send(machine, what, cancellation.deadline()), backed_up=backed_up)

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
            listing = list_home(machine, home_of(machine), names, cancellation.deadline(), only=True)
            with labs.of(by_name[found.seat_of(machine.session)]) as folder:
                whole = outgoing([folder / name for name in names])
                missing, there = missing_of(whole, listing.items)
                count = _send(machine, missing, cancellation.deadline()) if missing.members else 0
            return Pushed("", "", count, left_alone=tuple(map(shown_name, there)))

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


def _send(machine: SessionMachine, what: Outgoing, deadline: Deadline) -> int:
    user = User.STUDENT.value  # who may write nowhere else, whatever links there are
    uid = machine.handle.site.users[user]

    def as_student(argv: Sequence[str]) -> Sequence[str]:
        return entry(machine, user, argv).argv

    limit = deadline.within(LEAST_SECONDS + what.size / LEAST_RATE)

    def on_progress(_size: int) -> None:
        limit.check(f"copying files to {machine.name}")

    return send(as_student, home_of(machine), what, uid, on_progress)


def _keep(machine: SessionMachine, names: Sequence[str]) -> tuple[str, ...]:
    """Rename the files of these names, for those that take their place; returns which there were."""
    way = entry(machine, User.STUDENT.value, ["/bin/sh", "-c", _KEEP, "sh", home_of(machine)])
    lines = os.fsencode("".join(f"{name}\n" for name in names))
    done = process.run(way.argv, deadline=Deadline.after(KEEP_SECONDS), stdin=lines, check=False)
    if done.code != 0:
        words = printable(done.tail(1)) or f"status {done.code}"
        raise TransportError(f"{machine.name} cannot keep files that are replaced: {words}")
    said = os.fsdecode(done.stdout).splitlines()
    return tuple(shown_name(name) for name in names if name in said)


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
