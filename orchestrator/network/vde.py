"""One network switch between QEMU processes of a run: a vde_switch(1) that reaches nothing else.

It speaks Ethernet over Unix-domain sockets in a folder only it and root (or, without root, its
user) can enter; no interface of the host is in it. It learns who is where, and drops what a
machine does not take: one that stands still cannot hold up the others, which QEMU's own hub
allows. Started as root it becomes nobody without capabilities. Sources: vde_switch(1), qemu(1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator import hostproc, proc
from orchestrator.deadline import Deadline, poll
from orchestrator.drivers import Handle
from orchestrator.errors import BootError, TeardownError, Unavailable

PROGRAM = "vde_switch"
SPARE_PORTS = 1
UNPRIVILEGED = 65534
"""Whom the switch becomes when we are root: nobody."""


def plug(scratch: Path) -> str:
    """The folder of the switch's sockets, for QEMU's ``-netdev vde``."""
    return str(scratch / "switch" / "ctl")


def render_argv(scratch: Path, ports: int, root: bool) -> list[str]:
    """The command line of a switch; ``root``: whether we start it as root. Pure."""
    who = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    who += ["--no-new-privs", "--bounding-set=-all"]
    # No start-up commands of the user or the host, and a daemon: in the foreground it would end
    # with its standard input.
    argv = [PROGRAM, "-s", plug(scratch), "-m", "0700", "-n", str(ports + SPARE_PORTS)]
    return [*(who if root else []), *argv, "-f", "/dev/null", "-d"]


def require(qemu: str, deadline: Deadline) -> None:
    """Find out whether this QEMU can be plugged into a switch. Raises Unavailable."""
    asked = [qemu, "-machine", "none", "-netdev", "help"]
    said = proc.run(asked, deadline=deadline, check=False).stdout.decode(errors="replace")
    if "vde" not in said.split():
        raise Unavailable(
            f"{qemu} was built without VDE: its machines cannot be joined by a network",
            hint="use a QEMU with VDE support, as Debian's and Ubuntu's packages are",
        )


def start(scratch: Path, machines: int, deadline: Deadline) -> None:
    """Start the switch of a network and wait until it listens. Raises Unavailable, BootError."""
    if shutil.which(PROGRAM) is None:
        raise Unavailable(
            f"{PROGRAM} is not installed: machines cannot be joined by a network",
            hint="install the package vde2",
        )
    root = os.getuid() == 0
    folder = scratch / "switch"
    scratch.mkdir(parents=True, mode=0o711)
    folder.mkdir(mode=0o700)
    if root:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    done = proc.run(render_argv(scratch, machines, root), deadline=deadline, check=False)
    if done.code != 0:
        raise BootError(f"{PROGRAM} does not start:\n{done.tail()}", hint="is the package vde2 whole?")
    poll((Path(plug(scratch)) / "ctl").exists, deadline, f"{PROGRAM} listening")


def end(handle: Handle) -> None:
    """End the switch of a network. Raises TeardownError."""
    for pid in hostproc.find(lambda pid: _scratch(pid) == Path(handle.scratch)):
        if not hostproc.end(pid, patience=0):
            raise TeardownError(f"network {handle.machine}: {PROGRAM} (process {pid}) cannot be ended")


def running(scratch: Path) -> Iterator[tuple[str, str]]:
    """Run and name of every switch whose sockets are beneath ``scratch``."""
    for pid in list(hostproc.find(lambda pid: _scratch(pid) is not None)):
        folder = _scratch(pid)
        if folder is not None and folder.parent.parent == scratch:
            yield folder.parent.name, folder.name


def _scratch(pid: int) -> Path | None:
    """The scratch folder of the switch that this process is (or is about to become), else None."""
    words = hostproc.arguments(pid)
    if not any(Path(word).name == PROGRAM for word in words[:8]) or "-s" not in words[:-1]:
        return None
    sockets = Path(words[words.index("-s") + 1])
    return sockets.parent.parent if sockets.parts[-2:] == ("switch", "ctl") else None
