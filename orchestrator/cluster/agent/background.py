"""The agent as a process: one for each isolab state of a host, started by whoever needs it.

Whoever holds the lock of ``agent.lock`` is the agent. A shell beside it starts it again if it is killed, by a
host that is out of memory, say: leases have to end whether or not the controller comes back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from orchestrator.cluster.agent import present
from orchestrator.cluster.agent.cache_archive import forget_arrived
from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.labs import BundleFormat, Labs
from orchestrator.cluster.agent.ledger import Ledger
from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.present import connect, of_another_isolab
from orchestrator.cluster.agent.server import IDLE_SECONDS, Server
from orchestrator.cluster.agent.signing import host_key
from orchestrator.cluster.agent.streams import SocketStream
from orchestrator.cluster.agent.units import Units
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import LabError, TimedOut, TransportError, Unavailable
from orchestrator.host import process
from orchestrator.host.keeper import render_kept
from orchestrator.host.resources import this_host
from orchestrator.machines.journal import Journal
from orchestrator.run.gc import reclaim_killed

START_SECONDS = 60.0
"""How long an agent may take until it answers: it first removes what a killed one left."""
LOCK_SECONDS = 5.0
"""How long one that ends may hold the lock."""
TRY_SECONDS = 2 * LOCK_SECONDS
"""After what time another start is tried: the first may have met an agent that was about to end."""
AGAIN_SECONDS = 1
"""After what time an agent that was killed is started again."""
FORGET_SECONDS = 14 * 24 * 3600.0
"""How long lines, logs and labs of runs stay."""
REPLACE_SECONDS = 30.0
MOST_LOG = 4 * 2**20
"""Bytes of the log with which the next agent begins a new one."""
_PROGRAM = "from orchestrator.cli.main import main; main()"
Say = Callable[[str], None]


def serve(
    place: AgentPlace,
    bundles: BundleFormat,
    stop: threading.Event,
    say: Say,
    idle_seconds: float = IDLE_SECONDS,
) -> bool:
    """Be the agent until nobody needs it, or ``stop`` is set. Returns whether it was: False if there is one
    already. Raises Unavailable."""
    with _being_the_agent(place) as alone:
        if not alone:
            return False
        units = _units(place, bundles, say)
        _recover(units, say)
        say(f"agent of {this_host().name}: process {os.getpid()}, key {units.key.public[:16]}")
        Server(place, units, say, idle_seconds).run(stop)
        say("ended")
    return True


def _units(place: AgentPlace, bundles: BundleFormat, say: Say) -> Units:
    labs = Labs(place.bundles, bundles)
    return Units(place, Ledger(place.ledger), host_key(place.key), labs, say)


def _recover(units: Units, say: Say) -> None:
    """Remove the machines of an agent that was killed, give its units an end, and forget what is old.
    Machines that ``isolab up`` left running stay: they are in the journal."""
    try:
        reclaim_killed(Journal(), _Told(say))
    except LabError as problem:
        say(problem.describe())
    units.adopt(this_host().name)
    for left in units.place.incoming.iterdir():
        left.unlink(missing_ok=True)
    units.forget(FORGET_SECONDS)
    forget_arrived(FORGET_SECONDS)


@dataclass(frozen=True)
class _Told:
    """Progress that goes to the agent's log."""

    say: Say

    def doing(self, who: str, what: str, expected: float = 0.0) -> None: ...

    def done(self, who: str, what: str = "") -> None: ...

    def tell(self, text: str) -> None:
        self.say(text)


@contextlib.contextmanager
def _being_the_agent(place: AgentPlace) -> Iterator[bool]:
    """Hold the lock for a ``with`` block; yields False if another process does, or did until nobody needed
    an agent any more."""
    with place.lock.open("a+") as file:
        if not _locks(file):
            try:
                poll(lambda: _locks(file), Deadline.after(LOCK_SECONDS), "taking the agent's lock")
            except TimedOut:
                yield False
                return
            if not place.wanted.exists():
                yield False
                return
        file.truncate(0)
        file.write(f"{os.getpid()} {present.WHOSE}")
        file.flush()
        yield True
        file.truncate(0)


def agent_process(place: AgentPlace) -> int | None:
    """Return the process id of the agent; None if there is none."""
    with contextlib.suppress(FileNotFoundError), place.lock.open("r+") as file:
        if not _locks(file):
            pid, _, _ = file.read().partition(" ")
            return int(pid) if pid.isdecimal() else None
    return None


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def connected(place: AgentPlace) -> socket.socket:
    """Connect to the host's agent, started if there is none. One of another installation of isolab is ended
    first. Raises Unavailable if it still has guests, or, with its last words, if ours does not start."""
    if found := connect(place):
        if not of_another_isolab(place):
            return found
        _replace(place, found)
    deadline = Deadline.after(START_SECONDS)
    begun = time.monotonic() - 2 * TRY_SECONDS
    while True:
        if time.monotonic() - begun > TRY_SECONDS:
            begun = time.monotonic()
            _start(place, deadline)
        if found := connect(place):
            return found
        try:
            deadline.check("starting the agent")
        except TimedOut:
            said = place.log.read_text(errors="replace").strip().splitlines() if place.log.exists() else []
            last = said[-1] if said else "it said nothing"
            raise Unavailable(f"the agent did not start: {last}", hint=f"see {place.log}") from None
        deadline.cancellation.wait(0.02)


def _replace(place: AgentPlace, line: socket.socket) -> None:
    """End an agent of another installation. Raises Unavailable if it still has units."""
    deadline = Deadline.after(REPLACE_SECONDS)
    with AgentClient(SocketStream(line)) as client, contextlib.suppress(TransportError):
        if any(not lease["kept"] and lease["guests"] for lease in client.leases(deadline)):
            raise Unavailable(
                "the agent of this host is of another version of isolab, and still has guests",
                hint="wait for what runs there, or cancel it; then try again",
            )
        client.stop(deadline)
    poll(lambda: agent_process(place) is None, deadline, "ending the agent of another version of isolab")


def _start(place: AgentPlace, deadline: Deadline) -> None:
    words = [sys.executable, "-P", "-c", _PROGRAM, "agent", "--serve"]
    place.wanted.touch()
    if place.log.exists() and place.log.stat().st_size > MOST_LOG:
        place.log.replace(place.log.with_suffix(".log.before"))
    process.detach(render_kept(words, place.wanted, AGAIN_SECONDS, "the agent"), place.log, deadline)
