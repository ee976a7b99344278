"""Make a fault: processes are killed and stopped, here and (over SSH) on any host."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.bench.cluster.faults import Fault, FaultKind
from orchestrator.bench.cluster.stage import Stage
from orchestrator.cluster.reach.connection import HostConnection, sockets_folder
from orchestrator.cluster.supervisor.state_file import status
from orchestrator.host import process_table

ON_HOSTS = (
    *(FaultKind("kill", role) for role in ("worker", "agent", "guest", "relay")),
    *(FaultKind("stop", role, lasts=True) for role in ("worker", "agent")),
)
HERE = (
    *(FaultKind("kill", role) for role in ("scheduler", "supervisor", "connection")),
    *(FaultKind("stop", role, lasts=True) for role in ("scheduler", "supervisor", "connection")),
)
_MASTER = re.compile(rb"pid=(\d+)")


class Hitter(Protocol):
    """Makes faults of some kinds. Whoever has power over links and power adds one."""

    @property
    def kinds(self) -> Sequence[FaultKind]: ...

    def hit(self, fault: Fault) -> bool:
        """Make a fault; what lasts is undone later. Returns whether there was anything to hit. Raises
        LabError."""

    def wait(self) -> None:
        """Wait until everything that lasted is undone."""


@dataclass
class Undoing:
    """What is undone later, each in a thread of its own."""

    _threads: list[threading.Timer] = field(default_factory=list)

    def after(self, seconds: float, undo: Callable[[], None]) -> None:
        self._threads.append(threading.Timer(seconds, undo))
        self._threads[-1].start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()
        self._threads.clear()


@dataclass(frozen=True)
class ProcessFaults:
    """Needs nothing but the cluster: a process that is stopped is as good as a link that is half open."""

    stage: Stage
    undoing: Undoing = field(default_factory=Undoing)
    kinds: Sequence[FaultKind] = (*ON_HOSTS, *HERE)

    def hit(self, fault: Fault) -> bool:
        number = signal.SIGSTOP if fault.kind.lasts else signal.SIGKILL
        if fault.kind in ON_HOSTS:
            about = {"role": fault.kind.to, "signal": number.name, "which": fault.which}
            names = [fault.host]
            if fault.kind.to == "guest":  # few hosts have one at a time
                names += [name for name in self.stage.names if name != fault.host]
            return any(self.stage.on(one, "hit", seconds=fault.seconds, **about)["hit"] for one in names)
        victim = self._here(fault.kind.to, fault.host)
        if not victim:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
            if fault.kind.lasts:
                self.undoing.after(fault.seconds, lambda: _go_on(victim))
            return True
        return False

    def wait(self) -> None:
        self.undoing.wait()

    def _here(self, role: str, host: str) -> int:
        """Return a process of this computer; 0 if it is not there."""
        if role == "connection":
            master = HostConnection(self.stage.host(host), sockets_folder(self.stage.hosts.state))
            done = master.ask("check")
            found = _MASTER.search(done.stdout + done.stderr)
            return int(found[1]) if found else 0
        supervisor = status(self.stage.hosts.state).process
        if role == "supervisor":
            return supervisor
        return next(process_table.find(lambda pid: _is_scheduler(pid, supervisor)), 0)


def _is_scheduler(pid: int, supervisor: int) -> bool:
    mine = process_table.parent(pid) == supervisor != 0
    return mine and any("scheduling.scheduler import" in word for word in process_table.arguments(pid))


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
