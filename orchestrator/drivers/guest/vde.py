"""A network switch between QEMU processes of a run: a vde_switch(1) connected to nothing else.

It speaks Ethernet over Unix-domain sockets in a folder only its user and root can enter; no host
interface is attached. It learns addresses, and drops what a machine does not take: a stopped machine
cannot hold up the others, as it could on QEMU's own hub. Started as root, it becomes the user of the
QEMU processes, without capabilities. Sources: vde_switch(1), qemu(1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.model import NETWORK_PREFIX, Handle
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.packages import Need, program
from orchestrator.host.tempdirs import require_reachable
from orchestrator.paths import make_folder, scratch_dir

PROGRAM = "vde_switch"
NEED = Need(PROGRAM, program(PROGRAM), ("vde2",))
SPARE_PORTS = 1
UNPRIVILEGED = 65534
"""User and group id of nobody."""
QEMU, LIBVIRT = "switch", "libvirt-switch"
"""Folder of a switch's sockets beneath its scratch folder, by the driver of its machines."""


def endpoint(scratch: Path, folder: str) -> str:
    """Return the folder of the switch's sockets, for QEMU's ``-netdev vde``."""
    return str(scratch / folder / "ctl")


def longest_socket(network: str, folder: str) -> str:
    """Return the longest path of a socket of a network's switch, relative to the run's scratch folder: those
    of its members end with a number and their process id. Pure."""
    return f"{NETWORK_PREFIX}{network}/{folder}/ctl/001.4194304"


def render_argv(sockets: str, ports: int, user: int | None) -> list[str]:
    """Return the command line of a switch; ``user`` is whom it becomes, None: no change. Pure."""
    who = ["setpriv", f"--reuid={user}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    who += ["--no-new-privs", "--bounding-set=-all"]
    # No start-up commands of the user or the host, and a daemon: in the foreground it would end
    # with its standard input.
    argv = [PROGRAM, "-s", sockets, "-m", "0700", "-n", str(ports + SPARE_PORTS)]
    return [*(who if user is not None else []), *argv, "-f", "/dev/null", "-d"]


def require(qemu: str, deadline: Deadline) -> None:
    """Check that this QEMU can connect to a switch. Raises Unavailable."""
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
    if root:
        require_reachable(scratch_dir(), user)
    make_folder(folder.parent, 0o711)
    folder.mkdir(mode=0o700)
    if root:
        os.chown(folder, user, UNPRIVILEGED)
    argv = render_argv(sockets, machines, user if root else None)
    done = process.run(argv, deadline=deadline, check=False)
    if done.code != 0:
        raise BootError(f"{PROGRAM} does not start:\n{done.tail()}", hint="reinstall the package vde2")
    poll((Path(sockets) / "ctl").exists, deadline, f"waiting for {PROGRAM} to listen")


def end(handle: Handle) -> None:
    """Stop the switch of a network. Raises TeardownError."""
    ours = {endpoint(Path(handle.scratch), folder) for folder in (QEMU, LIBVIRT)}
    folder = Path(handle.scratch)
    for pid in process_table.find(lambda pid: _sockets(pid) in ours and process_table.sees(pid, folder)):
        if not process_table.end(pid, patience=0):
            raise TeardownError(f"network {handle.machine}: cannot kill {PROGRAM} (process {pid})")


def running(scratch: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the run and name of every switch with sockets in a ``folder`` beneath ``scratch``."""
    for pid, sockets in list(process_table.read(_sockets)):
        place = Path(sockets).parent
        ours = place.name == folder and place.parent.parent.parent == scratch
        if ours and process_table.sees(pid, scratch):
            yield place.parent.parent.name, place.parent.name


def _sockets(pid: int) -> str:
    """Return where a switch process (or one about to become a switch) listens; "" for others."""
    words = process_table.arguments(pid)
    if not any(Path(word).name == PROGRAM for word in words[:8]) or "-s" not in words[:-1]:
        return ""
    return words[words.index("-s") + 1]
