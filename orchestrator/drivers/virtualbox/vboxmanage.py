"""VBoxManage: the command lines for one machine (pure), and how its answers are read.

Option names are those of VirtualBox 7.0, which later versions keep accepting. Machines, media
and answers go by UUID or path, never by a name that a person may have given as well. Source: the
Oracle VirtualBox User Guide, chapter "VBoxManage".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import TAG, Attachment, Handle, Order
from orchestrator.errors import LabError
from orchestrator.host import process

MIB = 2**20
PROGRAM = "VBoxManage"
PORT_DEVICE = "ttyS1"
"""The guest's name of the serial port on which it takes its identity."""
GUEST_ADDRESS = "10.0.2.15"
"""What VirtualBox's NAT calls its guest, and our init its first interface."""
RULE = "ssh"
"""Name of the port forward."""

TRIES = 3
"""How often VirtualBox is asked what it could not do for a passing reason."""

_PASSING = (b"Failed to create the VirtualBox object", b"is already locked for a session")
_NAMESPACE = uuid.UUID("8a1c35f0-2c5d-5d5e-9f5b-6f2b8f0c7d11")
_ANSWER = re.compile(r'^(?:"([^"]+)"|([\w()-]+))=(?:"(.*)"|(.*))$')
_OS_TYPES = {"amd64": "Linux26_64", "i386": "Linux26"}


class Refused(LabError):
    """VBoxManage ended with an error; the message has its words."""


def identity(*parts: str) -> str:
    """A UUID for something of ours, the same for the same parts: names can be decided in advance."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def machine_folder(handle: Handle) -> Path:
    """Where VirtualBox keeps the machine's settings and logs: the group is part of the path."""
    return Path(handle.scratch) / TAG / handle.run / handle.tag


def disk(handle: Handle) -> Path:
    """The machine's own disk: its differences to the base."""
    return Path(handle.scratch) / "disk.vdi"


def render_create(order: Order, handle: Handle) -> list[str]:
    """Makes the machine known, in our group and beneath our folder, with nothing in it. Pure."""
    words = ["createvm", "--name", handle.tag, "--uuid", handle.data["uuid"], "--register"]
    words += ["--groups", f"/{TAG}/{handle.run}", "--ostype", _OS_TYPES[order.arch.name]]
    return [*words, "--basefolder", handle.scratch]


def render_clone(handle: Handle, base: Path) -> list[str]:
    """Makes the machine's disk: empty, for it holds only what will differ from ``base``. Pure."""
    words = ["createmedium", "disk", "--filename", str(disk(handle)), "--format", "VDI"]
    return [*words, "--diffparent", str(base)]


def render_settings(order: Order, handle: Handle, port: int, nested_paging: bool) -> list[list[str]]:
    """Everything the machine is; ``port`` on 127.0.0.1 leads to its SSH server. Pure."""
    name, folder = handle.data["uuid"], Path(handle.scratch)
    settings = ["modifyvm", name, "--memory", str(order.memory_mib), "--cpus", str(order.machine.cpus)]
    settings += ["--ioapic", "on", "--pae", "on", "--rtc-use-utc", "on", *render_paging(nested_paging)]
    settings += ["--boot1", "disk", "--boot2", "none", "--boot3", "none", "--boot4", "none"]
    settings += ["--bios-boot-menu", "disabled", "--bios-logo-fade-in", "off", "--bios-logo-fade-out", "off"]
    settings += ["--graphicscontroller", "vboxvga", "--vram", "8", "--mouse", "ps2", "--keyboard", "ps2"]
    # Nothing through which guest and host share more than a machine and its console need.
    settings += ["--audio-enabled", "off", "--clipboard-mode", "disabled", "--drag-and-drop", "disabled"]
    settings += ["--usb-ohci", "off", "--usb-ehci", "off", "--usb-xhci", "off", "--vrde", "off"]
    settings += ["--uart1", "0x3F8", "4", "--uart-mode1", "file", str(order.logs / "console.log")]
    settings += ["--uart2", "0x2F8", "3", "--uart-mode2", "server", str(folder / "port.sock")]
    # Sockets the NAT opens for the guest are bound to the loopback address: from there, nothing
    # but the host itself can be reached, and that it refuses its guests.
    settings += ["--nic1", "nat", "--nic-type1", "virtio", "--nat-bind-ip1", "127.0.0.1"]
    settings += ["--nat-localhostreachable1", "off", "--nat-pf1", forward(port)]
    settings += [word for n, place in enumerate(order.attachments, 2) for word in render_cable(n, place)]
    bus = ["storagectl", name, "--name", "disk", "--add", "sata", "--controller", "IntelAhci"]
    bus += ["--portcount", "1", "--bootable", "on"]
    return [settings, bus, render_attach(handle, str(disk(handle)))]


