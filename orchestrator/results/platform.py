"""What machines differ in besides their names: properties that may explain why a program differs. Pure.

A property is a cause as far as it goes with the difference: its value says which answer a machine gave.
Several may; then none is proved, and all are named. None may; then nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.driver_traits import Boundary
from orchestrator.record import Record

Properties = Mapping[str, str]
"""Names of properties -> values, in words. What is not known of a machine is missing."""

LIBRARY, KERNEL, BOUNDARY = "C library", "kernel", "boundary"
LIBRARY_MARK = " "
"""Between a machine's name and that of the C library, where a program ran there with several."""
_LONG_DOUBLE = {24: "as float", 53: "as double", 64: "80 bits (x87)", 106: "two doubles", 113: "128 bits"}
"""Bits of the mantissa -> the format: <float.h>, LDBL_MANT_DIG."""
_SEPARATION = {
    Boundary.PROCESS: "none",
    Boundary.USER_EMULATION: "none",
    Boundary.SANDBOX: "sandbox",
    Boundary.CONTAINER: "container",
    Boundary.VM: "a kernel of its own",
    Boundary.EMULATED: "a kernel of its own",
}
_KIB = 1024


@dataclass(frozen=True)
class Cause:
    """A property in which some machines differ from others: what they have, and what those have."""

    name: str
    here: str
    there: str

    @property
    def words(self) -> str:
        return f"{self.name} ({self.here}, not {self.there})"


def properties(record: Record) -> dict[str, str]:
    """Return the properties of a record's machine: those of the architecture first, and of them those that
    programs depend on most often."""
    found = dict(_of_architecture(record.platform))
    if libc := record.platform.get("libc"):
        found[LIBRARY] = str(libc)
    if version := re.match(r"\d+(\.\d+)*", str(record.platform.get("kernel", ""))):
        found[KERNEL] = version[0]
    if record.boundary in list(Boundary):
        found[BOUNDARY] = _SEPARATION[Boundary(record.boundary)]
    return found


def libraries(records: Sequence[Record]) -> dict[str, list[str]]:
    """Return the C libraries that these programs were linked with -> the machines, both in the records'
    order. A machine whose programs have none of ours, such as scripts, is in no list."""
    found: dict[str, list[str]] = {}
    for record in records:
        if libc := record.platform.get("libc"):
            machines = found.setdefault(str(libc), [])
            machines += [] if record.machine in machines else [record.machine]
    return found


def in_words(found: Mapping[str, Sequence[str]]) -> str:
    """Return ``libraries`` as a sentence: one for all without its machines; "" for none."""
    if len(found) < 2:
        return "".join(f"C library: {name}" for name in found)
    return "C library: " + "; ".join(f"{name} on {', '.join(machines)}" for name, machines in found.items())


def by_kind(found: Mapping[str, Sequence[str]]) -> str:
    """Return ``libraries`` as a sentence where machines have programs of several: the versions of each,
    the most common without its machines."""
    kinds: dict[str, dict[str, Sequence[str]]] = {}
    for library, machines in found.items():
        kind, _, version = library.partition(" ")
        kinds.setdefault(kind, {})[version] = [name.rpartition(LIBRARY_MARK)[0] for name in machines]
    return "C libraries: " + "; ".join(f"{kind} {_versions(versions)}" for kind, versions in kinds.items())


def of_exercises(records: Sequence[Record]) -> str:
    """Return the C libraries of these programs as a sentence: by machine; where exercises choose, by exercise
    too, all but those with the library that most have."""
    kinds: dict[str, list[Record]] = {}
    for record in records:
        if libc := record.platform.get("libc"):
            kinds.setdefault(str(libc).partition(" ")[0], []).append(record)
    if len(kinds) < 2:
        return in_words(libraries(records))
    names = {kind: dict.fromkeys(record.exercise for record in these) for kind, these in kinds.items()}
    parts: list[str] = []
    for kind in sorted(kinds, key=lambda kind: (-len(names[kind]), kind != "musl")):
        found = libraries(kinds[kind]).items()
        versions = {library.partition(" ")[2]: machines for library, machines in found}
        which = f"for {', '.join(names[kind])} " if parts else ""
        parts.append(f"{which}{kind} {_versions(versions)}")
    return f"C library: {'; '.join(parts)}"


