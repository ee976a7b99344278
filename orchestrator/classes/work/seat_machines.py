"""Where a seat's machines stand, and a student's home folder in them."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.labfile.models import User
from orchestrator.sessions.lookup import SessionMachine, session_machines


def machines_of(found: LoadedClass, seats: Sequence[Seat]) -> list[SessionMachine]:
    """Return the machines of these seats that are up or coming up, in the order of the seats, then of the
    class file: the first of each seat is where its students land."""
    mine = str(found.file.resolve())  # another class may have the same name
    rank = {found.session(seat.name): place for place, seat in enumerate(seats)}
    names = list(found.machines.lab.machines)
    there = [
        one
        for one in session_machines()
        if one.session in rank and one.machine in names and one.member.lab == mine
    ]
    return sorted(there, key=lambda one: (rank[one.session], names.index(one.machine)))


def home_of(machine: SessionMachine) -> str:
    """Return the path of the home folder in a machine."""
    return machine.handle.site.homes[User.STUDENT.value]


def seat_of(found: LoadedClass, machine: SessionMachine) -> str:
    """Return the name of the seat that a machine is of."""
    return found.seat_of(machine.session)
