"""Who handed in: a platform's claims against the roster. An identity is found or left open, never guessed."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.formatting import printable
from orchestrator.submissions.file_names import file_name
from orchestrator.submissions.layouts.base import Claim, FoundSubmission
from orchestrator.submissions.model import PlatformPerson, Student
from orchestrator.submissions.roster import Roster

_NOT_WORD = re.compile(r"[\W_]+")
_LEFT_OUT = re.compile(r"[&<>\"`|':\\/’]+")


@dataclass(frozen=True)
class Identified:
    """A finding and who it is of. ``unknown`` are who is not on the roster, as they were named, each with why
    nobody on it was taken; "" if there is nobody like that. ``candidates`` are on the
    roster, and may be those."""

    finding: FoundSubmission
    students: tuple[Student, ...]
    unknown: tuple[tuple[str, str], ...] = ()
    candidates: tuple[Student, ...] = ()


def identified(
    findings: Sequence[FoundSubmission],
    roster: Roster | None,
    people: Sequence[PlatformPerson] = (),
    platform: str = "",
) -> list[Identified]:
    """Say who each finding is of. Without a roster, everybody is who the platform says. ``people`` are in
    tables of platforms; what those of this ``platform`` say of a number is believed if the name agrees."""
    if roster is None:
        return [
            Identified(one, tuple(_stranger(claim, frozenset()) for claim in one.claims)) for one in findings
        ]
    known = _Known(roster, findings, [one for one in people if one.platform == platform], platform)
    return [known.identify(finding) for finding in findings]


def forms(name: str, squeezed: bool = False) -> frozenset[str]:
    """Return the ways a name may be written, whichever of its words comes first: platforms put the family
    name first or last. Case does not count, nor what platforms leave out of names of files. Those of a name
    that was ``squeezed``, its spaces lost, are no others' and begin with a mark."""
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFKC", name).casefold())
    words = [word for word in _NOT_WORD.split(plain) if word]
    mark, between = ("=", "") if squeezed else ("", " ")
    return frozenset(mark + between.join(words[at:] + words[:at]) for at in range(len(words)))


def _shared(findings: Sequence[FoundSubmission]) -> frozenset[str]:
    """Return forms of names under which several people handed in, as their numbers or ids say."""
    bearers: dict[str, set[str]] = defaultdict(set)
    for claim in (claim for finding in findings for claim in finding.claims):
        for form in forms(claim.name, claim.squeezed):
            bearers[form].add(claim.unmatched)
    return frozenset(form for form, those in bearers.items() if len(those) > 1)


