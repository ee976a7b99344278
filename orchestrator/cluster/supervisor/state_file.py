"""What is up, as the supervisor writes it into ``status.json`` and everybody else reads it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.cluster.model import HostFacts
from orchestrator.cluster.paths import STATUS
from orchestrator.host.cache import write_atomically


class State(StrEnum):
    """Of a host: being connected for the first time; its agent and worker answer; they do not."""

    STARTING = "starting"
    UP = "up"
    AWAY = "away"


@dataclass(frozen=True)
class HostStatus:
    """One host. ``since`` is when its state began (seconds since the epoch), ``trouble`` why it is away, in
    words, ``facts`` what its agent said last; ``starts`` counts its workers."""

    name: str
    state: State = State.STARTING
    since: float = 0.0
    trouble: str = ""
    starts: int = 0
    facts: HostFacts | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> HostStatus:
        """Raises TypeError, ValueError."""
        facts = data.get("facts")
        found = cls(**{key: value for key, value in data.items() if key in cls.__dataclass_fields__})
        return replace(
            found, state=State(found.state), facts=None if facts is None else HostFacts.from_data(facts)
        )


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster. ``scheduler`` is the scheduler's address, empty while there is none, and ``trouble`` says
    why; ``dashboard`` is the address of Dask's pages, or empty; ``process`` is the supervisor's, 0 if there
    is none; ``starts`` counts schedulers."""

    process: int = 0
    scheduler: str = ""
    dashboard: str = ""
    trouble: str = ""
    starts: int = 0
    hosts: Mapping[str, HostStatus] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether there is a supervisor."""
        return self.process != 0

    @property
    def words(self) -> str:
        """What people should know of it, in lines."""
        if not self.runs:
            return "the cluster is not up: `isolab cluster up` starts it"
        lines = [f"scheduler: {self.scheduler or 'none: ' + (self.trouble or 'it is being started')}"]
        lines += [f"dashboard: {self.dashboard}"] if self.dashboard else []
        for name, host in self.hosts.items():
            if host.state is State.AWAY:
                lines.append(f"{name} takes no units: {host.trouble.removeprefix(f'{name}: ')}")
            elif host.state is State.STARTING:
                lines.append(f"{name} takes no units yet: it is being connected")
        return "\n".join(lines)

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {**asdict(self), "runs": self.runs}

    @property
    def settled(self) -> bool:
        """Whether everything is up or it is known why not."""
        known = all(host.state is not State.STARTING for host in self.hosts.values())
        return self.runs and known and bool(self.scheduler or self.trouble)


def status(folder: Path) -> ClusterStatus:
    """Return what the supervisor wrote last into a cluster's state folder: that nothing runs if there is
    nothing, or the process that wrote it is gone."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads((folder / STATUS).read_text())
        hosts = {name: HostStatus.from_data(one) for name, one in data.pop("hosts").items()}
        found = ClusterStatus(**data, hosts=hosts)
        os.kill(found.process, 0)
        return found
    return ClusterStatus(0)


class Board:
    """The status while it changes. Thread-safe; every change is in the file at once."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._path = folder / STATUS
        self._changed = threading.Condition()
        now = time.time()
        self._status = ClusterStatus(os.getpid(), hosts={name: HostStatus(name, since=now) for name in names})
        with self._changed:
            self._write()

    @property
    def status(self) -> ClusterStatus:
        return self._status

    def scheduler(self, address: str, dashboard: str = "", trouble: str = "") -> None:
        """The scheduler is at an address, or (empty) is gone."""
        with self._changed:
            self._status = replace(
                self._status,
                scheduler=address,
                dashboard=dashboard,
                trouble=trouble,
                starts=self._status.starts + bool(address),
            )
            self._write()

    def host(self, name: str, change: Callable[[HostStatus], HostStatus]) -> None:
        """Change what is known of a host; where its state changes, so does ``since``."""
        with self._changed:
            old = self._status.hosts[name]
            new = change(old)
            if new.state is not old.state:
                new = replace(new, since=time.time())
            self._status = replace(self._status, hosts={**self._status.hosts, name: new})
            self._write()

    def wait_for(self, holds: Callable[[ClusterStatus], bool], seconds: float) -> bool:
        """Wait until something holds of the status, or the time is over; returns whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self._status), seconds)

    def _write(self) -> None:
        write_atomically(self._path, json.dumps(asdict(self._status), indent=1).encode())
        self._changed.notify_all()
