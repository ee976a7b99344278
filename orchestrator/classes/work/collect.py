"""Copy the home folders of a class into its folder: only what changed travels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.classes.activity import Activity, Event, Kind
from orchestrator.classes.home_files import HomeFile, HomeFiles
from orchestrator.classes.machines import machines_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.classes.paths import COLLECTED
from orchestrator.classes.work.chosen import Limits, chosen
from orchestrator.classes.work.listing import Item, list_home
from orchestrator.classes.work.mirror import Mirror, Renewed, mirror_lock
from orchestrator.classes.work.one_line import one_line
from orchestrator.classes.work.seat_machines import home_of
from orchestrator.classes.work.take import WENT_AWAY, take_files
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, from_os
from orchestrator.formatting import counted, size_words
from orchestrator.images.home import LEAST_BYTES
from orchestrator.progress import Progress
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.submissions.entries import shown_name

LOCK_SECONDS = 600.0
MOST_HOLES = 2**32
"""Bytes of holes that are taken of one home folder: a machine sends zeros; here they are holes again."""
LEAVING = timedelta(minutes=5)
"""How long after its last collection a machine that is taken down may still write to its home folder."""


@dataclass(frozen=True)
class Collected:
    """The copy of one home folder. ``machine`` is a name within the seat. ``files`` are in the copy now, of
    which ``fresh`` came with ``size`` bytes; ``gone`` were deleted in the home folder, and moved to
    ``.before``. ``skipped`` says what was not taken, and why, printable; ``missed`` is that of it which is
    work: not links, sockets, FIFOs and devices, which are never taken. ``problem``: why the home folder
    could not be read, then the copy is what it was; "" if it could. ``time`` is when the copy was as the home
    folder, None if never."""

    seat: str
    machine: str
    files: int = 0
    fresh: int = 0
    size: int = 0
    gone: int = 0
    skipped: tuple[str, ...] = ()
    problem: str = ""
    time: datetime | None = None
    missed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What happened, in one line."""
        if self.problem:
            return f"{self.machine}: {self.problem}"
        changes = []
        if self.fresh:
            changes.append(f"{counted(self.fresh, 'file')} new or changed ({size_words(self.size)})")
        if self.gone:
            changes.append(f"{self.gone} deleted")
        if self.skipped:
            changes.append(f"{len(self.skipped)} skipped")
        return f"{self.machine}: {', '.join(changes) or 'nothing new'}"


def collect(
    found: LoadedClass,
    seats: Sequence[Seat],
    progress: Progress,
    cancellation: Cancellation,
    folder: Path | None = None,
    *,
    connections: Connections | None = None,
) -> list[Collected]:
    """Copy the home folders of these seats into ``folder/SEAT/MACHINE`` (by default ``collected`` beside the
    class file), all side by side; returns one for each machine of each seat, in this order. ``connections``
    are used, and stay open for who takes the machines down next; others are closed.

    A home folder that cannot be read has a ``problem``; the others are not kept from it. Raises Unavailable,
    Interrupted.
    """
    target = folder or found.folder / COLLECTED
    homes = HomeFiles(found)
    there = {(found.seat_of(one.session), one.machine): one for one in machines_of(found, seats)}

    with Connections() as own:

        def one(machine: SessionMachine) -> Collected:
            progress.doing(machine.name, "collecting")
            try:
                return _collected(found, machine, connections or own, homes, target, cancellation)
            except OSError as problem:
                raise from_os(problem) from None
            finally:
                own.close(machine)
                progress.done(machine.name)

        done_with = side_by_side(one, list(there.values()), cancellation)
    results = dict(zip(there, (done for _, done in done_with), strict=True))
    cancellation.check()
    done = [
        _told(results.get((seat.name, name)), homes, seat.name, name, target)
        for seat in seats
        for name in found.machines.lab.machines
    ]
    _note(Activity(found), done)
    return done


def _told(
    result: Collected | LabError | None, homes: HomeFiles, seat: str, machine: str, target: Path
) -> Collected:
    if isinstance(result, Collected):
        return result
    since = Mirror(target / seat, machine).since
    if isinstance(result, LabError):
        return Collected(seat, machine, problem=one_line(result), time=since)
    problem = _not_up(homes.get(seat, machine), since)
    return Collected(seat, machine, problem=problem, time=since)


def _not_up(home: HomeFile | None, since: datetime | None) -> str:
    """Return why the home folder of a machine that is not up is not collected; "" if there is nothing to
    collect, since it has not been written to."""
    if home is None:
        return ""
    if since is None:
        return "it is not up, and was never collected"
    if home.written <= since + LEAVING:
        return ""
    return "it is not up, and its home folder was written to after it was collected"


def _collected(
    found: LoadedClass,
    machine: SessionMachine,
    connections: Connections,
    homes: HomeFiles,
    target: Path,
    cancellation: Cancellation,
) -> Collected:
    seat = found.seat_of(machine.session)
    if machine.coming:
        raise LabError("it is still coming up")
    with mirror_lock(target / seat, cancellation.deadline(LOCK_SECONDS)):
        mirror = Mirror(target / seat, machine.machine)
        most = _most(found, homes.get(seat, machine.machine))
        limits = Limits(most, holes=MOST_HOLES, any_name=True)
        home, labs = home_of(machine), [lab.name for lab in found.labs]
        listing = list_home(machine, connections, home, labs, cancellation.deadline())
        picked = chosen(listing.items, limits, labs)

        def fetch(files: Sequence[Item], into: Path) -> set[str]:
            return take_files(machine, connections, home, files, into, cancellation.deadline())

        done: Renewed = mirror.renew(picked, listing.clock, fetch, most, complete=listing.complete)
        late = [f"{shown_name(path)}: {WENT_AWAY}" for path in done.lost]
        late += [f"{shown_name(path)}: {WENT_AWAY}; the copy before is kept" for path in done.stale]
        if not listing.complete:
            late.append("more files than can be listed: the rest was not looked at")
        return Collected(
            seat,
            machine.machine,
            done.files,
            done.fresh,
            done.size,
            done.gone,
            (*late, *picked.skipped),
            time=mirror.since,
            missed=(*late, *picked.missed),
        )


def _most(found: LoadedClass, home: HomeFile | None) -> int:
    """Return how many bytes are taken of a home folder: never fewer than its disk can hold, which is no
    smaller than the least, and may be of a time when the quota was larger."""
    return max(found.spec.quota.disk, LEAST_BYTES, home.size if home else 0)


def _note(activity: Activity, done: Sequence[Collected]) -> None:
    for seat in dict.fromkeys(one.seat for one in done):
        words = list(_words([one for one in done if one.seat == seat]))
        if words:
            activity.add(Event(seat, Kind.COLLECTED, detail="; ".join(words)))


def _words(done: Sequence[Collected]) -> Iterator[str]:
    """Yield what is worth recording of a seat: not of machines that were never up."""
    yield from (one.words for one in done if one.problem or one.time)
