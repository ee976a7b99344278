"""What a student's feedback says, as plain data that each format lays out. Pure.

It holds nothing of hidden tests but their number and their points: records are read as their student may see
them, and every text is bounded, because students' programs wrote most of them.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType

from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.exercises.student_view import read_view, sealed
from orchestrator.formatting import bounded, counted, printable
from orchestrator.gradebook.counted import Counted
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.labfile.load import LoadedExercise
from orchestrator.record import CheckResult, Record, Status
from orchestrator.report import wording
from orchestrator.results.for_student import for_student, output_for_people
from orchestrator.submissions.model import Student

NOTHING = "Nothing was handed in."
UNCLEAR = (
    "There is no result: a submission may be this student's, and nobody could tell whose it is. The lecturer "
    "can say. It costs no points."
)
NO_LOSS = (
    "isolab or the computer it ran on failed, not the submission. It costs no points, and the lecturer "
    "knows of it."
)
NEVER_ENTERED = (
    "What the tests expect was compared outside the machines and never entered them, so no program there "
    "could read it. Hidden tests are counted here, and not described."
)
FOLDERS = "FOLDER is the lab as you got it, MY-WORK the folder with your files."
ONE_COUNTS = "The machine with the lowest share of its points counts."
MEAN_COUNTS = "The mean of the machines counts."
_TIMED_OUT = re.compile(r"timed out after ([0-9.]+) s\b")
_REASON_LIMIT, _OUTPUT_LIMIT, _ITEM_LIMIT = 8000, 3000, 400
_LINES, _FILES, _TESTS = 40, 100, 200


@dataclass(frozen=True)
class TestLine:
    """A visible test: what it looks at, its points, and in ``words`` what was got and what expected.

    ``kind`` is the status whose looks it has: a skip is a test that held in a program that was stopped.
    """

    __test__ = False  # not a test of ours

    name: str
    kind: Status
    result: str
    points: str
    words: str


@dataclass(frozen=True)
class SharedResult:
    """The result on machines on which it is the same. ``counts``: it is this one that gives the points.

    ``reason`` says why points are missing, as far as ``tests`` do not.
    ``output`` are names and texts of what the program printed, of one of the machines; ``limit`` explains a
    time-out; ``hidden`` says how many hidden tests there are, and their points together.
    """

    machines: str
    status: Status
    verdict: str
    counts: bool
    reason: str
    tests: tuple[TestLine, ...]
    hidden: str
    limit: str
    output: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ExerciseSheet:
    """One attempt at one exercise. ``kind`` is the status whose looks it has, ``sentence`` its verdict;
    ``attempt`` says which of several it is."""

    name: str
    title: str
    kind: Status
    verdict: str
    points: str
    sentence: str
    reason: str
    notes: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    outcomes: tuple[SharedResult, ...]
    counting: str
    command: str
    attempt: str = ""


@dataclass(frozen=True)
class FeedbackSheet:
    """A student's feedback on one lab."""

    lab: str
    who: str
    student: Student
    total: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    exercises: tuple[ExerciseSheet, ...]
    absent: bool


def sheet_of(
    book: Gradebook,
    student: Student,
    notes: Sequence[str] = (),
    adjusted: Mapping[str, str] = MappingProxyType({}),
    counting: Mapping[str, Counted] = MappingProxyType({}),
) -> FeedbackSheet:
    """Return a student's feedback. ``notes`` are words for its top, such as how late it was; ``adjusted``
    says for exercises what the course's policy makes of their points, ``counting`` which attempt counts, with
    the points after the policy; without it, the last one as it was graded."""
    grades = book.of(student)
    common = _common_remarks(grades)
    names = {exercise.name: exercise for exercise in book.lab.exercises}
    attempts = Counter(grade.exercise for grade in grades)
    sheets = tuple(
        replace(
            _exercise(
                book,
                grade,
                names.get(grade.exercise),
                common,
                adjusted.get(grade.exercise, "") if _counts(grade, counting) is not False else "",
            ),
            attempt=_attempt(grade, counting) if attempts[grade.exercise] > 1 else "",
        )
        for grade in grades
    )
    return FeedbackSheet(
        lab=_item(book.lab.lab.title or book.lab.lab.lab),
        who=_item(student.name or student.id),
        student=replace(student, id=_item(student.id), group=_item(student.group)),
        total=_total(grades, counting),
        notes=_items(notes),
        remarks=_items(common),
        exercises=sheets,
        absent=not any(grade.handed_in or grade.unclear for grade in grades),
    )


