"""ssh, ssh-config: access running machines, in a terminal or with other tools."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, LabError, SpecError
from orchestrator.host import process
from orchestrator.host.cache import write_atomically
from orchestrator.host.packages import SSH
from orchestrator.machines import host_packages
from orchestrator.progress import shown
from orchestrator.sessions import openssh
from orchestrator.sessions.exec_command import address_of, entry, reachable, require_user
from orchestrator.sessions.lookup import SessionMachine, find, session_machines
from orchestrator.sessions.pty import relay

MARK = "# Written by `isolab ssh-config`"


def need_client(there: Sequence[SessionMachine]) -> None:
    """Install the SSH client if one of these machines needs it. Raises Unavailable."""
    if any(reachable(r.handle) for r in there):
        with shown() as progress:
            host_packages.ensure([SSH], progress, Deadline.never())


def ssh(name: str, command: tuple[str, ...], user: str, force_tty: bool) -> Exit | int:
    """Run a shell, or one command, in a machine, and exit with its status.

    A command of a single word is a command line for the machine's shell; several words are passed
    unchanged.
    """
    _open_closed_descriptors()
    machine = find(name)
    require_user(machine, user)
    need_client([machine])
    on_terminal = os.isatty(0) and os.isatty(1)
    tty = on_terminal and (not command or force_tty)
    way = entry(machine, user, _program(command), tty=tty)
    if tty and way.terminal_from_us:
        with stop_signals():
            return relay(way.argv)
    process.become(way.argv)
    return Exit.PASSED  # not reached


def _open_closed_descriptors() -> None:
    """Give closed standard descriptors to /dev/null, before something else gets their numbers, and the
    program in the machine with them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)


def _program(command: Sequence[str]) -> list[str]:
    """Return what runs a command. The last command of a shell is not the program's: busybox's shell becomes
    that one without a fork, and hands on that it ignores SIGQUIT itself."""
    if not command:
        return []
    if len(command) == 1:
        return ["/bin/sh", "-c", f"{command[0]}\nexit"]
    return ["/bin/sh", "-c", '(exec "$@")\nexit', "sh", *command]


def ssh_config(out: str, user: str, form: str) -> Exit:
    """Write ssh_config(5) entries to standard output, or to a file."""
    check_format(form)
    there = [r for r in session_machines() if not r.coming]
    rows, parts = [], [f"{MARK}: running machines, valid until they are reset or taken down.\n"]
    for machine in there:
        host = openssh.host_of(machine.session, machine.machine)
        if not reachable(machine.handle):
            name, driver = machine.name, machine.handle.driver
            parts.append(f"# {host}: driver {driver} has no SSH server; use isolab ssh {name}\n")
            continue
        try:
            address = address_of(machine)
        except LabError as problem:
            parts.append(f"# {host}: {problem.first_line}\n")
            continue
        require_user(machine, user)
        openssh.write_known_hosts(machine.handle, address)
        about = openssh.options(machine.handle, address, user)
        rows.append({"host": host, "name": machine.name, **about})
        parts.append(openssh.render_entry(host, about))
    text = "\n".join(parts)
    if out:
        _write(Path(out), text)
    if form == JSON:
        say_json({"hosts": rows, "file": str(Path(out).absolute()) if out else None})
    elif out:
        hosts = ", ".join(row["host"] for row in rows) or "no running machine has an SSH server"
        say(f"{out}: {hosts}")
        say(f"use it with `ssh -F {out} {rows[0]['host'] if rows else 'HOST'}`,")
        say("or put it in ~/.ssh/config.d and start ~/.ssh/config with `Include config.d/*`")
    else:
        say(text)
    return Exit.PASSED


def _write(path: Path, text: str) -> None:
    """Write the file, replacing only an earlier one of this verb. Raises SpecError."""
    try:
        if path.exists() and not path.read_text(errors="replace").startswith(MARK):
            raise SpecError(
                f"{path} was not written by `isolab ssh-config`", hint="choose another file with --out"
            )
        write_atomically(path, text.encode())
        os.chmod(path, 0o600)  # noqa: PTH101
    except OSError as problem:
        raise SpecError(f"cannot write {path}: {problem.strerror}") from None
