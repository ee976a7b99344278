"""Run one exercise on one connected machine: push, run, judge."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.deadline import Cancellation
from orchestrator.errors import CanaryError, TransportError
from orchestrator.exercises.canaries.base import owners
from orchestrator.exercises.canaries.manager import CanaryManager, CanarySet
from orchestrator.exercises.checks import Subject, judge, observations
from orchestrator.exercises.host_metrics import Busy, HostMetrics
from orchestrator.exercises.student_view import view_of
from orchestrator.labfile.canary_kinds import RESERVED
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import ANSWERS
from orchestrator.record import Record, Status
from orchestrator.transport.base import Item, Site, Transport, put
from orchestrator.transport.runner import ProcessResult, run_program

CONTENTION = 3.0
"""Deadlines are scaled by the measured slowness and by this factor, for the load of other machines."""
LEAST_SECONDS = 10.0
PUSH_SECONDS = 120.0
SET_ASIDE = (
    'aside=$(mktemp -d "$0/.aside.XXXXXX") || exit; '
    'for file; do if [ -e "$file" ] || [ -L "$file" ]; then mv "$file" "$aside/" || exit; fi; done'
)
"""Script for sh: moves its arguments into a new folder that only the machine's administrator can enter.

Moved rather than removed, because the pages of a program that ran must not be reused for another program:
QEMU 7.2 keeps executing its translation of the first. On s390x the guest's kernel copies by an instruction
(MVCOS) for which QEMU looks for translated code at the first byte of the write only (notdirty_write() with
size 1 in accel/tcg/cputlb.c). Programs then occasionally die of SIGSEGV or SIGILL.
"""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of an exercise's programs."""
_OURS = RESERVED | set(ANSWERS.values())
"""Observations that only the controller may make."""


def folder_name(name: str) -> str:
    """Return the name of an exercise's working folder beneath the machine's ``work``."""
    return name.removeprefix("./").replace("/", "-")


def items(
    exercise: LoadedExercise, programs: Mapping[str, Path], owner: int, sources: Sequence[str] = ()
) -> list[Item]:
    """Return the files of one exercise to push: its folder, programs, data files and sources."""
    base = folder_name(exercise.name)
    found = [Item(base, None, 0o711, owner)]
    folders: set[str] = set()
    for name, source in {
        **programs,
        **{f: exercise.folder / f for f in (*exercise.spec.files, *sources)},
    }.items():
        for parent in reversed(Path(name).parents[:-1]):
            if str(parent) not in folders:
                folders.add(str(parent))
                found.append(Item(f"{base}/{parent}", None, 0o755, owner))
        executable = name in programs or source.stat().st_mode & 0o100
        found.append(Item(f"{base}/{name}", source.read_bytes(), 0o755 if executable else 0o644, owner))
    return found


@dataclass(frozen=True)
class ExerciseContext:
    """A connected machine as exercises see it. ``env`` is added to each program's environment;
    ``slowest`` is the slowness, relative to a native core, of the slowest machine that programs here
    may wait for; ``canaries`` plants canaries. ``pushed`` are the files of exercises with student
    code, pushed again before each further step; ``host_metrics`` are what only the controller knows."""

    transport: Transport
    site: Site
    subject: Subject
    tag: str
    visible_process: str
    env: Mapping[str, str] = field(default_factory=dict)
    slowest: float = 1.0
    canaries: CanaryManager | None = None
    pushed: Mapping[str, Sequence[Item]] = field(default_factory=dict)
    metrics: HostMetrics | None = None


def run_exercise(
    exercise: LoadedExercise, place: ExerciseContext, blank: Record, cancellation: Cancellation
) -> Record:
    """Run every step and judge the observations; ``blank`` is the record to fill in.

    The caller has checked that the exercise can run here (``checks.split``).

    Raises TransportError, TimedOut, Interrupted: those are not the program's fault.
    """
    spec = exercise.spec
    begun = time.monotonic()
    slowness = max(place.subject.facts.slowness, place.slowest if spec.needs.network else 1.0)
    limit = max(LEAST_SECONDS, spec.timeout * slowness * CONTENTION)
    # The machine's memory before the program runs, and the host's load meanwhile.
    known = place.metrics.asked(spec.asks) if place.metrics else dict
    busy = Busy()
    with _canary_set(exercise, place, cancellation) as canary_set:
        results = _run_steps(
            exercise, replace(place, env={**place.env, **canary_set.env}), limit, cancellation
        )
        outside = known() | canary_set.inspect("".join(result.stdout + result.stderr for result in results))
    blank = replace(blank, contention=busy.percent())
    return _record(exercise, place, blank, results, time.monotonic() - begun, limit, outside)


def _canary_set(
    exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation
) -> contextlib.AbstractContextManager[CanarySet]:
    """Plant the canaries of an exercise, outside this machine's boundary."""
    kinds = exercise.spec.canaries
    if not kinds:
        return contextlib.nullcontext(CanarySet({}, {}))
    if place.canaries is None:
        raise CanaryError("this command cannot plant canaries", hint="run the exercise with `isolab run`")
    attack = f"{place.tag}-{exercise.name}"
    whose = owners(place.subject.boundary, place.site.users, os.getuid() == 0, attack)
    inside = f"{place.site.work}/{folder_name(exercise.name)}"
    student = place.site.users["student"]
    return place.canaries.planted(kinds, whose, place.transport, inside, student, cancellation.deadline())


