"""Which host gets which seats: those that have one stay, the others go where the largest share of memory is
left. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

SPARE = 256 * 2**20
"""Bytes of memory that are left to each host."""


@dataclass(frozen=True)
class Room:
    """What a host has for a class: ``memory`` bytes, and the bytes that each seat takes there by its name,
    with "" for all that are not named. ``closed`` says why it takes no new seats, "" if it does."""

    memory: int
    needs: Mapping[str, int]
    closed: str = ""

    def need(self, seat: str) -> int:
        return self.needs.get(seat, self.needs.get("", 0))


@dataclass(frozen=True)
class Spread:
    """The host of each seat; ``short`` says for each seat without one why, and ``lacks`` how many bytes each
    host lacks for the seats that it has to take."""

    hosts: Mapping[str, str]
    short: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lacks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def spread(seats: Sequence[str], fixed: Mapping[str, str], rooms: Mapping[str, Room]) -> Spread:
    """Spread seats that come up, in this order. ``fixed`` is the host of those that have one; one that is not
    in ``rooms`` is away, and keeps its seats."""
    left = {host: room.memory - SPARE for host, room in rooms.items()}
    hosts = {seat: fixed[seat] for seat in seats if seat in fixed}
    for seat, host in hosts.items():
        if host in rooms:
            left[host] -= rooms[host].need(seat)
    lacks = {host: -room for host, room in left.items() if room < 0 and host in hosts.values()}
    short = {}
    for seat in seats:
        if seat in hosts:
            continue
        open_hosts = [host for host in rooms if not rooms[host].closed]
        after = {host: left[host] - rooms[host].need(seat) for host in open_hosts}
        fits = [host for host in after if after[host] >= 0]
        share = {host: after[host] / (rooms[host].memory - SPARE) for host in fits}
        best = max(fits, key=share.__getitem__, default=None)  # of equals the first of the file
        if best is None:
            short[seat] = _why(rooms, after)
            continue
        hosts[seat], left[best] = best, after[best]
    return Spread(hosts, short, lacks)


def _why(rooms: Mapping[str, Room], after: Mapping[str, int]) -> str:
    words = [f"{host} lacks {-(room // 2**20)} MiB of memory" for host, room in after.items()]
    words += [f"{host}: {room.closed}" for host, room in rooms.items() if room.closed]
    return "; ".join(words) or "no host answers"
