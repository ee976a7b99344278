"""A student's home folder in a machine, and the seat that a machine is of."""

from __future__ import annotations

from orchestrator.classes.model import LoadedClass
from orchestrator.labfile.models import User
from orchestrator.sessions.lookup import SessionMachine


def home_of(machine: SessionMachine) -> str:
    """Return the path of the home folder in a machine."""
    return machine.handle.site.homes[User.STUDENT.value]


def seat_of(found: LoadedClass, machine: SessionMachine) -> str:
    """Return the name of the seat that a machine is of."""
    return found.seat_of(machine.session)
