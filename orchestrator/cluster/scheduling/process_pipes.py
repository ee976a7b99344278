"""How the processes of a cluster are spoken to: one JSON object a line over standard input and output.

The end of standard input means that whoever started them is gone: then they end, whatever they do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any

LONGEST = 2**20
BEAT_SECONDS, SILENT_SECONDS = 2.0, 30.0
"""How often such a process says that it is there, and after what silence it is taken for dead: it may have
been stopped, or its host be out of memory."""


def hear() -> dict[str, Any]:
    """Return the next object from standard input; ends the process if there is none."""
    line = sys.stdin.buffer.readline(LONGEST)
    if not line.endswith(b"\n"):
        os._exit(0)
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def say(**message: Any) -> None:
    """Write one object to standard output; ends the process if nobody reads it."""
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except OSError:
        os._exit(0)


async def beat() -> None:
    """Say that this process's event loop turns, again and again."""
    while True:
        say(alive=True)
        await asyncio.sleep(BEAT_SECONDS)


def end_with_input() -> None:
    """From now on, end this process as soon as its standard input ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, name="input", daemon=True).start()
