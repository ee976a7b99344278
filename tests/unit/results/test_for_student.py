"""What hidden tests say reaches no student: not by any format, whatever became of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from factories import SITE, FakeTransport, answer, lab, record, subject

from orchestrator.deadline import Cancellation
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.exercises.student_view import HIDDEN_MISSED, view_unbuilt
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Exercise, Hidden
from orchestrator.record import Record, Status, read_records
from orchestrator.report import FORMATS, render
from orchestrator.results.comparison import compare
from orchestrator.results.for_student import for_student
from orchestrator.results.store import RunStore

PUBLIC = Exercise.model_validate(
    {
        "title": "Mine",
        "student": {"files": ["mine.c"]},
        "build": [{"sources": ["mine.c"]}, {"sources": ["tester.c"]}],
        "run": "./tester",
        "shows": {"greets": "Greets"},
        "checks": [{"that": "greets", "equals": "hello", "points": 2, "why": "it is polite"}],
    }
)
HIDDEN = Hidden.model_validate(
    {
        "build": {"sources": ["hidden/prober.c"]},
        "run": "./prober -secret-flag",
        "checks": [
            {"that": "secret_key", "equals": "secret-value", "points": 3, "why": "secret-why"},
            {"that": "secret_pass", "equals": "secret-good", "points": 1},
        ],
    }
)
WHOLE = LoadedExercise(
    "work/mine",
    Path("/e"),
    PUBLIC.with_hidden(HIDDEN),
    HIDDEN,
    LoadedExercise("work/mine", Path("/e"), PUBLIC),
)
SECRET = "secret"
VISIBLE_OUTPUT = 'to people\n{"greets": "hi\\u001b[2J"}\n'
VISIBLE = answer(VISIBLE_OUTPUT.encode(), b"note\n")
PROBED = answer(b'secret-stdout\n{"secret_key": "x", "secret_pass": "secret-good", "greets": "secret"}\n',
                b"secret-stderr\n")  # fmt: skip


def ran(*answers: bytes) -> Record:
    there = ExerciseContext(FakeTransport(list(answers)), SITE, subject(), "run-vm", "canary")
    return run_exercise(WHOLE, there, replace(record(), exercise="work/mine"), Cancellation())


def told(found: Record, form: str) -> str:
    """A report for the student: Gradescope's has to see to that itself."""
    mine = found if form == "gradescope" else for_student(found)
    return render(form, compare([mine], {"work/mine": PUBLIC}))


ENDINGS = {
    "missed": [VISIBLE, PROBED],
    "crashed": [VISIBLE, answer(b"secret", b"secret", exit=None, signal="SIGSEGV")],
    "timed out": [VISIBLE, answer(b"secret", exit=None, signal="SIGKILL", killed_for="timeout")],
    "not started": [VISIBLE, answer(exit=None, start_error="secret: no such file")],
    "only the visible": [answer(b'{"greets": "hi"}\n', exit=3)],
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("answers", ENDINGS.values(), ids=ENDINGS)
def test_nothing_of_a_hidden_test_is_in_a_student_s_report(form: str, answers: Sequence[bytes]) -> None:
    found = ran(*answers)
    assert SECRET not in told(found, form).lower()


def test_a_lecturer_reads_all_of_it_and_a_student_what_the_visible_tests_say() -> None:
    found = ran(VISIBLE, PROBED)
    assert "secret_key" in found.reason
    assert (found.points, found.max_points) == (1, 6)
    mine = for_student(found)
    assert mine.reason == f'greets: got "hi\\u001b[2J", expected "hello"  (it is polite)\n{HIDDEN_MISSED}'
    assert mine.observations == {"greets": "hi\x1b[2J"}
    assert (mine.stdout, mine.stderr) == (VISIBLE_OUTPUT, "note\n")
    assert (mine.status, mine.points, mine.max_points) == (Status.FAIL, 1, 6)


def test_gradescope_has_a_test_for_each_check_and_hides_the_hidden_ones() -> None:
    tests = json.loads(told(ran(VISIBLE, PROBED), "gradescope"))["tests"]
    assert [(test["name"], test.get("score"), test["visibility"]) for test in tests] == [
        ("work/mine", None, "visible"),
        ("work/mine: greets", 0, "visible"),
        ("work/mine: hidden test 1", 0, "hidden"),
        ("work/mine: hidden test 2", 1, "hidden"),
    ]
    assert tests[1]["output"] == 'greets: got "hi\\u001b[2J", expected "hello"  (it is polite)'
    assert "to people" in tests[0]["output"]
    assert "{" not in tests[0]["output"].split("stdout:")[1]


def test_a_visible_check_that_a_hidden_step_spoils_does_not_say_how() -> None:
    good = answer(b'{"greets": "hello"}\n')
    spoilt = answer(b'{"greets": "secret", "secret_key": "secret-value", "secret_pass": "secret-good"}\n')
    mine = for_student(ran(good, spoilt))
    assert (mine.status, mine.checks[1].held, mine.points) == (Status.FAIL, False, 4)
    assert SECRET not in mine.reason


@pytest.mark.parametrize("status", [Status.ERROR, Status.FAIL])
def test_a_record_that_does_not_say_what_a_student_may_see_shows_nothing(
    tmp_path: Path, status: Status
) -> None:
    (tmp_path / "lab.yaml").write_text("lab: small\n")
    there = replace(lab({"vm": {"driver": "qemu"}}), path=tmp_path / "lab.yaml", exercises=(WHOLE,))
    bad = replace(record(), exercise="work/mine", status=status, reason="prober: secret", stdout="secret")
    with RunStore(tmp_path / "out", there) as store:
        store.add(bad)
    (kept,) = read_records(tmp_path / "out" / "records.jsonl")
    assert kept.reason == bad.reason
    assert SECRET not in for_student(kept).to_json()


def test_messages_of_the_compiler_about_hidden_files_are_not_for_students() -> None:
    words = "mine.c does not compile:\nhidden/prober.c:3:1: error: secret\nmine.h:1:1: error: stray"
    view = view_unbuilt(WHOLE, words)
    assert view is not None
    assert SECRET not in view["reason"]
    assert "mine.h:1:1: error: stray" in view["reason"]
    assert "prober" not in view["reason"]


def test_messages_about_a_students_own_file_are_whole() -> None:
    words = "mine.c does not compile:\nmine.c:3:1: error: expected ';'\n    3 | }\n1 error generated."
    assert view_unbuilt(WHOLE, words) == {"reason": words}


def test_what_has_no_hidden_tests_is_whole() -> None:
    assert for_student(record()) == record()
