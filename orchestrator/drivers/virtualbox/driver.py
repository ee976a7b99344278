"""VirtualBox: virtual machines of PC architectures, through VBoxManage.

A machine is a linked clone: its disk holds only what differs from a base shared by all machines of an
image. It receives its identity over the second serial port, since VirtualBox has no virtio-serial;
the first is its console. Networks are VirtualBox's internal ones, identified only by name.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.guest.layout import SITE, loopback_address
from orchestrator.drivers.model import TAG, Handle, NetworkOrder, Order
from orchestrator.drivers.virtualbox import vboxmanage
from orchestrator.drivers.virtualbox import vm as vboxmachine
from orchestrator.drivers.virtualbox.vboxmanage import PROGRAM, VBoxManageFailed
from orchestrator.errors import TeardownError, TimedOut, Unavailable
from orchestrator.host.packages import XORRISO, Need
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport
from orchestrator.transport.ssh import Address, connected

OLDEST = (7, 0)
"""First version with the option names used here; newer ones are always accepted."""
END_SECONDS = 180.0
"""Time limit for removing a machine: each of a dozen VBoxManage commands takes seconds where
VirtualBox itself runs in a guest."""


class VirtualBox:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if not (arch.pc_firmware and host_arch().pc_firmware):
            raise Unavailable(
                f"VirtualBox on {host_arch().name} cannot run {arch.name} guests",
                hint="it runs amd64 and i386 guests on amd64 hosts; `driver: qemu` runs every architecture",
            )
        if shutil.which(PROGRAM) is None:
            raise Unavailable(
                "VirtualBox is not installed (no VBoxManage)",
                hint="install the package virtualbox (Ubuntu: multiverse, Debian: sid's contrib), "
                "or VirtualBox 7.0 or later from virtualbox.org",
            )
        answer = vboxmachine.version()
        if "vboxdrv" in answer:
            raise Unavailable(
                "VirtualBox cannot start machines: its kernel driver vboxdrv is not loaded",
                hint=vboxmachine.NO_DRIVER,
            )
        version = vboxmanage.version(answer)
        if version is not None and version < OLDEST:
            raise Unavailable(
                f"VirtualBox {version[0]}.{version[1]} is too old", hint="install VirtualBox 7.0 or later"
            )

    def needs(self, machine: Machine) -> list[Need]:
        """Return only xorriso: VirtualBox and its kernel driver must be installed by hand."""
        return [XORRISO]

    def longest_sockets(self, name: str, machine: Machine) -> list[str]:
        return [f"{name}/port.sock"]

    def prepare(self, order: Order) -> Handle:
        handle = Handle(
            driver="virtualbox",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel=order.accel,
            scratch=str(order.scratch),
            site=SITE,
        )
        return replace(handle, data={"uuid": vboxmanage.identity(handle.tag, handle.scratch)})

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        try:
            port = vboxmachine.define(order, handle, deadline, progress)
            port = vboxmachine.start(order, handle, port, deadline, progress)
            return replace(handle, data={**handle.data, "port": port})
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.copy(vboxmachine.log(handle), order.logs)
            self.down(handle)
            raise

    def address(self, handle: Handle, deadline: Deadline) -> Address:
        folder = Path(handle.scratch)
        return loopback_address(folder, handle.data["port"])

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        with connected(self.address(handle, deadline), handle.machine, deadline) as transport:
            yield transport

    def prepare_network(self, wanted: NetworkOrder) -> Handle:
        name, scratch = wanted.scratch.name, str(wanted.scratch)
        bare = Handle("virtualbox", wanted.run, name, "", "", "", scratch, SITE)
        return replace(bare, data={"plugs": dict.fromkeys(wanted.machines, bare.tag)})

    def create_network(self, wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
        """Do nothing: an internal network exists while machines use it."""

    def down(self, handle: Handle) -> None:
        if shutil.which(PROGRAM) is not None and not handle.is_network:
            deadline = Deadline.after(END_SECONDS)
            try:
                vboxmachine.end(handle, deadline)
                vboxmachine.remove(handle, deadline)
            except (VBoxManageFailed, TimedOut) as problem:
                raise TeardownError(
                    f"{handle.machine}: VirtualBox cannot remove {handle.tag}: {problem.message}",
                    hint="close it in VirtualBox's window if it is open, then run `isolab gc`",
                ) from None
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        if shutil.which(PROGRAM) is None:
            return
        deadline = Deadline.after(END_SECONDS)
        for name, uuid in vboxmanage.machines(deadline):
            # A machine that lost its settings file has no name, but still a path.
            if not name.startswith(f"{TAG}-") and name != "<inaccessible>":
                continue
            place = Path(vboxmanage.about(uuid, deadline).get("CfgFile", ""))
            if place.is_relative_to(scratch) and len(place.relative_to(scratch).parts) > 2:
                run, machine = place.relative_to(scratch).parts[:2]
                folder = str(scratch / run / machine)
                yield Handle("virtualbox", run, machine, "", "", "", folder, SITE, {"uuid": uuid})


DRIVER = VirtualBox()