class _Known:
    """The roster by everything that a platform may say of somebody."""

    def __init__(
        self,
        roster: Roster,
        findings: Sequence[FoundSubmission],
        people: Sequence[PlatformPerson],
        platform: str,
    ) -> None:
        self._students = roster.students
        self._shared = _shared(findings)
        # An id that cannot be the name of a folder has one in its place, under which the lab was handed out.
        self._ids = _index(roster.students, lambda one: {_same(one.id), file_name(one.id)})
        self._emails = _index(roster.students, lambda one: [_same(one.email)])
        self._names = _index(roster.students, _names)
        self._groups = _index(roster.students, lambda one: _written(one.group))
        github = {key: _same(name) for key, name in roster.github.items()}
        # A user name is an id only in a class that says no user names.
        self._github = _index(
            roster.students, lambda one: [github.get(one.id, "") if github else _same(one.id)]
        )

        numbers = roster.numbers.get(platform, {})
        self._numbers = _index(roster.students, lambda one: [numbers.get(one.id, "").lstrip("0")])
        self._people: dict[str, list[PlatformPerson]] = defaultdict(list)
        for one in people:
            self._people[one.number.lstrip("0")].append(one)

        claims = [claim for finding in findings for claim in finding.claims]
        self._says_ids = any(_same(claim.id) in self._ids for claim in claims)

    def identify(self, finding: FoundSubmission) -> Identified:
        students: list[Student] = []
        unknown: list[tuple[str, str]] = []
        candidates: list[Student] = []
        for claim in finding.claims:
            found, why = self._resolve(claim)
            if not found:
                found = (_stranger(claim, self._ids.keys()),)
                unknown.append((_named(claim) if why else printable(claim.name or claim.unmatched), why))
                candidates += self._called(claim)
            students += [one for one in found if one not in students]
        return Identified(finding, tuple(students), tuple(unknown), tuple(dict.fromkeys(candidates)))

    def _called(self, claim: Claim) -> list[Student]:
        """Return everybody who has the name of a claim, or is in its group; where names are hidden,
        everybody."""
        if not (claim.id or claim.name or claim.email or claim.github):
            return list(self._students)
        same = sorted(forms(claim.name, claim.squeezed))
        named = (one for form in same for one in (*self._names.get(form, []), *self._groups.get(form, [])))
        return list(dict.fromkeys(named))

    def _told(self, claim: Claim) -> list[Student]:
        """Return whom the platform's table means by a claim's number: all that its cells may be. A row with
        another name is of another assignment."""
        rows = self._people.get(claim.number.lstrip("0"), []) if claim.number else []
        if len(rows) != 1:
            return []
        [row] = rows
        if claim.name and row.name and not forms(claim.name, claim.squeezed) & _written(row.name):
            return []
        texts = [_same(text.strip()) for text in row.texts]
        found = (one for text in texts for one in (*self._emails.get(text, []), *self._ids.get(text, [])))
        return list(dict.fromkeys(found))

    def _resolve(self, claim: Claim) -> tuple[tuple[Student, ...], str]:
        """Return who a claim is of, or nobody and why."""
        same = forms(claim.name, claim.squeezed)
        for found in (
            self._ids.get(_same(claim.id), []),
            self._numbers.get(claim.number.lstrip("0"), []),
            self._told(claim),
            # A platform's number may happen to be somebody else's id.
            [one for one in self._ids.get(_same(claim.number), []) if same & _written(one.name)],
            self._emails.get(_same(claim.email), []),
            self._github.get(_same(claim.github), []),
        ):
            if len(found) == 1:
                return tuple(found), ""
        if claim.id and self._says_ids and same != forms(claim.id):
            return (), f"its id, {printable(claim.id)}, is not on it"
        called = list(dict.fromkeys(one for form in sorted(same) for one in self._names.get(form, [])))
        group = self._group(claim)
        if called and group:
            return (), f"{printable(claim.name)} is a name and a group on it"
        if len(called) > 1:
            ids = ", ".join(printable(one.id) for one in called)
            return (), f"{len(called)} on it are called {printable(claim.name)} ({ids})"
        if called and same & self._shared:
            return (), f"several people who handed in are called {printable(claim.name)}"
        return (tuple(called) or group), ""

    def _group(self, claim: Claim) -> tuple[Student, ...]:
        """Return the members of the group that handed in, if there is one of this name."""
        for written in (claim.id, claim.name):
            found = dict.fromkeys(
                one for form in sorted(forms(written, claim.squeezed)) for one in self._groups.get(form, [])
            )
            if len({one.group.casefold() for one in found}) == 1:
                return tuple(found)
        return ()


def _named(claim: Claim) -> str:
    """Return how the platform calls somebody: the name, and what the submission is graded under."""
    name = claim.name or claim.unmatched
    return printable(name if claim.unmatched in (name, claim.id) else f"{name} ({claim.unmatched})")


def _names(student: Student) -> frozenset[str]:
    """Return the forms of a student's name, and of the name with the id before or behind it."""
    spaced = forms(student.name)
    return _written(student.name).union(*(forms(f"{student.id} {form}") for form in spaced))


def _written(name: str) -> frozenset[str]:
    """Return the forms of a name with spaces and without."""
    return forms(name) | forms(name, squeezed=True)


def _same(text: str) -> str:
    """Return a form of an id that is equal however case and accents were written."""
    return unicodedata.normalize("NFC", text).casefold()


def _index(students: Iterable[Student], keys: Callable[[Student], Iterable[str]]) -> dict[str, list[Student]]:
    found: dict[str, list[Student]] = {}
    for student in students:
        for key in keys(student):
            if key:
                found.setdefault(key, []).append(student)
    return found


def _stranger(claim: Claim, taken: Iterable[str]) -> Student:
    """Return a student of the platform's id, which is not one of somebody else on the roster."""
    key = claim.unmatched if _same(claim.unmatched) not in set(taken) else f"unknown-{claim.unmatched}"
    name = "" if claim.name == claim.unmatched else claim.name
    return Student(printable(key), printable(name), printable(claim.email))
