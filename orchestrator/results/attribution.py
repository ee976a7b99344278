"""Attribute a difference to boundary, architecture, privilege, C library or kernel, as far as the machines
allow. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from orchestrator.labfile.models import Boundary
from orchestrator.results.platform import BOUNDARY, KERNEL, LIBRARY, Properties, explaining

Attribution = Literal[
    "same", "boundary", "privilege", "architecture", "library", "kernel", "versions", "mixed", "unexplained",
    "unanswered",
]  # fmt: skip

# A sandbox is a process without some privileges (capabilities, system calls, paths) and
# nothing else; a container's filter takes some of the same.
_PRIVILEGES = {str(Boundary.SANDBOX), str(Boundary.CONTAINER)}


class Observed(NamedTuple):
    """Where a value was observed, and which of the values it was."""

    boundary: str
    arch: str
    rank: int
    properties: Properties = MappingProxyType({})


def attribute(answers: Sequence[Observed]) -> Attribution:
    """Return the likely cause of a difference.

    *boundary*: machines behind the same boundary agree, machines of one architecture do not.
    *privilege*: the same, and the only ones unlike a bare process are the sandbox, or the sandbox and
    the container: what is missing there was taken away, not hidden behind another kernel.
    *architecture*: the reverse. *library*, *kernel*: machines with the same version of the C library, or of
    the kernel, agree, whatever their architecture, and no property of the architectures goes with the
    difference; *versions*: so it is for both. *mixed*: neither alone explains it, or the machines differ
    in both at once (a process here against an emulated machine there), which proves nothing.
    *unexplained*: even machines alike in both disagree.
    """
    values = {answer.rank for answer in answers}
    if len(values) < 2:
        return "same" if values else "unanswered"
    by_isolation = _explains((_isolation(one), one.rank) for one in answers)
    by_arch = _explains((one.arch, one.rank) for one in answers)
    if by_isolation and not by_arch:
        return "privilege" if _was_taken_away(answers) else "boundary"
    if not by_isolation and (version := _version(answers, by_arch=by_arch)):
        return version
    if by_arch:
        return "mixed" if by_isolation else "architecture"
    # To the kernel, a program under qemu-user is the emulator: that alone may set it apart.
    if _explains((_isolation(one, user_emulation=one.boundary), one.rank) for one in answers):
        rest = [one for one in answers if one.boundary != Boundary.USER_EMULATION]
        return "boundary" if len({one.rank for one in rest}) < 2 else attribute(rest)
    return "mixed" if _explains(((one.boundary, one.arch), one.rank) for one in answers) else "unexplained"


def goes_with(answers: Sequence[Observed]) -> tuple[str, ...]:
    """Return the properties of the machines that go with a difference, boundaries aside."""
    groups: dict[int, list[Properties]] = {}
    for answer in answers:
        groups.setdefault(answer.rank, []).append(answer.properties)
    return tuple(name for name in explaining(list(groups.values())) if name != BOUNDARY)


def _version(answers: Sequence[Observed], *, by_arch: bool) -> Attribution | None:
    """Return whether a version explains what nothing else does. One that each architecture has to itself
    says no more than the architecture."""
    known = goes_with(answers)
    if not known or not {LIBRARY, KERNEL} >= set(known):
        return None
    architectures = len({answer.arch for answer in answers})
    kinds = {name: len({answer.properties[name] for answer in answers}) for name in known}
    shared = [name for name in known if not by_arch or kinds[name] < architectures]
    if not shared:
        return None
    return "versions" if len(shared) > 1 else "library" if LIBRARY in shared else "kernel"


def _isolation(answer: Observed, user_emulation: str = Boundary.PROCESS) -> str:
    """Map a boundary to what it separates: emulated machines count as virtual ones, and qemu-user, which
    separates nothing, as a process; only the instruction set distinguishes each pair."""
    same = {str(Boundary.USER_EMULATION): str(user_emulation), str(Boundary.EMULATED): str(Boundary.VM)}
    return same.get(answer.boundary, answer.boundary)


def _was_taken_away(answers: Sequence[Observed]) -> bool:
    seen = {_isolation(one): one.rank for one in answers}
    bare = seen.get(Boundary.PROCESS)
    unlike = {kind for kind, rank in seen.items() if rank != bare}
    return bare is not None and Boundary.SANDBOX in unlike and unlike <= _PRIVILEGES


def _explains(pairs: Iterable[tuple[object, int]]) -> bool:
    """Return whether the first of each pair determines the second."""
    distinct = set(pairs)
    return len(distinct) == len({kind for kind, _ in distinct})