def render_cable(number: int, place: Attachment) -> list[str]:
    """An interface on an internal network, which is there while machines are on it. Pure."""
    words = [f"--nic{number}", "intnet", f"--nic-type{number}", "virtio", f"--intnet{number}", place.plug]
    return [*words, f"--mac-address{number}", place.mac.replace(":", "").upper()]


def render_attach(handle: Handle, medium: str) -> list[str]:
    """Puts a disk into the machine, or with "none" takes it out. Pure."""
    words = ["storageattach", handle.data["uuid"], "--storagectl", "disk", "--port", "0", "--device", "0"]
    return [*words, "--type", "hdd", "--medium", medium]


def render_paging(nested_paging: bool) -> list[str]:
    """The setting for processors whose second level of page tables is of no use. Pure."""
    return ["--nested-paging", "on" if nested_paging else "off"]


def forward(port: int) -> str:
    """The rule that leads from a port of the host to the guest's SSH server. Pure."""
    return f"{RULE},tcp,127.0.0.1,{port},{GUEST_ADDRESS},22"


def ask(words: Sequence[str], deadline: Deadline) -> str:
    """What VBoxManage answers. Raises Refused, Unavailable, TimedOut, Interrupted."""
    done = attempt(words, deadline)
    if done.code != 0:
        raise Refused(f"`{PROGRAM} {' '.join(words[:2])}` failed:\n{complaint(done)}")
    return done.stdout.decode(errors="replace")


def attempt(words: Sequence[str], deadline: Deadline) -> process.Finished:
    """The same, whatever comes of it.

    VirtualBox's server ends when nobody has asked for a few seconds, and who asks in that moment is
    told that there is none. Who merely reads a machine's settings, as another isolab does that looks
    for leftovers, locks it meanwhile. Nothing was done in either case, so it is asked again.
    """
    for _ in range(TRIES - 1):
        done = process.run([PROGRAM, "-q", *words], deadline=deadline, check=False)
        if done.code == 0 or not any(reason in done.stderr + done.stdout for reason in _PASSING):
            return done
        deadline.cancellation.wait(deadline.slice(1.0))
    return process.run([PROGRAM, "-q", *words], deadline=deadline, check=False)


def complaint(done: process.Finished) -> str:
    """What VBoxManage calls an error, without the progress and warnings around it."""
    text = (done.stderr + done.stdout).decode(errors="replace")
    said = [line for line in text.splitlines() if line.startswith(f"{PROGRAM}: error:")]
    return "\n".join(said) or done.tail()


def parse(answer: str) -> dict[str, str]:
    """An answer in the machine-readable form. Other lines, such as warnings, are left out."""
    found = {}
    for line in answer.splitlines():
        if match := _ANSWER.match(line):
            value = match[4] if match[3] is None else match[3].replace('\\"', '"').replace("\\\\", "\\")
            found[match[1] or match[2]] = value
    return found


def about(name: str, deadline: Deadline) -> dict[str, str]:
    """Everything VirtualBox knows of a machine; {} when there is no such machine."""
    done = attempt(["showvminfo", name, "--machinereadable"], deadline)
    if done.code == 0:
        return parse(done.stdout.decode(errors="replace"))
    words = complaint(done)
    if "VBOX_E_OBJECT_NOT_FOUND" in words or "Could not find a registered machine" in words:
        return {}
    raise Refused(f"`{PROGRAM} showvminfo` failed:\n{words}")


def machines(deadline: Deadline) -> list[tuple[str, str]]:
    """Name and UUID of every machine of this user."""
    answer = ask(["list", "vms"], deadline)
    return re.findall(r'^"(.*)" \{([0-9a-f-]{36})\}$', answer, re.MULTILINE)


def media(deadline: Deadline) -> list[str]:
    """The paths of every hard disk VirtualBox knows."""
    return re.findall(r"^Location: +(.+)$", ask(["list", "hdds"], deadline), re.MULTILINE)


def version(answer: str) -> tuple[int, int] | None:
    """Major and minor version out of ``VBoxManage --version``; None for what nobody can read."""
    match = re.search(r"^(\d+)\.(\d+)\.\d+", answer, re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else None
