"""What a controller asks the isolab of a host about its part of a class: one line of JSON.

The class travels as its file says it, without labs, times and people: who is in it is a list of ids and
groups, from which both sides make the same seats.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import class_key
from orchestrator.errors import SpecError
from orchestrator.labfile.plan import arch_of

MOST_BYTES = 2**28
"""Of a request: the starting files of all seats of a host."""
_KEPT = ("class", "machines", "networks", "per", "quota", "shared")
"""Keys of the class file that concern a host."""
_NO_NETWORK = "off"


class Act(StrEnum):
    """What a host can be asked to do."""

    LOOK = "look"
    UP = "up"
    RESET = "reset"
    DOWN = "down"


@dataclass(frozen=True)
class PartRequest:
    """Do ``act`` with the machines of these ``seats`` on this host.

    ``key`` names the class there, ``written`` is its file and ``people`` the ids and groups of its roster.
    ``machines``: only those of these names. ``student_keys`` are the public keys that open each seat's
    machines, ``starting`` a tar.gz with the files of new home folders, ``SEAT/…``. ``destroy`` are home
    folders to remove after their machines. ``everything``: the class ends on this host.
    """

    act: Act
    key: str
    written: Mapping[str, Any]
    people: tuple[tuple[str, str], ...]
    seats: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    student_keys: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    starting: bytes = b""
    destroy: tuple[tuple[str, str], ...] = ()
    everything: bool = False

    def to_line(self) -> bytes:
        """Return it as one line of JSON."""
        data = {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "written": dict(self.written),
            "student_keys": dict(self.student_keys),
            "starting": base64.b64encode(self.starting).decode(),
        }
        return json.dumps(data).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> PartRequest:
        """Raises SpecError for what is no request of this isolab's."""
        try:
            data = json.loads(line)
            return cls(
                act=Act(data["act"]),
                key=str(data["key"]),
                written=dict(data["written"]),
                people=tuple((str(id_), str(group)) for id_, group in data["people"]),
                seats=tuple(map(str, data["seats"])),
                machines=tuple(map(str, data["machines"])),
                student_keys={seat: tuple(keys) for seat, keys in data["student_keys"].items()},
                starting=base64.b64decode(data["starting"]),
                destroy=tuple((str(seat), str(machine)) for seat, machine in data["destroy"]),
                everything=bool(data["everything"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SpecError(
                "`isolab class part` takes the request of a controller, not of people",
                hint="see `isolab help cluster`",
            ) from None


def part_of(found: LoadedClass, act: Act, *, seats: tuple[str, ...] = (), **more: Any) -> PartRequest:
    """Return a request about these seats of a class; ``more`` are further fields. Pure but for the class's
    key."""
    people = tuple(
        (member.student.id, member.student.group) for seat in found.seats for member in seat.members
    )
    return PartRequest(act, class_key(found), _written(found), people, seats, **more)


def _written(found: LoadedClass) -> dict[str, Any]:
    """Return what of the class file concerns a host. A machine's architecture that it does not say is this
    computer's, on every host."""
    data = {key: found.written[key] for key in _KEPT if key in found.written}
    for section, lab in (("machines", found.machines), ("shared", found.shared)):
        if section in data and lab is not None:
            arch = {name: arch_of(machine).name for name, machine in lab.lab.machines.items()}
            data[section] = {
                name: {"arch": arch.get(name), **(one or {})} for name, one in data[section].items()
            }
    if found.spec.exam:
        data["quota"] = {**(data.get("quota") or {}), "network": _NO_NETWORK}
    return data
