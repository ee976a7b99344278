"""Network mistakes that no single value shows: which machines may join, and at which address."""

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
from orchestrator.labfile.messages import ValidatedDocument, validate
from orchestrator.labfile.models import Machine, Network
from orchestrator.labfile.suggest import did_you_mean, quote
from orchestrator.labfile.yaml_document import Path

GUEST_SUBNET = IPv4Network("10.0.2.0/24")
"""The subnet of a guest's first interface, used to manage it (qemu(1), -netdev user)."""


@dataclass(frozen=True)
class _EntryPlace:
    """A machine's entry for a network as written in the file; ``path`` is its position there."""

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


def network_problems(validated: ValidatedDocument) -> Iterator[Problem]:
    """Report contradictions between networks and machines; ignores values wrong by themselves."""
    networks = _networks(validated)
    places = list(_places(validated))
    for place in places:
        if place.network not in networks:
            advice = did_you_mean(place.network, networks) or _known(networks)
            yield _at(validated, place, f"unknown network {quote(place.network)}", advice)
        elif not place.traits.networks:
            why = (
                place.traits.no_networks
                or f"driver {place.driver} does not support networks between machines"
            )
            able = sorted(drivers_that(lambda traits: traits.networks))
            yield _at(validated, place, f"{place.machine} cannot join a network: {why}",
                      f"drivers that can: {', '.join(able)}")  # fmt: skip
        else:
            yield from _unable(validated, place)
    yield from _overlaps(validated, networks)
    for name, (network, subnet) in networks.items():
        members = [p for p in places if p.network == name and p.traits.networks]
        yield from _mixed(validated, members)
        yield from _addresses(validated, members, subnet)
        if network.internet:
            yield from _ways_out(validated, members)


def _networks(validated: ValidatedDocument) -> dict[str, tuple[Network, IPv4Network]]:
    """The networks that are valid by themselves, with their subnets."""
    found = {}
    written = validated.data.get("networks") if isinstance(validated.data, dict) else None
    for number, (name, value) in enumerate(written.items() if isinstance(written, dict) else ()):
        try:
            network = validate(Network, value)
        except ValidationError:
            network = Network()
        found[name] = (network, subnet_of(network.subnet, number))
    return found


def _places(validated: ValidatedDocument) -> Iterator[_EntryPlace]:
    machines = validated.data.get("machines") if isinstance(validated.data, dict) else None
    for name, merged in (machines if isinstance(machines, dict) else {}).items():
        if not isinstance(merged, dict) or not isinstance(merged.get("driver"), str):
            continue
        try:
            driver = merged["driver"]
            joined = validate(Machine, {"driver": driver, "networks": merged.get("networks", {})}).networks
        except ValidationError:
            continue  # reported separately
        written = merged.get("networks")
        uri = str(merged.get("uri") or default_uri()) if "uri" in TRAITS[driver].own_keys else ""
        arch = ARCHITECTURES.get(str(merged.get("arch")))
        board = arch.machine if arch else ""
        for number, (network, address) in enumerate(joined.items(), 1):
            key: str | int = written.index(network) if isinstance(written, list) else network
            path: Path = ("machines", name, "networks", key)
            yield _EntryPlace(name, network, driver, address, path, number, uri, board)


def _overlaps(
    validated: ValidatedDocument, networks: Mapping[str, tuple[Network, IPv4Network]]
) -> Iterator[Problem]:
    seen: dict[str, IPv4Network] = {
        "the guests' management network": GUEST_SUBNET,
        "the loopback network": IPv4Network("127.0.0.0/8"),
    }
    for name, (_, subnet) in networks.items():
        for other, taken in seen.items():
            if subnet.overlaps(taken):
                message = f"network {name} ({subnet}) overlaps with {_named(other)} ({taken})"
                own: Path = ("networks", name, "subnet")
                path = own if own in validated.document.places else ("networks", name)
                yield validated.document.problem(path, message, "choose another subnet")
        seen[name] = subnet


def _unable(validated: ValidatedDocument, place: _EntryPlace) -> Iterator[Problem]:
    """Why this machine cannot join although its driver supports networks."""
    most = place.traits.most_networks_on.get(place.board, place.traits.most_networks)
    if most is not None and place.number > most:
        message = f"{place.machine} is on too many networks: driver {place.driver} supports {most}"
        yield _at(validated, place, message, "remove this one")
    with contextlib.suppress(ValueError):  # reported separately
        uri = parse(place.uri) if place.uri else None
        if uri and uri.remote and uri.session:
            why = "a remote libvirt session does not support networks between machines"
            yield _at(validated, place, f"{place.machine} cannot join a network: {why}",
                      "use that host's /system daemon")  # fmt: skip


def _named(other: str) -> str:
    return other if other.startswith("the ") else f"network {other}"


def _mixed(validated: ValidatedDocument, members: list[_EntryPlace]) -> Iterator[Problem]:
    for place in members[1:]:
        first = members[0]
        if place.driver != first.driver:
            reason = f"{first.machine} uses {first.driver}, {place.machine} uses {place.driver}"
            yield _at(validated, place, f"network {place.network} mixes drivers: {reason}",
                      "use one driver for all machines on a network")  # fmt: skip
        elif place.uri != first.uri:
            reason = f"{first.machine} is at {first.uri}, {place.machine} at {place.uri}"
            yield _at(validated, place, f"network {place.network} mixes libvirt daemons: {reason}",
                      "use one libvirt daemon for all machines on a network")  # fmt: skip


def _addresses(
    validated: ValidatedDocument, members: list[_EntryPlace], subnet: IPv4Network
) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for place in members:
        if place.address is None:
            continue
        address, example = IPv4Address(place.address), next(subnet.hosts())
        if address not in subnet:
            yield _at(
                validated,
                place,
                f"{address} is outside network {place.network} ({subnet})",
                f"for example {example}",
            )
        elif address in (subnet.network_address, subnet.broadcast_address):
            what = "network" if address == subnet.network_address else "broadcast"
            yield _at(
                validated, place, f"{address} is the {what} address of {subnet}", f"for example {example}"
            )
        elif place.address in taken:
            yield _at(validated, place, f"{address} is already taken by {taken[place.address]}",
                      "leave out addresses to have them assigned in order")  # fmt: skip
        taken.setdefault(place.address, place.machine)
    room = subnet.num_addresses - 2
    if len(members) > room:
        yield _at(validated, members[room], f"{subnet} has room for only {room} machines",
                  "use a larger subnet")  # fmt: skip


def _ways_out(validated: ValidatedDocument, members: list[_EntryPlace]) -> Iterator[Problem]:
    able = ", ".join(sorted(drivers_that(lambda traits: traits.internet)))
    for place in members:
        if not place.traits.internet:
            message = (
                f"network {place.network} has `internet: true`, which driver {place.driver} does not support"
            )
            yield _at(validated, place, message, f"use driver: {able}")


def _known(networks: Mapping[str, object]) -> str:
    return f"available: {', '.join(networks)}" if networks else "define it: `networks: {lan: {}}` in the lab"


def _at(validated: ValidatedDocument, place: _EntryPlace, message: str, advice: str) -> Problem:
    return validated.document.problem(validated.origin(place.path), message, advice)
