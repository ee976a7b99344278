"""The seats of a class: one for each student or group, under a name that is safe anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.classes.model import SHARED, Member, Seat
from orchestrator.host.cache import digest
from orchestrator.labfile.models.base import NAME_PATTERN

STUDENT, GROUP = "s", "g"
"""Before a name that does not begin with a letter; the first also before a student's who is alone in a class
of groups."""
_PLAIN = re.compile("[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_MADE = re.compile(rf"[{STUDENT}{GROUP}]-.*|.*-x[0-9a-f]{{8}}|{SHARED}")
"""Names as they are made here: no id or group is taken for one."""


def seats_of(members: Sequence[Member], per: str) -> tuple[Seat, ...]:
    """Return the seats in the roster's order; in a class by groups, who has none has a seat alone. No two
    seats have one name, as long as ids and groups differ in more than case."""
    found: dict[str, list[Member]] = {}
    labels: dict[str, str] = {}
    for member in members:
        label, name = _named(member, per)
        labels.setdefault(name, label)
        found.setdefault(name, []).append(member)
    return tuple(Seat(name, labels[name], tuple(here)) for name, here in found.items())


def _named(member: Member, per: str) -> tuple[str, str]:
    """The id or group that a member's seat is for, and the seat's name."""
    student = member.student
    if per == "group" and student.group:
        return student.group, seat_name(student.group, GROUP)
    return student.id, seat_name(student.id, STUDENT, alone=per == "group")


def seat_name(label: str, kind: str, *, alone: bool = False) -> str:
    """Return the name of the seat for this id (kind ``STUDENT``) or group (``GROUP``).

    It depends on nothing else, so that who joins the class later changes no other's name: home folders are
    found by it. It is the label itself in lower case where that is safe as a file's, a host's and a session's
    name; with a prefix if it begins with a digit, or for a student ``alone`` in a class of groups; else it is
    made of the label's letters, and a digest that tells it from others.
    """
    plain = label.lower()
    prefix = f"{kind}-" if alone or not plain[:1].isalpha() else ""
    made = f"{prefix}{plain}"
    is_plain = label.isascii() and _PLAIN.fullmatch(plain) and not _MADE.fullmatch(plain)
    if is_plain and re.fullmatch(NAME_PATTERN, made):
        return made
    words = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:24].strip("-")
    prefix = f"{kind}-" if alone or not words[:1].isalpha() else ""
    return f"{prefix}{words}-x{digest(f'{kind} {label.casefold()}')[:8]}".replace("--", "-")
