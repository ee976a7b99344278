"""Create and remove private networks between the machines of one libvirt daemon.

A system daemon creates them itself, here or on another host. A session cannot create bridges; on this
host its machines use a switch started by isolab (``orchestrator.drivers.guest.vde``), on another host
they cannot have networks.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest import vde
from orchestrator.drivers.guest.layout import SITE
from orchestrator.drivers.libvirt.connection import library, lookup, opened, raised_as
from orchestrator.drivers.libvirt.inventory import end, network_tag, tag_of
from orchestrator.drivers.libvirt.network_xml import filter_identity, render_filter, render_network
from orchestrator.drivers.libvirt.ownership import place, remember
from orchestrator.drivers.model import Handle, NetworkOrder
from orchestrator.errors import TeardownError, Unavailable
from orchestrator.labfile.libvirt_uri import Uri, default_uri, parse
from orchestrator.paths import make_folder


def prepare(wanted: NetworkOrder) -> Handle:
    """Decide every name of a network. Pure within one host."""
    uri = parse(wanted.uri or default_uri())
    bare = Handle("libvirt", wanted.run, wanted.scratch.name, "", "", "", str(wanted.scratch), SITE)
    endpoint = vde.endpoint(wanted.scratch, vde.LIBVIRT) if uri.session else bare.tag
    endpoints = dict.fromkeys(wanted.machines, endpoint)
    return replace(
        bare, data={"uri": uri.text, "place": place(wanted.scratch.parent.parent), "plugs": endpoints}
    )


def create(wanted: NetworkOrder, handle: Handle, deadline: Deadline) -> None:
    """Create the network; ``remove`` cleans up after a failure. Raises Unavailable, BootError."""
    uri = parse(handle.data["uri"])
    if uri.session:
        _create_switch(uri, wanted, deadline)
        return
    make_folder(Path(handle.scratch), 0o711)
    with opened(uri, deadline) as connection:
        remember(uri)
        try:
            connection.nwfilterDefineXML(render_filter(handle, wanted.subnet))
            connection.networkCreateXML(render_network(handle))
        except library().libvirtError as problem:
            raise Unavailable(
                f"libvirt on {uri.where} cannot create the network {wanted.name}: {problem}",
                hint="its host must allow it to create bridges and firewall rules; "
                "the networks of `uri: qemu:///session` and `driver: qemu` need neither",
            ) from None


def _create_switch(uri: Uri, wanted: NetworkOrder, deadline: Deadline) -> None:
    if uri.remote:
        raise Unavailable(
            f"no networks between machines of a libvirt session on {uri.where}: "
            "a session cannot create bridges there",
            hint=f"use uri: {uri.text.split('?')[0].replace('/session', '/system')}",
        )
    vde.require(wanted.arch.qemu, deadline)
    user = Path(uri.socket).stat().st_uid if uri.socket else os.getuid()
    vde.start(vde.endpoint(wanted.scratch, vde.LIBVIRT), len(wanted.machines), deadline, user)


def remove(connection: Any, handle: Handle, deadline: Deadline) -> None:
    """Remove a network from a system daemon. Machines still on it are stopped: they belong to the
    same run, which is over. Raises TeardownError, TimedOut."""
    with raised_as(TeardownError, f"network {handle.machine}: libvirt cannot remove it"):
        while users := [domain for domain in connection.listAllDomains() if _joined(domain, handle)]:
            for domain in users:
                end(domain, handle.machine, deadline)
        network = lookup(lambda: connection.networkLookupByName(handle.tag))
        if network is not None and network_tag(network)[2] == handle.data["place"]:
            network.destroy()
        identity = filter_identity(handle.tag, handle.data["place"])
        if (found := lookup(lambda: connection.nwfilterLookupByUUIDString(identity))) is not None:
            found.undefine()


def _joined(domain: Any, handle: Handle) -> bool:
    """Return whether a domain is isolab's and on this network."""
    run, _, owner = tag_of(domain)
    if (run, owner) != (handle.run, handle.data["place"]):
        return False
    about = Xml.fromstring(lookup(domain.XMLDesc) or "<domain/>")
    return any(source.get("network") == handle.tag for source in about.iterfind("devices/interface/source"))
