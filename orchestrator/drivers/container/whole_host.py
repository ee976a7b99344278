"""Whether this host is a chroot, in which a command sent into a container would leave the chroot instead.

``podman exec`` joins the container's mount namespace and thereby gets that namespace's root folder
(setns(2)). A container started in a chroot only exchanged the chroot's folder (pivot_root(2)); the root
folder of its namespace is still that of the system outside, and the command would run there, as root.
"""

from __future__ import annotations

import os
from functools import cache as remember
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process


def require_whole_host() -> None:
    """Check that commands sent into a container of this host arrive there. Raises Unavailable.

    As an ordinary user nothing is checked: the kernel makes them no user namespace in a chroot
    (unshare(2)), and the engine says so.
    """
    if os.getuid() == 0 and in_chroot():
        raise Unavailable(
            "this system is a chroot, and commands sent into its containers would run outside of it, as root",
            hint="enter it by systemd-nspawn(1) or pivot_root(8), not by chroot(1), or leave out containers",
        )


@remember
def in_chroot() -> bool:
    """Return whether the root folder is not the mount namespace's; False where that cannot be found out.

    Asked once per process. A program that joins its own mount namespace anew gets the root folder of that.
    """
    argv = ["nsenter", "--mount=/proc/self/ns/mnt", "stat", "-c", "%d %i", "/"]
    try:
        done = process.run(argv, deadline=Deadline.after(10), check=False)
    except Unavailable:
        return False
    here = Path("/").stat()
    return done.code == 0 and done.stdout.split() != [b"%d" % here.st_dev, b"%d" % here.st_ino]
