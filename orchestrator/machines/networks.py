"""Networks of a run: each created by the first machine to join, removed by the last to leave."""

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
from orchestrator.labfile.addresses import Interface, interfaces, peers, subnet_of
from orchestrator.labfile.models import Lab, Machine, Network
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines.context import MachineContext
from orchestrator.machines.lifecycle import remove

CREATE_SECONDS = 60.0


@dataclass
class _Created:
    """A network, and how many machines are on it."""

    handle: Handle
    holders: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Networks:
    """The networks of a run. Thread-safe."""

    def __init__(self, lab: Lab, context: MachineContext, scratch: Path, out: Path) -> None:
        self._lab = lab
        self._context = context
        self._scratch = scratch
        self._out = out
        self._lock = threading.Lock()
        self._created: dict[tuple[str, str], _Created] = {}

    def join(self, order: Order, job: Job, undo: contextlib.ExitStack) -> Order:
        """Return the order with its network attachments, creating networks as needed; ``undo`` leaves them.

        Raises Unavailable, BootError, TimedOut, Interrupted.
        """
        places = []
        for interface in interfaces(self._lab):
            if interface.machine == job.machine:
                handle = self._hold(interface, job, undo)
                places.append(attachment(interface, handle.data["plugs"][interface.machine]))
        return replace(order, attachments=tuple(places), hosts=self.hosts(job))

    def standing(self) -> list[Handle]:
        """Return the existing networks."""
        with self._lock:
            return [created.handle for created in self._created.values() if created.holders]

    def hosts(self, job: Job) -> tuple[tuple[str, str], ...]:
        """Return the host names a machine needs: its own, and those of its peers in this run."""
        mine = [interface.address for interface in interfaces(self._lab) if interface.machine == job.machine]
        own = tuple((job.machine, address) for address in mine[:1])
        return own + peers(self._lab, job.machine, job.group)

    def _hold(self, interface: Interface, job: Job, undo: contextlib.ExitStack) -> Handle:
        created = self._network(interface.network, job)
        with created.lock:
            if created.holders == 0:
                self._create(created.handle, interface, job)
            created.holders += 1
        undo.callback(self._release, created)
        return created.handle

    def _release(self, created: _Created) -> None:
        with created.lock:
            created.holders -= 1
            if created.holders == 0:
                self._remove(created.handle)

    def _network(self, name: str, job: Job) -> _Created:
        with self._lock:
            key = (job.student, name)
            if key not in self._created:
                wanted = self._order(name, job)
                self._created[key] = _Created(_networking(wanted.driver).prepare_network(wanted))
            return self._created[key]

    def _create(self, handle: Handle, interface: Interface, job: Job) -> None:
        self._context.journal.intend(handle)
        try:
            wanted = self._order(interface.network, job)
            _networking(handle.driver).create_network(wanted, handle, self._context.deadline(CREATE_SECONDS))
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


def attachment(interface: Interface, endpoint: str) -> Attachment:
    """Build the attachment for a driver from an interface and its endpoint."""
    return Attachment(
        interface.network, interface.address, interface.prefix, interface.mac, endpoint, interface.internet
    )


def _require_possible(name: str, network: Network, members: Sequence[Machine]) -> None:
    """Raise Unavailable for a network the driver cannot create: ``--driver`` may have changed the driver
    after the lab file was checked."""
    driver = members[0].driver
    if network.internet and not TRAITS[driver].internet:
        raise Unavailable(
            f"network {name} has `internet: true`, which driver {driver} does not support",
            hint=f"use driver: {', '.join(sorted(drivers_that(lambda traits: traits.internet)))}",
        )
    if "uri" in TRAITS[driver].own_keys and len({machine.uri for machine in members}) > 1:
        raise Unavailable(
            f"network {name} cannot connect machines of different libvirt daemons",
            hint="give all its machines the same uri",
        )


def _networking(name: str) -> Networking:
    if not TRAITS[name].networks:
        raise Unavailable(
            f"driver {name} does not support networks",
            hint=f"use driver: {', '.join(sorted(drivers_that(lambda traits: traits.networks)))}",
        )
    return cast(Networking, drivers.load(name))
