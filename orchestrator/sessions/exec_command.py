"""Command lines on this host that run a program in a machine of a session."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Reachable, Terminal
from orchestrator.drivers.model import Handle
from orchestrator.errors import LabError, SpecError, TransportError, Unavailable, from_os
from orchestrator.formatting import printable
from orchestrator.host import process
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.sessions import openssh
from orchestrator.sessions.lookup import ASK_SECONDS, SessionMachine, State, ask, lost
from orchestrator.transport.base import Site, environment
from orchestrator.transport.ssh import Address

SHELL = ("/bin/sh", "-l")
MOST_CHARACTERS = 8000
"""Of a command line over SSH: dropbear takes 9000 bytes (MAX_CMD_LEN), and the kernel 128 KiB as one argument
of the client."""
SEND_SECONDS = 60.0
_KEEP = ("/bin/sh", "-c", 'umask 077 && f=$(mktemp /tmp/isolab.XXXXXX) && cat >"$f" && echo "$f"')


@dataclass(frozen=True)
class SessionCommand:
    """A command line; ``terminal_from_us``: we must allocate a terminal for interactive programs."""

    argv: tuple[str, ...]
    terminal_from_us: bool = False


def entry(machine: SessionMachine, user: str, argv: Sequence[str], *, tty: bool = False) -> SessionCommand:
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

        def rendered(inside: Sequence[str], tty: bool) -> list[str]:
            change = address.foreign and handle.site.switch
            return openssh.render_argv(about, standing_by(handle.site, user, inside, change_user=change), tty)

        if len(shlex.join(argv)) > MOST_CHARACTERS:
            argv = ["/bin/sh", _left_there(machine.name, rendered(_KEEP, False), argv)]
        return SessionCommand(tuple(rendered(argv, tty)))
    if not isinstance(driver, Terminal):
        raise Unavailable(
            f"{machine.name}: driver {handle.driver} does not support interactive access",
            hint="`isolab run` runs exercises on it",
        )
    state, reason = ask(handle, Deadline.after(ASK_SECONDS))
    if state is State.DEAD:
        raise lost(machine, reason)
    inside = argv or SHELL
    if not driver.terminal_from_us and not _is_utf8(inside):  # engines pass arguments on as JSON
        keep = driver.terminal(handle, user, _KEEP, False)
        inside = ("/bin/sh", _left_there(machine.name, keep, inside))
    if not driver.terminal_from_us:  # else the runner stands between anyway
        inside = standing_by(handle.site, user, inside)
    return SessionCommand(tuple(driver.terminal(handle, user, inside, tty)), driver.terminal_from_us)


def standing_by(site: Site, user: str, argv: Sequence[str], *, change_user: bool = False) -> list[str]:
    """Return the command that runs ``argv`` so that its end by a signal becomes an exit status (see
    images/guest/stand_by.c); ``change_user`` where root logs in for everybody. Empty, for a login shell,
    stays empty unless the user changes. Pure."""
    if not change_user or site.users[user] == 0:
        return [site.runner[0], "--stand-by", "--", *argv] if argv else []
    uid, home = site.users[user], site.homes[user]
    words = [site.runner[0], "--stand-by", "--user", f"{uid}:{uid}", "--dir", home]
    words += environment({"HOME": home, "USER": user, "LOGNAME": user})
    return [*words, "--", *(argv or SHELL)]


def render_script(argv: Sequence[str]) -> bytes:
    """Return a shell script that removes itself and does what ``argv`` does. Pure."""
    command = argv[2] if [*argv[:2]] == ["/bin/sh", "-c"] and len(argv) == 3 else f"exec {shlex.join(argv)}"
    return os.fsencode(f'rm -f -- "$0"\n{command}\n')


def _is_utf8(words: Sequence[str]) -> bool:
    return not any("\udc80" <= character <= "\udcff" for word in words for character in word)


def _left_there(name: str, keeping: Sequence[str], argv: Sequence[str]) -> str:
    """Leave a command that is too long for an SSH server as a script in the machine; returns its path.

    Raises TransportError.
    """
    limit = Deadline.after(openssh.CONNECT_SECONDS + SEND_SECONDS)
    done = process.run(keeping, deadline=limit, stdin=render_script(argv), check=False)
    path = done.stdout.decode(errors="replace").strip()
    if done.code != 0 or not re.fullmatch(r"/tmp/isolab\.\w+", path):
        words = printable(done.tail(2)) or f"status {done.code}"
        raise TransportError(
            f"{name}: the command is too long for its SSH server, and cannot be left in /tmp there: {words}",
            hint="put it into a file, copy that with `isolab push`, and run it",
        )
    return path


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
        raise lost(machine, problem.first_line) from None


def require_user(machine: SessionMachine, user: str) -> None:
    """Raise SpecError if the machine has no such user."""
    users = list(machine.handle.site.users)
    if user not in users:
        hint = did_you_mean(user, users) or f"users: {', '.join(users)}"
        raise SpecError(f"{machine.name} has no user {user!r}", hint=hint)