def _run_steps(
    exercise: LoadedExercise, place: ExerciseContext, limit: float, cancellation: Cancellation
) -> list[ProcessResult]:
    folder = f"{place.site.work}/{folder_name(exercise.name)}"
    env = {
        "PATH": PATH,
        "ISOLAB_TAG": f"{place.tag}-{folder_name(exercise.name)}",
        "ISOLAB_CANARY": place.visible_process,
        **place.env,
    }
    results = []
    for number, step in enumerate(exercise.spec.run):
        if number:
            _put_anew(exercise, place, cancellation)
        argv = [_absolute(step.argv[0], folder), *step.argv[1:]]
        if _is_built(exercise, step.argv[0]):
            argv = [*place.site.emulator, *argv]
        results.append(
            run_program(
                place.transport,
                place.site,
                argv,
                user=step.user,
                folder=folder,
                timeout=limit,
                output_limit=exercise.spec.output_limit,
                env=env,
                deadline=cancellation.deadline(),
                stdin=(exercise.folder / step.stdin).read_bytes() if step.stdin else b"",
            )
        )
        if results[-1].exit_code != 0:
            break
    return results


def _put_anew(exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation) -> None:
    """Push a step's programs and data again, since a student's program can write to their folder and
    may have changed them. Anything else it left there stays.

    Its processes are gone, so nothing can plant a link between the two commands. The old files are
    moved aside, not removed: the memory of a removed program would be reused for another one, and
    QEMU 7.2 then sometimes runs the old code for s390x.
    """
    files = place.pushed.get(exercise.name, ())
    if not files:
        return
    base = folder_name(exercise.name)
    names = dict.fromkeys(item.path.removeprefix(f"{base}/").split("/")[0] for item in files[1:])
    limit = cancellation.deadline(PUSH_SECONDS)
    aside = ["sh", "-c", SET_ASIDE, place.site.work, *(f"{place.site.work}/{base}/{name}" for name in names)]
    done = place.transport.run(aside, deadline=limit)
    if done.code != 0:
        words = done.stderr.decode(errors="replace")[-300:]
        raise TransportError(f"cannot move files out of {base}: {words}")
    put(place.transport, place.site.work, files, limit)


def _is_built(exercise: LoadedExercise, program: str) -> bool:
    """Return whether a program is for the machine's architecture: compiled, or pushed as ELF (elf(5)).

    Scripts and the machine's own programs are for the kernel's architecture.
    """
    name = program.removeprefix("./")
    if any(build.program == name for build in exercise.spec.build):
        return program.startswith("./")
    return name in exercise.spec.files and (exercise.folder / name).read_bytes()[:4] == b"\x7fELF"


def _absolute(program: str, folder: str) -> str:
    if program.startswith("./"):
        return f"{folder}/{program[2:]}"
    return program if program.startswith("/") else f"/bin/{program}"


def _record(
    exercise: LoadedExercise,
    place: ExerciseContext,
    blank: Record,
    results: Sequence[ProcessResult],
    seconds: float,
    limit: float,
    outside: Mapping[str, Any],
) -> Record:
    last = results[-1]
    seen: dict[str, Any] = {}
    for result in results:
        seen |= observations(result.stdout)
    forged = sorted(_OURS & seen.keys())
    seen = {name: value for name, value in seen.items() if name not in _OURS} | dict(outside)
    stdout = "".join(result.stdout for result in results)
    shown = {**seen, "exit_code": last.exit_code, "signal": last.signal, "stdout": stdout}
    hidden = exercise.hidden.checks if exercise.hidden else ()
    verdict = judge(exercise.spec, shown, place.subject, hidden)
    trouble = _trouble(last, exercise.spec.timeout, limit)
    misses = [trouble] if trouble else list(verdict.misses)
    notes = ["output truncated"] if any(result.cut for result in results) else []
    if forged:
        notes.append(f"ignored {', '.join(forged)} in the output: only the controller observes that")
    record = replace(
        blank,
        status=Status.FAIL if misses else Status.PASS,
        reason="\n".join([*misses, *notes]),
        points=0.0 if trouble else verdict.points,
        max_points=verdict.max_points,
        seconds=round(seconds, 4),
        guest_seconds=round(sum(result.seconds for result in results), 6),
        exit_code=last.exit_code,
        signal=last.signal,
        observations=seen,
        stdout=stdout,
        stderr="".join(result.stderr for result in results),
        checks=tuple(replace(one, points=0.0) for one in verdict.results) if trouble else verdict.results,
    )
    return replace(record, student_view=view_of(exercise, record, results, place.subject, trouble, notes))


def _trouble(result: ProcessResult, timeout: float, limit: float) -> str:
    """Return what stopped the program before it could finish; "" when nothing did."""
    if result.start_error:
        return f"could not start: {result.start_error}"
    if result.killed_for == "timeout":
        return f"timed out after {limit:.0f} s ({timeout:g} s scaled to this machine's speed)"
    if result.killed_for == "output":
        return "stopped: too much output"
    return ""
