"""The least a driver can be: a folder on this host, whose programs run as whoever started isolab."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import TeardownError, Unavailable
from orchestrator.host import process_table
from orchestrator.labfile.models import Machine
from orchestrator.progress import Progress
from orchestrator.transport.base import InteractiveTransport, Site
from orchestrator.transport.local import CommandTransport


def render_site(scratch: Path) -> Site:
    """Where things are in the folder. Pure but for whose they are."""
    runner, users = (str(scratch / "plain"),), {"student": os.getuid()}
    return Site(runner=runner, work=str(scratch / "work"), users=users, switch=False)


class Plain:
    """The driver."""

    def check(self, machine: Machine, arch: Arch) -> None:
        if arch != host_arch():
            raise Unavailable(f"these are programs of this host, which is {host_arch().name}")

    def prepare(self, order: Order) -> Handle:
        return Handle(
            driver="plain",
            run=order.run,
            machine=order.name,
            arch=order.arch.name,
            boundary=order.boundary.value,
            accel="none",
            scratch=str(order.scratch),
            site=render_site(order.scratch),
        )

    def up(self, order: Order, handle: Handle, deadline: Deadline, progress: Progress) -> Handle:
        try:
            runner = Path(handle.site.runner[0])
            Path(handle.site.work).mkdir(parents=True)
            shutil.copyfile(order.image.runner, runner)
            runner.chmod(0o755)
            return handle
        except BaseException:
            self.down(handle)
            raise

    @contextmanager
    def connect(self, handle: Handle, deadline: Deadline) -> Iterator[InteractiveTransport]:
        yield CommandTransport()

    def down(self, handle: Handle) -> None:
        for pid in process_table.find(process_table.lives_in(handle.scratch)):
            if not process_table.end(pid, patience=0):
                raise TeardownError(f"{handle.machine}: cannot kill process {pid}")
        shutil.rmtree(handle.scratch, ignore_errors=True)

    def leftovers(self, scratch: Path) -> Iterator[Handle]:
        for runner in scratch.glob("*/*/plain"):
            folder = runner.parent
            site = render_site(folder)
            yield Handle("plain", folder.parent.name, folder.name, "", "", "", str(folder), site)


DRIVER = Plain()
