"""The policy on late work: read from its file, and applied to grades without changing them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import made_up_gradebook as made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gradebook import ANNA, DUE, EXERCISES

from orchestrator.errors import SpecError
from orchestrator.gradebook.counted import Counted, applied, counted
from orchestrator.gradebook.policy import Amount, Keep, Policy, load_policy, policy_data
from orchestrator.gradebook.policy_changes import policy_changes
from orchestrator.grading.model import Grade, Verdict
from orchestrator.grading.regrade import Moved, render, told
from orchestrator.submissions.model import Student

FILE = """\
due: 2027-03-08T17:00+08:00
grace: 15min
late_days: 1
penalty_per_day: 10%
cap: 50%
keep: best
extensions:
  s001: 2d
  s002: 2027-03-12T17:00+08:00
"""
HALF = Policy(due=DUE, penalty_per_day=Amount(50, percent=True))


def late(after: timedelta, points: float | None = 2.0, **changes: Any) -> Grade:
    """Anna's grade of 3 points, for work that came so long after it was due."""
    return made_up.grade(ANNA, points=points, reason="", submitted=DUE + after, **changes)


def points(policy: Policy, *grades: Grade) -> float | None:
    found = applied(policy, grades)
    assert found is not None
    return found.points


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "policy.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as wrong:
        load_policy(file)
    return [str(problem).removeprefix(f"{folder}/") for problem in wrong.value.problems]


