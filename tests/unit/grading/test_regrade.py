"""What grading again changed, in words; and how a class's progress reads."""

from __future__ import annotations

from dataclasses import replace

import factories
import pytest

from orchestrator.grading.inputs import Inputs
from orchestrator.grading.receipts import Graded
from orchestrator.grading.regrade import Moved, changes, differing, render, summary, told
from orchestrator.grading.store import Verdicted
from orchestrator.grading.tally import Tally
from orchestrator.progress import SilentProgress
from orchestrator.record import CheckResult, Record, Status

PLACE = Graded("s1", "a", "vm", 1)
INPUTS = Inputs("s", "p", "h", "t", "q")


def verdict(points: float | None, inputs: Inputs = INPUTS, **changes: object) -> Verdicted:
    status = Status.ERROR if points is None else Status.PASS
    one = factories.record("a", points=points or 0.0, status=status)
    return Verdicted(replace(one, **changes), inputs, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (1.0, 2.0, Moved.ROSE),
        (2.0, 1.0, Moved.FELL),
        (1.0, 1.0, Moved.STAYED),
        (None, 0.0, Moved.ROSE),
        (0.0, None, Moved.FELL),
    ],
)
def test_who_rose_fell_and_stayed(before: float | None, after: float | None, moved: Moved) -> None:
    (change,) = changes({PLACE: verdict(before)}, {PLACE: verdict(after)})
    assert change.moved is moved
    assert summary([change]) == ", ".join(f"{int(word is moved)} {word}" for word in Moved)


def test_the_change_names_what_changed_and_which_check() -> None:
    lost = CheckResult("sum", False, "5", "6", max_points=1.0)
    won = replace(lost, held=True, got="6", points=1.0)
    new = replace(INPUTS, submission="s2", qemu="q2")
    before = verdict(0.0, checks=(lost,), status=Status.FAIL)
    (change,) = changes({PLACE: before}, {PLACE: verdict(1.0, new, checks=(won,))})
    assert told([change]) == ["a on vm: 1 rose because the submission and QEMU changed: s1 0 to 1"]
    assert "check sum: did not hold" in render([change])


def test_who_changed_for_the_same_reason_is_in_one_line() -> None:
    places = [PLACE._replace(student=f"s{number}") for number in range(5)]
    found = changes(dict.fromkeys(places, verdict(2.0)), dict.fromkeys(places, verdict(None)))
    words = "a on vm: 5 fell though nothing it depends on changed"
    assert told(found) == [f"{words}: s0 2 to no result, s1 2 to no result, s2 2 to no result, and 2 more"]


def test_new_verdicts_are_no_changes() -> None:
    assert changes({}, {PLACE: verdict(1.0)}) == []


def _record(**changes: object) -> Record:
    return replace(factories.record("a", points=1.0), **changes)  # type: ignore[arg-type]


def test_only_what_matters_makes_a_repetition_differ() -> None:
    assert differing(_record(stdout="pid 1"), _record(stdout="pid 2", seconds=9.0)) == ()
    assert any("points" in words for words in differing(_record(), _record(points=0.5)))


def test_the_tally_says_when_it_will_be_done() -> None:
    now = [0.0]
    names = {number: f"a of s{number} on vm" for number in range(40)}
    tally = Tally(names, "verdicts", SilentProgress(), lambda: now[0])
    assert tally.words() == "0 of 40 verdicts"
    for number in range(10):
        now[0] += 3.0
        tally.count(number)
    assert tally.words() == "10 of 40 verdicts, 20 a minute, about 90 s left"
    for number in range(10, 38):
        tally.count(number)
    assert tally.words() == "38 of 40 verdicts; waiting for a of s38 on vm, a of s39 on vm"
