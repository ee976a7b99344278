"""Command lines on this host that run a program in a machine of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Reachable, Terminal
from orchestrator.drivers.model import Handle
from orchestrator.errors import LabError, SpecError, Unavailable, from_os
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.sessions import openssh
from orchestrator.sessions.lookup import ASK_SECONDS, SessionMachine, State, ask, lost
from orchestrator.transport.ssh import Address

SHELL = ("/bin/sh", "-l")


@dataclass(frozen=True)
class Entry:
    """A command line; ``terminal_from_us``: we must allocate a terminal for interactive programs."""

    argv: tuple[str, ...]
    terminal_from_us: bool = False


def entry(machine: SessionMachine, user: str, argv: Sequence[str], *, tty: bool = False) -> Entry:
    """Return the command line that runs ``argv`` (absolute path first; a login shell when empty) as ``user``.

    Its standard input and output are the program's. Raises SpecError for an unknown user,
    Unavailable when the machine is dead.
    """
    handle = machine.handle
    require_user(machine, user)
    driver = drivers.load(handle.driver)
    if isinstance(driver, Reachable):
        address = address_of(machine)
        openssh.write_known_hosts(handle, address)
        about = openssh.options(handle, address, user)
        return Entry(tuple(openssh.render_argv(about, argv, tty)))
    if not isinstance(driver, Terminal):
        raise Unavailable(
            f"{machine.name}: driver {handle.driver} does not support interactive access",
            hint="`isolab run` runs exercises on it",
        )
    state, reason = ask(handle, Deadline.after(ASK_SECONDS))
    if state is State.DEAD:
        raise lost(machine, reason)
    words = driver.terminal(handle, user, argv or SHELL, tty)
    return Entry(tuple(words), driver.terminal_from_us)


def reachable(handle: Handle) -> bool:
    """Whether a machine has an SSH server."""
    return isinstance(drivers.load(handle.driver), Reachable)


def address_of(machine: SessionMachine) -> Address:
    """Return the address of a machine's SSH server. Raises Unavailable when the machine is dead."""
    driver = drivers.load(machine.handle.driver)
    assert isinstance(driver, Reachable)
    try:
        return driver.address(machine.handle, Deadline.after(ASK_SECONDS))
    except (LabError, OSError) as trouble:
        problem = trouble if isinstance(trouble, LabError) else from_os(trouble)
        raise lost(machine, problem.message.splitlines()[0]) from None


def require_user(machine: SessionMachine, user: str) -> None:
    """Raise SpecError if the machine has no such user."""
    users = list(machine.handle.site.users)
    if user not in users:
        hint = did_you_mean(user, users) or f"users: {', '.join(users)}"
        raise SpecError(f"{machine.name} has no user {user!r}", hint=hint)
