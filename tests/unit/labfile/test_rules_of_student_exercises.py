"""Every rule of a student exercise's README is told by a check, and a wrong solution proves that the check
notices a breach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from built_in import built_in_exercises

from orchestrator.compile.glibc_names import PARTS
from orchestrator.exercises.submission import provided
from orchestrator.labfile.check_submission import ALTERNATIVES, SOLUTION
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Hidden
from orchestrator.paths import EXERCISES, ROOT

DEMANDING = r"^## (?:Task|Rules\b[^\n]*)$(.*?)(?=^## |\Z)"
"""A section of a README that demands something, to its end."""
POINT = r"^(?:\d+\.|-) +(.*?)(?=^(?:\d+\.|-) |^\S|\n\n(?! )|\Z)"
POINTS_STATED = r"(\d+(?:\.\d+)?) of (?:the )?(\d+(?:\.\d+)?) points"


STUDENTS = sorted(
    str(file.parent.relative_to(EXERCISES))
    for file in EXERCISES.rglob("exercise.yaml")
    if re.search(r"^student:", file.read_text(), re.MULTILINE)
)
each = pytest.mark.parametrize("exercise", STUDENTS, indirect=True)


@pytest.fixture
def exercise(request: pytest.FixtureRequest) -> LoadedExercise:
    return built_in_exercises()[request.param]


def test_all_are_found() -> None:
    found = [name for name, one in built_in_exercises().items() if one.spec.student]
    assert found == STUDENTS != []


def hidden(exercise: LoadedExercise) -> Hidden:
    assert exercise.hidden
    return exercise.hidden


def flat(text: str) -> str:
    return " ".join(text.split())


def demands(readme: str) -> str:
    """What the README demands, without its line breaks."""
    return flat(" ".join(re.findall(DEMANDING, readme, re.MULTILINE | re.DOTALL)))


def points_of(readme: str) -> list[str]:
    """The numbered and bulleted points of these sections."""
    sections = re.findall(DEMANDING, readme, re.MULTILINE | re.DOTALL)
    return [flat(one) for text in sections for one in re.findall(POINT, text, re.MULTILINE | re.DOTALL)]


def text_of(exercise: LoadedExercise) -> str:
    return Path(exercise.folder, "README.md").read_text()


def test_points_are_found_however_long_they_are() -> None:
    readme = "## Task\n\nIt\n\n1. is one\n   and more;\n2. is two.\n\nThen.\n\n## Run\n\n- no rule\n"
    assert points_of(readme) == ["is one and more;", "is two."]


@each
def test_every_point_of_the_readme_has_a_rule(exercise: LoadedExercise) -> None:
    listed = [flat(words) for words in (*hidden(exercise).rules, *hidden(exercise).untested)]
    assert len(listed) >= 5
    missing = [one for one in points_of(text_of(exercise)) if not any(words in one for words in listed)]
    assert missing == []


@each
def test_every_rule_is_in_the_readme(exercise: LoadedExercise) -> None:
    text = demands(text_of(exercise))
    listed = (*hidden(exercise).rules, *hidden(exercise).untested)
    assert [words for words in listed if flat(words) not in text] == []


@each
def test_of_every_rule_a_wrong_solution_proves_that_a_breach_is_noticed(exercise: LoadedExercise) -> None:
    missed = {name for names in hidden(exercise).wrong.values() for name in names}
    unproved = [rule for rule, told_by in hidden(exercise).rules.items() if not missed & set(told_by)]
    assert unproved == []


@each
def test_every_wrong_solution_breaks_a_rule(exercise: LoadedExercise) -> None:
    told = {name for names in hidden(exercise).rules.values() for name in names}
    assert [kind for kind, misses in hidden(exercise).wrong.items() if not told & set(misses)] == []


@each
def test_two_right_solutions_of_another_design_prove_that_designs_are_free(exercise: LoadedExercise) -> None:
    """tests/machines/test_student_work.py runs them."""
    assert exercise.spec.student
    others = sorted((exercise.folder / ALTERNATIVES).glob("*/"))
    assert len(others) >= 2
    for place in others:
        own = [name for name in exercise.spec.student.files if (place / name).is_file()]
        assert own, place
        assert all("Another design: " in (place / name).read_text()[:200] for name in own)
        assert provided(exercise, f"{ALTERNATIVES}/{place.name}") != provided(exercise, SOLUTION)


@each
def test_the_points_that_a_readme_states_are_those_of_the_checks(exercise: LoadedExercise) -> None:
    """On a machine of 64 bits; a check for another word size is another's."""
    checks = [*exercise.spec.checks, *hidden(exercise).checks]
    visible = sum(one.points for one in exercise.spec.checks)
    whole = sum(one.points for one in checks if one.where.bits in (None, 64))
    for some, of in re.findall(POINTS_STATED, text_of(exercise)):
        assert float(of) == whole
        assert float(some) in (visible, whole - visible)


@each
def test_the_readme_says_where_one_reads_about_the_c_library(exercise: LoadedExercise) -> None:
    assert "*The C library* in `docs/for-students.md`" in flat(text_of(exercise))


def test_the_page_for_students_names_what_is_added_to_the_c_library() -> None:
    page = (ROOT / "docs" / "for-students.md").read_text()
    section = page.partition("### The C library")[2].partition("\n## ")[0]
    assert [name for name in (*PARTS, "TEMP_FAILURE_RETRY") if f"`{name}`" not in section] == []
