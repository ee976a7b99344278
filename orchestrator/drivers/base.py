"""The protocols of drivers: what every one offers, and the powers only some have.

A driver is pure ``render_*`` functions (order -> arguments) and a thin part that applies them.
``prepare`` decides every name in advance, so that the journal can hold the handle before
anything exists; ``down`` works from the handle alone, in another process, any number of times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, NetworkOrder, Order, Template
from orchestrator.host.packages import Need
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import Conversing

if TYPE_CHECKING:
    from orchestrator.transport.ssh import Address  # brings paramiko, which takes its time


class Driver(Protocol):
    """One kind of machine."""

    def check(self, machine: Machine, arch: Arch) -> None:
        """Find out, without side effects, whether this host can do it; raises Unavailable."""

    def prepare(self, order: Order) -> Handle:
        """Decide every name. Pure."""

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        """Bring the machine up until it answers; undoes itself on failure.

        Gives the handle with what only now is known added to its ``data``.
        """

    def connect(self, handle: Handle, deadline: Deadline) -> AbstractContextManager[Conversing]:
        """A way to run commands in the machine."""

    def down(self, handle: Handle) -> None:
        """Remove every trace; idempotent; returns when it is gone. Raises TeardownError."""

    def leftovers(self) -> Iterator[Handle]:
        """Everything on this host that carries our tag, found without the journal."""


@runtime_checkable
class NeedsPackages(Protocol):
    """A driver whose machines need programs of this host that are not part of every system."""

    def needs(self, machine: Machine) -> Iterable[Need]:
        """What this machine needs; changes nothing."""


@runtime_checkable
class Networking(Protocol):
    """What a driver that can join its machines by private networks offers beside Driver.

    A network is journalled and removed as a machine is: its handle's ``machine`` begins with
    NETWORK_PREFIX, ``down`` removes it and ``leftovers`` finds it.
    """

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        """Decide every name. Pure. ``data["plugs"]`` maps each machine to its plug."""

    def lay(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        """Make the network; undoes itself on failure. Raises Unavailable, BootError."""


@runtime_checkable
class Cloning(Driver, Protocol):
    """A driver that clones machines from a template: a guest that was booted once and frozen.

    ``up`` makes a clone of an order that has a template, and says ``clone`` in the handle's
    ``data["start"]``, or ``cold`` when it had to boot one after all.
    """

    def template_identity(self, order: Order) -> tuple[object, ...]:
        """What a template depends on beside the image; machines that agree in both share one. Values
        that are written as JSON."""

    def bake(
        self, order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
    ) -> float:
        """Boot the machine, freeze it, and save it into the template's folder; gives the seconds the
        boot took. ``down`` follows in any case. Raises BootError, TimedOut, Interrupted."""


@runtime_checkable
class Reachable(Protocol):
    """A driver whose machines have an SSH server: people and their tools reach them by it."""

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        """How to reach the machine as root. Raises LabError when it is gone."""


@runtime_checkable
class Terminal(Protocol):
    """A driver that enters its machines by a program of this host."""

    terminal_from_us: bool
    """Whether an interactive program must be given a terminal made for it; else it makes one."""

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        """The command line that runs ``argv`` (absolute path first) in the machine as ``user``,
        with the standard descriptors it is started with; ``tty``: they are a terminal. Pure."""


@runtime_checkable
class Weighed(Protocol):
    """A driver that knows what its machines take of the host's memory."""

    def memory(self, handle: Handle) -> int:
        """Bytes, what is shared with other machines counted in proportion; 0 when it is gone."""


class Forgetting(Protocol):
    """An optional power: machines elsewhere may be gone for good, with what we left on them."""

    def forget(self, handle: Handle) -> None:
        """Stop trying to remove what is on that machine."""


@runtime_checkable
class Storing(Protocol):
    """A driver that keeps copies of images elsewhere."""

    def prune(self, keep: Collection[str]) -> Iterator[str]:
        """Remove copies of images whose key is not among ``keep``, naming each. Raises LabError."""
