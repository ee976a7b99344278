"""Before a lab is placed: hosts that are about to come are waited for, for as long as a unit would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import factories
import pytest

from orchestrator.cluster import prepare as module
from orchestrator.cluster.bundle import pack
from orchestrator.cluster.model import Cluster, ClusterHost, Destination
from orchestrator.cluster.offers import Offer, Offers
from orchestrator.cluster.placement import Terms
from orchestrator.cluster.supervisor.state_file import ClusterStatus, HostStatus, State
from orchestrator.deadline import Deadline
from orchestrator.labfile.plan import jobs
from orchestrator.progress import SilentProgress

HOSTS: Any = SimpleNamespace(state=Path("/nowhere"), deadline=Deadline.after)
ONE = Offer("alder", "amd64", 2**30, 1)


def _awaited(monkeypatch: pytest.MonkeyPatch, *seen: tuple[State, tuple[Offer, ...]]) -> tuple[Offer, ...]:
    """What is found when the only host is in these states, one after the other; all have to be looked at."""
    looks: Iterator[tuple[State, tuple[Offer, ...]]] = iter(seen)
    now: list[tuple[State, tuple[Offer, ...]]] = []

    def there_now(_hosts: object) -> Offers:
        now[:] = [next(looks)]
        return Offers(now[0][1])

    def status(_folder: Path) -> ClusterStatus:
        return ClusterStatus(1, hosts={"alder": HostStatus("alder", now[0][0])})

    monkeypatch.setattr(module, "there_now", there_now)
    monkeypatch.setattr(module, "status", status)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    found = module._awaited(HOSTS, SilentProgress())
    assert next(looks, None) is None
    return found.hosts


def test_a_host_that_is_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _awaited(monkeypatch, (State.UP, (ONE,))) == (ONE,)


def test_hosts_that_are_being_connected_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _awaited(monkeypatch, (State.STARTING, ()), (State.UP, (ONE,))) == (ONE,)


def test_with_no_host_at_all_one_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _awaited(monkeypatch, (State.AWAY, ()), (State.STARTING, ()), (State.UP, (ONE,))) == (ONE,)


def test_a_host_that_is_drained_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _awaited(monkeypatch, (State.UP, ())) == ()


def test_nobody_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNPLACEABLE_SECONDS", 0.0)
    assert _awaited(monkeypatch, (State.AWAY, ())) == ()


def test_a_lab_is_sent_to_those_hosts_only_that_do_not_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, tuple(ClusterHost(name, Destination(name)) for name in ("alder", "birch")))
    sent: list[str] = []

    def each(_act: object, hosts: Sequence[ClusterHost]) -> tuple[dict[str, None], dict[str, str]]:
        sent.extend(host.name for host in hosts)
        return {}, {}

    hosts: Any = SimpleNamespace(state=tmp_path, cluster=cluster, each=each)
    machines = {"a": {"driver": "process"}, "b": {"driver": "process"}}
    loaded = replace(factories.lab(machines), exercises=())
    digest = pack(loaded, tmp_path / "bundles").digest
    there = (replace(ONE, bundles=frozenset({digest})), replace(ONE, name="birch"))
    monkeypatch.setattr(module, "_awaited", lambda *_: Offers(there))
    found = module.prepare(loaded, jobs(loaded, "run"), Terms(), hosts, SilentProgress())
    assert {unit.bundle for unit in found.units} == {digest}
    assert sent == ["birch"]
