"""Ask the agent of this host over its socket: one request, its items as they come, one connection each."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.protocol import LONGEST, decode, encode
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError, TransportError
from orchestrator.host.ready import readable

LOOK_SECONDS = 0.5
CONNECT_SECONDS = 10.0


class AgentSaid(LabError):
    """The agent answered with an error; its words are the message."""


def items(
    path: Path, request: Mapping[str, Any], cancellation: Cancellation
) -> Generator[object, None, dict[str, Any]]:
    """Yield the items of an answer; returns what it is done with.

    Raises AgentSaid, TransportError if there is no agent or it breaks off, Interrupted.
    """
    with contextlib.closing(_connected(path)) as agent:
        try:
            agent.sendall(encode({"id": 1, **request}))
        except OSError as problem:
            raise TransportError(f"the agent does not listen: {problem.strerror}") from None
        buffer = bytearray()
        while True:
            line = _line(agent, buffer, cancellation)
            message = decode(line)
            if "error" in message:
                raise AgentSaid(str(message["error"])[:2000], hint=str(message.get("hint", ""))[:2000])
            if "done" in message:
                return dict(message["done"])
            yield message.get("item")


def _connected(path: Path) -> socket.socket:
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        agent.settimeout(CONNECT_SECONDS)
        agent.connect(str(path))
    except OSError as problem:
        agent.close()
        raise TransportError(
            f"no agent answers on this host ({path}): {problem.strerror or problem}",
            hint="the cluster's supervisor starts it again; `isolab cluster status` tells",
        ) from None
    return agent


def _line(agent: socket.socket, buffer: bytearray, cancellation: Cancellation) -> bytes:
    """Return the next line. Raises TransportError, Interrupted."""
    searched = 0
    while (end := buffer.find(b"\n", searched)) < 0:
        searched = len(buffer)
        if searched > LONGEST:
            raise TransportError(f"the agent's message is longer than {LONGEST} bytes")
        while not readable(agent.fileno(), LOOK_SECONDS):
            cancellation.check()
        try:
            part = agent.recv(65536)
        except OSError as problem:
            raise TransportError(f"the agent broke off: {problem.strerror}") from None
        if not part:
            raise TransportError("the agent broke off: it ended before the unit did")
        buffer += part
    line = bytes(buffer[: end + 1])
    del buffer[: end + 1]
    return line
