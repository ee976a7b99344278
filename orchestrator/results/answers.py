"""What one program answered on several machines, grouped: by how it ended and by all that it printed. Pure.

Only programs that came to an end of their own have answered. One that was stopped or killed, one whose
output was cut without a digest of the whole, and one that never ran are grouped, but never *the same*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.record import Record
from orchestrator.results.ending import Ending, details, ending_of
from orchestrator.results.line_diff import LineDiff, compare_lines, passing_only
from orchestrator.results.platform import Cause, causes, of_same_machines, properties


@dataclass(frozen=True)
class ProgramAnswer:
    """The machines on which a program ended alike and printed the same."""

    records: tuple[Record, ...]
    ending: Ending
    comparable: bool

    @property
    def machines(self) -> tuple[str, ...]:
        return tuple(record.machine for record in self.records)

    @property
    def result(self) -> str:
        """How it ended, with its figures, in words."""
        figures = details(self.records)
        known = f"{self.ending.words} ({figures})" if figures else self.ending.words
        if self.ending.comparable and not self.comparable:
            return f"{known}, but its output was cut and cannot be compared"
        return known

    @property
    def stdout(self) -> str:
        """What is kept of its output, with bytes that are not text as ``\\xff``."""
        return self.records[0].stdout_escaped or self.records[0].stdout

    @property
    def stderr(self) -> str:
        """The same of its error output."""
        return self.records[0].stderr_escaped or self.records[0].stderr

    @property
    def cut(self) -> bool:
        """Whether more was printed than is kept."""
        return any(record.cut for record in self.records)


@dataclass(frozen=True)
class AnswerDifference:
    """How one answer differs from another. Output that was cut may differ where nothing is kept."""

    stdout: LineDiff
    stderr: LineDiff
    endings: bool
    unseen: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """What passes and differs: addresses, process ids, times."""
        return tuple(dict.fromkeys([*self.stdout.kinds, *self.stderr.kinds]))


@dataclass(frozen=True)
class Family:
    """Answers that differ only in what changes by itself, ``kinds``; the most common one first."""

    answers: tuple[ProgramAnswer, ...]
    kinds: tuple[str, ...] = ()

    @property
    def first(self) -> ProgramAnswer:
        return self.answers[0]

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(record for answer in self.answers for record in answer.records)

    @property
    def machines(self) -> tuple[str, ...]:
        return tuple(record.machine for record in self.records)


@dataclass(frozen=True)
class Answers:
    """All answers: the complete ones as families, the most common first; ``others`` are those that cannot be
    compared (stopped, killed, cut, never ran), ``missing`` the machines without any record."""

    families: tuple[Family, ...]
    others: tuple[ProgramAnswer, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every machine answered, completely, and all gave the same answer."""
        return self._all_alike and len(self.families[0].answers) == 1

    @property
    def only_in(self) -> tuple[str, ...]:
        """What machines differ in, where all answered and that is only what changes by itself."""
        return self.families[0].kinds if self._all_alike else ()

    @property
    def _all_alike(self) -> bool:
        return len(self.families) == 1 and not self.others and not self.missing

    @cached_property
    def differences(self) -> tuple[AnswerDifference, ...]:
        """How each family but the first differs from the first."""
        return tuple(difference(self.families[0].first, other.first) for other in self.families[1:])

    def causes(self, place: int) -> tuple[Cause, ...]:
        """Return what may explain that the family at ``place`` is not the first one."""
        here, there = self.families[place].records, self.families[0].records
        if same := of_same_machines(here, there):
            return (same,)
        return causes([properties(record) for record in here], [properties(record) for record in there])


def answers_of(records: Sequence[Record], expected: Sequence[str] = ()) -> Answers:
    """Group ``records``, one per machine; ``expected`` are the machines that should have one."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(_key(record), []).append(record)
    found = sorted((_answer(members) for members in groups.values()), key=lambda each: -len(each.records))
    there = {record.machine for record in records}
    return Answers(
        _families([answer for answer in found if answer.comparable]),
        tuple(answer for answer in found if not answer.comparable),
        tuple(name for name in expected if name not in there),
    )


def _families(answers: Sequence[ProgramAnswer]) -> tuple[Family, ...]:
    families: list[Family] = []
    for answer in answers:
        for place, family in enumerate(families):
            if kinds := _only_in(family.first, answer):
                together = tuple(dict.fromkeys([*family.kinds, *kinds]))
                families[place] = Family((*family.answers, answer), together)
                break
        else:
            families.append(Family((answer,)))
    return tuple(sorted(families, key=lambda family: -len(family.records)))


def _only_in(one: ProgramAnswer, other: ProgramAnswer) -> tuple[str, ...]:
    """Return what two answers differ in, if that is only what changes by itself and all of it is there."""
    if one.ending != other.ending or one.cut or other.cut:
        return ()
    out, err = passing_only(one.stdout, other.stdout), passing_only(one.stderr, other.stderr)
    return () if out is None or err is None else tuple(dict.fromkeys([*out, *err]))


def difference(one: ProgramAnswer, other: ProgramAnswer) -> AnswerDifference:
    """Compare two answers."""
    out, err = compare_lines(one.stdout, other.stdout), compare_lines(one.stderr, other.stderr)
    endings = one.ending != other.ending
    nothing = not (out.lines or err.lines or out.kinds or err.kinds or out.unexamined or endings)
    return AnswerDifference(out, err, endings, nothing or one.cut or other.cut)


def _answer(records: Sequence[Record]) -> ProgramAnswer:
    ending = ending_of(records[0])
    known = all(_printed(record) is not None for record in records)
    return ProgramAnswer(tuple(records), ending, ending.comparable and known)


def _key(record: Record) -> tuple[object, ...]:
    ending = ending_of(record)
    if not ending.comparable:  # how much it printed until then is a matter of chance
        return (ending,)
    printed = _printed(record)
    return (ending, *printed) if printed else (ending, "not known", record.machine)


def _printed(record: Record) -> tuple[str, str] | None:
    """Return what identifies all that was printed; None if some of it is not known."""
    if record.cut and not (record.stdout_sha256 and record.stderr_sha256):
        return None
    return (record.stdout_sha256 or record.stdout), (record.stderr_sha256 or record.stderr)