def _versions(versions: Mapping[str, Sequence[str]]) -> str:
    first, *others = sorted(versions, key=lambda version: -len(versions[version]))
    return ", ".join([first, *(f"but {other} on {', '.join(versions[other])}" for other in others)])


def of_same_machines(here: Sequence[Record], there: Sequence[Record]) -> Cause | None:
    """Return the C library as what machines ``here`` differ in from ``there``, if each of them gave the other
    answer with another library; None if not, or if programs ran with one library only."""
    others = {_machine(record): record for record in there if LIBRARY_MARK in record.machine}
    twins = [others.get(_machine(record)) for record in here]
    found = [twin for twin in twins if twin is not None]
    if not found or len(found) < len(here):
        return None
    values = [_values(LIBRARY, [properties(record) for record in records]) for records in (here, found)]
    return Cause(LIBRARY, values[0], f"{values[1]} on the same machines")


def _machine(record: Record) -> str:
    return record.machine.rpartition(LIBRARY_MARK)[0]


def _of_architecture(platform: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    if order := platform.get("byte_order"):
        yield "byte order", str(order)
    match platform.get("long"), platform.get("bits"):
        case int(long), int(bits):
            same = long * 8 == bits
            yield "size of long and pointers", f"{bits} bits" if same else f"{long * 8} and {bits} bits"
        case _, int(bits):
            yield "size of pointers", f"{bits} bits"
    if isinstance(signed := platform.get("char_signed"), bool):
        yield "sign of char", "signed" if signed else "unsigned"
    if isinstance(aligned := platform.get("aligned"), int):
        yield "alignment of long long", f"{aligned} bytes"
    if isinstance(size := platform.get("page_size"), int):
        yield "page size", f"{size // _KIB} KiB" if size % _KIB == 0 else f"{size} bytes"
    if isinstance(signed := platform.get("wchar_signed"), bool):
        yield "sign of wchar_t", "signed" if signed else "unsigned"
    if isinstance(digits := platform.get("long_double"), int):
        yield "long double", _LONG_DOUBLE.get(digits, f"{digits} bits of mantissa")


def explaining(groups: Sequence[Sequence[Properties]]) -> tuple[str, ...]:
    """Return the properties whose value says to which group a machine belongs.

    A property with a value of its own for every machine says nothing, unless there are only two.
    """
    everyone = [one for group in groups for one in group]
    if len(groups) < 2:
        return ()
    names = dict.fromkeys(name for one in everyone for name in one)
    return tuple(name for name in names if all(name in one for one in everyone) and _splits(name, groups))


def _splits(name: str, groups: Sequence[Sequence[Properties]]) -> bool:
    values = [{one[name] for one in group} for group in groups]
    kinds = sum(map(len, values))
    return len(set().union(*values)) == kinds and (kinds == len(groups) or kinds < sum(map(len, groups)))


def causes(here: Sequence[Properties], there: Sequence[Properties]) -> tuple[Cause, ...]:
    """Return in what all machines ``here`` differ from all those ``there``."""
    names = dict.fromkeys(name for one in here for name in one)
    known = [name for name in names if all(name in one for one in (*here, *there))]
    apart = [name for name in known if {one[name] for one in here}.isdisjoint(one[name] for one in there)]
    return tuple(Cause(name, _values(name, here), _values(name, there)) for name in apart)


def _values(name: str, machines: Sequence[Properties]) -> str:
    return " or ".join(dict.fromkeys(one[name] for one in machines if name in one))
