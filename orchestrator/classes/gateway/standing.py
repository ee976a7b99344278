"""Where the machines of a class's seats stand now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.classes.gateway.folder import Folder
from orchestrator.classes.machines import there
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, Unavailable
from orchestrator.host.cache import digest, write_atomically
from orchestrator.sessions.exec_command import address_of
from orchestrator.sessions.lifecycle import side_by_side
from orchestrator.sessions.lookup import SessionMachine

LAB = "lab"
"""The login name for the class's first machine."""


@dataclass(frozen=True)
class Place:
    """A machine's SSH server: a port of this host's loopback, and the public key it has to show, as on the
    wire in hexadecimal. ``found_as`` is the tag of the machine and the state of its folder when it was asked:
    a machine that replaces another has its tag, and another folder."""

    seat: str
    machine: str
    found_as: str
    port: int
    host_key: str

    @property
    def alias(self) -> str:
        """A name for its key that no other machine has, nor the one it replaces."""
        return f"{self.machine}.{self.seat}.{digest(self.host_key)[:12]}"


def class_machines(found: LoadedClass) -> list[SessionMachine]:
    """Return the machines of the class's seats, and those for everybody, that are up."""
    seats = {SHARED, *(seat.name for seat in found.seats)}
    return [one for place, one in there(found).items() if place.seat in seats and not one.coming]


def standing(found: LoadedClass, folder: Folder) -> list[Place]:
    """Return where the class's machines stand; those that do not answer are left out.

    A machine is asked once: its port stays while it does. The answer is kept in the gateway's folder.
    """
    kept = _kept(folder)
    machines = class_machines(found)
    known = {machine.name: _found_as(machine) for machine in machines}
    unknown = [machine for machine in machines if known[machine.name] not in kept]
    asked = side_by_side(lambda machine: _place(found, machine, known[machine.name]), unknown, Cancellation())
    every = kept | {place.found_as: place for _, place in asked if not isinstance(place, LabError)}
    places = [every[mark] for mark in known.values() if mark in every]
    write_atomically(
        folder.root / "standing.json", json.dumps([asdict(place) for place in places], indent=1).encode()
    )
    return places


def within_reach(found: LoadedClass, places: list[Place]) -> dict[str, dict[str, Place]]:
    """Return for each seat what its login names mean now: its machines, those for everybody, and ``lab``."""
    shared = {place.machine: place for place in places if place.seat == SHARED}
    names: dict[str, dict[str, Place]] = {seat.name: dict(shared) for seat in found.seats}
    for place in places:
        if place.seat in names:
            names[place.seat][place.machine] = place
    first = next(iter(found.spec.machines))
    for mine in names.values():
        if first in mine:
            mine.setdefault(LAB, mine[first])
    return names


def login_names(found: LoadedClass) -> list[str]:
    """Return the login names of the gateway, ``lab`` first."""
    return list(dict.fromkeys([LAB, *found.spec.machines, *found.spec.shared]))


def _found_as(machine: SessionMachine) -> str:
    handle = machine.handle
    if (address := handle.data.get("address")) is not None:  # on another host: its way here is known
        return f"{handle.tag} {digest(json.dumps(address, sort_keys=True))}"
    try:
        about = Path(handle.scratch).stat()
    except OSError:
        return handle.tag
    return f"{handle.tag} {about.st_ino} {about.st_mtime_ns}"


def _place(found: LoadedClass, machine: SessionMachine, found_as: str) -> Place:
    address = address_of(machine)
    if not address.port:
        raise Unavailable(f"{machine.name} does not answer on its host")
    seat = found.seat_of(machine.session)
    return Place(seat, machine.machine, found_as, address.port, address.host_key.hex())


def _kept(folder: Folder) -> dict[str, Place]:
    try:
        rows = json.loads((folder.root / "standing.json").read_text())
        return {row["found_as"]: Place(**row) for row in rows}
    except (OSError, ValueError, TypeError, KeyError):
        return {}  # asked anew
