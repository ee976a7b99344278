"""The protocols of drivers: what every one offers, and the powers only some have.

A driver is pure ``render_*`` functions (order -> arguments) and a thin part that applies them.
``prepare`` decides every name in advance, so that the journal can hold the handle before
anything exists; ``down`` works from the handle alone, in another process, any number of times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, NetworkOrder, Order
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
