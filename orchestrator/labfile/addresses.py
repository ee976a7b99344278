"""Which machines of a lab can reach each other, and at which addresses. Pure.

Addresses depend on the lab file alone, not on which of its machines run: a machine has the same
address every time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from orchestrator.labfile.models import Lab

MAC_PREFIX = "02:69"
"""First two bytes of a machine's MAC address on a lab network: locally administered, unicast
(IEEE 802, clause 8). The other four bytes are its IPv4 address."""


@dataclass(frozen=True)
class Interface:
    """A machine's interface on one network."""

    machine: str
    network: str
    address: str
    prefix: int
    internet: bool = False

    @property
    def mac(self) -> str:
        return ":".join([MAC_PREFIX, *(f"{byte:02x}" for byte in IPv4Address(self.address).packed)])


def subnet_of(written: str | None, place: int) -> IPv4Network:
    """The subnet of the lab's network number ``place``, counted from 0."""
    return IPv4Network(written or f"10.77.{place}.0/24")


def interfaces(lab: Lab) -> tuple[Interface, ...]:
    """Every interface of every machine, in the lab's order. Raises ValueError for a full subnet,
    which ``check_networks`` reports first."""
    found: dict[tuple[str, str], Interface] = {}
    for place, (name, network) in enumerate(lab.networks.items()):
        subnet = subnet_of(network.subnet, place)
        members = {who: machine.networks[name] for who, machine in lab.machines.items()
                   if name in machine.networks}  # fmt: skip
        free = free_addresses(subnet, [given for given in members.values() if given])
        for who, given in members.items():
            address = given or next(free, None)
            if address is None:
                raise ValueError(f"network {name} ({subnet}) has no free address for {who}")
            found[who, name] = Interface(who, name, address, subnet.prefixlen, network.internet)
    return tuple(found[who, name] for who, machine in lab.machines.items() for name in machine.networks)


def free_addresses(subnet: IPv4Network, taken: Collection[str]) -> Iterator[str]:
    """The host addresses of a subnet, in order, without those ``taken``."""
    return (str(host) for host in subnet.hosts() if str(host) not in taken)


def peers(lab: Lab, machine: str, chosen: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Names and addresses of the chosen machines that share a network with this one, each at its
    address in the first network they share."""
    known: dict[str, str] = {}
    everyone = interfaces(lab)
    for network in lab.machines[machine].networks:
        for interface in everyone:
            if interface.network == network and interface.machine != machine and interface.machine in chosen:
                known.setdefault(interface.machine, interface.address)
    return tuple(known.items())


def group_of(lab: Lab, machine: str, chosen: Collection[str]) -> tuple[str, ...]:
    """The chosen machines that must be up together with this one, itself among them, in the
    lab's order: those it reaches over networks, directly or through other machines. Empty for a
    machine without a network."""
    if not lab.machines[machine].networks:
        return ()
    reached, todo = {machine}, [machine]
    while todo:
        for name, _ in peers(lab, todo.pop(), chosen):
            if name not in reached:
                reached.add(name)
                todo.append(name)
    return tuple(name for name in lab.machines if name in reached)


def environment(own: str, known: Collection[tuple[str, str]]) -> dict[str, str]:
    """The environment variables of a program on a network."""
    listed = " ".join(f"{name}={address}" for name, address in known)
    return {"ISOLAB_ADDRESS": own, "ISOLAB_PEERS": listed}
