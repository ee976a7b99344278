"""What a host says of its part of a class. It may lie, so what it says is bounded, and checked against what
the class has."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.errors import TransportError
from orchestrator.formatting import bounded, printable
from orchestrator.labfile.ssh_endpoint import key_type
from orchestrator.transport.base import Site

MOST_TEXT = 2000
MOST_PATH = 300
_RUN = re.compile(r"[0-9a-z-]{1,40}")
_SINCE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d")
_KEY = re.compile(
    r"-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{1,4000}-----END OPENSSH PRIVATE KEY-----\n"
)
_MOST = 2**53


@dataclass(frozen=True)
class HostMachine:
    """A machine of a seat on a host. ``port`` is that of its SSH server on the host's loopback, 0 if it does
    not answer, ``host_key`` what it shows (base64 of the wire's form), ``client_key`` the private key that
    opens it. ``memory`` is what it uses there, in bytes; a dead one uses 0."""

    seat: str
    machine: str
    run: str
    arch: str
    boundary: str
    accel: str
    since: str
    coming: bool
    memory: int
    port: int
    host_key: str
    client_key: str
    site: Mapping[str, Any]

    @property
    def alive(self) -> bool:
        return self.memory > 0 or self.coming


@dataclass(frozen=True)
class HostHome:
    """A home folder that lies on a host: ``size`` in bytes, ``written`` in seconds since the epoch."""

    seat: str
    machine: str
    size: int
    written: float


@dataclass(frozen=True)
class HostFailure:
    """A machine with which something could not be done, why, and where its logs are on the host."""

    seat: str
    machine: str
    message: str
    hint: str = ""
    logs: str = ""


@dataclass(frozen=True)
class HostAnswer:
    """A host's part of a class as it is now. ``free`` memory and ``disk`` in bytes; ``measured`` is what
    clones of a kind of machine were seen to take there: bytes, and seconds until they answer. ``came``,
    ``stayed`` and ``failed`` tell how the request went."""

    machines: tuple[HostMachine, ...] = ()
    homes: tuple[HostHome, ...] = ()
    free: int = 0
    cpus: int = 1
    disk: int = 0
    drained: bool = False
    measured: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    came: tuple[tuple[str, str], ...] = ()
    stayed: tuple[tuple[str, str], ...] = ()
    failed: tuple[HostFailure, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def checked(data: Any, found: LoadedClass, host: str) -> HostAnswer:
    """Return what a host said of its part of a class. Raises TransportError for what no isolab says. Pure."""
    try:
        return _answer(data, found)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as wrong:
        why = bounded(printable(str(wrong)), 100)
        raise TransportError(
            f"{host}: what its isolab says of the class cannot be: {why}",
            hint="`isolab cluster up HOSTS` installs this isolab there again",
        ) from None


def _answer(data: Any, found: LoadedClass) -> HostAnswer:
    places = _Places(found)
    machines = tuple(_machine(one, places) for one in _rows(data["machines"]))
    if len({(one.seat, one.machine) for one in machines}) < len(machines):
        raise ValueError("a machine is there twice")
    return HostAnswer(
        machines=machines,
        homes=tuple(_home(one, places) for one in _rows(data["homes"])),
        free=_number(data["free"]),
        cpus=max(1, _number(data["cpus"])),
        disk=_number(data["disk"]),
        drained=_flag(data["drained"]),
        measured={
            _text(kind): (_number(memory), float(_number(seconds)))
            for kind, (memory, seconds) in list(data["measured"].items())[:100]
        },
        came=tuple(places.of(seat, machine) for seat, machine in _rows(data["came"])),
        stayed=tuple(places.of(seat, machine) for seat, machine in _rows(data["stayed"])),
        failed=tuple(_failure(one, places) for one in _rows(data["failed"])),
    )


@dataclass(frozen=True)
class _Places:
    """The machines that a class can have. Seats that left the roster may be on a host still."""

    found: LoadedClass

    def of(self, seat: Any, machine: Any) -> tuple[str, str]:
        shared = self.found.shared.lab.machines if self.found.shared else {}
        known = shared if seat == SHARED else self.found.machines.lab.machines
        if not isinstance(seat, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", seat):
            raise ValueError(f"seat {seat!r}")
        if machine not in known:
            raise ValueError(f"machine {machine!r}")
        return seat, machine


def _machine(row: Any, places: _Places) -> HostMachine:
    seat, machine = places.of(row["seat"], row["machine"])
    port = _number(row["port"])
    host_key = _text(row["host_key"])
    if port > 65535:
        raise ValueError(f"port {port}")
    if port:
        key_type(base64.b64decode(host_key, validate=True))
        if not _KEY.fullmatch(_text(row["client_key"], 5000)):
            raise ValueError("a private key")
    return HostMachine(
        seat=seat,
        machine=machine,
        run=_matching(_RUN, row["run"]),
        arch=_word(row["arch"]),
        boundary=_word(row["boundary"]),
        accel=_word(row["accel"]),
        since=_matching(_SINCE, row["since"]),
        coming=_flag(row["coming"]),
        memory=_number(row["memory"]),
        port=port,
        host_key=host_key,
        client_key=_text(row["client_key"], 5000) if port else "",
        site=asdict(site_of(row["site"])),
    )


def site_of(data: Mapping[str, Any]) -> Site:
    """Return the paths and users inside a machine. Raises ValueError, TypeError, KeyError, AttributeError.
    Pure."""
    return Site(
        runner=tuple(_path(one) for one in data["runner"][:4]),
        work=_path(data["work"]),
        users={_word(name): _number(number) for name, number in list(data["users"].items())[:16]},
        switch=_flag(data["switch"]),
        homes={_word(name): _path(home) for name, home in list(data["homes"].items())[:16]},
    )


def _home(row: Any, places: _Places) -> HostHome:
    seat, machine = places.of(row["seat"], row["machine"])
    return HostHome(seat, machine, _number(row["size"]), float(_number(row["written"])))


def _failure(row: Any, places: _Places) -> HostFailure:
    seat, machine = places.of(row["seat"], row["machine"])
    words = [
        bounded(printable(_text(row[key], 10**5), "\n"), MOST_TEXT) for key in ("message", "hint", "logs")
    ]
    return HostFailure(seat, machine, *words)


def _rows(rows: Any) -> Sequence[Any]:
    if not isinstance(rows, list) or len(rows) > 10**4:
        raise TypeError("a list")
    return rows


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        raise ValueError(f"number {value!r}")
    return value  # type: ignore[return-value]  # fractions of seconds stay


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r}")
    return value


def _text(value: Any, most: int = MOST_PATH) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("a text")
    return value


def _word(value: Any) -> str:
    if not re.fullmatch("[A-Za-z0-9_.-]{0,40}", _text(value)):
        raise ValueError(f"word {value!r}")
    return str(value)


def _path(value: Any) -> str:
    if not _text(value).startswith("/") or not value.isprintable():
        raise ValueError(f"path {value!r}")
    return str(value)


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(_text(value)):
        raise ValueError(f"{value!r}")
    return str(value)
