"""The networks of one run: each made by the first machine that joins, removed by the last that leaves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from orchestrator import drivers
from orchestrator.driver_traits import TRAITS, drivers_that
from orchestrator.drivers.base import Networking
from orchestrator.drivers.model import NETWORK_PREFIX, Attachment, Handle, NetworkOrder, Order
from orchestrator.errors import Unavailable
from orchestrator.labfile.addresses import Seat, peers, seats, subnet_of
from orchestrator.labfile.models import Lab, Machine, Network
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines.context import MachineContext
from orchestrator.machines.lifecycle import remove

LAY_SECONDS = 60.0


@dataclass
class _Laid:
    """A network that stands, and how many machines hold it."""

    handle: Handle
    holders: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Networks:
    """The networks of a run. Safe to use from several threads."""

    def __init__(self, lab: Lab, context: MachineContext, scratch: Path, out: Path) -> None:
        self._lab = lab
        self._context = context
        self._scratch = scratch
        self._out = out
        self._lock = threading.Lock()
        self._laid: dict[tuple[str, str], _Laid] = {}

    def join(self, order: Order, job: Job, undo: contextlib.ExitStack) -> Order:
        """The order with its places on networks, each made unless it stands; ``undo`` is given the leaving.

        Raises Unavailable, BootError, TimedOut, Interrupted.
        """
        places = []
        for seat in seats(self._lab):
            if seat.machine == job.machine:
                handle = self._hold(seat, job, undo)
                places.append(attachment(seat, handle.data["plugs"][seat.machine]))
        return replace(order, attachments=tuple(places), hosts=self.hosts(job))

    def standing(self) -> list[Handle]:
        """The networks there are."""
        with self._lock:
            return [laid.handle for laid in self._laid.values() if laid.holders]

    def hosts(self, job: Job) -> tuple[tuple[str, str], ...]:
        """The names a machine is to know: its own, and those of its peers in this run."""
        mine = [seat.address for seat in seats(self._lab) if seat.machine == job.machine]
        own = tuple((job.machine, address) for address in mine[:1])
        return own + peers(self._lab, job.machine, job.group)

    def _hold(self, seat: Seat, job: Job, undo: contextlib.ExitStack) -> Handle:
        laid = self._network(seat.network, job)
        with laid.lock:
            if laid.holders == 0:
                self._lay(laid.handle, seat, job)
            laid.holders += 1
        undo.callback(self._let_go, laid)
        return laid.handle

    def _let_go(self, laid: _Laid) -> None:
        with laid.lock:
            laid.holders -= 1
            if laid.holders == 0:
                self._remove(laid.handle)

    def _network(self, name: str, job: Job) -> _Laid:
        with self._lock:
            key = (job.student, name)
            if key not in self._laid:
                wanted = self._order(name, job)
                self._laid[key] = _Laid(_networking(wanted.driver).prepare_network(wanted))
            return self._laid[key]

    def _lay(self, handle: Handle, seat: Seat, job: Job) -> None:
        self._context.journal.intend(handle)
        try:
            wanted = self._order(seat.network, job)
            _networking(handle.driver).lay(wanted, handle, self._context.deadline(LAY_SECONDS))
        except BaseException:
            self._remove(handle)
            raise

    def _remove(self, handle: Handle) -> None:
        remove(handle, drivers.load(handle.driver), self._context.journal)

    def _order(self, name: str, job: Job) -> NetworkOrder:
        members = {n: m for n, m in self._lab.machines.items() if name in m.networks}
        first = next(iter(members.values()))
        _require_possible(name, self._lab.networks[name], list(members.values()))
        place = list(self._lab.networks).index(name)
        return NetworkOrder(
            run=job.run,
            name=name,
            driver=first.driver,
            subnet=str(subnet_of(self._lab.networks[name].subnet, place)),
            machines=tuple(members),
            arch=arch_of(first),
            scratch=self._scratch / job.run / f"{NETWORK_PREFIX}{name}",
            logs=self._out / f"{NETWORK_PREFIX}{name}",
            uri=first.uri,
        )


def attachment(seat: Seat, plug: str) -> Attachment:
    """A seat as a driver is told of it."""
    return Attachment(seat.network, seat.address, seat.prefix, seat.mac, plug, seat.internet)


def _require_possible(name: str, network: Network, members: Sequence[Machine]) -> None:
    """What ``netlint`` asks of a lab file holds no more when ``--driver`` changed its drivers.
    Raises Unavailable."""
    driver = members[0].driver
    if network.internet and not TRAITS[driver].internet:
        raise Unavailable(
            f"network {name} has `internet: true`, which driver {driver} cannot give",
            hint=f"use driver: {', '.join(sorted(drivers_that(lambda traits: traits.internet)))}",
        )
    if "uri" in TRAITS[driver].own_keys and len({machine.uri for machine in members}) > 1:
        raise Unavailable(
            f"network {name} cannot join machines of different libvirt daemons",
            hint="give all its machines the same uri",
        )


def _networking(name: str) -> Networking:
    if not TRAITS[name].networks:
        raise Unavailable(
            f"driver {name} cannot join machines by networks",
            hint=f"drivers that can: {', '.join(sorted(drivers_that(lambda traits: traits.networks)))}",
        )
    return cast(Networking, drivers.load(name))
