"""The options that all actions on a class share, and which seats they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.errors import SpecError
from orchestrator.labfile.suggest import did_you_mean, quote


@dataclass(frozen=True)
class ClassOptions:
    """Options of ``isolab class``; without ``students`` and ``groups`` everybody is meant. An action refuses
    what it has no use for."""

    students: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    form: str = "text"
    watch: bool = False
    prune: bool = False
    out: str = ""
    cluster: str = ""

    @property
    def some(self) -> bool:
        """Whether only some of the class are meant."""
        return bool(self.students or self.groups)

    def refuse(self, action: str, *names: str) -> None:
        """Raise SpecError for options that this action has no use for."""
        for name in names:
            if getattr(self, name):
                raise SpecError(
                    f"isolab class {action} has no use for --{name}", hint="see `isolab class --help`"
                )

    def seats(self, found: LoadedClass) -> tuple[Seat, ...]:
        """Return the seats that are meant, in the class's order. Raises SpecError for who is not in it."""
        by_id = _meant(found, self.students, _ids, "student")
        by_group = _meant(found, self.groups, _groups, "group")
        if not self.students and not self.groups:
            return found.seats
        return tuple(seat for seat in found.seats if seat in (*by_id, *by_group))


def _ids(seat: Seat) -> list[str]:
    return [seat.name, *(member.student.id for member in seat.members)]


def _groups(seat: Seat) -> list[str]:
    return list(dict.fromkeys(member.student.group for member in seat.members if member.student.group))


def _meant(
    found: LoadedClass, words: Sequence[str], names: Callable[[Seat], list[str]], what: str
) -> list[Seat]:
    known = [name for seat in found.seats for name in names(seat)]
    for word in words:
        if word not in known:
            hint = did_you_mean(word, known) or f"they are in {found.folder / found.spec.roster}"
            raise SpecError(f"the class has no {what} {quote(word)}", hint=hint)
    return [seat for seat in found.seats if {*words} & {*names(seat)}]
