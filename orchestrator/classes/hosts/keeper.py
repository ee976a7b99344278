"""Keeps the ways to machines on hosts open, as long as the class's service runs: a connection that broke, or
ended without users, is made again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.classes.hosts.look import cluster_of, look
from orchestrator.classes.hosts.snapshots import said
from orchestrator.classes.hosts.ways import keep_open
from orchestrator.classes.model import LoadedClass
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import ClusterHost
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError

EVERY_SECONDS = 5.0


@dataclass
class Keeper:
    """``say`` writes the service's log; ``moved`` is called when a machine has another port here than
    before."""

    found: LoadedClass
    say: Callable[[str], None]
    moved: Callable[[], None]
    _said: dict[str, str] = field(default_factory=dict)

    def run(self, stop: threading.Event, cancellation: Cancellation) -> None:
        """Look after the ways until ``stop`` is set; what fails is said once, and tried again."""
        while not stop.wait(EVERY_SECONDS):
            try:
                with hosts_up(cluster_of(self.found), cancellation) as hosts:
                    self._round(hosts)
            except Interrupted:
                return
            except LabError as problem:
                self._tell("the hosts", problem.describe())

    def _round(self, hosts: HostsUp) -> None:
        known = said(self.found)
        listed = [host for host in hosts.cluster.hosts if host.name in known and known[host.name].machines]
        moved, failed = hosts.each(lambda host: self._keep(hosts, host), listed)
        for name, why in failed.items():
            self._tell(name, why)
        for name in moved:
            if self._said.pop(name, ""):
                self.say(f"{name}: reached again")
        if any(moved.values()):
            self.moved()

    def _keep(self, hosts: HostsUp, host: ClusterHost) -> bool:
        answer = said(self.found)[host.name]
        if hosts.existing(host) is None:  # it may have been off, and have other ports, or nothing, now
            looked = look(self.found, hosts, [host.name])
            if why := looked.away.get(host.name):
                raise LabError(why)
            answer = looked.answers[host.name]
        return keep_open(self.found, hosts, host, answer)

    def _tell(self, name: str, why: str) -> None:
        if self._said.get(name) != why:
            self.say(why if why.startswith(f"{name}: ") else f"{name}: {why}")
        self._said[name] = why
