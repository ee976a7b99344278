"""The engine's connection to Dask's scheduler: what has been given, what comes back, who is there.

Everything that happens is put into one queue; nothing else of Dask reaches the engine.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import secrets
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.cluster.scheduling import certificates, settings, unpickling
from orchestrator.cluster.scheduling.certificates import Credentials, Role
from orchestrator.cluster.scheduling.dask_words import words
from orchestrator.errors import Unavailable


@dataclass(frozen=True)
class Event:
    """A line as it fell on a host: JSON of a SignedLine, to be checked."""

    line: str


@dataclass(frozen=True)
class Answer:
    """What a call returned, JSON as of ``work.work``; empty where there is only a ``failure``, in words.
    ``connection`` is that it was made over, ``token`` what ``give`` returned."""

    connection: int
    token: str
    text: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Workers:
    """Which hosts have a worker now: the address of each, and MiB for guests."""

    address: dict[str, str]
    memory: dict[str, int]


Happened = Event | Answer


class DaskClient:
    """A connection. ``number`` tells it from those before it."""

    def __init__(
        self,
        address: str,
        credentials: Credentials,
        topic: str,
        happened: queue.SimpleQueue[Happened],
        number: int,
    ) -> None:
        """Raises Unavailable, in words, if the scheduler cannot be reached or refuses us."""
        credentials.check(Role.CONTROLLER, datetime.now(UTC))
        settings.apply()
        unpickling.restrict(unpickling.CONTROLLER)
        from orchestrator.cluster.scheduling import guarded

        make: Any = guarded.GuardedClient
        # Hosts have the same packages, but each its own Python: what travels is text.
        warnings.simplefilter("ignore", guarded.VersionMismatchWarning)

        settings.log_from(logging.CRITICAL + 1)  # what matters is said in our words
        self._futures: dict[str, Any] = {}
        self._not_wanted: set[str] = set()
        self._happened, self._number = happened, number
        try:
            self._client = make(
                address,
                security=certificates.security(credentials),
                timeout=settings.CONNECT_SECONDS,
                set_as_default=False,
                name="isolab",
            )
        except (OSError, ValueError, RuntimeError) as problem:
            raise Unavailable(
                f"the cluster's scheduler at {address} cannot be reached: {words(problem)}",
                hint="`isolab cluster status` tells what is up; `isolab cluster up` starts what is not",
            ) from None
        self._client.subscribe_topic(topic, self._event)

    def _event(self, event: Any) -> None:
        with contextlib.suppress(Exception):  # whatever a host sends must not end the connection
            self._happened.put(Event(event[1]["line"]))

    @property
    def alive(self) -> bool:
        return bool(self._client.status == "running")

    def give(self, order: str, address: str, memory: int) -> str:
        """Give an order to the worker at an address; returns a token, that its answer has too."""
        from orchestrator.cluster.scheduling.work import work

        token = f"unit-{secrets.token_hex(12)}"
        future = self._client.submit(
            work,
            order,
            key=token,
            pure=False,
            workers=[address],
            allow_other_workers=False,
            resources={settings.MEMORY: memory},
            retries=0,
        )
        self._futures[token] = future
        future.add_done_callback(lambda done: self._done(token, done))
        return token

    def _done(self, token: str, future: Any) -> None:
        text = failure = ""
        try:
            if token in self._not_wanted:
                return
            if future.status == "finished":
                text = str(future.result(timeout=settings.CONNECT_SECONDS))
            elif future.status == "error":
                failure = words(future.exception(timeout=settings.CONNECT_SECONDS))
            else:
                failure = "the connection to the scheduler was lost"
        except Exception as problem:  # noqa: BLE001 - whatever was pickled by others
            failure = words(problem)
        finally:
            self._futures.pop(token, None)
        self._happened.put(Answer(self._number, token, text, failure))

    def forget(self, token: str, *, ended: bool) -> None:
        """Its answer is not wanted any more. Where the unit has not ended, Dask forgets the call at once: one
        that returns in the same moment would be gathered while it is forgotten."""
        self._not_wanted.add(token)
        if not ended:
            future = self._futures.pop(token, None)
            if future is not None:
                with contextlib.suppress(Exception):
                    future.release()

    def workers(self) -> Workers:
        """Return who is there. Raises Unavailable if the scheduler does not answer."""
        try:
            ask = self._client.scheduler.identity
            found = self._client.sync(ask, n_workers=-1, callback_timeout=settings.CONNECT_SECONDS)["workers"]
        except Exception as problem:  # noqa: BLE001 - Dask documents none
            raise Unavailable(f"the cluster's scheduler does not answer: {words(problem)}") from None
        there = {str(one["name"]): (str(address), one) for address, one in found.items()}
        return Workers(
            {name: address for name, (address, _) in there.items()},
            {name: int(one["resources"].get(settings.MEMORY, 0)) for name, (_, one) in there.items()},
        )

    def close(self) -> None:
        """End the connection; what still runs is for the agents to cancel."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
