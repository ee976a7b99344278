"""One exercise on one machine: what is pushed, in which order it runs, and what the record says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, facts, loaded, record, subject

from orchestrator.deadline import Cancellation
from orchestrator.errors import TransportError
from orchestrator.exercises.execute import CONTENTION, ExerciseContext, items, run_exercise
from orchestrator.exercises.processor_limit import processor_seconds
from orchestrator.labfile.models import Boundary
from orchestrator.record import Record, Status

TWO_STEPS = [{"run": "./prepare 'a b'", "user": "root"}, {"run": "cat /etc/hosts"}]


def run(
    *answers: bytes,
    slow: float = 1.0,
    transport: FakeTransport | None = None,
    boundary: Boundary = Boundary.VM,
    **text: Any,
) -> Record:
    """The record of an exercise on a machine that answers so."""
    there = transport or FakeTransport(list(answers))
    here = subject(facts=facts(spin_us=4000.0 * slow), boundary=boundary)
    place = ExerciseContext(there, SITE, here, "run-vm", "isolab-canary-run")
    return run_exercise(loaded(Path("/e"), text), place, record(), Cancellation())


def test_a_pass_keeps_what_was_shown() -> None:
    done = run(answer(b'hello\n{"a": 1}\n', b"note"), checks=[{"that": "a", "equals": 1, "points": 2}])
    assert (done.status, done.reason, done.points, done.max_points) == (Status.PASS, "", 2, 2)
    assert (done.observations, done.stdout, done.stderr) == ({"a": 1}, 'hello\n{"a": 1}\n', "note")
    assert (done.exit_code, done.signal, done.guest_seconds) == (0, None, 0.0015)
    assert (done.machine, done.exercise, done.accel) == ("vm", "ipc/pipe", "tcg")


def test_a_fail_says_every_miss_and_keeps_the_points_that_were_won() -> None:
    checks = [{"that": "a", "equals": 1}, {"that": "b", "equals": 1}, {"that": "c", "equals": 1}]
    done = run(answer(b'{"a": 1, "b": 2}\n'), checks=checks)
    assert (done.status, done.points, done.max_points) == (Status.FAIL, 1, 3)
    assert done.reason == "b: got 2,       expected 1\nc: got nothing, expected 1  (observed: a, b)"


def test_death_by_a_signal_is_the_programs_fail() -> None:
    done = run(answer(exit=None, signal="SIGSEGV"))
    assert (done.status, done.signal, done.exit_code) == (Status.FAIL, "SIGSEGV", None)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (
            {"exit": None, "signal": "SIGKILL", "killed_for": "timeout"},
            "timed out after 10 s (1 s, times 10 for",
        ),
        (
            {"exit": None, "signal": "SIGKILL", "killed_for": "processor"},
            "used 10 s of processor time, stopped by isolab",
        ),
        ({"exit": None, "signal": "SIGKILL", "killed_for": "output"}, "stopped by isolab: too much output"),
        ({"exit": None, "start_error": "pipe: no such file"}, "could not start: pipe: no such file"),
    ],
)
def test_what_stopped_a_program_is_the_reason_and_costs_all_points(
    report: dict[str, Any], reason: str
) -> None:
    done = run(answer(b'{"a": 1}\n', **report), timeout="1s", checks=[{"that": "a", "equals": 1}])
    assert (done.status, done.points, done.max_points) == (Status.FAIL, 0, 1)
    assert done.reason.startswith(reason)
    assert done.observations == {"a": 1}


def test_cut_output_is_noted_without_changing_the_verdict() -> None:
    done = run(answer(b'{"a": 1}\n', stdout_total=10**9), checks=[{"that": "a", "equals": 1}])
    assert (done.status, done.reason) == (Status.PASS, "output truncated")


def test_steps_run_in_order_each_as_its_user() -> None:
    there = FakeTransport([answer(b'{"a": 1, "b": 1}\n'), answer(b'{"b": 2}\n')])
    done = run(transport=there, run=TWO_STEPS)
    first, second = there.asked
    assert first[first.index("--") + 1 :] == ["./prepare", "a b"]
    assert first[first.index("--exec") + 1] == "./prepare"
    assert second[second.index("--") + 1 :] == ["cat", "/etc/hosts"]
    assert second[second.index("--exec") + 1] == "/bin/cat"
    assert "--user" not in first
    assert second[second.index("--user") + 1] == "1000:1000"
    assert done.observations == {"a": 1, "b": 2}
    assert done.guest_seconds == 0.003


def test_a_failed_step_is_the_last() -> None:
    there = FakeTransport([answer(exit=4), answer()])
    done = run(transport=there, run=TWO_STEPS)
    assert (done.status, done.exit_code, len(there.asked)) == (Status.FAIL, 4, 1)


def test_programs_learn_their_tag_and_canary_and_nothing_of_the_expectations() -> None:
    there = FakeTransport([answer()])
    run(transport=there, checks=[{"that": "secret_name", "equals": "secret value"}])
    (argv,) = there.asked
    environment = {word.partition("=")[0]: word for word in argv if "=" in word}
    ours = {"ISOLAB_TAG", "ISOLAB_CANARY", "ISOLAB_PADDING"}
    assert set(environment) == {"PATH", "HOME", "USER", "LOGNAME", *ours}
    assert environment["HOME"] == "HOME=/home/student"
    assert environment["ISOLAB_TAG"] == "ISOLAB_TAG=run-vm-ipc-pipe"
    assert "secret" not in " ".join(argv)


@pytest.mark.parametrize(
    ("timeout", "slow", "limit"), [("1s", 1, 10), ("20s", 1, 60), ("1s", 20, 60), ("2s", 1e9, 600)]
)
def test_limits_follow_the_machines_speed(timeout: str, slow: float, limit: float) -> None:
    there = FakeTransport([answer()])
    run(transport=there, slow=slow, timeout=timeout)
    (argv,) = there.asked
    assert CONTENTION == 3
    assert int(argv[argv.index("--timeout") + 1]) == limit * 1000


@pytest.mark.parametrize(
    ("exercise", "slow", "cpus", "limit"),
    [
        ({"timeout": "1s"}, 1, 1, 10),
        ({"timeout": "20s"}, 1, 1, 20),
        ({"timeout": "20s"}, 3, 2, 120),
        ({"timeout": "200s", "student": {"files": ["a.c"]}}, 1, 1, 30),
        ({"timeout": "200s", "student": {"files": ["a.c"]}}, 30, 4, 30),
        ({"timeout": "15s", "student": {"files": ["a.c"]}}, 1, 4, 15),
    ],
)
def test_computing_is_limited_and_a_students_to_tens_of_seconds(
    exercise: dict[str, Any], slow: float, cpus: int, limit: float
) -> None:
    spec = loaded(Path("/e"), exercise).spec
    assert processor_seconds(spec, facts(cpus=cpus), slow) == limit
    there = FakeTransport([answer()])
    here = subject(facts=facts(spin_us=4000.0 * slow, cpus=cpus))
    place = ExerciseContext(there, SITE, here, "run-vm", "isolab-canary-run")
    run_exercise(loaded(Path("/e"), exercise), place, record(), Cancellation())
    (argv,) = there.asked
    assert argv[argv.index("--processor") + 1] == str(int(limit * 1000))


def test_an_emulator_gives_a_program_the_name_that_the_step_says(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x7fELF")
    there = FakeTransport([answer()])
    site = replace(SITE, emulator=("/usr/bin/qemu-s390x",))
    place = ExerciseContext(there, site, subject(), "run-vm", "isolab-canary-run")
    exercise = loaded(tmp_path, {"run": "./tool a", "files": ["tool"]})
    run_exercise(exercise, place, record(), Cancellation())
    (argv,) = there.asked
    assert argv[argv.index("--") + 1 :] == ["/usr/bin/qemu-s390x", "-0", "./tool", "./tool", "a"]
    assert argv[argv.index("--exec") + 1] == "/usr/bin/qemu-s390x"


def test_a_lost_machine_is_not_the_programs_fault() -> None:
    with pytest.raises(TransportError):
        run(b"nonsense")


def test_a_user_without_processes_left_is_not_the_programs_fault() -> None:
    full = answer(exit=126, start_error="user id 60600 has all the 256 processes it may have", crowded=True)
    with pytest.raises(TransportError, match="cannot start the program: user id 60600 has all the 256"):
        run(full)


def test_a_tester_that_cannot_start_what_it_tests_is_not_the_students_fault() -> None:
    said = b'{"tester_error": "cannot start a program: user id 60600 has all the processes it may have"}\n'
    handed_in: dict[str, Any] = {"student": {"files": ["a.c"]}, "boundary": Boundary.CONTAINER}
    with pytest.raises(TransportError, match="the tester cannot start a program: user id 60600"):
        run(answer(said, exit=125), **handed_in)
    assert run(answer(said, exit=1), **handed_in).status is Status.FAIL
    assert run(answer(b"", exit=125), **handed_in).status is Status.FAIL
    assert run(answer(said, exit=125)).status is Status.FAIL  # no tester


def test_a_student_who_claims_to_be_such_a_tester_is_judged() -> None:
    said = b'{"tester_error": "cannot start a program: user id 60600 has all the processes it may have"}\n'
    mine: dict[str, Any] = {"student": {"files": ["a.c"]}, "build": {"sources": ["a.c"]}, "run": "./a"}
    done = run(answer(said, exit=125), boundary=Boundary.CONTAINER, **mine)
    assert (done.status, done.points) == (Status.FAIL, 0)


def test_on_a_kernel_of_its_own_a_students_program_alone_can_leave_no_processes() -> None:
    mine: dict[str, Any] = {"student": {"files": ["a.c"]}, "checks": [{"that": "a", "equals": 1}]}
    said = b'{"a": 1, "tester_error": "cannot start a program: user id 1000 has all the processes"}\n'
    done = run(answer(said, exit=125), **mine)
    assert (done.status, done.points) == (Status.FAIL, 1)
    assert "exit_code: got 125" in done.reason
    full = answer(exit=126, start_error="user id 1000 has all the 256 processes it may have", crowded=True)
    assert run(full, **mine).reason.startswith("could not start: user id 1000 has all the 256 processes")


def test_what_is_pushed(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "words").write_text("words")
    (tmp_path / "data" / "go.sh").write_text("#!/bin/sh\n")
    (tmp_path / "data" / "go.sh").chmod(0o755)
    (tmp_path / "built").write_bytes(b"\x7fELF")
    exercise = loaded(tmp_path, {"files": ["data/deep/words", "data/go.sh"]}, "./mine/one")
    found = {item.path: item for item in items(exercise, {"pipe": tmp_path / "built"}, 1000)}
    assert {path: (item.data, item.mode) for path, item in found.items()} == {
        "mine-one": (None, 0o711),
        "mine-one/pipe": (b"\x7fELF", 0o755),
        "mine-one/data": (None, 0o755),
        "mine-one/data/deep": (None, 0o755),
        "mine-one/data/deep/words": (b"words", 0o644),
        "mine-one/data/go.sh": (b"#!/bin/sh\n", 0o755),
    }
    assert {item.uid for item in found.values()} == {1000}
    paths = list(found)
    assert all(paths.index(str(Path(path).parent)) < paths.index(path) for path in paths[1:])
