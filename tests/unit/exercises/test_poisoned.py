"""The second run with poisoned programs: what counts, what is said of it, and what a student may read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factories import SITE, FakeTransport, answer, loaded, record, subject

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.exercises.poisoned import ONLY_ZERO
from orchestrator.exercises.student_view import HIDDEN_MISSED, HIDDEN_STOPPED
from orchestrator.exercises.surroundings import OTHER, STEP
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Hidden
from orchestrator.record import Record, Status
from orchestrator.transport.base import Item, Result

SEES = {"poisoned": True, "student": {"files": ["a.c"]}, "build": {"sources": ["a.c"]}}
CHECKS = [
    {"that": "a", "equals": 0, "points": 2, "why": "it is zero"},
    {"that": "b", "equals": 0, "points": 1},
]
HIDDEN = {"run": "./pipe more", "checks": [{"that": "c", "equals": 4242, "why": "a secret", "points": 4}]}
FILES = [Item("ipc-pipe", None, 0o711, 0), Item("ipc-pipe/a", b"poisoned program", 0o755, 0)]


class Machine(FakeTransport):
    """Answers its prepared answers to programs only; what else runs there succeeds."""

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        if "--timeout" in argv:
            return super().run(argv, deadline=deadline, stdin=stdin, hold_stdin=hold_stdin)
        self.asked.append([*argv, "poisoned"] if b"poisoned program" in stdin else list(argv))
        return Result(0, b"", b"")


def seen(**values: Any) -> bytes:
    return answer(json.dumps(values).encode() + b"\n")


def run(*answers: bytes, hidden: bool = False, there: Machine | None = None, **keys: Any) -> Record:
    machine = there or Machine(list(answers))
    exercise = loaded(Path("/e"), {**SEES, "checks": CHECKS, **keys})
    if hidden:
        tests = Hidden.model_validate(HIDDEN)
        exercise = LoadedExercise(
            exercise.name, exercise.folder, exercise.spec.with_hidden(tests), tests, exercise
        )
    place = ExerciseContext(machine, SITE, subject(), "run-vm", "canary", poisoned={exercise.name: FILES})
    return run_exercise(exercise, place, record(), Cancellation())


def held(one: Record) -> dict[str, tuple[bool, bool]]:
    return {check.that: (check.held, check.poisoned) for check in one.checks if check.that != "exit_code"}


def test_what_holds_in_both_runs_counts() -> None:
    done = run(seen(a=0, b=0), seen(a=0, b=0))
    assert (done.status, done.reason, done.points) == (Status.PASS, "", 3)
    assert held(done) == {"a": (True, False), "b": (True, False)}


def test_what_holds_only_with_zeros_does_not_count() -> None:
    done = run(seen(a=0, b=0), seen(a=-1, b=0))
    assert (done.status, done.points, done.max_points) == (Status.FAIL, 1, 3)
    assert done.reason == f"{ONLY_ZERO}: a: got -1, expected 0  (it is zero)"
    assert held(done) == {"a": (False, True), "b": (True, False)}
    assert (done.observations, done.stdout) == ({"a": 0, "b": 0}, '{"a": 0, "b": 0}\n'), "of the first run"


def test_what_fails_as_usual_is_told_as_usual() -> None:
    done = run(seen(a=3, b=0), seen(a=7, b=9))
    lines = ["a: got 3, expected 0  (it is zero)", f"{ONLY_ZERO}: b: got 9, expected 0"]
    assert done.reason.splitlines() == lines
    assert held(done) == {"a": (False, False), "b": (False, True)}
    assert done.points == 0


def test_what_holds_only_with_poison_does_not_count_either() -> None:
    done = run(seen(a=3, b=0), seen(a=0, b=0))
    assert done.reason == "a: got 3, expected 0  (it is zero)"
    assert done.points == 1


def test_a_crash_with_poison_costs_what_was_not_seen() -> None:
    done = run(seen(a=0, b=0), answer(b'{"a": 0}\n', exit=None, signal="SIGSEGV"))
    assert done.reason.splitlines()[0] == f"{ONLY_ZERO}:"
    assert "exit_code: got none (killed by SIGSEGV), expected 0" in done.reason
    assert (done.points, done.signal, done.exit_code) == (2, None, 0)


def test_a_timeout_with_poison_is_told_and_there_are_no_points() -> None:
    done = run(seen(a=0, b=0), answer(exit=None, signal="SIGKILL", killed_for="timeout"))
    assert done.reason.startswith(f"{ONLY_ZERO}: timed out after ")
    assert (done.status, done.points, done.killed_for) == (Status.FAIL, 0, "")


def test_a_program_that_was_stopped_does_not_run_again() -> None:
    there = Machine([answer(exit=None, signal="SIGKILL", killed_for="output")])
    done = run(there=there)
    assert done.reason == "stopped by isolab: too much output"
    assert len(there.asked) == 1


def test_without_the_key_there_is_one_run() -> None:
    there = Machine([seen(a=0, b=0)])
    assert run(there=there, poisoned=False).status is Status.PASS
    assert len(there.asked) == 1


def test_the_second_run_has_a_new_folder_other_programs_and_more_environment() -> None:
    there = Machine([seen(a=0, b=0)])
    run(there=there)
    first, _room, aside, push, second = there.asked
    assert aside[-1] == "/work/ipc-pipe"
    assert push[-1] == "poisoned"
    sizes = [
        sum(len(word) + 1 for before, word in itertools.pairwise(argv) if before == "--env")
        for argv in (first, second)
    ]
    assert sizes == [STEP, STEP + OTHER]


# What a student may read


def view(*answers: bytes) -> dict[str, Any]:
    done = run(*answers, hidden=True)
    assert done.student_view is not None
    text = json.dumps(done.student_view)
    assert "4242" not in text
    assert "a secret" not in text
    assert '"c"' not in text, "what a hidden step observed"
    return dict(done.student_view)


GOOD, MORE = seen(a=0, b=0), seen(c=4242)


def test_a_visible_check_is_told_with_what_was_seen() -> None:
    told = view(GOOD, MORE, seen(a=0, b=9), MORE)
    assert told["reason"] == f"{ONLY_ZERO}: b: got 9, expected 0"
    (check,) = (one for one in told["checks"] if one["that"] == "b")
    assert (check["held"], check["poisoned"], check["points"]) == (False, True, 0.0)
    assert told["observations"] == {"a": 0, "b": 0}


def test_a_hidden_check_is_not() -> None:
    told = view(GOOD, MORE, GOOD, seen(c=77))
    assert told["reason"] == f"{ONLY_ZERO}: {HIDDEN_MISSED}"
    assert "77" not in json.dumps(told)


def test_a_visible_observation_of_a_hidden_step_is_not() -> None:
    told = view(GOOD, MORE, GOOD, seen(c=4242, b=77))
    assert told["reason"] == f"{ONLY_ZERO}: b: got another value in a hidden test, expected 0"
    assert "77" not in json.dumps(told)


def test_a_crash_in_a_hidden_step_is_not() -> None:
    told = view(GOOD, MORE, GOOD, answer(exit=None, signal="SIGSEGV"))
    assert "SIGSEGV" not in json.dumps(told)
    assert HIDDEN_MISSED in told["reason"]


def test_a_timeout_in_a_hidden_step_is_told_as_one_of_a_hidden_test() -> None:
    stopped = answer(exit=None, signal="SIGKILL", killed_for="timeout")
    assert f"{ONLY_ZERO}: {HIDDEN_STOPPED}" in view(GOOD, MORE, GOOD, stopped)["reason"]
    assert f"{ONLY_ZERO}: timed out" in view(GOOD, MORE, stopped)["reason"]


def test_a_pass_says_nothing_of_two_runs() -> None:
    told = view(GOOD, MORE, GOOD, MORE)
    assert told["reason"] == ""
    assert all(one["held"] for one in told["checks"])


def test_records_from_before_have_no_poisoned_checks() -> None:
    done = run(GOOD, GOOD)
    old = json.loads(done.to_json())
    for one in old["checks"]:
        del one["poisoned"]
    assert Record.from_json(json.dumps(old)) == done
