"""How the parts of a class are on their hosts now: all hosts that have one are asked at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.classes.hosts.answer import HostAnswer
from orchestrator.classes.hosts.ask import LOOK_SECONDS, ask
from orchestrator.classes.hosts.journal import SeatHosts
from orchestrator.classes.hosts.request import Act, part_of
from orchestrator.classes.hosts.snapshots import keep, said
from orchestrator.classes.model import LoadedClass
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import Cluster, ClusterHost
from orchestrator.progress import SilentProgress

NEW_SECONDS = 3.0
"""How long what hosts said counts as being so now, for who looks again and again."""
AWAY_SECONDS = 15.0
"""The same where one of them did not answer, which takes long to find out."""
NOT_LISTED = "the hosts file does not have it any more; add it again, or see to it there"


@dataclass(frozen=True)
class Looked:
    """What hosts said now, and why others said nothing, by host."""

    answers: Mapping[str, HostAnswer] = field(default_factory=lambda: MappingProxyType({}))
    away: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass
class _Last:
    looked: Looked
    until: float


_LAST: dict[str, _Last] = {}
_LOOKING = threading.Lock()


def looked(found: LoadedClass) -> Looked:
    """Return how the hosts are that have seats or machines of the class; asked at most every few seconds.
    Raises SpecError for a hosts file that is wrong, Unavailable."""
    key = str(found.file.resolve())
    with _LOOKING:
        last = _LAST.get(key)
        if last is None or last.until < time.monotonic():
            with hosts_up(cluster_of(found)) as hosts:
                now = look(found, hosts)
                last = _Last(now, time.monotonic() + (AWAY_SECONDS if now.away else NEW_SECONDS))
                _LAST[key] = last
        return last.looked


def look_again(found: LoadedClass) -> None:
    """Have the next look ask: something was changed."""
    _LAST.pop(str(found.file.resolve()), None)


def look(found: LoadedClass, hosts: HostsUp, names: Sequence[str] | None = None) -> Looked:
    """Ask these hosts (None: those that have something of the class), and keep what they say."""
    wanted = {*SeatHosts(found).hosts().values(), *said(found)} if names is None else {*names}
    listed = [host for host in hosts.cluster.hosts if host.name in wanted]

    def one(host: ClusterHost) -> HostAnswer:
        answer = ask(found, hosts, host, part_of(found, Act.LOOK), SilentProgress(), LOOK_SECONDS)
        keep(found, host.name, answer)
        return answer

    answers, away = hosts.each(one, listed)
    gone = {name: NOT_LISTED for name in wanted - {host.name for host in listed}}
    return Looked(answers, {**away, **gone})


def cluster_of(found: LoadedClass) -> Cluster:
    """Return the cluster of a class that has one. Raises SpecError for a hosts file that is wrong."""
    assert found.hosts is not None
    return load_hosts(found.hosts)
