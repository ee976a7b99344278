"""The hosts file that a class was brought up with, where its own file names none."""

from __future__ import annotations

from orchestrator.classes.hosts.snapshots import hosts_folder
from orchestrator.classes.model import LoadedClass
from orchestrator.host.cache import write_atomically

FILE = "chosen"


def last(found: LoadedClass) -> str:
    """Return the path of the hosts file of the last ``up``; "" if there was none. Raises Unavailable."""
    try:
        return (hosts_folder(found) / FILE).read_text()
    except FileNotFoundError:
        return ""


def keep(found: LoadedClass) -> None:
    """Keep the hosts file, for the class's service and for later commands. Raises Unavailable, OSError."""
    if found.hosts is not None:
        write_atomically(hosts_folder(found) / FILE, str(found.hosts.resolve()).encode())


def forget(found: LoadedClass) -> None:
    """Forget it: nothing of the class is on any host."""
    (hosts_folder(found) / FILE).unlink(missing_ok=True)
