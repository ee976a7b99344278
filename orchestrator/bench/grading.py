"""Benchmark of `grade`: a made-up class, graded by the command as a lecturer would type it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.bench.measure import BenchResult
from orchestrator.errors import LabError
from orchestrator.grading.receipts import RECEIPTS
from orchestrator.host import process_table
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.plan import grading_seconds
from orchestrator.paths import EXERCISES
from orchestrator.progress import Progress

ARCHITECTURES = ("arm64", "s390x")
_LAB = """\
lab: bench
defaults: {image: micro, accel: tcg}
machines:
  arm64: {driver: qemu, arch: arm64}
  s390x: {driver: qemu, arch: s390x}
exercises: [./answer]
"""
_EXERCISE = """\
title: The answer
student: {files: [answer.c]}
build: {sources: [answer.c]}
run: ./answer
checks:
  - {that: answer, equals: 42, points: 1}
"""
_PROGRAM = """\
#include <stdio.h>

int main(void)
{
    return puts("{\\"answer\\": 42}") < 0; /* %s */
}
"""
_LOOK_SECONDS = 0.01
_SAMPLE_SECONDS = 0.2

Command = Callable[[list[str]], float]
"""Runs isolab with these arguments; returns the seconds it took. Raises LabError if it fails."""


@dataclass(frozen=True)
class GradingCosts:
    """How a class was graded: seconds from the command's start to its first verdict and to its end, the
    controller's peak resident memory in bytes and its own processor time in seconds."""

    first: float
    seconds: float
    memory: int
    processor: float


def grading_rows(number: int, command: Command, progress: Progress) -> Iterator[BenchResult]:
    """Grade a class of this many on two emulated architectures, each with a program of its own; then once
    more with nothing changed. Images, templates and compilers are there already."""
    what = f"grade, {number} submissions × {len(ARCHITECTURES)} architectures"
    with working_folder("bench") as folder:
        words = ["grade", str(_lab(folder / "lab"))]
        progress.doing("bench", f"{what}: templates and compilers")
        command([*words, str(_class(folder / "one", 1)), "--out", str(folder / "first")])
        progress.doing("bench", what)
        out = folder / "grades"
        words += [str(_class(folder / "class", number)), "--out", str(out)]
        graded = _watched(words, command, out)
        verdicts, cores = number * len(ARCHITECTURES), len(os.sched_getaffinity(0))
        if (fell := _receipts(out)) != verdicts:
            raise LabError(f"{fell} of {verdicts} verdicts fell: what was measured is not what was meant")
        rate = verdicts * 60 / graded.seconds / cores
        detail = {"seconds": graded.seconds, "controller ms per grading": graded.processor * 1000 / verdicts}
        note = f"{graded.seconds:.1f} s; controller {detail['controller ms per grading']:.0f} ms per grading"
        yield BenchResult(f"{what}: gradings per minute per core", rate, "", 40.0, detail, note, least=True)
        yield _against_plan(folder / "lab", number, cores, graded.seconds)
        yield BenchResult("grade, command to the first verdict", graded.first, "s", 3.0)
        yield BenchResult("grade, controller's peak resident memory", graded.memory / 2**20, "MiB", 300.0)
        progress.doing("bench", f"{what}: once more, nothing changed")
        yield BenchResult("grade once more, nothing changed", command(words), "s", 2.0)


def _against_plan(lab: Path, number: int, cores: int, seconds: float) -> BenchResult:
    """Return how far `plan` was from what it took: the larger of the two to the smaller."""
    exercises = load_lab(lab / "lab.yaml", EXERCISES).exercises
    expected = grading_seconds(number, len(ARCHITECTURES), exercises, cores)
    off = max(expected, seconds) / min(expected, seconds)
    note = f"{expected:.0f} s expected, {seconds:.0f} s taken"
    return BenchResult("grade, what `plan` expects to what it takes", off, "ratio", 1.5, {}, note)


def _lab(folder: Path) -> Path:
    exercise = folder / "answer"
    (exercise / "skeleton").mkdir(parents=True)
    (folder / "lab.yaml").write_text(_LAB)
    (exercise / "exercise.yaml").write_text(_EXERCISE)
    (exercise / "skeleton" / "answer.c").write_text(_PROGRAM % "begin here")
    return folder


def _class(folder: Path, number: int) -> Path:
    """Make submissions of this many students, all right and no two alike."""
    for student in range(number):
        place = folder / f"s{student:04}"
        place.mkdir(parents=True)
        (place / "answer.c").write_text(_PROGRAM % f"{folder.name} {student}")
    return folder


def _watched(words: list[str], command: Command, out: Path) -> GradingCosts:
    """Run the command, and look at it and its receipts meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        running = pool.submit(command, words)
        first = _first_verdict(out, running, begun)
        memory, processor = _costs(_controller(out), running)
        return GradingCosts(first, running.result(), memory, processor)


def _first_verdict(out: Path, running: Future[float], begun: float) -> float:
    while not running.done():
        with contextlib.suppress(FileNotFoundError):
            if (out / RECEIPTS).stat().st_size:
                break
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - begun


def _controller(out: Path) -> int | None:
    """Return the process of the command that grades into this folder; None if it has ended."""
    return next(process_table.find(lambda pid: str(out) in process_table.arguments(pid)), None)


def _costs(pid: int | None, running: Future[float]) -> tuple[int, float]:
    """Return a process's peak resident memory, in bytes, and its processor time, as last seen."""
    memory, processor = 0, 0.0
    while pid is not None and not running.done():
        with contextlib.suppress(OSError, LookupError, ValueError):  # it may end at any time
            memory = max(memory, process_table.peak_memory(pid))
            processor = max(processor, process_table.processor_seconds(pid))
        time.sleep(_SAMPLE_SECONDS)
    return memory, processor


def _receipts(out: Path) -> int:
    return (out / RECEIPTS).read_bytes().count(b"\n")
