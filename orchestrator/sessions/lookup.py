"""Look up the machines of sessions by name, and check whether they still respond."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle
from orchestrator.errors import Interrupted, LabError, SpecError, TimedOut, Unavailable, from_os
from orchestrator.host.console_log import Console
from orchestrator.labfile.models import User
from orchestrator.machines.journal import Journal, SessionMember
from orchestrator.sessions.names import named, only, unknown_name
from orchestrator.transport.runner import run_program

ASK_SECONDS = 15.0


class State(StrEnum):
    """The state of a session's machine."""

    UP = "up"
    SILENT = "silent"
    DEAD = "dead"
    COMING = "coming up"


@dataclass(frozen=True)
class SessionMachine:
    """A machine of a session, up or (``coming``) coming up."""

    member: SessionMember
    handle: Handle
    coming: bool = False

    @property
    def session(self) -> str:
        return self.member.session

    @property
    def machine(self) -> str:
        """Its name within the session."""
        return self.handle.machine

    @property
    def name(self) -> str:
        """Its full name, as users type it."""
        return f"{self.session}/{self.machine}"

    @property
    def logs(self) -> Path:
        return self.member.logs

    @property
    def console(self) -> Console:
        return Console(self.logs / "console.log")


def session_machines() -> list[SessionMachine]:
    """Return the machines of all sessions, by session and name, except those whose creator died half-way."""
    found = [
        SessionMachine(entry.member, entry.handle, coming=not entry.kept)
        for entry in Journal().entries()
        if entry.member is not None and (entry.kept or entry.owner_alive)
    ]
    return sorted(found, key=lambda machine: (machine.session, machine.machine))


def select(names: Sequence[str], *, coming: bool = False) -> list[SessionMachine]:
    """Return the machines with these names: ``MACHINE``, ``SESSION/MACHINE``, or ``SESSION`` for all of
    its machines. Raises SpecError for a name that is unknown or ambiguous, and unless ``coming`` for a
    machine that is coming up."""
    there = session_machines()
    if coming:
        there = [replace(machine, coming=False) for machine in there]
    return list({found.handle.tag: found for name in names for found in _named(name, there)}.values())


def chosen_in(session: str, names: Sequence[str]) -> list[SessionMachine]:
    """Return what names that ``select`` accepted mean in this session now (no names: all its machines).

    For whoever has waited for the session's lock: machines may have been replaced or removed meanwhile.
    """
    return [
        machine
        for machine in session_machines()
        if machine.session == session
        and not machine.coming
        and (not names or {machine.name, machine.machine, machine.session} & {*names})
    ]


def find(name: str) -> SessionMachine:
    """Return the one machine with this name. Raises SpecError."""
    return only(name, _named(name, session_machines()))


def _named(name: str, there: Sequence[SessionMachine]) -> list[SessionMachine]:
    settled = [r for r in there if not r.coming]
    if found := named(name, settled):
        return found
    if any(name in (r.name, r.machine, r.session) for r in there):
        raise SpecError(f"{name} is still coming up", hint="`isolab status` shows when it is up")
    nothing = "no running machines; `isolab up LAB` starts some"
    raise unknown_name(name, settled, f"no running machine {name!r}", "running machines", nothing)


def ask(handle: Handle, deadline: Deadline) -> tuple[State, str]:
    """Check whether a machine runs programs now; returns its state and, if not up, why."""
    try:
        with drivers.load(handle.driver).connect(handle, deadline) as transport:
            result = run_program(
                transport,
                handle.site,
                ["/bin/true"],
                user=User.STUDENT,
                folder=handle.site.work,
                timeout=max(1.0, deadline.remaining()),
                output_limit=4096,
                env={},
                deadline=deadline,
            )
    except (TimedOut, TimeoutError):
        return State.SILENT, f"no response in {ASK_SECONDS:.0f} s"
    except Interrupted:
        raise
    except (LabError, OSError) as trouble:
        problem = trouble if isinstance(trouble, LabError) else from_os(trouble)
        return State.DEAD, problem.first_line
    if result.exit_code == 0:
        return State.UP, ""
    return State.DEAD, result.start_error or result.killed_for or "it cannot run programs"


def ask_all(there: Sequence[SessionMachine]) -> list[tuple[State, str]]:
    """Check these machines in parallel."""

    def one(machine: SessionMachine) -> tuple[State, str]:
        if machine.coming:
            return State.COMING, ""
        return ask(machine.handle, Deadline.after(ASK_SECONDS))

    with ThreadPoolExecutor(max(1, min(32, len(there)))) as pool:
        return list(pool.map(one, there))


def lost(machine: SessionMachine, reason: str) -> LabError:
    """Return the error for a machine that is no longer up."""
    name, words = machine.name, machine.console.tail(5)
    words = f"; last lines of its console:\n{words}" if words else ""
    return Unavailable(
        f"{name} is dead: {reason}{words}",
        hint=f"`isolab logs {name}` shows more, `isolab reset {name}` replaces it",
    )
