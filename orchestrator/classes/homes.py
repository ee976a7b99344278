"""The home folders of a class: a disk image for each seat and machine, and the keys that open machines."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.classes.gateway.keys import student_keys
from orchestrator.classes.machines import Place
from orchestrator.classes.model import SHARED, Given, LoadedClass
from orchestrator.classes.paths import home_image
from orchestrator.classes.work.start import Starting, starting
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Order
from orchestrator.machines.homes import ensure_home, fitted

MAKE_SECONDS = 300.0


@dataclass(frozen=True)
class Homes:
    """The home folders that machines of a class are started with. ``starting`` are the files of a fresh one,
    None if there is none to be made; ``keys`` are what opens each seat."""

    found: LoadedClass
    starting: Starting | Given | None
    keys: dict[str, tuple[str, ...]]
    making: threading.Semaphore

    def fit(self, place: Place, order: Order) -> Order:
        """Return the order with the home folder of its seat, made if it is the first time, and the keys that
        open it. Machines for everybody have no home folder that stays. Raises SpecError, Unavailable."""
        keys = self.keys[place.seat]
        if place.seat == SHARED:
            return replace(order, student_keys=keys)
        file = home_image(self.found, place.seat, place.machine)
        deadline = Deadline.after(MAKE_SECONDS)
        size = self.found.spec.quota.disk
        if file.exists() or self.starting is None:
            return fitted(order, ensure_home(file, size, None, deadline), keys)
        seat = next(seat for seat in self.found.seats if seat.name == place.seat)
        with self.making, self.starting.of(seat) as files:
            return fitted(order, ensure_home(file, size, files, deadline), keys)


@contextlib.contextmanager
def homes(found: LoadedClass, places: list[Place]) -> Iterator[Homes]:
    """Provide the home folders of these machines for a ``with`` block. Raises SpecError, Unavailable,
    OSError."""
    keys = {seat: student_keys(found, seat) for seat in {place.seat for place in places}}
    making = threading.Semaphore(2)
    own = [place for place in places if place.seat != SHARED]
    if all(_is_there(found, place) for place in own):
        yield Homes(found, None, keys, making)
        return
    if found.given is not None:
        yield Homes(found, found.given, keys, making)
        return
    with starting(found) as files:
        yield Homes(found, files, keys, making)


def _is_there(found: LoadedClass, place: Place) -> bool:
    path: Path = home_image(found, place.seat, place.machine)
    return path.exists()
