"""Machines on hosts as the rest of a class knows machines: entered over SSH, at a port of this computer."""

from __future__ import annotations

from orchestrator.classes.hosts.answer import HostMachine, site_of
from orchestrator.classes.hosts.snapshots import machine_folder, said
from orchestrator.classes.hosts.ways import LOOPBACK, HostWays, known_ways, port_of
from orchestrator.classes.model import LoadedClass
from orchestrator.drivers.model import Handle
from orchestrator.host.cache import digest
from orchestrator.machines.journal import SessionMember
from orchestrator.sessions.lookup import SessionMachine

DRIVER = "ssh"
"""The driver of machines that are reached over SSH, and made elsewhere."""
ROOT = "root"


def machines_on_hosts(found: LoadedClass) -> dict[tuple[str, str], tuple[str, SessionMachine]]:
    """Return the machines that hosts have, as they said last, each with its host, by seat and machine."""
    ways = known_ways(found)
    return {
        (one.seat, one.machine): (host, _session_machine(found, host, one, ways))
        for host, answer in said(found).items()
        for one in answer.machines
    }


def _session_machine(
    found: LoadedClass, host: str, one: HostMachine, ways: dict[str, HostWays]
) -> SessionMachine:
    folder = machine_folder(found, host, one.seat, one.machine)
    address = {
        "host": LOOPBACK,
        "port": port_of(ways, host, one.seat, one.machine) if one.port else 0,
        "user": ROOT,
        "key": str(folder / "client_key"),
        "host_keys": [one.host_key],
        "jump": None,
        "foreign": False,
    }
    handle = Handle(
        driver=DRIVER,
        # Not the host's word: it could be that of another host's machine.
        run=digest(host, one.seat, one.run, one.host_key),
        machine=one.machine,
        arch=one.arch,
        boundary=one.boundary,
        accel=one.accel,
        scratch=str(folder),
        site=site_of(one.site),
        data={"address": address},
    )
    session = found.session(one.seat)
    member = SessionMember(session, str(found.file.resolve()), folder / "logs", None, one.since)
    return SessionMachine(member, handle, coming=one.coming)
