"""The home folders of a class: a disk image for each seat and machine, and the keys that open it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.classes.machines import Place
from orchestrator.classes.model import LoadedClass
from orchestrator.drivers.model import Order


@dataclass(frozen=True)
class Homes:
    """The home folders of a class's machines."""

    found: LoadedClass

    def fit(self, place: Place, order: Order) -> Order:
        """Return the order with the home folder of its seat, made if it is the first time."""
        return order
