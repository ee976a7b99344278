"""Dask's scheduler and client as a cluster has them: each peer may say what is its to say."""

from __future__ import annotations

import logging
from typing import Any

from distributed import Client, Scheduler
from distributed.versions import VersionMismatchWarning

from orchestrator.cluster.scheduling import peers

__all__ = ["GuardedClient", "GuardedScheduler", "VersionMismatchWarning"]

_log = logging.getLogger("isolab.cluster")


class GuardedScheduler(Scheduler):
    """A scheduler to which hosts may only be workers, each under its own name."""

    def handle_comm(self, comm: Any) -> Any:
        if not peers.watch(comm, _refuse):
            comm.abort()
        return super().handle_comm(comm)

    async def add_worker(self, comm: Any, *, name: str, **about: Any) -> None:
        """A host has one worker: when it comes back, what is left of the one before it is gone."""
        former = self.aliases.get(name)
        if former is not None:
            await self.remove_worker(former, stimulus_id=f"replaced-{name}")
        await super().add_worker(comm, name=name, **about)


class GuardedClient(Client):
    """A client that neither prints nor unpickles what workers say to it unasked."""

    _default_event_handlers: dict[str, Any] = {}  # noqa: RUF012 - Dask's own, without "print" and "warn"


def _refuse(words: str) -> None:
    _log.warning("refused: %s", words)
