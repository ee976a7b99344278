"""How a program ended and all that it printed, as the record tells it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, facts, loaded, record, subject

from orchestrator.deadline import Cancellation
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.record import Record, Status

KILLED = {"exit": None, "signal": "SIGKILL"}
DIGEST = hashlib.sha256(b"all of it").hexdigest()


def run(*answers: bytes, **text: Any) -> Record:
    here = subject(facts=facts(spin_us=8000.0))
    place = ExerciseContext(FakeTransport(list(answers)), SITE, here, "run-vm", "isolab-canary-run")
    return run_exercise(loaded(Path("/e"), text), place, record(), Cancellation())


@pytest.mark.parametrize(
    ("report", "killed_for", "words"),
    [
        ({"exit": None, "signal": "SIGKILL", "killed_for": "timeout"}, "timeout", "stopped by isolab"),
        ({"exit": None, "signal": "SIGKILL", "killed_for": "output"}, "output", "stopped by isolab"),
        ({"exit": None, "signal": "SIGKILL", "killed_for": "sunset"}, "sunset", "stopped by isolab: sunset"),
        (KILLED | {"out_of_memory": True}, "memory", "killed by the kernel: out of memory"),
        (KILLED | {"out_of_memory": None}, "unknown", "perhaps by the kernel"),
        (KILLED, "unknown", "perhaps by the kernel"),
        (KILLED | {"out_of_memory": "yes"}, "unknown", "perhaps by the kernel"),
        ({"exit": None, "signal": "SIGXCPU"}, "cpu-limit", "limit on processor time"),
        ({"exit": None, "signal": "SIGXCPU", "limited": True}, "cpu-limit", "limit on processor time"),
        ({"exit": None, "signal": "SIGXFSZ"}, "file-limit", "limit on the size of a file"),
    ],
)
def test_a_program_that_did_not_end_by_itself_says_who_ended_it(
    report: dict[str, Any], killed_for: str, words: str
) -> None:
    done = run(answer(**report))
    assert done.killed_for == killed_for
    assert words in done.reason


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"exit": 137},
        {"exit": None, "signal": "SIGSEGV"},
        KILLED | {"out_of_memory": False},
        {"exit": None, "signal": "SIGXCPU", "limited": False},
        {"exit": None, "signal": "SIGXFSZ", "limited": False},
    ],
)
def test_a_program_that_ended_by_itself_was_not_killed_for_anything(report: dict[str, Any]) -> None:
    assert run(answer(**report)).killed_for == ""


def test_the_digest_is_of_all_that_was_printed() -> None:
    whole = run(answer(b"out", b"err"))
    assert (whole.stdout_bytes, whole.stdout_sha256) == (3, hashlib.sha256(b"out").hexdigest())
    assert (whole.stderr_bytes, whole.stderr_sha256) == (3, hashlib.sha256(b"err").hexdigest())
    part = run(answer(b"all", stdout_total=9, stdout_sha256=DIGEST))
    assert (part.stdout, part.cut, part.stdout_bytes, part.stdout_sha256) == ("all", True, 9, DIGEST)


@pytest.mark.parametrize("theirs", [None, "", "0" * 63, "G" * 64, 7])
def test_the_digest_of_output_that_was_cut_may_be_missing_but_never_a_lie(theirs: object) -> None:
    done = run(answer(b"all", stdout_total=9, stdout_sha256=theirs))
    assert (done.cut, done.stdout_sha256) == (True, "")


def test_steps_have_one_digest_together() -> None:
    steps = [{"run": "./a"}, {"run": "./b"}]
    one, other = (run(answer(a), answer(b), run=steps) for a, b in ((b"ab", b"c"), (b"a", b"bc")))
    assert one.stdout == other.stdout
    assert one.stdout_sha256 != other.stdout_sha256
    unknown = run(answer(b"a", stdout_total=2), answer(b"b"), run=steps)
    assert (unknown.stdout_sha256, unknown.cut) == ("", True)


def test_bytes_that_are_not_text_are_told_apart() -> None:
    one, other = run(answer(b"a\xff\n")), run(answer(b"a\xfe\n"))
    assert one.stdout == other.stdout == "a\ufffd\n"
    assert (one.stdout_escaped, other.stdout_escaped) == ("a\\xff\n", "a\\xfe\n")
    assert one.stdout_sha256 != other.stdout_sha256
    assert run(answer("ä\\xff\n".encode())).stdout_escaped == ""


def test_a_timeout_that_was_asked_for_is_scaled_by_the_machines_speed_and_by_nothing_else() -> None:
    there = FakeTransport([answer(exit=None, signal="SIGKILL", killed_for="timeout")])
    here = subject(facts=facts(spin_us=6000.0))
    place = ExerciseContext(there, SITE, here, "run-vm", "isolab-canary-run")
    exercise = loaded(Path("/e"), {"timeout": "1s"})
    asked = type(exercise)(exercise.name, exercise.folder, exercise.spec, exact_timeout=True)
    done = run_exercise(asked, place, record(), Cancellation())
    (argv,) = there.asked
    assert argv[argv.index("--timeout") + 1] == "1500"
    assert done.status is Status.FAIL
    assert done.reason.startswith(
        "timed out after 1.5 s (1 s, times 1.5 for this machine's speed and load), stopped"
    )
