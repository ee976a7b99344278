"""VBoxManage: render the command lines for one machine (pure), and parse its answers.

Option names are those of VirtualBox 7.0, which later versions still accept. Machines and media are
identified by UUID or path, never by a name that a person may also have used. Source: the
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
"""The guest's name for the serial port over which it receives its identity."""
GUEST_ADDRESS = "10.0.2.15"
"""Address of the guest behind VirtualBox's NAT, set by its init on the first interface."""
RULE = "ssh"
"""Name of the port forward."""

TRIES = 3
"""How often a command that failed for a transient reason is tried."""
PAUSE_SECONDS = 1.0
"""Time between these tries."""

_PASSING = (b"Failed to create the VirtualBox object", b"is already locked for a session")
_NAMESPACE = uuid.UUID("8a1c35f0-2c5d-5d5e-9f5b-6f2b8f0c7d11")
_ANSWER = re.compile(r'^(?:"([^"]+)"|([\w()-]+))=(?:"(.*)"|(.*))$')
_OS_TYPES = {"amd64": "Linux26_64", "i386": "Linux26"}


class VBoxManageFailed(LabError):
    """VBoxManage exited with an error; the message quotes it."""


def identity(*parts: str) -> str:
    """Return the same UUID for the same parts, so that it can be decided in advance."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def machine_folder(handle: Handle) -> Path:
    """Return the folder of the machine's settings and logs: the group is part of the path."""
    return Path(handle.scratch) / TAG / handle.run / handle.tag


def disk(handle: Handle) -> Path:
    """Return the machine's own disk: its differences from the base."""
    return Path(handle.scratch) / "disk.vdi"


def render_create(order: Order, handle: Handle) -> list[str]:
    """Return the command that registers an empty machine, in isolab's group and folder. Pure."""
    words = ["createvm", "--name", handle.tag, "--uuid", handle.data["uuid"], "--register"]
    words += ["--groups", f"/{TAG}/{handle.run}", "--ostype", _OS_TYPES[order.arch.name]]
    return [*words, "--basefolder", handle.scratch]


def render_clone(handle: Handle, base: Path) -> list[str]:
    """Return the command that creates the machine's disk, empty: it stores changes to ``base``. Pure."""
    words = ["createmedium", "disk", "--filename", str(disk(handle)), "--format", "VDI"]
    return [*words, "--diffparent", str(base)]


def render_settings(order: Order, handle: Handle, port: int, nested_paging: bool) -> list[list[str]]:
    """Return the commands for all settings; ``port`` on 127.0.0.1 leads to its SSH server. Pure."""
    name, folder = handle.data["uuid"], Path(handle.scratch)
    settings = ["modifyvm", name, "--memory", str(order.memory_mib), "--cpus", str(order.machine.cpus)]
    settings += ["--ioapic", "on", "--pae", "on", "--rtc-use-utc", "on", *render_paging(nested_paging)]
    settings += ["--boot1", "disk", "--boot2", "none", "--boot3", "none", "--boot4", "none"]
    settings += ["--bios-boot-menu", "disabled", "--bios-logo-fade-in", "off", "--bios-logo-fade-out", "off"]
    settings += ["--graphicscontroller", "vboxvga", "--vram", "8", "--mouse", "ps2", "--keyboard", "ps2"]
    # Nothing that guest and host could share beyond what a machine and its console need.
    settings += ["--audio-enabled", "off", "--clipboard-mode", "disabled", "--drag-and-drop", "disabled"]
    settings += ["--usb-ohci", "off", "--usb-ehci", "off", "--usb-xhci", "off", "--vrde", "off"]
    settings += ["--uart1", "0x3F8", "4", "--uart-mode1", "file", str(order.logs / "console.log")]
    settings += ["--uart2", "0x2F8", "3", "--uart-mode2", "server", str(folder / "port.sock")]
    # Sockets the NAT opens for the guest are bound to the loopback address: from it, nothing
    # but the host itself can be reached, and that it refuses its guests.
    settings += ["--nic1", "nat", "--nic-type1", "virtio", "--nat-bind-ip1", "127.0.0.1"]
    settings += ["--nat-localhostreachable1", "off", "--nat-pf1", forward(port)]
    settings += [word for n, place in enumerate(order.attachments, 2) for word in render_interface(n, place)]
    bus = ["storagectl", name, "--name", "disk", "--add", "sata", "--controller", "IntelAhci"]
    bus += ["--portcount", "1", "--bootable", "on"]
    return [settings, bus, render_attach(handle, str(disk(handle)))]


