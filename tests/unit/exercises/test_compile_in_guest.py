"""Programs compiled in the machine: what is pushed, what is asked of it, what its answers mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, loaded, subject

from orchestrator.compile.cross import build_exercise
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import BuildError
from orchestrator.exercises.compile_in_guest import Built, build_in_guest, render_command, sources
from orchestrator.exercises.execute import ExerciseContext
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Boundary, Build

BUILD = {"sources": ["one.c", "two.c"], "flags": ["-lm"], "in": "guest"}


@pytest.fixture
def exercise(tmp_path: Path) -> LoadedExercise:
    for name in ("one.c", "two.c", "near.h", "README.md"):
        (tmp_path / name).write_text("")
    return loaded(tmp_path, {"build": BUILD, "run": "./one"})


def place(*answers: bytes, **about: Any) -> tuple[ExerciseContext, FakeTransport]:
    transport = FakeTransport(list(answers))
    return ExerciseContext(transport, SITE, subject(**about), "tag", "canary"), transport


def soon() -> Deadline:
    return Deadline.after(60)


def test_the_controller_compiles_nothing_and_pushes_sources_and_headers(exercise: LoadedExercise) -> None:
    assert build_exercise(exercise, None, None, soon()) == {}  # type: ignore[arg-type]
    assert sorted(sources(exercise)) == ["near.h", "one.c", "two.c"]


def test_what_the_controller_compiles_leaves_nothing_to_the_guest(tmp_path: Path) -> None:
    ours = loaded(tmp_path, {"build": {"sources": ["one.c"]}})
    where, transport = place(answer())
    assert sources(ours) == []
    assert build_in_guest(ours, where, Cancellation()) == Built()
    assert transport.asked == []


def test_the_student_compiles_in_the_exercises_folder(exercise: LoadedExercise) -> None:
    where, transport = place(answer(b"/usr/bin/tcc\n"), answer())
    assert build_in_guest(exercise, where, Cancellation()) == Built()
    asked = transport.asked[-1]
    assert asked[asked.index("--user") + 1] == "1000:1000"
    assert asked[asked.index("--dir") + 1] == "/work/ipc-pipe"
    assert "CC=/usr/bin/tcc" in asked
    command = asked[asked.index("--") + 1 :]
    assert command[0] == "/usr/bin/tcc"
    assert command[-5:] == ["-lm", "-o", "one", "one.c", "two.c"]


@pytest.mark.parametrize(
    ("said", "library"),
    [
        (b"/usr/bin/cc\nglibc 2 36\n", "glibc 2.36"),
        (b"/usr/bin/cc\n\nglibc 2 41 \n", "glibc 2.41"),
        (b"/usr/bin/cc\nglibc __GLIBC__ __GLIBC_MINOR__\n", ""),
        (b"/usr/bin/cc\nglibc 2 36 and more\n", ""),
        (b"/usr/bin/cc\nglibc 2222 36\n", ""),
        (b"/usr/bin/cc\n", ""),
    ],
)
def test_the_machines_c_library_is_known_if_its_compiler_says_so(
    exercise: LoadedExercise, said: bytes, library: str
) -> None:
    where, transport = place(answer(said), answer())
    assert build_in_guest(exercise, where, Cancellation()) == Built(library=library)
    assert "CC=/usr/bin/cc" in transport.asked[-1]


def test_a_command_is_the_shells() -> None:
    build = Build.model_validate({"command": "make all", "in": "guest"})
    assert render_command(build, "/usr/bin/cc") == ["/bin/sh", "-c", "make all"]


def test_a_slow_machine_gets_longer(exercise: LoadedExercise) -> None:
    def limit(spin: float) -> int:
        where, transport = place(answer(b"/usr/bin/cc\n"), answer())
        slow = replace(
            where, subject=replace(where.subject, facts=replace(where.subject.facts, spin_us=spin))
        )
        build_in_guest(exercise, slow, Cancellation())
        return int(transport.asked[-1][transport.asked[-1].index("--timeout") + 1])

    assert limit(40000.0) == 10 * limit(4000.0)


def test_without_a_compiler_it_is_skipped_with_that_reason(exercise: LoadedExercise) -> None:
    where, _ = place(answer(exit=1))
    assert "this machine has none" in build_in_guest(exercise, where, Cancellation()).reason


def test_the_hosts_compiler_is_not_one_of_an_emulated_processor(exercise: LoadedExercise) -> None:
    where, transport = place(answer(b"/usr/bin/cc\n"), boundary=Boundary.USER_EMULATION)
    assert "compiles for the host" in build_in_guest(exercise, where, Cancellation()).reason
    assert transport.asked == []


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (answer(err=b"one.c:1: error: ';' expected\n", exit=1), "';' expected"),
        (answer(exit=None, signal="SIGKILL"), "killed by SIGKILL"),
        (answer(exit=None, killed_for="timeout"), "stopped (timeout)"),
    ],
)
def test_a_compiler_that_fails_is_quoted(exercise: LoadedExercise, ending: bytes, words: str) -> None:
    where, _ = place(answer(b"/usr/bin/cc\n"), ending)
    with pytest.raises(BuildError, match=r"one\.c two\.c does not compile in the machine") as caught:
        build_in_guest(exercise, where, Cancellation())
    assert words in caught.value.message
