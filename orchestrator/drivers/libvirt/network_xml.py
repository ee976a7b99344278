"""Networks, filters and interfaces between machines, as libvirt XML and QEMU arguments. Pure.

A system daemon's network is a bridge on its host, without address, DHCP or forwarding. That alone does
not shield the host: Linux accepts packets for any of its addresses on every interface, and answers ARP
for them there (kernel.org, ip-sysctl, rp_filter and arp_ignore; measured). So each machine's interface
has a filter below the Internet protocols that drops what is addressed to the bridge itself. Sources:
libvirt.org, "Network XML format", "Network Filters", "Domain XML format"; ebtables(8).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from xml.etree import ElementTree as Xml

from orchestrator.drivers.model import Handle, Order
from orchestrator.labfile.addresses import MAC_PREFIX

NETWORK_NAMESPACE = "urn:isolab:network:1"
"""XML namespace of isolab's tag in a network's metadata."""
_FILTERS = uuid.UUID("0f5b8ad4-3c64-5f0c-9d9a-7d6c9b3a4e21")
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_FIRST_SLOT = 0x14
"""First slot of the private interfaces, after those of ``orchestrator.drivers.libvirt.domain_xml``."""


def render_network(handle: Handle) -> str:
    """Render the network: its bridge, whose name libvirt chooses, and isolab's tag. Pure."""
    root = Xml.Element("network")
    Xml.SubElement(root, "name").text = handle.tag
    about = {"run": handle.run, "name": handle.machine, "place": str(handle.data["place"])}
    tag = Xml.Element("isolab:network", {"xmlns:isolab": NETWORK_NAMESPACE, **about})
    Xml.SubElement(root, "metadata").append(tag)
    Xml.SubElement(root, "bridge", {"stp": "off", "delay": "0"})
    Xml.SubElement(root, "mac", {"address": bridge_mac(handle)})
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode")


def bridge_mac(handle: Handle) -> str:
    """Return the hardware address of a network's bridge; no machine has its prefix."""
    salt = hashlib.sha256(handle.tag.encode()).digest()
    return f"52:54:00:{salt[0]:02x}:{salt[1]:02x}:{salt[2]:02x}"


def filter_identity(tag: str, place: object) -> str:
    """Return the UUID of a network's filter, which, unlike its name, is unique."""
    return str(uuid.uuid5(_FILTERS, f"{place}\n{tag}"))


def render_filter(handle: Handle, subnet: str) -> str:
    """Render the filter: what a machine may send and receive. Pure."""
    root = Xml.Element("filter", {"name": handle.tag, "chain": "root"})
    Xml.SubElement(root, "uuid").text = filter_identity(handle.tag, handle.data["place"])
    for priority, (action, direction, about, match) in enumerate(_rules(handle, IPv4Network(subnet)), 100):
        words = {"action": action, "direction": direction, "priority": str(priority)}
        rule = Xml.SubElement(root, "rule", words)
        if about:
            Xml.SubElement(rule, about, dict(match))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode")


def _rules(handle: Handle, subnet: IPv4Network) -> Iterator[tuple[str, str, str, Mapping[str, str]]]:
    """Yield the rules in order of evaluation; ``out`` is what the machine sends. Broadcasts also reach
    the bridge, so only those that no program on the host could receive are allowed."""
    bridge, ours = bridge_mac(handle), f"{MAC_PREFIX}:00:00:00:00"
    here = {"arpdstipaddr": str(subnet.network_address), "arpdstipmask": str(subnet.prefixlen)}
    everybody = {"dstmacaddr": _BROADCAST, "dstipaddr": str(subnet.broadcast_address)}
    yield "drop", "in", "mac", {"srcmacaddr": bridge}
    yield "drop", "out", "mac", {"dstmacaddr": bridge}
    yield "accept", "out", "mac", {"dstmacaddr": ours, "dstmacmask": "ff:ff:00:00:00:00"}
    yield "accept", "out", "arp", here
    yield "accept", "out", "ip", everybody
    yield "drop", "out", "ip", {"dstipaddr": "224.0.0.1"}
    yield "accept", "out", "ip", {"dstipaddr": "224.0.0.0", "dstipmask": "4"}
    yield "accept", "out", "mac", {"protocolid": "ipv6"}  # which libvirt turns off at the bridge
    yield "drop", "out", "", {}


def interfaces(order: Order) -> Iterator[Xml.Element]:
    """Render the machine's interfaces on a system daemon's networks."""
    for number, place in enumerate(order.attachments):
        found = Xml.Element("interface", {"type": "network"})
        Xml.SubElement(found, "mac", {"address": place.mac})
        Xml.SubElement(found, "source", {"network": place.endpoint})
        Xml.SubElement(found, "model", {"type": "virtio"})
        Xml.SubElement(found, "filterref", {"filter": place.endpoint})
        if order.arch.bus == "pci":
            Xml.SubElement(found, "rom", {"enabled": "no"})
            slot = {"slot": f"{_FIRST_SLOT + number:#x}", "function": "0"}
            Xml.SubElement(found, "address", {"type": "pci", "domain": "0", "bus": "0", **slot})
        yield found


def switch_words(order: Order) -> Iterator[str]:
    """Return QEMU arguments for the machine's interfaces on a session's switches."""
    for number, place in enumerate(order.attachments):
        yield from ("-netdev", f"vde,id=lan{number},sock={place.endpoint.replace(',', ',,')}")
        slot = (
            f"addr={_FIRST_SLOT + number:#x}"
            if order.arch.bus == "pci"
            else f"devno=fe.0.{0xFFF1 + number:x}"
        )
        device = f"virtio-net-{order.arch.bus},netdev=lan{number},mac={place.mac},{slot}"
        yield from ("-device", device + order.arch.nic_options)
