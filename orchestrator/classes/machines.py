"""Where the machines of a class stand, whether they live, and what each costs its host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.classes.hosts.journal import SeatHosts
from orchestrator.classes.hosts.look import looked
from orchestrator.classes.hosts.machines import machines_on_hosts
from orchestrator.classes.model import SHARED, LoadedClass, Seat
from orchestrator.drivers.base import ReportsMemory
from orchestrator.sessions.lookup import SessionMachine, session_machines


@dataclass(frozen=True)
class Place:
    """A machine that the class should have: its seat's name, and its own."""

    seat: str
    machine: str

    def __str__(self) -> str:
        return f"{self.seat}/{self.machine}"


@dataclass(frozen=True)
class Standing:
    """A machine that is there. ``memory`` is what it uses of its host's, in bytes; a dead one uses 0.
    ``host`` is where it is, "" for this host; ``away`` says why that host does not answer, then nobody knows
    of the machine."""

    place: Place
    machine: SessionMachine
    memory: int
    host: str = ""
    away: str = ""

    @property
    def alive(self) -> bool:
        return not self.away and (self.memory > 0 or self.machine.coming)


def wanted(found: LoadedClass, seats: Iterable[Seat]) -> list[Place]:
    """Return the machines that these seats should have, in the roster's order."""
    return [Place(seat.name, machine) for seat in seats for machine in found.machines.lab.machines]


def wanted_shared(found: LoadedClass) -> list[Place]:
    """Return the machines for everybody."""
    return [Place(SHARED, machine) for machine in found.shared.lab.machines] if found.shared else []


def there(found: LoadedClass) -> dict[Place, SessionMachine]:
    """Return the machines of this class that the journal knows, or hosts have as they said last, whether or
    not they live, those of students who left the roster included."""
    here = {
        Place(seat, machine.machine): machine
        for machine in session_machines()
        if (seat := found.seat_of(machine.session)) and _is_of(found, machine)
    }
    if found.hosts is None:
        return here
    away = {Place(*place): machine for place, (_, machine) in machines_on_hosts(found).items()}
    return {**here, **away}


def machines_of(found: LoadedClass, seats: Iterable[Seat]) -> list[SessionMachine]:
    """Return the machines of these seats that are up or coming up, in the order of the seats, then of the
    class file: the first of each seat is where its students land."""
    known = there(found)
    return [known[place] for place in wanted(found, seats) if place in known]


def standing(found: LoadedClass) -> dict[Place, Standing]:
    """Return the machines that the journal knows, and hosts have, with the memory each uses. Asks the hosts,
    at most every few seconds. Raises SpecError for a hosts file that is wrong, Unavailable."""
    if found.hosts is None:
        return _standing_here(there(found))
    now = looked(found)  # first: machines are found by what their hosts said
    used = {(one.seat, one.machine): one.memory for said in now.answers.values() for one in said.machines}
    hosts = {Place(*place): (host, one) for place, (host, one) in machines_on_hosts(found).items()}
    here = {place: one for place, one in there(found).items() if place not in hosts}
    return _standing_here(here) | {
        place: Standing(
            place,
            machine,
            used.get((place.seat, place.machine), 0) if host not in now.away else 0,
            host,
            now.away.get(host, ""),
        )
        for place, (host, machine) in hosts.items()
    }


def hosts_of_seats(found: LoadedClass) -> dict[str, str]:
    """Return the host of each seat that has one; nothing for a class on this host."""
    return SeatHosts(found).hosts() if found.hosts is not None else {}


def _standing_here(known: Mapping[Place, SessionMachine]) -> dict[Place, Standing]:
    with ThreadPoolExecutor(max(1, min(8, len(known)))) as pool:
        used = list(pool.map(_memory, known.values()))
    return {
        place: Standing(place, machine, memory)
        for (place, machine), memory in zip(known.items(), used, strict=True)
    }


def left_the_roster(found: LoadedClass, places: Mapping[Place, object]) -> list[str]:
    """Return the seats among these that are not in the class any more."""
    known = {SHARED, *(seat.name for seat in found.seats)}
    return list(dict.fromkeys(place.seat for place in places if place.seat not in known))


def _is_of(found: LoadedClass, machine: SessionMachine) -> bool:
    """Whether it belongs to this class, not to another of the same name."""
    return machine.member.lab == str(found.file.resolve())


def _memory(machine: SessionMachine) -> int:
    driver = drivers.load(machine.handle.driver)
    return driver.memory(machine.handle) if isinstance(driver, ReportsMemory) else 0
