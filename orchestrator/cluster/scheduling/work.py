"""What a worker does: asks the host's agent for a unit and passes its lines on. It owns nothing.

``work`` is imported by name on the host; what it takes and returns is JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cluster.model import SignedLine
from orchestrator.cluster.scheduling.ask_agent import items
from orchestrator.cluster.scheduling.orders import verified
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, from_os

LONGEST_LINES = 64 * 2**20
"""Bytes of a unit's lines that are returned; of what is beyond, the controller has only the events."""

Tell = Callable[[str, dict[str, str]], None]
"""Sends an event to a topic."""


@dataclass
class Place:
    """Where this worker is: its host, the agent's socket, and the key that verifies the controller's
    orders."""

    host: str
    socket: Path
    orders: str
    tell: Tell
    cancellation: Cancellation = field(default_factory=Cancellation)


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
        request = {"ask": "run", "unit": wanted.unit.to_json()}
        size = 0
        for item in items(place.socket, request, place.cancellation):
            text = _line(item)
            place.tell(wanted.topic, {"line": text, "host": place.host})
            size += len(text)
            if size <= LONGEST_LINES:
                lines.append(text)
    except Interrupted:
        problem = f"the worker on {place.host} was ended"
    except LabError as trouble:
        problem, hint = trouble.message, trouble.hint
    except OSError as trouble:
        problem = from_os(trouble).message
    except Exception as trouble:  # noqa: BLE001 - an exception would be pickled, and read by nobody
        problem = f"the worker on {place.host} failed: {type(trouble).__name__}: {trouble}"
    return json.dumps({"host": place.host, "lines": lines, "problem": problem, "hint": hint})


def _line(item: object) -> str:
    """Return a line as text. Raises TransportError if the agent sent something else."""
    from orchestrator.errors import TransportError

    try:
        if isinstance(item, str):
            return SignedLine.from_json(item).to_json()
        if isinstance(item, dict):
            return SignedLine(**item).to_json()
    except (ValueError, TypeError) as problem:
        raise TransportError(f"the agent sent what is no line: {problem}") from None
    raise TransportError("the agent sent what is no line")
