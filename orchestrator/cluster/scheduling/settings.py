"""Dask's settings, each with its reason; those of the user's own Dask are not used for them."""

from __future__ import annotations

from typing import Any

UNPLACEABLE_SECONDS = 60.0
"""How long a unit may find no host before that is an error: a host that was restarted is back by then."""
LOST_SECONDS = 30.0
"""How long a host may be away before its unit is given to another one. SSH notices a dead link after 15 s
(3 times 5), and the supervisor has its worker back a few seconds after a link is up again."""
MEMORY = "MEMORY"
"""The resource of a worker, and of a unit: whole MiB of a host's memory. Dask adds fractions up wrongly."""
THREADS = 256
"""Units on a host at the same time: each is a thread that waits for the agent, and limits nothing else."""
CERTIFICATE_DAYS = 7
"""How long a certificate is valid. The supervisor makes new ones, and restarts what holds an old one."""
CONNECT_SECONDS = 10
LINES_KEPT = 16
"""Events that Dask keeps of each topic, for those who ask later; we never do."""

SETTINGS: dict[str, Any] = {
    # A worker that dies is back at the same address soon, and asks its agent for the same unit in the same
    # epoch, which runs nothing twice. Once is enough: the rest is for the engine to decide.
    "distributed.scheduler.allowed-failures": 1,
    # Stealing counts resources wrongly and keeps new workers idle (dask/distributed 4446, dask/dask 3264);
    # it would also move a unit to a host for which it was not meant.
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": 1.0,
    # Without it a task that no worker may run waits for ever, in silence.
    "distributed.scheduler.no-workers-timeout": f"{UNPLACEABLE_SECONDS:.0f}s",
    "distributed.scheduler.worker-ttl": "60s",
    # Routes for people with a browser only: no metrics, no proxy to workers.
    "distributed.scheduler.http.routes": ["distributed.http.health", "distributed.http.statics"],
    "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin": ["localhost", "127.0.0.1"],
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.http.routes": ["distributed.http.health"],
    # What a worker takes is not what its guests take, and to pause or to end it would help nobody.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    # It would look at every thread a hundred times a second, and they only wait.
    "distributed.worker.profile.enabled": False,
    "distributed.comm.require-encryption": True,
    "distributed.comm.tls.min-version": 1.3,
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.comm.compression": False,
    "distributed.admin.low-level-log-length": LINES_KEPT,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.log-length": 60,
    "distributed.admin.tick.limit": "30s",
    "distributed.diagnostics.nvml": False,
    "distributed.diagnostics.cudf": False,
}


def apply() -> None:
    """Make them those of this process. Raises Unavailable, with what to install, without Dask."""
    require_dask()
    _load()  # its own defaults must be there first
    import dask

    dask.config.set(SETTINGS)


def load_early() -> None:
    """Begin to load Dask in the background: it takes half a second, while a run sends its lab."""
    import threading

    threading.Thread(target=_load, daemon=True).start()


def _load() -> None:
    """Load Dask without looking for garbage meanwhile: there is none among so many new things, and the search
    takes an eighth of the time."""
    import gc
    import importlib

    sought = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module("distributed")
        gc.freeze()
    finally:
        if sought:
            gc.enable()


def log_from(level: int) -> None:
    """Let Dask log nothing below a level (``logging``): each of its modules has a level of its own."""
    import logging

    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    for name in ("distributed", *names):
        logging.getLogger(name).setLevel(level)


def require_dask() -> None:
    """Raise Unavailable, with what to install, without Dask."""
    import importlib.util

    if importlib.util.find_spec("distributed") is None:
        from orchestrator.errors import Unavailable
        from orchestrator.host.extras import how_to_install

        raise Unavailable(
            "several hosts need Dask (distributed), which is not installed",
            hint=how_to_install("cluster"),
        )
