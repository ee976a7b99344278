"""Have a machine write out its home folder before it is taken down on purpose."""

from __future__ import annotations

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.drivers.base import ReportsMemory
from orchestrator.errors import LabError, TransportError, from_os
from orchestrator.machines.homes import sync_home
from orchestrator.progress import Progress
from orchestrator.sessions.connections import Connections
from orchestrator.sessions.lookup import SessionMachine

SETTLE_SECONDS = 60.0
"""How long a machine may take for it. It does so by itself within a second: what is longer, waits for a busy
host."""
TRIES = 2
"""A connection that was kept open may have broken meanwhile."""


def settle_home(machine: SessionMachine, connections: Connections, progress: Progress) -> None:
    """Have a machine write to its home disk what it has yet to write, and close its connection. If it lives
    and cannot say that it has done so, that is told: what it was given in its last second may be missing."""
    order = machine.member.order
    if order is None or order.home is None or order.home.file is None:
        return
    problem = _synced(machine, connections)
    if problem is not None and _lives(machine):
        progress.tell(
            f"{machine.name}: it did not say within {SETTLE_SECONDS:.0f} s that its home folder is written "
            f"out ({problem.first_line}): what was saved there in its last second may be missing. The home "
            f"folder stays, in {order.home.file}: bring it up again, and let its student look at what was "
            "saved last"
        )


def _synced(machine: SessionMachine, connections: Connections) -> LabError | None:
    """Have a machine do it; returns what kept it from that."""
    deadline = Deadline.after(SETTLE_SECONDS)
    last: LabError | None = None
    for _ in range(TRIES):
        try:
            with connections.to(machine, deadline) as transport:
                sync_home(transport, deadline)
            return None
        except TransportError as problem:
            last = problem
        except LabError as problem:
            return problem
        except OSError as problem:
            return from_os(problem)
        finally:
            connections.close(machine)
    return last


def _lives(machine: SessionMachine) -> bool:
    driver = drivers.load(machine.handle.driver)
    return not isinstance(driver, ReportsMemory) or driver.memory(machine.handle) > 0
