"""Render a machine as libvirt domain XML. Pure.

Direct kernel boot; a network that reaches nothing but one forwarded SSH port. libvirt's own
``<interface type='user'>`` can neither restrict nor forward (before 9.2, and then only by another
program, passt), so network, processor and machine options go to QEMU past libvirt. Source:
libvirt.org, "Domain XML format" and "QEMU/KVM hypervisor driver".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from orchestrator.arch import Arch, kernel_cmdline
from orchestrator.drivers.guest.layout import TRANSLATION_CACHE_MIB
from orchestrator.drivers.libvirt.network_xml import interfaces, switch_words
from orchestrator.drivers.model import Handle, Order
from orchestrator.labfile.libvirt_uri import parse

NAMESPACE = "urn:isolab:machine:1"
"""XML namespace of isolab's tag in a domain's metadata."""
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
CHANNEL = "isolab"
"""Name of the virtio-serial port the guest's init listens on."""

_ARCH_NAMES = {
    "amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "i386": "i686", "ppc64el": "ppc64le",
}  # fmt: skip

# QEMU places devices passed around libvirt before libvirt's own, so each needs a fixed place.
# Slots from 18: the first that have an interrupt line on the malta board (its kernel's table,
# arch/mips/pci/fixup-malta.c), and free on all the others.
_SERIAL_SLOT, _NIC_SLOT = "0x12", "0x13"
_NIC_DEVNO = "fe.0.fff0"


@dataclass(frozen=True)
class Files:
    """Paths on the daemon's host: what the domain boots, and where its console is logged."""

    kernel: str
    initrd: str
    console: str


def arch_name(arch: Arch) -> str:
    """Return libvirt's name for an architecture."""
    return _ARCH_NAMES.get(arch.name, arch.name)


def machine_type(arch: Arch) -> str:
    """Return QEMU's machine type without its options, which libvirt does not accept."""
    return arch.machine.split(",", 1)[0]


def render_domain(order: Order, handle: Handle, files: Files, owner: str) -> str:
    """Render the domain of one machine. ``owner`` is the user the daemon's host runs guests as
    (``+UID:+GID``), "" for a session, whose guests run as its user."""
    kind = "kvm" if handle.accel == "kvm" else "qemu"
    root = Xml.Element("domain", {"type": kind, "xmlns:qemu": QEMU_NAMESPACE})
    _add(root, "name", handle.tag)
    _add(root, "metadata").append(_tag(handle))
    _add(root, "memory", str(order.memory_mib), unit="MiB")
    _add(root, "vcpu", str(order.machine.cpus))
    root.append(_os(order, handle, files))
    if kind == "kvm":
        _add(root, "cpu", mode="host-passthrough")
    features = _add(root, "features")
    if order.arch.name in ("amd64", "i386"):
        _add(features, "acpi")
    if kind == "qemu":
        _add(_add(features, "tcg"), "tb-cache", str(TRANSLATION_CACHE_MIB), unit="MiB")
    for event in ("on_poweroff", "on_reboot", "on_crash"):
        _add(root, event, "destroy")
    session = parse(handle.data["uri"]).session
    root.append(_devices(order, files, session))
    if owner:
        # Many guests share the files, so no guest's QEMU may become their owner.
        label = _add(root, "seclabel", type="static", model="dac", relabel="no")
        _add(label, "label", owner)
    commandline = _add(root, "qemu:commandline")
    words = [*qemu_words(order.arch, kind, order.internet), *(switch_words(order) if session else ())]
    for word in words:
        _add(commandline, "qemu:arg", value=word)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def _add(parent: Xml.Element, element: str, text: str | None = None, /, **attributes: str) -> Xml.Element:
    child = Xml.SubElement(parent, element, attributes)
    child.text = text
    return child


def _tag(handle: Handle) -> Xml.Element:
    about = {"run": handle.run, "name": handle.machine, "place": str(handle.data["place"])}
    return Xml.Element("isolab:machine", {"xmlns:isolab": NAMESPACE, **about})


def _os(order: Order, handle: Handle, files: Files) -> Xml.Element:
    system = Xml.Element("os")
    _add(system, "type", "hvm", arch=arch_name(order.arch), machine=machine_type(order.arch))
    _add(system, "kernel", files.kernel)
    _add(system, "initrd", files.initrd)
    _add(system, "cmdline", kernel_cmdline(order.arch, handle.accel, order.counter_khz))
    return system


def _devices(order: Order, files: Files, session: bool) -> Xml.Element:
    devices = Xml.Element("devices")
    _add(devices, "controller", type="usb", model="none")
    serial = _add(devices, "controller", type="virtio-serial", index="0")
    if order.arch.bus == "pci":
        place = {"type": "pci", "domain": "0", "bus": "0", "slot": _SERIAL_SLOT, "function": "0"}
        Xml.SubElement(serial, "address", place)
    console = _add(devices, "console", type="pty")
    _add(console, "log", file=files.console, append="on")
    if order.arch.bus == "ccw":
        _add(console, "target", type="sclp", port="0")
    channel = _add(devices, "channel", type="unix")
    _add(channel, "target", type="virtio", name=CHANNEL)
    devices.extend(() if session else interfaces(order))
    _add(devices, "memballoon", model="none")
    return devices


def qemu_words(arch: Arch, kind: str, internet: bool = False) -> Iterator[str]:
    """Yield the QEMU arguments passed around libvirt; ``internet``: its user network has internet access."""
    if kind == "qemu" and arch.cpu:
        yield from ("-cpu", arch.cpu)
    options = arch.machine.partition(",")[2]
    if options:
        yield from ("-machine", options)
    restrict = "off" if internet else "on"
    yield from ("-netdev", f"user,id=isolab,restrict={restrict},hostfwd=tcp:127.0.0.1:0-:22")
    where = f"devno={_NIC_DEVNO}" if arch.bus == "ccw" else f"addr={_NIC_SLOT}"
    yield from ("-device", f"virtio-net-{arch.bus},netdev=isolab,{where}{arch.nic_options}")


def read_tag(element: str) -> tuple[str, str, str]:
    """Return run, machine and owner from the element that ``render_domain`` put into the metadata."""
    found = Xml.fromstring(element)
    return found.get("run", ""), found.get("name", ""), found.get("place", "")


def owner_of_guests(capabilities: str) -> str:
    """Return the user a daemon runs guests as, from its capabilities (``+UID:+GID``); "" for a session."""
    for model in Xml.fromstring(capabilities).iterfind("./host/secmodel"):
        if model.findtext("model") == "dac":
            return model.findtext("baselabel") or ""
    return ""
