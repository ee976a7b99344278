"""Dask's worker as a process on a host. Owns nothing: it may be killed at any moment, guests live on.

1. Standard input: {"host", "credentials", "orders", "memory"}: the host's name, its keys, the key that
   verifies orders, MiB for guests; "folder" is the agent's, if it is not this state's.
2. Standard output: {"port"}: a free port here, where the worker will listen.
3. Standard input: {"contact", "scheduler"}: the worker's address as the scheduler sees it, the scheduler's
   as the worker sees it.
4. Standard output: {"ready": true}, then {"alive": true} every two seconds; at any time {"problem", "hint"}.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.paths import AgentPlace, agent_place
from orchestrator.cluster.scheduling import certificates, dask_process, process_pipes, settings, unpickling
from orchestrator.cluster.scheduling import work as unit_work
from orchestrator.cluster.scheduling.certificates import Credentials, Role
from orchestrator.cluster.scheduling.dask_words import words
from orchestrator.errors import TimedOut, Unavailable

START_SECONDS = 30.0
PROGRAM = ("-c", f"from {__name__} import main; main()")
COMMAND = (sys.executable, *PROGRAM)
"""What Python runs, and what starts it with the Python and the isolab that run us."""


def main() -> None:
    """Be the worker of this host until standard input ends, or the scheduler is lost."""
    dask_process.be("worker", Role.HOST, unpickling.WORKER, _serve)


async def _serve(given: dict[str, Any], credentials: Credentials) -> None:
    from distributed import Worker

    port = _free_port()
    process_pipes.say(port=port)
    where = process_pipes.hear()
    process_pipes.end_with_input()
    security = certificates.security(credentials)
    await _require_scheduler(given["host"], where["scheduler"], security)
    agent = AgentPlace(Path(given["folder"])) if "folder" in given else agent_place()
    worker: Any = Worker(
        where["scheduler"],
        name=given["host"],
        extensions={},
        nthreads=settings.THREADS,
        resources={settings.MEMORY: int(given["memory"])},
        memory_limit=0,
        security=security,
        protocol="tls",
        host="127.0.0.1",
        port=port,
        contact_address=where["contact"],
        local_directory=str(agent.folder / "dask"),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    place = unit_work.Place(given["host"], agent.socket, given["orders"], worker.log_event)
    unit_work.settle(place)
    try:
        await asyncio.wait_for(worker, START_SECONDS)
    except TimeoutError:
        raise TimedOut(
            f"the scheduler did not answer the worker on {given['host']} within {START_SECONDS:.0f} s"
        ) from None
    process_pipes.say(ready=True)
    await dask_process.until_end(worker.finished())
    process_pipes.say(problem="the connection to the scheduler ended", hint="")


async def _require_scheduler(host: str, address: str, security: Any) -> None:
    """Raise Unavailable, in words, if the scheduler cannot be reached or refuses our certificate: a worker
    would try again and again, in silence."""
    from distributed.comm import core

    connect: Any = core.connect
    try:
        found = await connect(address, settings.CONNECT_SECONDS, **security.get_connection_args("worker"))
    except OSError as problem:
        raise Unavailable(f"the scheduler does not let the worker on {host} in: {words(problem)}") from None
    await found.close()


def _free_port() -> int:
    """Return a port of the loopback that is free now. Another process may be faster: then the worker does not
    start, and is started again."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
