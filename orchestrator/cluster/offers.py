"""What each host offers to a run: its architecture, and what isolab may use of its memory and processors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from orchestrator.cluster.model import Cluster, ClusterHost, HostFacts
from orchestrator.errors import Unavailable


@dataclass(frozen=True)
class Offer:
    """What one host offers. ``memory`` in bytes; ``emulates`` are architectures it has an emulator for,
    ``bundles`` labs it was sent before, by digest, ``glibc`` architectures whose glibc it has."""

    name: str
    arch: str
    memory: int
    cpus: int
    kvm: bool = False
    emulates: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    bundles: frozenset[str] = frozenset()
    glibc: frozenset[str] = frozenset()

    def answers_to(self, pin: str) -> bool:
        """Whether this host is meant by ``pin``: its name, or one of its tags."""
        return pin == self.name or pin in self.tags


@dataclass(frozen=True)
class Offers:
    """The hosts that take units, in the file's order, and why the others do not, by name."""

    hosts: tuple[Offer, ...]
    absent: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def native(self, here: str) -> str:
        """Return the architecture of machines whose lab names none: ``here``, the controller's, where a host
        has it, else that of most hosts; ``here`` too if there is no host. All such machines of a run have the
        same one, as on one host."""
        found = Counter(sorted(host.arch for host in self.hosts))
        if here in found or not found:
            return here
        return found.most_common(1)[0][0]

    def require_one(self, file: Path) -> None:
        """Raise Unavailable if no host of the hosts file takes units; says why of each."""
        if self.hosts:
            return
        names: dict[str, list[str]] = {}
        for name, why in self.absent.items():
            names.setdefault(why, []).append(name)
        each = "; ".join(f"{', '.join(who)}: {why}" for why, who in names.items())
        raise Unavailable(
            f"no host of {file} takes part: {each}",
            hint=f"`isolab cluster up {file}` brings hosts up; `isolab cluster status {file}` shows them",
        )


def offers(cluster: Cluster, facts: Mapping[str, HostFacts], absent: Mapping[str, str]) -> Offers:
    """Return what the hosts of a cluster offer, by what their agents said (``facts``, by host): one that
    is drained, nothing. ``absent`` says why other hosts take no units; one of neither has not answered."""
    drained = {name: "it is drained" for name, one in facts.items() if one.drained}
    absent = {**absent, **drained}
    there = tuple(
        offer(host, facts[host.name])
        for host in cluster.hosts
        if host.name in facts and host.name not in absent
    )
    silent = {host.name: "no answer" for host in cluster.hosts if host.name not in facts}
    return Offers(there, {name: _reason(name, why) for name, why in {**silent, **absent}.items()})


def _reason(name: str, why: str) -> str:
    """Return why a host takes no part as it is said after its name: what was a message of its own names the
    host, and may have a hint."""
    return why.partition("\n")[0].removeprefix(f"{name}: ")


def offer(host: ClusterHost, facts: HostFacts) -> Offer:
    """Return what a host offers: what is free there, and no more than the hosts file allows."""
    return Offer(
        name=host.name,
        arch=facts.arch,
        memory=_least(facts.memory, host.memory),
        cpus=max(1, _least(facts.cpus, host.cpus)),
        kvm=facts.kvm,
        emulates=frozenset(facts.emulates),
        tags=host.tags,
        bundles=frozenset(facts.bundles),
        glibc=frozenset(facts.glibc),
    )


def unknown_pins(pins: Sequence[str], cluster: Cluster) -> list[str]:
    """Return those that are neither the name nor a tag of any host of the file."""
    known = {name for host in cluster.hosts for name in (host.name, *host.tags)}
    return [pin for pin in pins if pin not in known]


def _least(found: int, most: int | None) -> int:
    return found if most is None else min(found, most)
