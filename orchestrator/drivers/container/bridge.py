"""A network between containers of a run: a bridge in its own network namespace.

Neither the host nor any other run has an interface there, so there is nothing to filter. Each
container is connected by a veth pair, one end in its namespace, the other on the bridge. Creating
these takes root in the host's own network namespace. Sources: ip-netns(8), ip-link(8), veth(4),
network_namespaces(7).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import TAG, Attachment, Handle
from orchestrator.errors import BootError, TeardownError, Unavailable
from orchestrator.host import process
from orchestrator.paths import make_folder

BRIDGE = "bridge"
PLACE = Path("/run/netns")
"""Where ip-netns(8) keeps the names of namespaces."""


def render_create(namespace: str) -> list[list[str]]:
    """Return the commands that create a network. Pure."""
    inside = ["ip", "-n", namespace, "link"]
    return [
        ["ip", "netns", "add", namespace],
        # Otherwise multicast to an unknown group would wait for the bridge to learn it.
        [*inside, "add", BRIDGE, "type", "bridge", "mcast_snooping", "0"],
        [*inside, "set", BRIDGE, "up"],
    ]


def render_join(place: Attachment, pid: int, number: int) -> list[list[str]]:
    """Return the commands that add the ``number``-th interface to the container whose first process
    is ``pid``. Pure."""
    port, network, switch = port_name(place), f"lan{number}", ["ip", "-n", place.endpoint, "link"]
    inside = ["nsenter", "--target", str(pid), "--net", "ip"]
    pair = [port, "type", "veth", "peer", "name", network, "address", place.mac, "netns", str(pid)]
    return [
        [*switch, "add", *pair],
        [*switch, "set", port, "master", BRIDGE, "up"],
        [*inside, "address", "add", f"{place.address}/{place.prefix}", "dev", network],
        [*inside, "link", "set", network, "up"],
    ]


def port_name(place: Attachment) -> str:
    """Return the name of the bridge's end of a veth pair: IFNAMSIZ leaves 15 characters."""
    return f"port{int(IPv4Address(place.address)):08x}"


def create(namespace: str, scratch: Path, deadline: Deadline) -> None:
    """Create a network; its scratch folder marks its owner. Raises Unavailable, BootError."""
    if os.getuid() != 0:
        raise Unavailable(
            "networks between containers need root",
            hint="run isolab as root, or use `driver: qemu`, whose networks need no privileges",
        )
    make_folder(scratch, 0o711)
    _all(render_create(namespace), f"network {scratch.name}", deadline)


def join(places: Sequence[Attachment], pid: int, who: str, deadline: Deadline) -> None:
    """Add a running container's interfaces. Raises BootError."""
    for number, place in enumerate(places):
        _all(render_join(place, pid, number), f"{who}: joining {place.network}", deadline)


def remove(handle: Handle) -> None:
    """Remove a network with all its interfaces. Raises TeardownError."""
    if not (PLACE / handle.tag).exists():
        return
    done = process.run(["ip", "netns", "delete", handle.tag], deadline=Deadline.after(30), check=False)
    if done.code != 0 and (PLACE / handle.tag).exists():
        raise TeardownError(f"network {handle.machine}: cannot remove its namespace:\n{done.tail()}")


def standing(scratch: Path) -> Iterator[tuple[str, str]]:
    """Yield the run and name of isolab's networks with a folder beneath ``scratch``: others belong to
    another user, and may be in use."""
    for path in sorted(PLACE.glob(f"{TAG}-*-net.*")):
        _, day, clock, salt, name = path.name.split("-", 4)
        if (scratch / f"{day}-{clock}-{salt}" / name).exists():
            yield f"{day}-{clock}-{salt}", name


def _all(commands: list[list[str]], what: str, deadline: Deadline) -> None:
    for argv in commands:
        done = process.run(argv, deadline=deadline.within(30), check=False)
        if done.code != 0:
            raise BootError(
                f"{what}: `{' '.join(argv)}` failed:\n{done.tail()}",
                hint="the host's kernel must support network namespaces, veth and bridge",
            )
