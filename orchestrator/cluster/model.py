"""What the parts of a cluster exchange. Frozen; everything that travels is JSON of built-in types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.labfile.plan import Job


@dataclass(frozen=True)
class Destination:
    """Where ``ssh`` leads: ssh_config(5)'s Port, User, IdentityFile and ProxyJump. None: ssh's default."""

    address: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    jump: Destination | None = None


@dataclass(frozen=True)
class ClusterHost:
    """One host of hosts.yaml. ``memory`` (bytes) and ``cpus`` limit what isolab uses of it; None: what is
    free there. ``folder`` holds isolab and its state there; None: below the login's home."""

    name: str
    ssh: Destination
    memory: int | None = None
    cpus: int | None = None
    tags: frozenset[str] = frozenset()
    folder: Path | None = None


@dataclass(frozen=True)
class Cluster:
    """A checked hosts.yaml; ``scheduler`` is the address of an existing Dask scheduler, or empty."""

    file: Path
    hosts: tuple[ClusterHost, ...]
    scheduler: str = ""

    def host(self, name: str) -> ClusterHost | None:
        return next((host for host in self.hosts if host.name == name), None)


@dataclass(frozen=True)
class HostFacts:
    """What an agent says of its host; ``memory`` bytes free, ``clock`` seconds since the epoch there.

    ``arch`` is the host's own architecture, ``emulates`` those for which it has an emulator, ``kvm`` whether
    a guest was proved to boot under KVM. ``public_key`` (hex, Ed25519) is what the host signs records with.
    ``templates`` are the keys of its templates, ``bundles`` the digests of labs that it has, the last used
    first, ``glibc`` the architectures for which it can link programs with glibc.
    """

    name: str
    version: str
    python: str
    arch: str
    cpus: int
    memory: int
    kvm: bool
    clock: float
    public_key: str
    emulates: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    guests: int = 0
    load: float = 0.0
    drained: bool = False
    """Whether it takes no new units."""
    bundles: tuple[str, ...] = ()
    glibc: tuple[str, ...] = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> HostFacts:
        """Raises TypeError if one is missing."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        for name in ("emulates", "templates", "bundles", "glibc"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


SENT_APART = "@"
"""Begins what stands for a parcel that is too large for a message."""


@dataclass(frozen=True)
class Unit:
    """The jobs that run together on one host: one machine, or all machines of a lab network.

    ``bundle`` is the digest of the lab's bundle, ``epoch`` rises every time the controller gives the same
    unit away: a host refuses one below the highest it has seen. ``lease_seconds``: how long its guests live
    without a word of the controller.
    """

    run: str
    bundle: str
    jobs: tuple[Job, ...]
    epoch: int = 1
    cold: bool = False
    lease_seconds: float = 60.0
    places: tuple[str, ...] = field(default=(), compare=False)
    """Names of the hosts that may run it, best first."""
    memory: int = field(default=0, compare=False)
    """Bytes of a host's memory its machines need."""
    work: str = field(default="", repr=False)
    """Students' work that is graded: a parcel as of ``orchestrator.grading.parcel``, or ``SENT_APART`` and
    the digest of a file with one. Its jobs have a run of their own then, whatever the unit's is."""

    @property
    def key(self) -> str:
        """What is the same whenever and wherever this unit runs: 32 hexadecimal digits."""
        about = [self.run, self.bundle, self.cold, [asdict(job) for job in self.jobs]]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Unit:
        """Raises ValueError, KeyError or TypeError for what is no unit."""
        data = json.loads(text)
        jobs = tuple(_job(job) for job in data.pop("jobs"))
        return cls(**{**data, "jobs": jobs, "places": tuple(data.get("places", ()))})


def _job(data: Mapping[str, Any]) -> Job:
    return Job(**{**data, "exercises": tuple(data["exercises"]), "group": tuple(data.get("group", ()))})


@dataclass(frozen=True)
class SignedLine:
    """A line of a unit's result as a host signed it: a record (``kind`` "record"), what it has to tell people
    ("word"), or its end ("end").

    ``number`` counts a unit's lines from 0 within one epoch. ``signature`` (hex, Ed25519) is over what
    ``signed`` returns.
    """

    host: str
    unit: str
    epoch: int
    number: int
    kind: str
    body: str
    signature: str = ""

    def signed(self) -> bytes:
        """The bytes that are signed: everything but the signature, unambiguously."""
        fields: Sequence[object] = (self.host, self.unit, self.epoch, self.number, self.kind, self.body)
        return b"isolab cluster line\n" + json.dumps(fields).encode()

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SignedLine:
        """Raises ValueError or TypeError for what is no such line."""
        return cls(**json.loads(text))
