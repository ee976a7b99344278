"""Machines, orders and answers made up for tests, with everything a test does not care about filled in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Handle, Order
from orchestrator.exercises.checks import Subject
from orchestrator.images import Image
from orchestrator.labfile.load import LoadedExercise, LoadedLab
from orchestrator.labfile.models import Boundary, Exercise, Lab, Machine
from orchestrator.machines.facts import Facts
from orchestrator.record import Record, Status
from orchestrator.transport.base import Result, Site

RUN = "20260102-030405-0a0b"
SITE = Site(
    runner=("/usr/lib/isolab/run",),
    work="/work",
    users={"root": 0, "student": 1000, "other": 1001},
    switch=True,
)


FEATURES = {"user-namespaces": "", "landlock": "too old"}


def facts(**changes: Any) -> Facts:
    """A quick little-endian 64-bit machine."""
    raw = changes.pop("raw", {"page_size": 4096})
    return replace(
        Facts("6.12.1", "x86_64", 64, "little", 4096, 1, 4000.0, FEATURES, raw),
        **changes,
    )


def subject(**changes: Any) -> Subject:
    users = frozenset(SITE.users)
    return replace(Subject(Boundary.VM, "amd64", facts(), users), **changes)


def image(arch: str, folder: Path = Path("/cache/images/micro")) -> Image:
    return Image("micro", arch, f"micro-{arch}-0123456789abcdef0123", folder)


def order(arch: str = "amd64", accel: str = "tcg", **machine: Any) -> Order:
    """A wanted machine with fixed paths; ``machine`` are keys of a lab file."""
    wanted = Machine.model_validate({"driver": "qemu", "arch": arch, **machine})
    return Order(
        run=RUN,
        name=arch,
        machine=wanted,
        arch=ARCHITECTURES[arch],
        image=image(arch),
        accel=accel,
        scratch=Path("/scratch") / RUN / arch,
        logs=Path("/runs/one") / arch,
    )


def handle(machine: str = "vm", **changes: Any) -> Handle:
    plain = Handle("qemu", RUN, machine, "amd64", "vm", "tcg", f"/scratch/{RUN}/{machine}", SITE)
    return replace(plain, **changes)


def record(exercise: str = "ipc/pipe", **changes: Any) -> Record:
    plain = Record(RUN, "separation", "host", "vm", "", "qemu", "vm", "amd64", "tcg", exercise, Status.ERROR)
    return replace(plain, **changes)


def loaded(folder: Path, text: Mapping[str, Any], name: str = "ipc/pipe") -> LoadedExercise:
    return LoadedExercise(name, folder, Exercise.model_validate({"title": "a", "run": "./pipe", **text}))


def lab(
    machines: Mapping[str, Any], exercises: Sequence[str] = ("ipc/pipe", "ipc/fifo"), **keys: Any
) -> LoadedLab:
    """A lab; ``keys`` are further ones of its file."""
    spec = Lab.model_validate({"lab": "small", "machines": machines, "exercises": list(exercises), **keys})
    found = tuple(loaded(Path("/exercises") / name, {}, name) for name in exercises)
    return LoadedLab(spec, Path("/labs/small/lab.yaml"), found)


def answer(out: bytes = b"", err: bytes = b"", **changes: Any) -> bytes:
    """What the runner writes about a program that ended."""
    head = {
        "exit": 0,
        "signal": None,
        "killed_for": "",
        "start_error": "",
        "wall_us": 1500,
        "stdout": len(out),
        "stderr": len(err),
        "stdout_total": len(out),
        "stderr_total": len(err),
        **changes,
    }
    return json.dumps(head).encode() + b"\n" + out + err


@dataclass
class FakeTransport:
    """Gives prepared answers, in order (the last one again and again), and remembers the questions."""

    answers: list[bytes]
    code: int = 0
    stderr: bytes = b""
    asked: list[list[str]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        self.before()
        self.asked.append(list(argv))
        self.deadlines.append(deadline.remaining())
        stdout = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Result(self.code, stdout, self.stderr)