def test_a_policy_is_read_from_yaml(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(FILE)
    policy = load_policy(tmp_path / "policy.yaml")
    assert policy == Policy(
        due=DUE,
        grace=900.0,
        late_days=1,
        penalty_per_day=Amount(10, percent=True),
        cap=Amount(50, percent=True),
        keep=Keep.BEST,
        extensions={"s001": timedelta(days=2), "s002": datetime.fromisoformat("2027-03-12T17:00+08:00")},
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("due: 2027-03-08T17:00\n", "policy.yaml:1:6: expected a time with its offset from UTC, such as"),
        ("due: 9999-12-31T23:59Z\n", "policy.yaml:1:6: expected a time with its offset"),
        (FILE.replace("s001", "1001"), 'policy.yaml:8:3: a key must be text (write "1001":)'),
        ("due: tomorrow\n", "policy.yaml:1:6: expected a time with its offset"),
        (FILE.replace("10%", "10 points"), "policy.yaml:4:18: expected a percentage such as 10%, or points"),
        (FILE.replace("10%", "110%"), "policy.yaml:4:18: expected a percentage such as 10%"),
        (FILE.replace("10%", "-1"), "policy.yaml:4:18: expected a percentage such as 10%"),
        (FILE.replace("best", "first"), "policy.yaml:6:7: expected one of: best, last"),
        (FILE.replace("2d", "2 weeks"), "policy.yaml:8:9: expected days or hours such as 2d or 12h"),
        (FILE.replace("grace", "grce"), "policy.yaml:2:1: unknown key 'grce' (did you mean 'grace'?)"),
        (FILE.replace("days: 1", "days: -1"), "policy.yaml:3:12: expected 0 or more"),
        ("late_days: 2\n", "policy.yaml:1:1: penalties, late days and extensions need `due`"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, found: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith(found)


def test_a_policy_comes_back_from_its_data() -> None:
    policy = Policy(
        due=DUE,
        grace=900.0,
        late_days=2,
        penalty_per_day=Amount(12.5, percent=True),
        cap=Amount(0.5),
        keep=Keep.BEST,
        extensions={"a": timedelta(days=2), "b": timedelta(hours=30), "c": DUE + timedelta(days=9)},
    )
    for one in (policy, Policy()):
        assert Policy.model_validate(json.loads(json.dumps(policy_data(one)))) == one


def test_what_another_policy_alone_changes_is_told() -> None:
    """Nothing is graded again: who rose and fell, and that it is the policy's doing."""
    book, before = made_up.gradebook(), Policy(due=DUE, penalty_per_day=Amount(50, percent=True))
    assert policy_changes(book, before, before, bytes(32)) == []
    found = policy_changes(book, before, Policy(), bytes(32))
    assert {(one.moved, one.before, one.after) for one in found} >= {(Moved.ROSE, 1.0, 2.0)}
    [*_, line] = told(found)
    assert "rose because the policy changed: student-" in line
    assert " on " not in line
    [back] = {one.moved for one in policy_changes(book, Policy(), before, bytes(32))}
    assert back is Moved.FELL
    assert render(found).splitlines()[1].endswith(",the policy changed")


def test_a_policy_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot read .*none.yaml: No such file"):
        load_policy(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (timedelta(0), 2.0),
        (timedelta(minutes=15), 2.0),
        (timedelta(minutes=16), 2.0),  # the first day is free
        (timedelta(days=1), 2.0),
        (timedelta(days=1, seconds=1), 1.8),
        (timedelta(days=3), 1.6),
        (timedelta(days=300), 1.0),
    ],
)
def test_days_late_cost_points(tmp_path: Path, after: timedelta, left: float) -> None:
    (tmp_path / "policy.yaml").write_text(FILE.replace("s001: 2d", "s009: 2d"))
    assert points(load_policy(tmp_path / "policy.yaml"), late(after)) == pytest.approx(left)


def test_points_are_lost_from_each_exercise() -> None:
    policy = Policy(due=DUE, penalty_per_day=Amount(0.5), cap=Amount(1))
    assert points(policy, late(timedelta(hours=1))) == 1.5
    assert points(policy, late(timedelta(days=5))) == 1.0
    assert points(policy, late(timedelta(days=5), 0.25)) == 0.0


def test_an_extension_is_no_lateness_and_costs_no_late_days() -> None:
    policy = HALF.model_copy(update={"late_days": 1, "extensions": {"s001": timedelta(days=2)}})
    within, day_after, two_after = (late(timedelta(days=days, hours=-1)) for days in (2, 3, 4))
    assert [points(policy, each) for each in (within, day_after, two_after)] == [2.0, 2.0, 1.0]
    found = applied(policy, [within])
    assert found is not None
    assert (found.late, found.reason) == ("", "")


def test_an_extension_never_shortens() -> None:
    policy = HALF.model_copy(update={"extensions": {"s001": DUE - timedelta(days=9)}})
    assert points(policy, late(timedelta(0))) == 2.0


def test_the_reason_says_what_lateness_cost() -> None:
    found = applied(HALF.model_copy(update={"late_days": 1}), [late(timedelta(hours=30))])
    assert found is not None
    assert (found.late, found.points, found.reason) == ("2", 1.0, "2 days late, 1 of them free: -1")


def test_without_a_time_the_platforms_mark_is_shown_and_costs_nothing() -> None:
    for submitted in (None, DUE.replace(tzinfo=None) + timedelta(days=9)):
        found = applied(HALF, [made_up.grade(submitted=submitted, late=True)])
        assert found is not None
        assert (found.late, found.points) == ("yes", 3.0)
        assert "does not say when it was handed in: no penalty" in found.reason


def test_the_last_attempt_counts_or_the_best_after_its_penalty() -> None:
    first, second = late(timedelta(0), 1.5), late(timedelta(hours=1), 2.5, attempt=2)
    assert points(HALF, second, first) == 1.25
    assert points(HALF.model_copy(update={"keep": Keep.BEST}), second, first) == 1.5
    assert points(Policy(keep=Keep.BEST), first, second) == 2.5


def test_an_attempt_without_a_result_counts_if_it_may_be_the_best() -> None:
    best = HALF.model_copy(update={"keep": Keep.BEST})
    lost = late(timedelta(hours=1), None, attempt=2)  # worth 1.5 at most
    assert points(best, late(timedelta(0), 1.0), lost) is None
    assert points(best, late(timedelta(0), 1.5), lost) == 1.5
    assert points(HALF, late(timedelta(0), 1.5), lost) is None


def test_who_is_missing_in_the_grades_has_handed_in_nothing_or_waits() -> None:
    half = made_up.grade(ANNA, EXERCISES[0])
    book = made_up.gradebook((half,), students=(ANNA, made_up.FRED))
    found = [(one.student.id, one.grade.verdict, one.points, one.reason) for one in counted(book, Policy())]
    waits, absent = found[1], found[2]
    assert waits[:3] == ("s001", Verdict.NO_RESULT, None)
    assert "not graded yet" in waits[3]
    assert absent == ("s006", Verdict.NOT_GRADABLE, 0.0, "nothing handed in")
    assert len(found) == 4


hours = st.integers(-100, 1000).map(lambda hour: timedelta(hours=hour))
amounts = st.builds(Amount, st.floats(0, 100), st.booleans())
policies = st.builds(
    Policy,
    due=st.just(DUE),
    grace=st.sampled_from([0.0, 900.0, 100_000.0]),
    late_days=st.integers(0, 5),
    penalty_per_day=st.none() | amounts,
    cap=st.none() | amounts,
    keep=st.sampled_from(Keep),
    extensions=st.dictionaries(
        st.sampled_from(["s001", "s002"]), st.integers(0, 99).map(lambda h: timedelta(hours=h))
    ),
)


@settings(max_examples=30, deadline=None)
@given(policies, hours, hours, st.floats(0, 3))
def test_later_work_never_gets_more_and_no_work_less_than_nothing(
    policy: Policy, one: timedelta, other: timedelta, won: float
) -> None:
    early, after = (points(policy, late(by, won)) for by in sorted((one, other)))
    assert early is not None
    assert after is not None
    assert 0 <= after <= early <= won


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 48), hours, st.floats(0, 3), policies)
def test_a_longer_extension_never_gives_less(longer: int, by: timedelta, won: float, policy: Policy) -> None:
    def extended(hour: int) -> float | None:
        return points(
            policy.model_copy(update={"extensions": {"s001": timedelta(hours=hour)}}), late(by, won)
        )

    assert (extended(longer) or 0) >= (extended(0) or 0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.none() | st.floats(0, 3), hours), min_size=1, max_size=4))
def test_no_policy_is_the_identity(each: list[tuple[float | None, timedelta]]) -> None:
    grades = [late(by, won, attempt=at, exercise=f"ex/{at}") for at, (won, by) in enumerate(each, start=1)]
    for grade in grades:
        assert applied(Policy(), [grade]) == Counted(grade, grade.points, "", grade.reason)


def test_ids_with_an_extension_are_the_rosters() -> None:
    policy = HALF.model_copy(update={"extensions": {"s001 ": timedelta(days=1)}})
    assert policy.due_for(Student("s001").id) == DUE
