"""Programs with poisoned memory, on every architecture: luck does not pass, and what is right does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from command import records, run_lab
from habitat import fresh_home
from places import LABS

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.cross import build_exercise
from orchestrator.compile.elf import binary
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.exercises.poisoned import ONLY_ZERO
from orchestrator.exercises.submission import assembled, provided
from orchestrator.labfile.load import load_exercise

pytestmark = pytest.mark.real

FOLDER = LABS / "poisoned/fill"
LUCKY = ("stack", "heap", "freed", "table")


def run(place: str) -> list[dict[str, Any]]:
    """The records of one of the exercise's solutions, handed in, on this architecture and on another."""
    with fresh_home() as home:
        shutil.copytree(FOLDER / place, home.root / "work")
        machines = ("--only", "process", "--only", "foreign")
        answer = run_lab(home, "poisoned", "--work", str(home.root / "work"), *machines)
        found = records(home)
        assert len(found) == 2, answer.stderr
        return found


def test_a_right_one_passes() -> None:
    assert [(one["status"], one["reason"]) for one in run("solution")] == [("pass", "")] * 2


@pytest.mark.parametrize("kind", LUCKY)
def test_a_lucky_one_fails_with_poison_only(kind: str) -> None:
    exercise = load_exercise(FOLDER, "./fill")
    assert exercise.hidden
    (missed,) = exercise.hidden.wrong[kind]
    for one in run(f"wrong/{kind}"):
        assert one["status"] == "fail"
        assert one["reason"].startswith(f"{ONLY_ZERO}: {missed}: got ")
        assert one["observations"] == {"started": True, "sum": 0, "total": 12345}
        lucky = [check["that"] for check in one["checks"] if check["poisoned"]]
        assert lucky == [missed]
        if missed == "total":  # which only hidden tests know
            assert "total" not in str(one["student_view"])


OWN = """\
#include <stdlib.h>
static char room[1 << 16];
static size_t taken;
void *malloc(size_t size) { void *at = room + taken; taken += (size + 15) & ~(size_t)15; return at; }
void free(void *at) { (void)at; }
int main(void) { char *a = calloc(3, 5); free(a); return a == NULL; }
"""


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("source", ["solution", "own allocator"])
def test_programs_link_for_every_architecture(tmp_path: Path, arch: str, source: str) -> None:
    exercise = load_exercise(FOLDER, "./fill")
    files = provided(exercise, "solution") if source == "solution" else {"fill.c": OWN.encode()}
    whole = assembled(exercise, files, tmp_path / "whole")
    deadline = Deadline.after(900)
    programs = [
        build_exercise(whole, ARCHITECTURES[arch], Archives(deadline), deadline, poisoned=poisoned)["fill"]
        for poisoned in (False, True)
    ]
    assert [found.arch for program in programs if (found := binary(program))] == [arch] * 2
    assert programs[0].read_bytes() != programs[1].read_bytes()
