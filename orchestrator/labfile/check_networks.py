"""Mistakes in a lab's networks that no single value shows: who may join, and at which address."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from pydantic import ValidationError

from orchestrator.arch import ARCHITECTURES
from orchestrator.driver_traits import TRAITS, DriverTraits, drivers_that
from orchestrator.errors import Problem
from orchestrator.labfile.addresses import subnet_of
from orchestrator.labfile.libvirt_uri import default_uri, parse
from orchestrator.labfile.messages import Reading, validate
from orchestrator.labfile.models import Machine, Network
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Path

GUEST_SUBNET = IPv4Network("10.0.2.0/24")
"""Where a guest's first interface is, over which it is managed (qemu(1), -netdev user)."""


@dataclass(frozen=True)
class _Place:
    """A machine on a network as the file has it; ``path`` is where that is written."""

    machine: str
    network: str
    driver: str
    address: str | None
    path: Path
    number: int = 0
    uri: str = ""
    board: str = ""

    @property
    def traits(self) -> DriverTraits:
        return TRAITS[self.driver]


def network_problems(reading: Reading) -> Iterator[Problem]:
    """What contradicts itself; says nothing about values that are wrong alone."""
    networks = _networks(reading)
    places = list(_places(reading))
    for place in places:
        if place.network not in networks:
            advice = did_you_mean(place.network, networks) or _known(networks)
            yield _at(reading, place, f"the lab has no network {quote(place.network)}", advice)
        elif not place.traits.networks:
            why = place.traits.no_networks or f"driver {place.driver} has no networks between machines"
            able = sorted(drivers_that(lambda traits: traits.networks))
            yield _at(reading, place, f"{place.machine} cannot join a network: {why}",
                      f"drivers that can: {', '.join(able)}")  # fmt: skip
        else:
            yield from _unable(reading, place)
    yield from _overlaps(reading, networks)
    for name, (network, subnet) in networks.items():
        members = [p for p in places if p.network == name and p.traits.networks]
        yield from _mixed(reading, members)
        yield from _addresses(reading, members, subnet)
        if network.internet:
            yield from _ways_out(reading, members)


def _networks(reading: Reading) -> dict[str, tuple[Network, IPv4Network]]:
    """The networks that are sound alone, with their subnets."""
    found = {}
    written = reading.data.get("networks") if isinstance(reading.data, dict) else None
    for number, (name, value) in enumerate(written.items() if isinstance(written, dict) else ()):
        try:
            network = validate(Network, value)
        except ValidationError:
            network = Network()
        found[name] = (network, subnet_of(network.subnet, number))
    return found


def _places(reading: Reading) -> Iterator[_Place]:
    machines = reading.data.get("machines") if isinstance(reading.data, dict) else None
    for name, merged in (machines if isinstance(machines, dict) else {}).items():
        if not isinstance(merged, dict) or not isinstance(merged.get("driver"), str):
            continue
        try:
            driver = merged["driver"]
            joined = validate(Machine, {"driver": driver, "networks": merged.get("networks", {})}).networks
        except ValidationError:
            continue  # told as a mistake of its own
        written = merged.get("networks")
        uri = str(merged.get("uri") or default_uri()) if "uri" in TRAITS[driver].own_keys else ""
        arch = ARCHITECTURES.get(str(merged.get("arch")))
        board = arch.machine if arch else ""
        for number, (network, address) in enumerate(joined.items(), 1):
            key: str | int = written.index(network) if isinstance(written, list) else network
            path: Path = ("machines", name, "networks", key)
            yield _Place(name, network, driver, address, path, number, uri, board)


def _overlaps(reading: Reading, networks: Mapping[str, tuple[Network, IPv4Network]]) -> Iterator[Problem]:
    seen: dict[str, IPv4Network] = {
        "the guests' own": GUEST_SUBNET,
        "the loopback": IPv4Network("127.0.0.0/8"),
    }
    for name, (_, subnet) in networks.items():
        for other, taken in seen.items():
            if subnet.overlaps(taken):
                message = f"network {name} ({subnet}) overlaps with {_named(other)} ({taken})"
                own: Path = ("networks", name, "subnet")
                path = own if own in reading.document.places else ("networks", name)
                yield reading.document.problem(path, message, "give it a subnet of its own")
        seen[name] = subnet


def _unable(reading: Reading, place: _Place) -> Iterator[Problem]:
    """What keeps this machine from joining, though its driver can."""
    most = place.traits.most_networks_on.get(place.board, place.traits.most_networks)
    if most is not None and place.number > most:
        message = f"{place.machine} is on too many networks: driver {place.driver} can join {most}"
        yield _at(reading, place, message, "leave this one out")
    with contextlib.suppress(ValueError):  # told as a mistake of its own
        uri = parse(place.uri) if place.uri else None
        if uri and uri.remote and uri.session:
            why = "a libvirt session of another host has no networks between machines"
            yield _at(reading, place, f"{place.machine} cannot join a network: {why}",
                      "use the daemon at /system there")  # fmt: skip


def _named(other: str) -> str:
    return other if other.startswith("the ") else f"network {other}"


def _mixed(reading: Reading, members: list[_Place]) -> Iterator[Problem]:
    for place in members[1:]:
        first = members[0]
        if place.driver != first.driver:
            reason = f"{first.machine} is of driver {first.driver}, {place.machine} of {place.driver}"
            yield _at(reading, place, f"network {place.network} cannot join them: {reason}",
                      "one network joins machines of one driver")  # fmt: skip
        elif place.uri != first.uri:
            reason = f"{first.machine} is at {first.uri}, {place.machine} at {place.uri}"
            yield _at(reading, place, f"network {place.network} cannot join them: {reason}",
                      "one network joins machines of one libvirt daemon")  # fmt: skip


def _addresses(reading: Reading, members: list[_Place], subnet: IPv4Network) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for place in members:
        if place.address is None:
            continue
        address, example = IPv4Address(place.address), next(subnet.hosts())
        if address not in subnet:
            yield _at(reading, place, f"{address} is not in {place.network} ({subnet})", f"such as {example}")
        elif address in (subnet.network_address, subnet.broadcast_address):
            what = "network" if address == subnet.network_address else "broadcast"
            yield _at(reading, place, f"{address} is the {what} address of {subnet}", f"such as {example}")
        elif place.address in taken:
            yield _at(reading, place, f"{address} is {taken[place.address]}'s already",
                      "leave addresses out to have them given in order")  # fmt: skip
        taken.setdefault(place.address, place.machine)
    room = subnet.num_addresses - 2
    if len(members) > room:
        yield _at(reading, members[room], f"{subnet} has room for {room} machines, this is one more",
                  "give the network a larger subnet")  # fmt: skip


def _ways_out(reading: Reading, members: list[_Place]) -> Iterator[Problem]:
    able = ", ".join(sorted(drivers_that(lambda traits: traits.internet)))
    for place in members:
        if not place.traits.internet:
            message = f"network {place.network} has `internet: true`, which driver {place.driver} cannot give"
            yield _at(reading, place, message, f"use driver: {able}")


def _known(networks: Mapping[str, object]) -> str:
    return (
        f"there are: {', '.join(networks)}" if networks else "networks: {lan: {}} beside machines makes one"
    )


def _at(reading: Reading, place: _Place, message: str, advice: str) -> Problem:
    return reading.document.problem(reading.origin(place.path), message, advice)
