"""Load a hosts file, reporting every mistake at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.cluster.hostfile.addresses import parse_destination
from orchestrator.cluster.hostfile.contradictions import Hosts, contradictions, identity_file
from orchestrator.cluster.hostfile.recognise import HOSTS_FILE
from orchestrator.cluster.hostfile.spec import HostSpec, HostsSpec
from orchestrator.cluster.model import Cluster, ClusterHost, Destination
from orchestrator.errors import Problem, SpecError
from orchestrator.labfile.machine_section import units_as_text
from orchestrator.labfile.messages import ValidatedDocument, problems_of, validate
from orchestrator.labfile.read_spec import read_document
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import refusal

_HINT = f"a cluster is a file such as {HOSTS_FILE}, which lists hosts; docs/cluster.md"


def load_hosts(path: Path) -> Cluster:
    """Load the hosts file at ``path``: the file, or the folder that contains ``hosts.yaml``.

    Raises SpecError with every mistake in it.
    """
    file = path / HOSTS_FILE if path.is_dir() else path
    if not file.is_file():
        raise SpecError(f"no hosts file at {path}", hint=_HINT)
    document = read_document(file, hint=_HINT)
    problems: list[Problem] = []
    data = _with_units(document.data)
    spec = None
    try:
        spec = validate(HostsSpec, data)
    except ValidationError as error:
        problems += problems_of(error, HostsSpec, ValidatedDocument(document, data))
    problems += contradictions(document, _right(data), file.parent)
    problems = [*_unspoken(problems, document), *document.problems]
    if problems or spec is None:
        raise refusal(problems)
    by_name = {host.name: host for host in spec.hosts}
    hosts = tuple(
        ClusterHost(
            name=host.name,
            ssh=_destination(host, by_name, file.parent),
            memory=host.memory,
            cpus=host.cpus,
            tags=frozenset(host.tags),
            folder=Path(host.folder) if host.folder else None,
        )
        for host in spec.hosts
    )
    return Cluster(file, hosts, spec.scheduler or "")


def _destination(host: HostSpec, others: dict[str, HostSpec], folder: Path) -> Destination:
    """Where ssh leads for this host, with all that is on the way."""
    found = parse_destination(host.ssh or host.name)
    jump = None
    if host.jump in others:
        jump = _destination(others[host.jump], others, folder)
    elif host.jump:
        jump = parse_destination(host.jump)
    identity = identity_file(host.identity, folder) if host.identity else None
    return replace(found, identity=identity, jump=jump)


def _with_units(data: Any) -> Any:
    """The data with bare numbers as text where a size is expected: files carry units."""
    if not isinstance(data, dict) or not isinstance(data.get("hosts"), list):
        return data
    return {**data, "hosts": [units_as_text(host) for host in data["hosts"]]}


def _right(data: Any) -> Hosts:
    """The hosts that are right by themselves."""
    listed = data.get("hosts") if isinstance(data, dict) else None
    found: dict[int, HostSpec] = {}
    for at, one in enumerate(listed if isinstance(listed, list) else []):
        try:
            found[at] = validate(HostSpec, one)
        except ValidationError:
            continue
    return found


def _unspoken(problems: list[Problem], document: Document) -> list[Problem]:
    """The problems that do not merely follow from a syntax problem at the same place."""
    spoken = {(one.file, one.line, one.column) for one in document.problems}
    return [one for one in problems if (one.file, one.line, one.column) not in spoken]
