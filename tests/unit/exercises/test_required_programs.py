"""Programs that a machine must have: when they are asked for, and what the answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, loaded, subject
from pydantic import ValidationError

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.exercises.execute import ExerciseContext
from orchestrator.exercises.required_programs import _LOOK, missing_programs
from orchestrator.host import process
from orchestrator.labfile.models import Exercise


def ask(*answers: bytes, needs: dict[str, Any]) -> tuple[str, list[list[str]]]:
    """Why programs are missing on a machine that answers so, and what it was asked."""
    transport = FakeTransport(list(answers))
    place = ExerciseContext(transport, SITE, subject(), "tag", "canary")
    exercise = loaded(Path("/e"), {"needs": needs})
    return missing_programs(exercise, place, Cancellation()), transport.asked


def test_who_needs_none_asks_nothing() -> None:
    assert ask(needs={"root": True}) == ("", [])


def test_all_are_asked_for_at_once_by_the_student_in_the_exercises_folder() -> None:
    reason, asked = ask(answer(), needs={"programs": ["strace", "gdb"]})
    assert reason == ""
    (argv,) = asked
    assert argv[-3:] == ["sh", "strace", "gdb"]
    assert argv[argv.index("--user") + 1] == "1000:1000"
    assert argv[argv.index("--dir") + 1] == "/work/ipc-pipe"


def test_what_is_missing_is_named() -> None:
    reason, _ = ask(answer(b"gdb\n"), needs={"programs": ["strace", "gdb"]})
    assert reason == "needs gdb: not installed in this machine"


def test_a_machine_cannot_add_words_of_its_own() -> None:
    reason, _ = ask(answer(b"money\n"), needs={"programs": ["strace"]})
    assert reason == ""


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"exit": None, "start_error": "/bin/sh: No such file"}, "/bin/sh: No such file"),
        ({"exit": None, "signal": "SIGKILL", "killed_for": "timeout"}, "timeout"),
        ({"exit": 2}, "its shell exited with 2"),
    ],
)
def test_a_machine_that_cannot_be_asked_is_said_to_be_so(report: dict[str, Any], why: str) -> None:
    reason, _ = ask(answer(**report), needs={"programs": ["strace"]})
    assert reason == f"needs strace: cannot look for programs in this machine ({why})"


def test_a_program_is_an_executable_file_on_the_path(tmp_path: Path) -> None:
    """The question itself, put to a shell: a builtin, a folder and a plain file are none."""
    for folder, name, mode in (("a", "plain", 0o644), ("b", "tool", 0o755), ("b", "plain2", 0o644)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text("#!/bin/sh\n")
        (tmp_path / folder / name).chmod(mode)
    (tmp_path / "a" / "subfolder").mkdir()
    asked = ["/bin/sh", "-c", _LOOK, "sh", "tool", "plain", "cd", "subfolder", "nothing"]
    path = f"{tmp_path / 'a'}:{tmp_path / 'b'}"
    done = process.run(["/usr/bin/env", f"PATH={path}", *asked], deadline=Deadline.after(60))
    assert done.stdout.split() == [b"plain", b"cd", b"subfolder", b"nothing"]


@pytest.mark.parametrize("name", ["", "-rf", "a/b", "two words", "$(id)", "..", "a" * 65])
def test_a_program_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValidationError):
        Exercise.model_validate({"title": "a", "run": "b", "needs": {"programs": [name]}})
