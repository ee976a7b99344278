"""What a worker does: asks the host's agent for a unit and passes its lines on. It owns nothing.

``work`` is imported by name on the host; what it takes and returns is JSON.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cluster.agent.client import AgentClient
from orchestrator.cluster.agent.streams import Stream, over_socket
from orchestrator.cluster.scheduling.orders import verified
from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TransportError, from_os

LONGEST_LINES = 64 * 2**20
"""Bytes of a unit's lines that are returned; of what is beyond, the controller has only the events."""
BACK_SECONDS, LOOK_SECONDS = 20.0, 0.2
"""How long a killed agent may take to be back, and how often we look: about two seconds on a host that is not
busy. Then it says what became of the unit, or begins it; no other host need get it."""

Tell = Callable[[str, dict[str, str]], None]
"""Sends an event to a topic."""


@dataclass(frozen=True)
class Place:
    """Where this worker is: its host, the agent's socket, and the key that verifies the controller's
    orders."""

    host: str
    socket: Path
    orders: str
    tell: Tell


_here: list[Place] = []
_lock = threading.Lock()


def settle(place: Place) -> None:
    """Say where this process's worker is."""
    with _lock:
        _here[:] = [place]


def work(order: str) -> str:
    """Run one unit. Returns JSON: {"host", "lines": [JSON of a SignedLine], "problem", "hint"}; the last two
    are empty unless the agent could not be asked. Never raises."""
    place = _here[0]
    lines: list[str] = []
    problem = hint = ""
    try:
        wanted = verified(order, place.orders, place.host)
        size = 0
        with AgentClient(_agent(place.socket), place.host) as agent:
            # No deadline: the agent ends a unit whose lease is over, and that ends its lines.
            for line in agent.run(wanted.unit, Deadline.never()):
                text = line.to_json()
                place.tell(wanted.topic, {"line": text})
                size += len(text)
                if size <= LONGEST_LINES:
                    lines.append(text)
    except LabError as trouble:
        problem, hint = trouble.message, trouble.hint
    except OSError as trouble:
        problem = from_os(trouble).message
    except Exception as trouble:  # noqa: BLE001 - an exception would be pickled, and read by nobody
        problem = f"the worker on {place.host} failed: {type(trouble).__name__}: {trouble}"
    return json.dumps({"host": place.host, "lines": lines, "problem": problem, "hint": hint})


def _agent(path: Path) -> Stream:
    """Connect to the agent; one that was killed is waited for. Raises TransportError."""
    deadline = Deadline.after(BACK_SECONDS)
    while True:
        try:
            return over_socket(path)
        except TransportError:
            if not deadline.remaining():
                raise
            time.sleep(LOOK_SECONDS)
