"""Dask's scheduler as a process of its own on the controller. Owns nothing: it may be killed at any moment.

Standard input has one line, {"credentials", "port" (0: any), "folder"}; standard output first
{"address", "dashboard"} or {"problem", "hint"}, then {"alive": true} every two seconds.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from orchestrator.cluster.scheduling import certificates, dask_process, process_pipes, unpickling
from orchestrator.cluster.scheduling.certificates import Credentials, Role

COMMAND = (sys.executable, "-c", f"from {__name__} import main; main()")
"""What starts it."""


def main() -> None:
    """Be the scheduler until standard input ends."""
    dask_process.be("scheduler", Role.SCHEDULER, unpickling.SCHEDULER, _serve)


async def _serve(given: dict[str, Any], credentials: Credentials) -> None:
    from orchestrator.cluster.scheduling.guarded import GuardedScheduler

    shown = importlib.util.find_spec("bokeh") is not None
    scheduler: Any = GuardedScheduler(
        protocol="tls",
        host="127.0.0.1",
        port=int(given["port"]),
        security=certificates.security(credentials),
        extensions={},  # no shuffles, locks, variables, stealing: nothing of that is asked for
        local_directory=given["folder"],
        dashboard=shown,
        dashboard_address="127.0.0.1:0",
    )
    await scheduler
    pages = f"http://127.0.0.1:{scheduler.http_server.port}/status" if shown else ""
    process_pipes.say(address=scheduler.address, dashboard=pages)
    process_pipes.end_with_input()
    await dask_process.until_end(scheduler.finished())
