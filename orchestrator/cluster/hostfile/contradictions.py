"""Mistakes of a hosts file that no single value shows: names, ways in that meet, files that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.cluster.hostfile.addresses import parse_destination
from orchestrator.cluster.hostfile.spec import HostSpec
from orchestrator.errors import Problem
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.yaml_document import Document

Hosts = Mapping[int, HostSpec]
"""The hosts that are right by themselves, by their place in the list."""


def contradictions(document: Document, hosts: Hosts, folder: Path) -> Iterator[Problem]:
    """Report what contradicts itself. ``folder`` is the file's, which paths in it are relative to."""
    yield from _same_names(document, hosts)
    yield from _same_hosts(document, hosts)
    yield from _jumps_in_circles(document, hosts)
    for at, host in hosts.items():
        yield from _repeated_tags(document, at, host.tags)
        if host.identity and (why := _unusable(identity_file(host.identity, folder))):
            place = ("hosts", at, "identity")
            yield document.problem(place, why, "leave it out to use ssh's own keys")


def identity_file(written: str, folder: Path) -> Path:
    """Return the file of a private key as the hosts file in ``folder`` names it."""
    try:
        return folder.resolve() / Path(written).expanduser()
    except RuntimeError:  # ~user does not exist: then there is no such file
        return folder.resolve() / written


def _unusable(file: Path) -> str:
    """Why this is no key; "" if it may be one."""
    try:
        return "" if file.is_file() else f"no such file: {file}"
    except OSError as problem:
        return f"cannot read {file}: {problem.strerror}"


def _same_names(document: Document, hosts: Hosts) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for at, host in hosts.items():
        if host.name in first:
            line = document.place(("hosts", first[host.name], "name"))[0]
            words = f"host {quote(host.name)} is listed twice; first on line {line}"
            yield document.problem(("hosts", at, "name"), words, "give each a name of its own")
        first.setdefault(host.name, at)


def _same_hosts(document: Document, hosts: Hosts) -> Iterator[Problem]:
    """Two names for one host: its memory would be given away twice."""
    first: dict[tuple[object, ...], HostSpec] = {}
    for at, host in hosts.items():
        there = parse_destination(host.ssh or host.name)
        # Behind another jump host the same address may be another host; another user never makes it one.
        which = (there.address.casefold(), there.port or 22, host.jump)
        other = first.setdefault(which, host)
        if other is not host and other.name != host.name:
            words = f"{quote(host.name)} is the same host as {quote(other.name)}"
            yield document.problem(("hosts", at, "ssh"), words, "list each host once")


def _jumps_in_circles(document: Document, hosts: Hosts) -> Iterator[Problem]:
    jumps = {host.name: host.jump for host in hosts.values()}
    for at, host in hosts.items():
        way = [host.name]
        while (following := jumps.get(way[-1])) in jumps and following not in way:
            way.append(str(following))
        if following == host.name:
            words = "a host that is reached through itself: " + " -> ".join([*way, host.name])
            yield document.problem(("hosts", at, "jump"), words, "leave one `jump` out")


def _repeated_tags(document: Document, at: int, tags: Sequence[str]) -> Iterator[Problem]:
    for number, tag in enumerate(tags):
        if tag in tags[:number]:
            yield document.problem(("hosts", at, "tags", number), f"tag {quote(tag)} is listed twice")
