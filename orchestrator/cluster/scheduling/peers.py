"""What the scheduler lets a peer say: everything to the controller, to a host only what a worker must.

Dask knows no roles: whoever has a certificate may be client and worker at once, run functions in the
scheduler and give tasks to others. Here the certificate says who it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from orchestrator.cluster.scheduling.certificates import Role, holder

TOPIC = "isolab-run-"
"""What the topics of runs begin with."""
ADDRESS = "tls://"
"""What the topics begin with in which Dask's workers tell of themselves, and to which nobody listens."""
REQUESTS = frozenset({"register-worker", "heartbeat_worker", "unregister", "close", "identity"})
STREAMED = frozenset(
    {
        "task-finished",
        "task-erred",
        "release-worker-data",
        "add-keys",
        "long-running",
        "keep-alive",
        "log-event",
        "worker-status-change",
        "request-refresh-who-has",
        "close-stream",
        "missing-data",
    }
)


class Refused(Exception):
    """A peer said what it may not."""


def require(message: object, host: str) -> None:
    """Raise Refused for a message that a host's worker may not send to the scheduler. Pure."""
    parts = message if isinstance(message, list | tuple) else [message]
    for part in parts:
        if part == "OK":
            continue
        if not isinstance(part, Mapping):
            raise Refused("what it sent is no message")
        op = part.get("op")
        if not isinstance(op, str) or op not in REQUESTS | STREAMED:
            raise Refused(f"a worker may not ask for {str(op)[:80]!r}")
        if op == "register-worker" and part.get("name") != host:
            raise Refused(f"its worker calls itself {str(part.get('name'))[:80]!r}")
        if op in STREAMED and "worker" in part and op != "worker-status-change":
            raise Refused(f"it says {op!r} for another worker")
        if op == "log-event" and not str(part.get("topic")).startswith((TOPIC, ADDRESS)):
            raise Refused(f"a worker may not write to the topic {str(part.get('topic'))[:80]!r}")


def watch(comm: Any, refuse: Callable[[str], None]) -> bool:
    """Let a connection to the scheduler carry only what its holder may say; returns whether it may say
    anything. ``refuse`` is told in words what was refused."""
    role, name = holder(comm.extra_info.get("peercert"))
    if role == Role.CONTROLLER:
        return True
    if role != Role.HOST:
        refuse(f"a connection with a certificate for {role or 'nobody'}")
        return False
    read: Callable[..., Awaitable[object]] = comm.read

    async def checked(*args: Any, **named: Any) -> object:
        message = await read(*args, **named)
        try:
            require(message, name)
        except Refused as problem:
            from distributed.comm.core import CommClosedError

            refuse(f"host {name}: {problem}")
            comm.abort()
            raise CommClosedError(str(problem)) from None
        return message

    comm.read = checked
    return True
