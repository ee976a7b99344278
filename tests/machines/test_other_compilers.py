"""The programs of the exercises, compiled as a student would at home: by the host's compilers and with its
C library, without optimisation and with all of it. As a process they answer what the checks expect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for
from habitat import fresh_home

from orchestrator.arch import host_arch
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.exercises.checks import Subject, split
from orchestrator.exercises.execute import ExerciseContext, items, run_exercise
from orchestrator.host import process
from orchestrator.labfile.load import LoadedExercise, load_exercise
from orchestrator.labfile.models import Boundary
from orchestrator.paths import EXERCISES
from orchestrator.record import Record, Status
from orchestrator.transport.base import put

pytestmark = [pytest.mark.real, pytest.mark.whole]

SECONDS = 1200.0
MEASURING = "cost/"
"""What is measured differs with optimisation: that is no answer."""
LOOKING_FOR_A_CANARY = {"proc/visible-processes", "signals/who-may-signal"}
"""They look for a process that a run puts on the host."""
OF_MUSL = {"signals/unsafe-functions": {"printf_in_handler"}}
"""Observations that are as expected with musl, which isolab links with, but not with every library."""


def _all() -> Iterator[LoadedExercise]:
    for file in sorted(EXERCISES.rglob("exercise.yaml")):
        exercise = load_exercise(file.parent, str(file.parent.relative_to(EXERCISES)))
        whole = all(build.sources and build.where == "controller" for build in exercise.spec.build)
        if whole and not exercise.spec.student and not exercise.name.startswith(MEASURING):
            yield exercise


@pytest.fixture
def bench() -> Iterator[Bench]:
    with fresh_home() as home, living_in(home):
        kind = Kind("process", host_arch().name)
        with on_bench(kind, order_for(kind, home, name="compilers")) as found:
            yield found


def compiled(exercise: LoadedExercise, compiler: str, level: str, folder: Path) -> LoadedExercise:
    """The exercise with programs made by this compiler."""
    place = folder / exercise.name
    place.mkdir(parents=True)
    made: dict[str, Path] = {}
    for build in exercise.spec.build:
        made[build.program] = place / build.program
        command: list[str | Path] = [
            compiler,
            level,
            "-std=gnu11",
            "-w",
            *build.flags,
            "-o",
            made[build.program],
            *build.sources,
        ]
        process.run([*command, "-pthread"], deadline=Deadline.after(120), cwd=exercise.folder)
    return replace(exercise, built={host_arch().name: made})


def run_one(exercise: LoadedExercise, subject: Subject, bench: Bench) -> Record:
    assert exercise.built
    order, handle = bench.order, bench.live.handle
    files = items(exercise, exercise.built[order.arch.name], handle.site.users["student"], ())
    put(bench.live.transport, handle.site.work, files, Deadline.after(SECONDS))
    context = ExerciseContext(
        bench.live.transport,
        handle.site,
        subject,
        order.run,
        "isolab-canary-none",
        pushed={exercise.name: files},
    )
    about = (order.run, "compilers", os.uname().nodename, order.name, "", handle.driver, handle.boundary)
    blank = Record(*about, order.arch.name, handle.accel, exercise.name, Status.ERROR)
    return run_exercise(exercise, context, blank, Cancellation())


def missed(record: Record) -> set[str]:
    return {check.that for check in record.checks if not check.held} - OF_MUSL.get(record.exercise, set())


@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_programs_answer_the_same(bench: Bench, tmp_path: Path, compiler: str, level: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} on this host")
    site, facts = bench.live.handle.site, bench.live.facts
    subject = Subject(Boundary.PROCESS, bench.order.arch.name, facts, frozenset(site.users))
    runnable, _ = split(list(_all()), subject)
    alone = [one for one in runnable if not one.spec.canaries and one.name not in LOOKING_FOR_A_CANARY]
    assert len(alone) > 60
    records = [run_one(compiled(one, compiler, level, tmp_path), subject, bench) for one in alone]
    wrong = {
        one.exercise: (missed(one), one.reason)
        for one in records
        if one.status is not Status.SKIP and (missed(one) or not one.checks)
    }
    assert wrong == {}
