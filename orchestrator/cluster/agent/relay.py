"""What SSH starts on a host: passes bytes on between standard input and output and the host's agent."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys

from orchestrator.cluster.agent.paths import AgentPlace
from orchestrator.cluster.agent.present import connect, of_another_isolab
from orchestrator.paths import state_dir

BLOCK = 65536
PROGRAM = ("-c", f"from {__name__} import main; main()")
"""What Python runs to be a relay."""
_AGENT = ("-P", "-c", "from orchestrator.cli.main import main; main()", "agent")


def main() -> None:
    """Do as `isolab agent`, which takes ten times as long to load: only if there is no agent of this isolab
    yet, the command takes over."""
    place = AgentPlace(state_dir() / "agent")
    found = connect(place) if place.folder.is_dir() else None
    if found is not None and not of_another_isolab(place):
        relay(found)
        return
    if found is not None:
        found.close()
    from orchestrator.host import process

    process.become([sys.executable, *_AGENT])


def relay(line: socket.socket, given: int = 0, taken: int = 1) -> None:
    """Pass bytes on until the agent closes the connection, or nobody reads any more. The end of what is
    given ends nothing that the agent has begun."""
    with contextlib.suppress(OSError), line:  # either side went away
        watched = select.poll()
        watched.register(line, select.POLLIN)
        watched.register(given, select.POLLIN)
        watched.register(taken, 0)  # only POLLERR and POLLHUP: nobody reads
        while True:
            for descriptor, _ in watched.poll():
                if descriptor == line.fileno():
                    block = line.recv(BLOCK)
                    if not block:
                        return
                    _write(taken, block)
                elif descriptor == taken:
                    return
                elif block := os.read(given, BLOCK):
                    line.sendall(block)
                else:
                    watched.unregister(given)
                    line.shutdown(socket.SHUT_WR)


def _write(taken: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(taken, view) :]