def counting_mean(book: Gradebook) -> bool:
    """Return whether the mean of the machines counts, as the lab may say, instead of the lowest."""
    return book.lab.lab.across == "mean"


def student_view(record: Record, exercise: LoadedExercise | None) -> Record:
    """Return the record as its student may see it; where it does not say, as if all of it were hidden."""
    hides = exercise is not None and exercise.hidden is not None
    if record.student_view is None and (hides or any(one.hidden for one in record.checks)):
        view = read_view(sealed(record))
        return replace(record, **view | ({"reason": ""} if record.status is Status.PASS else {}))
    seen = for_student(record)
    return replace(seen, checks=tuple(one for one in seen.checks if not one.hidden))


def _common_remarks(grades: Sequence[Grade]) -> tuple[str, ...]:
    """Return the remarks that every grade has: they are about the submission as a whole."""
    found = [grade.remarks for grade in grades if grade.handed_in]
    if len(found) < 2:
        return ()
    return tuple(words for words in dict.fromkeys(found[0]) if all(words in each for each in found[1:]))


def _counts(grade: Grade, counting: Mapping[str, Counted]) -> bool | None:
    """Return whether an attempt is the one that counts; None where that is not known."""
    one = counting.get(grade.exercise)
    return one.grade.attempt == grade.attempt if one else None


def _attempt(grade: Grade, counting: Mapping[str, Counted]) -> str:
    return f"attempt {grade.attempt}{', counts' if _counts(grade, counting) else ''}"


def _total(grades: Sequence[Grade], counting: Mapping[str, Counted]) -> str:
    """Return the points of the attempts that count together; what has no result counts neither way."""
    latest = {grade.exercise: grade for grade in sorted(grades, key=lambda one: one.attempt)}
    taken = {name: counting[name].grade if name in counting else one for name, one in latest.items()}
    now = {name: counting[name].points if name in counting else one.points for name, one in latest.items()}
    known = [(got, taken[name].max_points) for name, got in now.items() if got is not None]
    points, most = sum(got for got, _ in known), sum(full for _, full in known)
    open_ones = len(latest) - len(known)
    without = f", and {counted(open_ones, 'exercise')} without a result" if open_ones else ""
    which = ""
    if any(grade.attempt > 1 for grade in grades):
        last = all(taken[name].attempt == one.attempt for name, one in latest.items())
        which = " (latest attempts)" if last else " (the attempts that count)"
    return f"{wording.number(points)} of {wording.number(most)} points{without}{which}"


def _exercise(
    book: Gradebook, grade: Grade, exercise: LoadedExercise | None, common: Sequence[str], adjusted: str
) -> ExerciseSheet:
    mean = counting_mean(book)
    outcomes = tuple(_outcomes(grade, exercise, mean=mean))
    differ = len({outcome.verdict for outcome in outcomes if outcome.status is not Status.SKIP}) > 1
    kind, sentence = _verdict(grade)
    return ExerciseSheet(
        name=_item(grade.exercise),
        title=_item(exercise.public.spec.title) if exercise else "",
        kind=kind,
        verdict=str(grade.verdict) if grade.handed_in or grade.unclear else "not handed in",
        points=_points(grade),
        sentence=sentence,
        reason=_beside_machines(grade, exercise),
        notes=_items([*_notes(grade, exercise), *([adjusted] if adjusted else [])]),
        files=_files(grade),
        remarks=_items([words for words in dict.fromkeys(grade.remarks) if words not in common]),
        outcomes=outcomes,
        counting=(MEAN_COUNTS if mean else ONE_COUNTS) if differ and grade.points is not None else "",
        command=_command(grade.exercise) if grade.handed_in else "",
    )


def _points(grade: Grade) -> str:
    if grade.points is None:
        return f"– of {wording.number(grade.max_points)}"
    return f"{wording.number(grade.points)} of {wording.number(grade.max_points)}"