def render_interface(number: int, place: Attachment) -> list[str]:
    """Return the options of an interface on an internal network, which exists while in use. Pure."""
    words = [f"--nic{number}", "intnet", f"--nic-type{number}", "virtio", f"--intnet{number}", place.endpoint]
    return [*words, f"--mac-address{number}", place.mac.replace(":", "").upper()]


def render_attach(handle: Handle, medium: str) -> list[str]:
    """Return the command that attaches a disk, or with "none" detaches it. Pure."""
    words = ["storageattach", handle.data["uuid"], "--storagectl", "disk", "--port", "0", "--device", "0"]
    return [*words, "--type", "hdd", "--medium", medium]


def render_paging(nested_paging: bool) -> list[str]:
    """Return the options that switch nested paging on or off. Pure."""
    return ["--nested-paging", "on" if nested_paging else "off"]


def forward(port: int) -> str:
    """Return the rule that forwards a port of the host to the guest's SSH server. Pure."""
    return f"{RULE},tcp,127.0.0.1,{port},{GUEST_ADDRESS},22"


def ask(words: Sequence[str], deadline: Deadline) -> str:
    """Run VBoxManage and return its output. Raises Refused, Unavailable, TimedOut, Interrupted."""
    done = run_command(words, deadline)
    if done.code != 0:
        raise VBoxManageFailed(f"`{PROGRAM} {' '.join(words[:2])}` failed:\n{complaint(done)}")
    return done.stdout.decode(errors="replace")


def run_command(words: Sequence[str], deadline: Deadline) -> process.Finished:
    """Run VBoxManage, whatever its exit status.

    VirtualBox's server exits after a few idle seconds, and a command in that moment fails to reach it.
    Even reading a machine's settings, as another isolab does in search of leftovers, locks the machine
    meanwhile. In both cases nothing was done, so the command is repeated.
    """
    for _ in range(TRIES - 1):
        done = process.run([PROGRAM, "-q", *words], deadline=deadline, check=False)
        if done.code == 0 or not any(reason in done.stderr + done.stdout for reason in _PASSING):
            return done
        deadline.cancellation.wait(deadline.slice(PAUSE_SECONDS))
    return process.run([PROGRAM, "-q", *words], deadline=deadline, check=False)


def complaint(done: process.Finished) -> str:
    """Return VBoxManage's error message, without the progress and warnings around it."""
    text = (done.stderr + done.stdout).decode(errors="replace")
    output = [line for line in text.splitlines() if line.startswith(f"{PROGRAM}: error:")]
    return "\n".join(output) or done.tail()


def parse(answer: str) -> dict[str, str]:
    """Parse machine-readable output. Other lines, such as warnings, are skipped."""
    found = {}
    for line in answer.splitlines():
        if match := _ANSWER.match(line):
            value = match[4] if match[3] is None else match[3].replace('\\"', '"').replace("\\\\", "\\")
            found[match[1] or match[2]] = value
    return found


def about(name: str, deadline: Deadline) -> dict[str, str]:
    """Return everything VirtualBox knows of a machine; {} for an unknown one."""
    done = run_command(["showvminfo", name, "--machinereadable"], deadline)
    if done.code == 0:
        return parse(done.stdout.decode(errors="replace"))
    words = complaint(done)
    if "VBOX_E_OBJECT_NOT_FOUND" in words or "Could not find a registered machine" in words:
        return {}
    raise VBoxManageFailed(f"`{PROGRAM} showvminfo` failed:\n{words}")


def machines(deadline: Deadline) -> list[tuple[str, str]]:
    """Return the name and UUID of every machine of this user."""
    answer = ask(["list", "vms"], deadline)
    return re.findall(r'^"(.*)" \{([0-9a-f-]{36})\}$', answer, re.MULTILINE)


def media(deadline: Deadline) -> list[str]:
    """Return the path of every hard disk VirtualBox knows."""
    return re.findall(r"^Location: +(.+)$", ask(["list", "hdds"], deadline), re.MULTILINE)


def version(answer: str) -> tuple[int, int] | None:
    """Parse major and minor version from ``VBoxManage --version``; None when unreadable."""
    match = re.search(r"^(\d+)\.(\d+)\.\d+", answer, re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else None
