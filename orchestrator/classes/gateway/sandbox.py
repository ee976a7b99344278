"""The gateway's sshd as a process: unprivileged, in namespaces of its own where the host has them.

In a mount namespace it has an /etc of its own, so that its login names are accounts for it alone; in a PID
namespace all that it started ends with it. Sources: unshare(1), setpriv(1), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.classes.gateway.folder import GATEWAY_ID, MOUNTED, Folder
from orchestrator.classes.gateway.server_config import Version
from orchestrator.deadline import Deadline
from orchestrator.errors import HostLacks, Unavailable
from orchestrator.host import process, process_table
from orchestrator.host.packages import Need

_PLACES = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
SSHD = Need("sshd", lambda: shutil.which("sshd", path=_PLACES) is not None, ("openssh-server",))
MOST_LOG_BYTES = 64 * 2**20
"""A file it cannot write beyond: whoever knocks day and night must not fill the disk."""
PROBE_SECONDS = 20.0
_USER = ["unshare", "--user", "--map-current-user", "--keep-caps"]
_NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child"]
_BECOMES = ("unshare", "prlimit", "setpriv", "env", "sshd")
# A whole /etc: a file that is mounted over another goes when that one is replaced, as useradd(8) does.
# Terminals of its own: on the host's, the group would be one that sshd may not change, and takes for wrong.
_SCRIPT = """\
mount --bind "$1" /etc
mount -t devpts -o newinstance,ptmxmode=0666,mode=0600 devpts /dev/pts
shift
exec "$@"
"""


@dataclass(frozen=True)
class Sandbox:
    """How sshd is started here. ``apart``: in namespaces of its own; else its only login name is that of the
    user who runs it, and its files are where they are."""

    apart: bool
    sshd: str

    def inside(self, folder: Folder) -> Path:
        """Return where sshd sees its files."""
        return MOUNTED if self.apart else folder.files

    def argv(self, folder: Folder, most_processes: int) -> list[str]:
        """Return the command that is to be started detached; it carries the path of the configuration."""
        config = self.inside(folder) / folder.config.name
        limits = ["prlimit", f"--fsize={MOST_LOG_BYTES}", f"--nproc={most_processes}"]
        if os.getuid() != 0:
            limits.pop()  # counted with all that the user runs
        drop = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs", "--pdeathsig", "KILL"]
        if os.getuid() == 0:
            drop += ["--reuid", str(GATEWAY_ID), "--regid", str(GATEWAY_ID), "--clear-groups"]
        if self.apart:
            drop.append("--bounding-set=-all")
        server = ["env", "-i", "PATH=/usr/bin:/bin", self.sshd, "-D", "-e", "-f", str(config)]
        if not self.apart:
            # Nothing waits for it: it is to live on when what started it ends.
            return [*limits, *drop[: drop.index("--pdeathsig")], "--", *server]
        shell = ["/bin/sh", "-ec", _SCRIPT, str(folder.config), str(folder.etc)]
        return [*_unshare(), "--", *shell, *limits, *drop, "--", *server]


def choose() -> Sandbox:
    """Return how sshd can be started on this host. Raises HostLacks without one, Unavailable as root in a
    container that may not have namespaces."""
    sshd = shutil.which("sshd", path=_PLACES)
    if sshd is None:
        raise HostLacks(
            "this host lacks sshd, which is the gateway for students",
            hint="install openssh-server: `apt-get install --no-install-recommends openssh-server`; "
            "the server that Debian then starts on port 22 is not needed: `systemctl disable --now ssh`",
        )
    complaint = _apart_complaint(os.getuid())
    if not complaint:
        return Sandbox(True, sshd)
    if os.getuid() == 0:
        raise Unavailable(
            f"root may not make a mount namespace here, and the gateway needs one: {complaint}",
            hint="give the container CAP_SYS_ADMIN, or run the class as an ordinary user",
        )
    return Sandbox(False, sshd)


@functools.cache
def _apart_complaint(_user: int) -> str:
    """Return why this user may not have the namespaces, "" if it may; asked once, it stays so."""
    probe = [*_unshare(), "--", "/bin/sh", "-ec", _SCRIPT, "sh", "/etc", "true"]
    tried = process.run(probe, deadline=Deadline.after(PROBE_SECONDS), check=False)
    return "" if tried.code == 0 else tried.tail(1) or f"status {tried.code}"


def version_of(sshd: str, deadline: Deadline) -> Version:
    """Return the version of OpenSSH. Raises Unavailable for another server."""
    # Before 9.2 there is no -V, and the answer to an unknown option begins with the version.
    told = process.run([sshd, "-V"], deadline=deadline.within(PROBE_SECONDS), check=False)
    match = re.search(rb"OpenSSH_(\d+)\.(\d+)", told.stderr + told.stdout)
    if match is None:
        raise Unavailable(f"{sshd} is not OpenSSH's: {told.tail(1)}", hint="install openssh-server")
    return int(match[1]), int(match[2])


def running(config: Path) -> list[int]:
    """Return the processes that hold the gateway with this configuration: one, or none."""
    mark, user = str(config), os.getuid()

    def holds(pid: int) -> bool:
        words = process_table.arguments(pid)
        return mark in " ".join(words) and _is_ours(words) and Path(f"/proc/{pid}").stat().st_uid == user

    return list(process_table.find(holds))


def end(config: Path) -> bool:
    """End a gateway and everybody's sessions in it; returns whether all of it is gone."""
    found = running(config)
    # With the holder of a PID namespace all in it end, and their numbers may be others' when we come to them.
    below = {pid: _begun(pid) for first in found for pid in _below(first)}
    gone = [process_table.end(pid, patience=0) for pid in found]
    for pid, begun in below.items():
        if begun and process_table.still(pid, lambda pid, begun=begun: _begun(pid) == begun):  # type: ignore[misc]
            gone.append(process_table.end(pid, patience=0))
    return all(gone)


def _begun(pid: int) -> str:
    """Return when a process began, in ticks since boot; "" if it is gone."""
    with contextlib.suppress(OSError):
        return process_table.stat_fields(pid)[19]
    return ""


def _unshare() -> list[str]:
    return [*(["unshare"] if os.getuid() == 0 else _USER), *_NAMESPACES]


def _is_ours(words: Sequence[str]) -> bool:
    """Whether a command line is one of those that become the gateway; not that of an editor with the file."""
    first = words[0] if words else ""
    return Path(first).name in _BECOMES or first.startswith("sshd: ")


def _below(pid: int) -> set[int]:
    """Return all processes that a process started, and those that these started."""
    parents: dict[int, list[int]] = {}

    for child, above in process_table.read(process_table.parent):
        parents.setdefault(above, []).append(child)
    found: set[int] = set()
    todo = [pid]
    while todo:
        fresh = [child for child in parents.get(todo.pop(), []) if child not in found]
        found.update(fresh)
        todo += fresh
    return found
