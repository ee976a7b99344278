"""Benchmark of a class: a made-up roster brought up by the command, as a lecturer would type it."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path

from orchestrator.bench.grading import Command
from orchestrator.bench.measure import BenchResult
from orchestrator.classes.load import load_class
from orchestrator.classes.machines import standing
from orchestrator.errors import LabError
from orchestrator.host.tempdirs import working_folder
from orchestrator.progress import Progress

TARGETS = {"micro": (60, 25.0), "debian": (60, 90.0)}
"""The seconds in which so many machines of an image should be ready."""
MEMORY_TARGET = 40.0
"""MiB that a machine of image micro may take."""
RESET_TARGET = 1.5
RESETS = 5
_CLASS = """\
class: {name}
machines: {{desk: {{driver: qemu, arch: arm64, image: {image}, accel: tcg}}}}
access: {{listen: "127.0.0.1:{port}"}}
"""
_PORT = 22222


def class_rows(
    number: int, images: tuple[str, ...], command: Command, progress: Progress
) -> Iterator[BenchResult]:
    """Bring up a class of this many with each image, replace one machine, take all down. Images and templates
    are there already."""
    with working_folder("bench") as folder:
        for image in images:
            where = _class(folder / image, image, number)
            with _down(where, command):
                yield from _rows(where, number, image, command, progress)


def _rows(
    where: Path, number: int, image: str, command: Command, progress: Progress
) -> Iterator[BenchResult]:
    words = ["class", "up", str(where)]
    progress.doing("bench", f"class of image {image}: its template")
    command([*words, "--student", "s0000"])
    command(["class", "down", str(where)])
    progress.doing("bench", f"class up: {number} machines of image {image}")
    seconds = command(words)
    found = standing(load_class(where))
    alive = [one.memory for one in found.values() if one.alive]
    if len(alive) != number:
        raise LabError(f"{len(alive)} of {number} machines are up: what was measured is not what was meant")
    most, target = TARGETS[image]
    yield BenchResult(
        f"class up, {number} × image {image}, arm64, until all are ready",
        seconds,
        "s",
        target if number <= most else None,
    )
    memory = statistics.mean(alive) / 2**20
    yield BenchResult(
        f"memory of each, image {image}", memory, "MiB", MEMORY_TARGET if image == "micro" else None
    )
    progress.doing("bench", "class reset of one while all are up")
    resets = [command(["class", "reset", str(where), "--student", "s0000"]) for _ in range(RESETS)]
    yield BenchResult(
        f"class reset of one while {number} are up, image {image}",
        statistics.median(resets),
        "s",
        RESET_TARGET if image == "micro" else None,
    )


def _class(folder: Path, image: str, number: int) -> Path:
    folder.mkdir()
    (folder / "class.yaml").write_text(_CLASS.format(name=f"bench-{image}", image=image, port=_PORT))
    rows = [f"s{student:04},Student {student}" for student in range(number)]
    (folder / "roster.csv").write_text("\n".join(["id,name", *rows]) + "\n")
    return folder


@contextlib.contextmanager
def _down(where: Path, command: Command) -> Iterator[None]:
    """Take the class down at the end, whatever happens."""
    try:
        yield
    finally:
        command(["class", "down", str(where)])
