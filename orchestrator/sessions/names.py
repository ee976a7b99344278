"""What people call machines of sessions: ``MACHINE``, ``SESSION/MACHINE``, or ``SESSION`` for all of its
machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from orchestrator.errors import SpecError
from orchestrator.labfile.suggest import did_you_mean


class Named(Protocol):
    """A machine of a session, on this host or on another; ``name`` is ``SESSION/MACHINE``."""

    @property
    def session(self) -> str: ...

    @property
    def machine(self) -> str: ...

    @property
    def name(self) -> str: ...


M = TypeVar("M", bound=Named)


def named(name: str, there: Sequence[M]) -> list[M]:
    """Return the machines that a name means; none if it is unknown. Raises SpecError if it means several
    things. Pure."""
    full = [one for one in there if one.name == name]
    machines = [one for one in there if one.machine == name]
    session = [one for one in there if one.session == name]
    if full:
        return full
    if len(machines) > 1 or (machines and session and session != machines):
        raise SpecError(f"{name!r} is ambiguous", hint=f"name one of: {_listed([*machines, *session])}")
    return machines or session


def only(name: str, found: Sequence[M]) -> M:
    """Return the one machine that a name means. Raises SpecError for a session with several."""
    if len(found) > 1:
        raise SpecError(f"{name!r} is a session with several machines", hint=f"name one of: {_listed(found)}")
    return found[0]


def unknown_name(name: str, there: Sequence[Named], message: str, here: str, nothing: str) -> SpecError:
    """Return the error for a name of none: ``message``, and as hint what was likely meant, or all there are
    after the word ``here``, or ``nothing``."""
    known = [word for one in there for word in (one.machine, one.name, one.session)]
    return SpecError(
        message, hint=did_you_mean(name, known) or (f"{here}: {_listed(there)}" if there else nothing)
    )


def _listed(machines: Sequence[Named]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in machines))
