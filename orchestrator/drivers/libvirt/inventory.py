"""Inventory of isolab's objects on a libvirt daemon: found by tag, not name, and removed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from orchestrator.deadline import Deadline
from orchestrator.drivers.libvirt import storage
from orchestrator.drivers.libvirt.connection import library, lookup, opened, raised_as
from orchestrator.drivers.libvirt.domain_xml import NAMESPACE, read_tag
from orchestrator.drivers.libvirt.network_xml import NETWORK_NAMESPACE, filter_identity
from orchestrator.drivers.libvirt.ownership import daemons, remembered_file
from orchestrator.drivers.model import NETWORK_PREFIX, TAG, Handle
from orchestrator.errors import LabError, TeardownError, Unavailable
from orchestrator.host import process_table
from orchestrator.host.tempdirs import RUN_FOLDER
from orchestrator.labfile.libvirt_uri import Uri

RUN_NAME = rf"{TAG}-({RUN_FOLDER.pattern})-"
"""How the names of a run's machines and networks begin; its group is the run."""


def console_name(handle: Handle) -> str:
    """Return the name of the volume with the machine's console."""
    return f"{handle.tag}.{handle.data['place']}.console"


def domain_of(connection: Any, handle: Handle) -> Any:
    """Return the machine's domain; None when no domain of this name carries isolab's tag."""
    domain = lookup(lambda: connection.lookupByName(handle.tag))
    return domain if domain is not None and tag_of(domain)[2] == handle.data["place"] else None


def tag_of(domain: Any) -> tuple[str, str, str]:
    """Return run, machine and owner; three times "" for a domain without isolab's tag or vanishing."""
    libvirt = library()
    element = lookup(lambda: domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0))
    return ("", "", "") if element is None else read_tag(element)


def network_tag(network: Any) -> tuple[str, str, str]:
    """Return the same for a network."""
    words = lookup(network.XMLDesc) or "<network/>"
    tag = Xml.fromstring(words).find(f"metadata/{{{NETWORK_NAMESPACE}}}network")
    return ("", "", "") if tag is None else read_tag(Xml.tostring(tag, encoding="unicode"))


def remove(connection: Any, handle: Handle, deadline: Deadline) -> None:
    """Stop a machine's domain, and copy and delete its console log. Raises TeardownError."""
    logs = Path(handle.data.get("logs", ""))
    with raised_as(TeardownError, f"{handle.machine}: libvirt cannot remove it"):
        if handle.data.get("logs") and logs.is_dir():
            with contextlib.suppress(OSError, library().libvirtError):
                storage.fetch(connection, console_name(handle), logs / "console.log")
        while (domain := domain_of(connection, handle)) is not None:
            end(domain, handle.machine, deadline)
        storage.remove_console(connection, console_name(handle), deadline)


def end(domain: Any, name: str, deadline: Deadline) -> None:
    """Try to stop a domain; on failure, wait a moment: a busy host may need longer to end a process
    than libvirt waits. Raises TimedOut."""
    with contextlib.suppress(library().libvirtError):
        domain.destroy()
        return
    deadline.check(f"{name}: stopping it")
    deadline.cancellation.wait(0.2)


def tagged(connection: Any, mark: str, session: bool) -> Iterator[tuple[str, str]]:
    """Yield the run and name of each tagged object: domains, orphaned logs, networks and filters."""
    with raised_as(Unavailable, "libvirt cannot list its machines"):
        for domain in connection.listAllDomains():
            run, machine, owner = tag_of(domain)
            if owner == mark:
                yield run, machine
        pattern = re.compile(rf"{RUN_NAME}(.+)\.{mark}\.console")
        for name in storage.volumes(connection):
            if match := pattern.match(name):
                yield match[1], match[2]
    # A daemon without network support has none; the journal knows those it had.
    with contextlib.suppress(library().libvirtError):
        if not session:
            yield from _networks(connection, mark)


def everywhere(mark: str) -> Iterator[tuple[Uri, str, str]]:
    """Yield the same for every daemon that may hold such objects, with its URI. Raises Unavailable when
    one of them does not answer."""
    known: set[tuple[str, str]] = set()  # one daemon may be reached by several addresses
    for uri in daemons():
        try:
            with opened(uri, Deadline.after(60)) as connection:
                found = set(tagged(connection, mark, uri.session))
        except LabError as problem:
            if not uri.remote and not running_here():
                continue
            raise Unavailable(
                f"cannot search for leftovers: {problem.message}",
                hint=f"{problem.hint}; if it is gone for good, delete its line from {remembered_file()}",
            ) from None
        for run, machine in sorted(found - known):
            yield uri, run, machine
        known |= found


def _networks(connection: Any, mark: str) -> Iterator[tuple[str, str]]:
    for network in connection.listAllNetworks():
        run, name, owner = network_tag(network)
        if owner == mark:
            yield run, name
    pattern = re.compile(rf"{RUN_NAME}({re.escape(NETWORK_PREFIX)}.+)")
    for found in connection.listAllNWFilters():
        match = pattern.fullmatch(found.name())
        if match and found.UUIDString() == filter_identity(found.name(), mark):
            yield match[1], match[2]


def running_here() -> bool:
    """Return whether a machine of isolab runs on this host, without asking a daemon."""
    mark = f"guest={TAG}-"
    return any(
        True
        for _ in process_table.find(
            lambda pid: any(word.startswith(mark) for word in process_table.arguments(pid))
        )
    )
