"""One network switch between QEMU processes of a run: a vde_switch(1) that reaches nothing else.

It speaks Ethernet over Unix-domain sockets in a folder only its user and root can enter; no
interface of the host is in it. It learns who is where, and drops what a machine does not take: one
that stands still cannot hold up the others, which QEMU's own hub allows. Started as root it becomes
whom the QEMU processes run as, without capabilities. Sources: vde_switch(1), qemu(1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import Handle
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.packages import Need, program

PROGRAM = "vde_switch"
NEED = Need(PROGRAM, program(PROGRAM), ("vde2",))
SPARE_PORTS = 1
UNPRIVILEGED = 65534
"""Nobody, and nobody's group."""
QEMU, LIBVIRT = "switch", "libvirt-switch"
"""The folder of a switch's sockets beneath its scratch folder, by whose machines it joins."""


def endpoint(scratch: Path, folder: str) -> str:
    """The folder of the switch's sockets, for QEMU's ``-netdev vde``."""
    return str(scratch / folder / "ctl")


def render_argv(sockets: str, ports: int, user: int | None) -> list[str]:
    """The command line of a switch; ``user`` is whom it becomes, None for whoever starts it. Pure."""
    who = ["setpriv", f"--reuid={user}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    who += ["--no-new-privs", "--bounding-set=-all"]
    # No start-up commands of the user or the host, and a daemon: in the foreground it would end
    # with its standard input.
    argv = [PROGRAM, "-s", sockets, "-m", "0700", "-n", str(ports + SPARE_PORTS)]
    return [*(who if user is not None else []), *argv, "-f", "/dev/null", "-d"]


def require(qemu: str, deadline: Deadline) -> None:
    """Find out whether this QEMU can be plugged into a switch. Raises Unavailable."""
    asked = [qemu, "-machine", "none", "-netdev", "help"]
    output = process.run(asked, deadline=deadline, check=False).stdout.decode(errors="replace")
    if "vde" not in output.split():
        raise Unavailable(
            f"{qemu} was built without VDE, which networks between machines need",
            hint="install a QEMU with VDE support, such as Debian's or Ubuntu's packages",
        )


def start(sockets: str, machines: int, deadline: Deadline, user: int = UNPRIVILEGED) -> None:
    """Start the switch of a network and wait until it listens; started by root it becomes ``user``.
    Raises Unavailable, BootError."""
    if shutil.which(PROGRAM) is None:
        raise Unavailable(
            f"{PROGRAM} is not installed, and networks between machines need it",
            hint="install the package vde2",
        )
    root, folder = os.getuid() == 0, Path(sockets).parent
    folder.parent.mkdir(parents=True, mode=0o711)
    folder.mkdir(mode=0o700)
    if root:
        os.chown(folder, user, UNPRIVILEGED)
    argv = render_argv(sockets, machines, user if root else None)
    done = process.run(argv, deadline=deadline, check=False)
    if done.code != 0:
        raise BootError(f"{PROGRAM} does not start:\n{done.tail()}", hint="reinstall the package vde2")
    poll((Path(sockets) / "ctl").exists, deadline, f"waiting for {PROGRAM} to listen")


def end(handle: Handle) -> None:
    """End the switch of a network. Raises TeardownError."""
    ours = {endpoint(Path(handle.scratch), folder) for folder in (QEMU, LIBVIRT)}
    for pid in process_table.find(lambda pid: _sockets(pid) in ours):
        if not process_table.end(pid, patience=0):
            raise TeardownError(f"network {handle.machine}: cannot kill {PROGRAM} (process {pid})")


def running(scratch: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Run and name of every switch whose sockets are beneath ``scratch`` in a ``folder`` of this name."""
    for pid in list(process_table.find(lambda pid: bool(_sockets(pid)))):
        place = Path(_sockets(pid)).parent
        if place.name == folder and place.parent.parent.parent == scratch:
            yield place.parent.parent.name, place.parent.name


def _sockets(pid: int) -> str:
    """Where the switch listens that this process is (or is about to become), "" for another."""
    words = process_table.arguments(pid)
    if not any(Path(word).name == PROGRAM for word in words[:8]) or "-s" not in words[:-1]:
        return ""
    return words[words.index("-s") + 1]
