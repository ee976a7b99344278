"""The model of ``hosts.yaml``: the hosts of a cluster, and how ssh gets to each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from orchestrator.cluster.hostfile.addresses import checked_scheduler, parse_destination
from orchestrator.labfile.models import FOLDER_PATTERN, MachineName
from orchestrator.labfile.models.base import Spec
from orchestrator.labfile.schema import for_editors
from orchestrator.units import Size

LEAST_MEMORY = 256 * 2**20
"""Bytes of a host below which hardly any machine starts: more likely a slip of the pen."""


def _destination(text: str) -> str:
    parse_destination(text)
    return text


def _memory(size: int) -> int:
    if size < LEAST_MEMORY:
        raise ValueError("expected 256MiB or more: what all machines on this host may use together")
    return size


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("expected the path of a file")
    return text


class HostSpec(Spec):
    """One host of the cluster."""

    name: MachineName
    """What isolab calls the host: in reports, and where another host is reached through it."""
    ssh: Annotated[str, AfterValidator(_destination)] | None = None
    """Where ssh gets to it, such as isolab@lab1.example:22, or a name of your ssh_config. By default its
    name."""
    jump: Annotated[str, AfterValidator(_destination)] | None = None
    """The host to go through: another one of this file by its name, or a destination as for ssh."""
    identity: Annotated[str, Field(min_length=1), AfterValidator(_path)] | None = None
    """File of the private key, relative to this file. By default what ssh uses."""
    memory: Annotated[Size, AfterValidator(_memory)] | None = None
    """The most memory that machines may use there together, such as 60GiB. By default what is free."""
    cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
    """The most processors, likewise. By default all that there are."""
    tags: list[MachineName] = []
    """Words by which machines are bound to some hosts, such as kvm or big."""
    folder: Annotated[str, Field(pattern=FOLDER_PATTERN)] | None = None
    """Where isolab and what it keeps are on the host, such as /srv/isolab. By default in the login's home."""


class HostsSpec(Spec):
    """A hosts file."""

    hosts: Annotated[list[HostSpec], Field(min_length=1)]
    """The hosts, in the order in which they are shown."""
    scheduler: Annotated[str, AfterValidator(checked_scheduler)] | None = None
    """The address of a Dask scheduler that exists already, such as tls://127.0.0.1:8786. By default isolab
    starts one."""


def hosts_schema() -> dict[str, Any]:
    """JSON Schema of hosts files."""
    return for_editors(HostsSpec.model_json_schema(by_alias=True))