def _verdict(grade: Grade) -> tuple[Status, str]:
    """Return the status whose looks a verdict has, and the verdict as a sentence."""
    if grade.unclear:
        return Status.ERROR, UNCLEAR
    if grade.verdict is Verdict.NO_RESULT:
        return Status.ERROR, f"There is no result. {NO_LOSS}"
    if not grade.handed_in:
        return Status.SKIP, NOTHING
    if grade.verdict is Verdict.NOT_GRADABLE:
        return Status.FAIL, "This could not be graded as it was handed in: 0 points. The reason is below."
    if grade.points is not None and grade.points >= grade.max_points:
        return Status.PASS, "All tests passed."
    return Status.FAIL, "Not all tests passed."


def _notes(grade: Grade, exercise: LoadedExercise | None) -> Iterator[str]:
    if grade.submitted:
        late = ", marked late by the learning platform" if grade.late else ""
        yield f"Handed in {grade.submitted.isoformat(' ', 'minutes')}{late}."
    elif grade.late:
        yield "Marked late by the learning platform."
    if grade.unstable:
        yield f"Not the same when graded again: {_unstable(grade, exercise)}."


def _unstable(grade: Grade, exercise: LoadedExercise | None) -> str:
    """Return what was not the same; only how much where the words could be about hidden tests."""
    if _hides(grade, exercise):
        return counted(len(grade.unstable), "part") + " of the results"
    return "; ".join(grade.unstable[:_LINES])


def _hides(grade: Grade, exercise: LoadedExercise | None) -> bool:
    """Return whether an exercise has, or may have, hidden tests."""
    return exercise is None or exercise.hidden is not None or any(map(_hidden, grade.records))


def _files(grade: Grade) -> tuple[tuple[str, str], ...]:
    found = [(_item(name), _item(digest)) for name, digest in islice(grade.files.items(), _FILES)]
    rest = len(grade.files) - len(found)
    return (*found, (f"and {rest} more", "")) if rest else tuple(found)


def _command(exercise: str) -> str:
    """Return the line that runs the visible tests of one exercise; for its folders see ``FOLDERS``."""
    return f"isolab run FOLDER --work MY-WORK --exercise {shlex.quote(printable(exercise))}"


def _outcomes(grade: Grade, exercise: LoadedExercise | None, *, mean: bool) -> Iterator[SharedResult]:
    """Yield the results of the machines, those that are alike together, in the lab's order."""
    groups: dict[tuple[object, ...], list[tuple[Record, Record]]] = {}
    for record in grade.records:
        seen = student_view(record, exercise)
        key = (seen.status, seen.points, seen.max_points, seen.reason, tuple(seen.checks), _hidden(record))
        groups.setdefault(key, []).append((record, seen))
    counting = set() if mean else _counting(grade)
    for found in groups.values():
        record, seen = found[0]
        machines = [one.machine for one, _ in found]
        yield SharedResult(
            machines=_item(", ".join(machines)),
            status=seen.status,
            verdict=_outcome_words(seen),
            counts=len(groups) > 1 and bool(counting & set(machines)),
            reason=_beside_tests(seen),
            tests=_tests(seen.checks),
            hidden=_hidden(record) if seen.status in (Status.PASS, Status.FAIL) else "",
            limit=_limit(seen, exercise),
            output=_output(seen, len(machines) > 1),
        )


def _counting(grade: Grade) -> set[str]:
    """Return the machines whose share of points is the grade's: the lowest."""
    judged = [one for one in grade.records if one.status in (Status.PASS, Status.FAIL)]
    if grade.points is None or not judged:
        return set()
    lowest = min(map(_share, judged))
    return {one.machine for one in judged if _share(one) == lowest}


def _share(record: Record) -> float:
    if record.max_points:
        return record.points / record.max_points
    return float(record.status is Status.PASS)


def _outcome_words(seen: Record) -> str:
    match seen.status:
        case Status.ERROR:
            return "no result"
        case Status.SKIP:
            return "not run here"
    if not seen.gradable:
        return "not gradable, 0 points"
    return f"{wording.number(seen.points)} of {wording.number(seen.max_points)} points"


def _tests(checks: Sequence[CheckResult]) -> tuple[TestLine, ...]:
    """Return the tests to show; of those that are worth no points, such as a normal exit, the missed ones."""
    lines = []
    checks = [check for check in checks if check.max_points or not check.held]
    for check in map(_short, checks[:_TESTS]):
        points = f"{wording.number(check.points)} of {wording.number(check.max_points)}"
        points = points if check.max_points else ""
        words = wording.reason(check.why if check.held else _missed(check))
        lines.append(TestLine(printable(check.that), *_result(check), points, words))
    if rest := len(checks) - len(lines):
        lines.append(TestLine(f"and {rest} more", Status.SKIP, "", "", ""))
    return tuple(lines)


