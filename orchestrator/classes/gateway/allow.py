"""Give the keys of a seat to a machine that is up."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import drivers
from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.gateway.standing import class_machines
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.deadline import Deadline
from orchestrator.machines.homes import set_student_keys
from orchestrator.sessions.lookup import SessionMachine

SECONDS = 60.0


def allow_seat(found: LoadedClass, seat: str) -> None:
    """Give a seat's machines that are up, and those for everybody, the keys that open them now: after a key
    was added or revoked. Raises SpecError, Unavailable and what ``allow`` raises."""
    sessions = {found.session(seat), found.session(SHARED)}
    for machine in class_machines(found):
        if machine.session in sessions:
            allow(machine, student_keys(found, found.seat_of(machine.session)))


def allow(machine: SessionMachine, keys: Sequence[str]) -> None:
    """Let these keys (``keys.student_keys``) log in as ``student`` on a machine that is up, besides isolab's
    own and those that the student added there. Raises TransportError, TimedOut and what connecting raises."""
    deadline = Deadline.after(SECONDS)
    handle = machine.handle
    with drivers.load(handle.driver).connect(handle, deadline) as transport:
        set_student_keys(transport, handle.site, keys, deadline)
