"""The agent that is there already. Loads little: whoever relays to it is started for each conversation."""

from __future__ import annotations

import os
import socket
import sys

from orchestrator import __version__
from orchestrator.cluster.agent.paths import AgentPlace

WHOSE = f"{sys.executable} {__version__}"
"""Which installation of isolab an agent is of, as it writes into its lock file."""


def connect(place: AgentPlace) -> socket.socket | None:
    """Connect to an agent that listens; None if none does. Raises OSError for other failures."""
    line = socket.socket(socket.AF_UNIX)
    folder = os.open(place.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        line.connect(f"/proc/self/fd/{folder}/{place.socket.name}")
    except (FileNotFoundError, ConnectionRefusedError):
        line.close()
        return None
    except BaseException:
        line.close()
        raise
    finally:
        os.close(folder)
    return line


def of_another_isolab(place: AgentPlace) -> bool:
    """Return whether the agent that runs was started by another installation of isolab."""
    _, _, whose = place.lock.read_text().partition(" ")
    return whose not in ("", WHOSE)