def _missed(check: CheckResult) -> str:
    """Return what was got and expected; the name is in a cell of its own."""
    found = "\n".join(missed_lines([replace(check, that="")])).removeprefix(":")
    return "\n".join(line.strip() for line in found.split("\n"))


def _short(check: CheckResult) -> CheckResult:
    """Return the check with bounded texts."""
    that, got = bounded(check.that, _ITEM_LIMIT), bounded(check.got, _ITEM_LIMIT)
    expected, why = bounded(check.expected, _ITEM_LIMIT), bounded(check.why, _ITEM_LIMIT)
    return replace(check, that=that, got=got, expected=expected, why=why)


def _result(check: CheckResult) -> tuple[Status, str]:
    if not check.held:
        return Status.FAIL, "✗ missed"
    return (Status.PASS, "✓ passed") if check.points >= check.max_points else (Status.SKIP, "– not counted")


def _beside_tests(seen: Record) -> str:
    """Return the reason without the lines about tests that were missed, which are in a table."""
    missed = missed_lines(list(map(_short, seen.checks[:_TESTS])))
    return _reason(seen.reason, {line for words in missed for line in words.split("\n")})


def _beside_machines(grade: Grade, exercise: LoadedExercise | None) -> str:
    """Return a grade's reason without the lines that a machine's result says in its place."""
    if not grade.handed_in:
        return ""
    found = [(one.machine, student_view(one, exercise).reason) for one in grade.records]
    told = {line for _, words in found for line in words.split("\n")}
    told |= {f"on {printable(name)}: {words.partition(chr(10))[0]}" for name, words in found}
    return _reason(grade.reason, told)


def _reason(text: str, told: Collection[str]) -> str:
    """Return the lines of a reason that are not told elsewhere, bounded."""
    lines = bounded(text.strip("\n"), 2 * _REASON_LIMIT).split("\n")
    return wording.reason("\n".join(line for line in lines if line not in told), _REASON_LIMIT)


def _hidden(record: Record) -> str:
    found = [one for one in record.checks if one.hidden]
    if not found:
        return ""
    points, most = sum(one.points for one in found), sum(one.max_points for one in found)
    return f"{counted(len(found), 'hidden test')}: {wording.number(points)} of {wording.number(most)} points"


def _limit(seen: Record, exercise: LoadedExercise | None) -> str:
    """Return how a time limit came about: what the exercise gives, and what became of it on this machine."""
    found = _TIMED_OUT.search(seen.reason)
    if not found or exercise is None or not exercise.public.spec.timeout:
        return ""
    given, had = exercise.public.spec.timeout, float(found[1])
    return (
        f"The exercise gives each step {given:g} s on a fast machine. By its measured speed, this one gives "
        f"{had / given:.3g} times as long: {had:g} s."
    )


def _output(seen: Record, several: bool) -> tuple[tuple[str, str], ...]:
    """Return what a program that failed printed: what it printed last matters most, and is kept."""
    if seen.status is not Status.FAIL:
        return ()
    where = f" on {_item(seen.machine)}" if several else ""
    streams = (
        ("Standard output", output_for_people(seen)),
        ("Standard error", seen.stderr_escaped or seen.stderr),
    )
    return tuple((name + where, _ending(text)) for name, text in streams if text.strip())


def _ending(text: str) -> str:
    """Return the text, of a long one its first and, longer, its last part."""
    text = text.rstrip("\n")
    if len(text) > _OUTPUT_LIMIT:
        head = _OUTPUT_LIMIT // 3
        left = len(text) - _OUTPUT_LIMIT
        text = f"{text[:head]}\n… ({counted(left, 'character')} left out) …\n{text[head - _OUTPUT_LIMIT :]}"
    return bounded(printable(text, keep="\n\t"), 3 * _OUTPUT_LIMIT)


def _item(text: str) -> str:
    return bounded(printable(bounded(text, _ITEM_LIMIT)), _ITEM_LIMIT)


def _items(lines: Sequence[str]) -> tuple[str, ...]:
    """Return lines for a list, the first of them if there are too many."""
    shown = tuple(map(_item, lines[:_LINES]))
    rest = len(lines) - len(shown)
    return (*shown, f"and {rest} more") if rest else shown
