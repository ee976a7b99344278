"""What a machine costs beside others' that try to take everything: processor time of the same work, graded
alone and beside attackers, in turn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from orchestrator.bench.measure import BenchResult
from orchestrator.drivers.model import TAG
from orchestrator.errors import LabError
from orchestrator.grading.about import read_about
from orchestrator.host import process_table
from orchestrator.host.tempdirs import working_folder
from orchestrator.progress import Progress
from orchestrator.record import RECORDS, read_records

ROUNDS = 5
MOST_MORE = 1.1
_LAB = """\
lab: bench-neighbour
defaults: {image: micro, accel: tcg}
at_once: %d
machines: {arm64: {driver: qemu, arch: arm64}}
exercises: [./answer]
"""
_EXERCISE = """\
title: The answer
student: {files: [answer.c]}
build: {sources: [answer.c]}
run: ./answer
timeout: 10s
checks:
  - {that: answer, equals: 42, points: 1}
"""
_NEIGHBOUR = """\
#include <stdio.h>

int main(void)
{
    for (volatile unsigned long i = 0; i < 40000000; i++)
        continue;
    return puts("{\\"answer\\": 42}") < 0; /* %s */
}
"""
_ATTACKERS = {
    "a-fork-bomb": "for (;;) fork();",
    "c-memory-flood": "for (;;) { char *some = malloc(1 << 20); if (some) memset(some, 1, 1 << 20); }",
    "e-output-flood": 'for (;;) puts("take this, and this, and this");',
    "g-disk-flood": 'FILE *file = fopen("flood", "w"); while (file) fwrite(argv[0], 1, 9, file);',
}
_ATTACK = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    alarm(2);
    %s
    return argc; /* %s */
}
"""
_NAMES = "bdfh"
"""Neighbours' ids: each is graded next to the attacker whose name is before its own."""
_SAMPLE_SECONDS = 0.02

Command = Callable[[list[str]], float]


def neighbour_rows(command: Command, progress: Progress, rounds: int = ROUNDS) -> Iterator[BenchResult]:
    """Grade the same work alone and beside attackers, in turn; yields how much more processor time its
    machine takes beside them. What differs between rounds, such as other work on the host, is in both."""
    what = "grade, processor time of a machine beside attackers, to that alone"
    alone: list[float] = []
    beside: list[float] = []
    with working_folder("bench") as folder:
        labs = {at_once: _lab(folder / f"lab{at_once}", at_once) for at_once in (1, 2)}
        for number in range(rounds):
            progress.doing("bench", f"{what}: round {number + 1} of {rounds}")
            for taken, at_once in ((alone, 1), (beside, 2)):
                place = folder / f"{at_once}-{number}"
                _class(place / "class", f"{at_once} {number}", attacked=at_once == 2)
                taken.extend(_seconds(labs[at_once], place, command))
    if not alone or not beside:
        raise LabError("no machine was seen while it ran: nothing was measured")
    lone, crowded = median(alone), median(beside)
    detail = {"alone": lone, "beside": crowded}
    note = f"median of {len(alone)}: {lone:.2f} s alone, {crowded:.2f} s beside"
    yield BenchResult(what, crowded / lone, "ratio", MOST_MORE, detail, note)


def _lab(folder: Path, at_once: int) -> Path:
    exercise = folder / "answer"
    (exercise / "skeleton").mkdir(parents=True)
    (folder / "lab.yaml").write_text(_LAB % at_once)
    (exercise / "exercise.yaml").write_text(_EXERCISE)
    (exercise / "skeleton" / "answer.c").write_text(_NEIGHBOUR % "begin here")
    return folder


def _class(folder: Path, salt: str, *, attacked: bool) -> None:
    works = {name: _NEIGHBOUR % f"{name} {salt}" for name in _NAMES}
    if attacked:
        works |= {name: _ATTACK % (words, salt) for name, words in _ATTACKERS.items()}
    for name, text in works.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "answer.c").write_text(text)


def _seconds(lab: Path, place: Path, command: Command) -> list[float]:
    """Grade, and return the processor seconds of each neighbour's machine. Raises LabError if their work did
    not get its points."""
    with _sampled() as seen:
        # Attackers get no points, for which the exit code is 1.
        command(["grade", str(lab), str(place / "class"), "--out", str(place / "out")])
    names = read_about(place / "out").students
    ours = [one for one in read_records(place / "out" / RECORDS) if set(names[one.student]) <= {*_NAMES}]
    if len(ours) != len(_NAMES) or any(one.points < one.max_points for one in ours):
        raise LabError("a neighbour did not get all points: what was measured is not what was meant")
    # One that came and went between two looks was not measured.
    tags = [f"{TAG}-{one.run}-{one.machine}" for one in ours]
    return [seen[tag] for tag in tags if tag in seen]


@contextlib.contextmanager
def _sampled() -> Iterator[dict[str, float]]:
    """Note for a ``with`` block what processor time, in seconds, each of isolab's emulators has used, by its
    tag, as last seen."""
    seen: dict[str, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            for pid, tag in process_table.read(_tag):
                with contextlib.suppress(OSError):  # it may end at any time
                    seen[tag] = process_table.processor_seconds(pid)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _tag(pid: int) -> str:
    words = process_table.arguments(pid)
    name = words[words.index("-name") + 1] if "-name" in words[:-1] else ""
    return name if name.startswith(f"{TAG}-") else ""
