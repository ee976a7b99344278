"""The cluster's scheduler, which counts the messages that come and go, in a file that is written whenever
their number has changed by a hundred."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from distributed.comm.tcp import TCP

from orchestrator.cluster.scheduling import scheduler

FILE = "ISOLAB_TEST_COUNTS"
COMMAND = (sys.executable, __file__)
_counts = {"received": 0, "sent": 0}


def _count(what: str) -> None:
    _counts[what] += 1
    if sum(_counts.values()) % 100 == 0:
        Path(os.environ[FILE]).write_text(json.dumps(_counts))


def main() -> None:
    """Be the scheduler."""
    transport: Any = TCP
    read, write = transport.read, transport.write

    async def counted_read(self: Any, *args: Any, **named: Any) -> Any:
        message = await read(self, *args, **named)
        _count("received")
        return message

    async def counted_write(self: Any, *args: Any, **named: Any) -> Any:
        _count("sent")
        return await write(self, *args, **named)

    transport.read, transport.write = counted_read, counted_write
    scheduler.main()


if __name__ == "__main__":
    main()
