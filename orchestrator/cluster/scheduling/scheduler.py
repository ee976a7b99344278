"""Dask's scheduler as a process of its own on the controller. Owns nothing: it may be killed at any moment.

Standard input has one line, {"credentials", "port" (0: any), "folder"}; standard output first
{"address", "dashboard"} or {"problem", "hint"}, then {"alive": true} every two seconds.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from orchestrator.cluster.scheduling import certificates, process_pipes, settings, unpickling
from orchestrator.cluster.scheduling.certificates import Credentials, Role
from orchestrator.errors import LabError

COMMAND = (sys.executable, "-c", f"from {__name__} import main; main()")
"""What starts it."""


def main() -> None:
    """Be the scheduler until standard input ends."""
    given = process_pipes.hear()
    logging.basicConfig(format="scheduler: %(message)s", level=logging.WARNING)
    try:
        settings.apply()
        settings.log_from(logging.WARNING)
        credentials = Credentials.from_data(given["credentials"])
        credentials.check(Role.SCHEDULER, datetime.now(UTC))
        unpickling.restrict(unpickling.SCHEDULER)
        asyncio.run(_serve(credentials, int(given["port"]), given["folder"]))
    except LabError as problem:
        process_pipes.say(problem=problem.message, hint=problem.hint)
    except (OSError, ValueError, RuntimeError) as problem:
        process_pipes.say(problem=f"it cannot start: {problem.__cause__ or problem}", hint="")
    os._exit(1)


async def _serve(credentials: Credentials, port: int, folder: str) -> None:
    from orchestrator.cluster.scheduling.guarded import GuardedScheduler

    shown = importlib.util.find_spec("bokeh") is not None
    scheduler: Any = GuardedScheduler(
        protocol="tls",
        host="127.0.0.1",
        port=port,
        security=certificates.security(credentials),
        extensions={},  # no shuffles, locks, variables, stealing: nothing of that is asked for
        local_directory=folder,
        dashboard=shown,
        dashboard_address="127.0.0.1:0",
    )
    await scheduler
    pages = f"http://127.0.0.1:{scheduler.http_server.port}/status" if shown else ""
    process_pipes.say(address=scheduler.address, dashboard=pages)
    process_pipes.end_with_input()
    await asyncio.wait(
        [asyncio.ensure_future(scheduler.finished()), asyncio.ensure_future(process_pipes.beat())],
        return_when=asyncio.FIRST_COMPLETED,
    )
