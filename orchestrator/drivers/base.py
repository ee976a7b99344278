"""Protocols of drivers: what every driver offers, and optional capabilities.

A driver is pure ``render_*`` functions (order -> arguments) and a thin part that applies them.
``prepare`` decides every name in advance, so that the journal can hold the handle before
anything exists; ``down`` works from the handle alone, in another process, any number of times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from orchestrator.arch import Arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import FrozenImage, Handle, NetworkOrder, Order, Template
from orchestrator.host.packages import Need
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport

if TYPE_CHECKING:
    from orchestrator.transport.ssh import Address  # imports paramiko, which is slow


class Driver(Protocol):
    """One kind of machine."""

    def check(self, machine: Machine, arch: Arch) -> None:
        """Check, without side effects, that this host supports the machine; raises Unavailable."""

    def prepare(self, order: Order) -> Handle:
        """Decide every name. Pure."""

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        """Bring the machine up until it answers; undoes itself on failure.

        Returns the handle, with what became known only now added to its ``data``.
        """

    def connect(self, handle: Handle, deadline: Deadline) -> AbstractContextManager[InteractiveTransport]:
        """Open a transport to run commands in the machine."""

    def down(self, handle: Handle) -> None:
        """Remove every trace; idempotent; returns when it is gone. Raises TeardownError."""

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        """Yield everything on this host that carries isolab's tag and the ownership token of this scratch
        folder (``orchestrator.paths.scratch_dir``), found without the journal."""


@runtime_checkable
class NeedsPackages(Protocol):
    """A driver whose machines need host programs that not every system has."""

    def needs(self, machine: Machine) -> Iterable[Need]:
        """Return what this machine needs; changes nothing."""


@runtime_checkable
class OpensSockets(Protocol):
    """A driver whose machines have UNIX sockets in the scratch folder: their paths' length is limited."""

    def longest_sockets(self, name: str, machine: Machine) -> Iterable[str]:
        """Return the longest paths of sockets of the machine of this name and of its networks, relative to
        the run's scratch folder. Pure."""


@runtime_checkable
class Networking(Protocol):
    """A driver that can connect its machines by private networks.

    A network is journalled and removed like a machine: its handle's ``machine`` begins with
    NETWORK_PREFIX, ``down`` removes it and ``leftovers`` finds it.
    """

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        """Decide every name. Pure. ``data["plugs"]`` maps each machine to its endpoint."""

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        """Create the network; undoes itself on failure. Raises Unavailable, BootError."""


@runtime_checkable
class Cloning(Driver, Protocol):
    """A driver that clones machines from a template: a guest that was booted once and frozen.

    ``up`` clones the template of an order that has one, and sets the handle's ``data["start"]`` to
    ``clone``, or to ``cold`` when it had to boot after all; with a template on trial it fails instead.
    """

    def cannot_clone(self, order: Order) -> str:
        """Return why no template can be made of this machine; "" if nothing is known to speak against it.
        Pure."""

    def template_identity(self, order: Order) -> tuple[object, ...]:
        """Return what a template depends on besides the image; machines that agree in both share one.
        JSON values."""

    def build_template(
        self, order: Order, handle: Handle, template: Template, deadline: Deadline, progress: Progress
    ) -> float:
        """Boot the machine, freeze it, and save it into the template's folder; returns the seconds the
        boot took. ``down`` follows in any case. Raises BootError, TimedOut, Interrupted."""

    def own_memory(self, handle: Handle) -> int:
        """Return the bytes of host memory that a clone shares with no other: what one more of them costs; 0
        when it is gone."""


@runtime_checkable
class Thawing(Cloning, Protocol):
    """A driver that thaws machines: an emulator that was frozen when its guest had done what each does
    first.

    ``up`` thaws an order that has a frozen image, and sets the handle's ``data["start"]`` to ``thaw``; when
    that fails it goes on as without one, and says so. With an image on trial it fails instead.
    """

    def cannot_thaw(self, order: Order) -> str:
        """Return why this machine cannot be thawed; "" if nothing is known to speak against it."""

    def frozen_identity(self, order: Order) -> tuple[object, ...]:
        """Return what a frozen image depends on besides its template. JSON values."""

    def freeze(
        self, order: Order, handle: Handle, frozen: FrozenImage, deadline: Deadline, progress: Progress
    ) -> Mapping[str, Any]:
        """Freeze an emulator of the order's template into the image's folder; returns facts, of which
        ``descriptors`` is the image's and ``stored`` the bytes it takes. ``down`` follows in any case. Raises
        LabError, OSError."""

    def damage(self, frozen: FrozenImage, *, whole: bool) -> str:
        """Return what is wrong with a frozen image since it was made, "" if nothing is; ``whole``: read all
        of it."""


@runtime_checkable
class Reachable(Protocol):
    """A driver whose machines have an SSH server for people and their tools."""

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        """Return how to reach the machine as root. Raises LabError when it is gone."""


@runtime_checkable
class Terminal(Protocol):
    """A driver that enters its machines with a program of this host."""

    terminal_from_us: bool
    """Whether the caller must allocate a terminal for an interactive program; else the program does."""

    def terminal(self, handle: Handle, user: str, argv: Sequence[str], tty: bool) -> list[str]:
        """Return the command line that runs ``argv`` (absolute path first) in the machine as ``user``,
        on inherited standard descriptors; ``tty``: they are a terminal. Pure."""


@runtime_checkable
class ReportsMemory(Protocol):
    """A driver that knows how much host memory its machines use."""

    def memory(self, handle: Handle) -> int:
        """Return bytes, memory shared with other machines counted in proportion; 0 when it is gone."""


class Forgetting(Protocol):
    """A driver whose machines are elsewhere, and may be gone for good with what isolab left there."""

    def forget(self, handle: Handle) -> None:
        """Stop trying to remove what isolab left on that machine."""


@runtime_checkable
class Storing(Protocol):
    """A driver that stores copies of images elsewhere."""

    def prune(self, keep: Collection[str]) -> Iterator[str]:
        """Remove copies of images whose key is not in ``keep``, and yield their names. Raises LabError."""
