"""The parts of a handout about a lab that is open: its exercises, what students see of the tests, and the
values that are theirs alone. Pure, but for the READMEs of exercises that have such values.

Nothing of hidden tests is in it but their points together: not even a value that only they use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.classes.handout.blocks import Block, Paragraph, Section, Table, Typed, Words, words
from orchestrator.classes.handout.dates import when
from orchestrator.classes.model import ScheduledLab, Seat
from orchestrator.exercises.parameters import Values, values, with_parameters
from orchestrator.labfile.check_parameters import README
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Check
from orchestrator.labfile.placeholders import names_in
from orchestrator.report import wording

_MOST_TESTS = 40
"""Rows of one table: a page is for reading."""


def lab_section(number: int, one: ScheduledLab, seat: Seat, course: bytes) -> Section:
    """Return what is to do in a lab. ``course`` is the secret key that students' values are derived from."""
    lab = one.lab.lab
    own = {each.name: values(each.spec, each.name, seat.owner, course) for each in one.lab.exercises}
    tasks = [each for each in one.lab.exercises if each.spec.student]
    blocks: list[Block] = []
    if one.spec.due:
        blocks.append(Paragraph(words(f"Due {when(one.spec.due)}.")))
    if tasks:
        blocks += [_tasks(one.name, tasks)]
        blocks += _tests(tasks, own)
    read = [each for each in one.lab.exercises if not each.spec.student]
    blocks += _to_read(one.name, read)
    blocks += _values(one.lab.exercises, own, seat)
    return Section(f"lab-{number}", f"{one.name}: {lab.title}" if lab.title else one.name, tuple(blocks))


def first_task(labs: Sequence[ScheduledLab]) -> str:
    """Return the first exercise to solve, as ``LAB/EXERCISE``; "" without one."""
    found = (f"{one.name}/{_plain(each)}" for one in labs for each in one.lab.exercises if each.spec.student)
    return next(found, "")


def shown_values(exercise: LoadedExercise, own: Values) -> dict[str, str]:
    """Return the values that the student is handed out: those that the visible tests or the README use."""
    used = {*names_in(exercise.spec.model_dump(exclude={"parameters"})), *names_in(_readme(exercise))}
    return {name: str(value) for name, value in own.items() if name in used}


def _tasks(lab: str, tasks: Sequence[LoadedExercise]) -> Table:
    rows = tuple(
        (
            words(Typed(f"~/{lab}/{_plain(each)}"), f" {each.spec.title}"),
            _listed(each.spec.student.files if each.spec.student else ()),
            words(_points(each)),
        )
        for each in tasks
    )
    return Table(f"Exercises of {lab}", ("exercise", "you write", "points"), rows)


def _points(exercise: LoadedExercise) -> str:
    whole, seen = exercise.whole_spec.max_points, exercise.spec.max_points
    if exercise.hidden is None:
        return wording.number(whole)
    seen = sum(check.points for check in exercise.spec.checks)
    return f"{wording.number(whole)}, of which {wording.number(seen)} visible"


def _tests(tasks: Sequence[LoadedExercise], own: Mapping[str, Values]) -> Iterator[Block]:
    """Yield the visible tests, and that there are others."""
    rows = [
        (
            words(_plain(each)),
            words(_name(each, check)),
            _expected(check),
            words(wording.number(check.points)),
        )
        for each in tasks
        for check in with_parameters(each, own[each.name]).spec.checks
    ]
    if not rows:
        return
    yield Table(
        "Visible tests", ("exercise", "visible test", "expected", "points"), tuple(rows[:_MOST_TESTS])
    )
    if len(rows) > _MOST_TESTS:
        yield Paragraph(words(f"And {len(rows) - _MOST_TESTS} more: ", Typed("isolab check"), " shows all."))
    if any(each.hidden for each in tasks):
        yield Paragraph(words("The other tests are hidden. Each tests something that the README says."))


def _name(exercise: LoadedExercise, check: Check) -> str:
    return exercise.spec.shows.get(check.that, check.that)


def _expected(check: Check) -> Words:
    wanted = wording.wanted(check)
    return words(Typed(wanted) if wanted.strip() else "nothing", f" ({check.why})" if check.why else "")


def _to_read(lab: str, exercises: Sequence[LoadedExercise]) -> Iterator[Block]:
    """Yield the exercises in which nothing is written: their tests are the answers, so those stay out."""
    if not exercises:
        return
    rows = tuple((words(Typed(f"~/{lab}/{_plain(each)}")), words(each.spec.title)) for each in exercises)
    yield Paragraph(words("To predict, run and explain; nothing is handed in:"))
    yield Table(f"To read in {lab}", ("exercise", "about"), rows)


def _values(exercises: Sequence[LoadedExercise], own: Mapping[str, Values], seat: Seat) -> Iterator[Block]:
    rows = tuple(
        (words(_plain(each)), words(Typed(name)), words(Typed(value)))
        for each in exercises
        if each.spec.parameters
        for name, value in shown_values(each, own[each.name]).items()
    )
    if not rows:
        return
    whose = "These values are yours alone. The tests expect them and no others:"
    if len(seat.members) > 1:
        whose = f"These values are your group's, those of {seat.owner}. The tests expect no others:"
    yield Paragraph(words(whose))
    yield Table("Your values", ("exercise", "name", "value"), rows)


def _listed(names: Sequence[str]) -> Words:
    found: list[str | Typed] = []
    for name in names:
        found += [", ", Typed(name)] if found else [Typed(name)]
    return tuple(found)


def _readme(exercise: LoadedExercise) -> str:
    file = exercise.folder / README
    return file.read_text(errors="replace") if file.is_file() else ""


def _plain(exercise: LoadedExercise) -> str:
    return exercise.name.removeprefix("./")
