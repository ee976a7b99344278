"""Run one exercise on one connected machine: push, run, judge."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import CanaryError, TransportError
from orchestrator.exercises.canaries.base import owners
from orchestrator.exercises.canaries.manager import CanaryManager, CanarySet
from orchestrator.exercises.checks import Subject, judge, observations
from orchestrator.exercises.crowded import require_well_tested
from orchestrator.exercises.ending import killed_words, printed_fields
from orchestrator.exercises.host_metrics import Busy, HostMetrics
from orchestrator.exercises.missed_checks import missed_lines
from orchestrator.exercises.parameters import with_example
from orchestrator.exercises.poisoned import Again, both, lucky_lines
from orchestrator.exercises.processor_limit import processor_seconds
from orchestrator.exercises.student_view import view_of
from orchestrator.exercises.surroundings import OTHER, padded
from orchestrator.formatting import bounded, printable
from orchestrator.labfile.canary_kinds import RESERVED
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import ANSWERS, User
from orchestrator.record import Record, Status
from orchestrator.transport.base import Item, Site, Transport, put
from orchestrator.transport.runner import ProcessResult, run_program

MAKE_ROOM = (
    'set -f; keep=; for file; do keep="$keep ! -name ${file##*/}"; done; '
    'find "${1%/*}" -mindepth 1 -maxdepth 1 $keep -exec rm -rf {} +'
)
"""Script for sh: removes everything beside its arguments, which lie in one folder."""
CONTENTION = 3.0
"""Deadlines are scaled by the measured slowness and by this factor, for the load of other machines."""
LEAST_SECONDS = 10.0
LAST_OUTPUT = 120
"""Characters of a program's last line that are told of when it is stopped."""
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


def of_visible_steps(exercise: LoadedExercise, files: Sequence[Item]) -> list[Item]:
    """Return those of an exercise's ``items`` that the hidden tests did not add. A student's program must not
    find the others in a step whose output students may see: it could print them."""
    if exercise.hidden is None:
        return list(files)
    base, public = folder_name(exercise.name), exercise.public.spec
    visible = {*public.files, *(build.program for build in public.build)}
    added = {*exercise.hidden.files, *(build.program for build in exercise.hidden.build)} - visible
    kept = [item for item in files if item.path.removeprefix(f"{base}/") not in added]
    needed = {str(parent) for item in kept if item.data is not None for parent in Path(item.path).parents}
    return [item for item in kept if item.data is not None or item.path in {base, *needed}]


@dataclass(frozen=True)
class ExerciseContext:
    """A connected machine as exercises see it. ``env`` is added to each program's environment;
    ``slowest`` is the slowness, relative to a native core, of the slowest machine that programs here
    may wait for; ``canaries`` plants canaries. ``pushed`` are the files of exercises with student
    code, hidden tests included, pushed again before each further step, ``poisoned`` those with poisoned
    programs for a further run of all steps; ``host_metrics`` are what only the controller knows."""

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
    poisoned: Mapping[str, Sequence[Item]] = field(default_factory=dict)


def run_exercise(
    exercise: LoadedExercise, place: ExerciseContext, blank: Record, cancellation: Cancellation
) -> Record:
    """Run every step and judge the observations; ``blank`` is the record to fill in.

    The caller has checked that the exercise can run here (``checks.split``). One with parameters that nobody
    filled in gets the example student's values: nothing runs with a placeholder.

    Raises TransportError, TimedOut, Interrupted: those are not the program's fault.
    """
    exercise = with_example(exercise)
    spec = exercise.spec
    begun = time.monotonic()
    slowness = max(place.subject.facts.slowness, place.slowest if spec.needs.network else 1.0)
    limit = spec.timeout * slowness
    if not exercise.exact_timeout:
        limit = max(LEAST_SECONDS, limit * CONTENTION)
    processor = processor_seconds(spec, place.subject.facts, slowness)
    # The machine's memory before the program runs, and the host's load meanwhile.
    known = place.metrics.asked(spec.asks) if place.metrics else dict
    busy = Busy()
    with _canary_set(exercise, place, cancellation) as canary_set:
        results = _run_steps(
            exercise, replace(place, env={**place.env, **canary_set.env}), limit, processor, cancellation
        )
        require_well_tested(spec, results, place.subject.boundary)
        outside = known() | canary_set.inspect("".join(result.stdout + result.stderr for result in results))
    seconds, blank = time.monotonic() - begun, replace(blank, contention=busy.percent())
    limits = _Limits(limit, processor)
    again = None
    if spec.poisoned and not _trouble(results[-1], spec.timeout, limits):
        again = _run_poisoned(exercise, place, limits, cancellation)
    return _record(exercise, place, blank, results, seconds, limits, outside, again)


def _run_poisoned(
    exercise: LoadedExercise, place: ExerciseContext, limits: _Limits, cancellation: Cancellation
) -> Again:
    """Run every step once more, in a new folder, with poisoned programs and more environment."""
    files, limit = place.poisoned[exercise.name], cancellation.deadline(PUSH_SECONDS)
    _on_these(MAKE_ROOM, place, _occupied(exercise, files), limit)
    _on_these(SET_ASIDE, place, [folder_name(exercise.name)], limit)
    put(place.transport, place.site.work, of_visible_steps(exercise, files), limit)
    there = replace(place, pushed={exercise.name: files})
    results = _run_steps(exercise, there, limits.wall, limits.processor, cancellation, OTHER)
    require_well_tested(exercise.spec, results, place.subject.boundary)
    words = killed_words(results[-1])
    trouble = _trouble(results[-1], exercise.spec.timeout, limits)
    return Again(tuple(results), trouble, (words,) if words else ())


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
    exercise: LoadedExercise,
    place: ExerciseContext,
    limit: float,
    processor: float,
    cancellation: Cancellation,
    more: int = 0,
) -> list[ProcessResult]:
    """Run the steps up to one that fails. ``more`` are bytes of the environment besides its usual size."""
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
            _put_anew(exercise, place, cancellation, hidden=number >= len(exercise.public.spec.run))
        file, argv = _program(exercise, step.argv, place.site.emulator)
        results.append(
            run_program(
                place.transport,
                place.site,
                argv,
                user=step.user,
                folder=folder,
                timeout=limit,
                output_limit=exercise.spec.output_limit,
                env=padded({**_user_env(place.site, step.user), **env}, more),
                deadline=cancellation.deadline(),
                file=file,
                processor=processor,
                stdin=(exercise.folder / step.stdin).read_bytes() if step.stdin else b"",
            )
        )
        if results[-1].exit_code != 0:
            break
    return results


def _put_anew(
    exercise: LoadedExercise, place: ExerciseContext, cancellation: Cancellation, *, hidden: bool
) -> None:
    """Push a step's programs and data again, since a student's program can write to their folder and
    may have changed them. Anything else it left there stays. ``hidden``: those of hidden tests as well.

    Its processes are gone, so nothing can plant a link between the two commands. The old files are
    moved aside, not removed: the memory of a removed program would be reused for another one, and
    QEMU 7.2 then sometimes runs the old code for s390x.
    """
    files = place.pushed.get(exercise.name, ())
    if not files:
        return
    if not hidden:
        files = of_visible_steps(exercise, files)
    limit = cancellation.deadline(PUSH_SECONDS)
    try:
        _replace(exercise, place, files, limit)
    except TransportError:
        # What the student's program left there may take all the room there is.
        _on_these(MAKE_ROOM, place, _occupied(exercise, files), limit)
        _replace(exercise, place, files, limit)


def _replace(
    exercise: LoadedExercise, place: ExerciseContext, files: Sequence[Item], limit: Deadline
) -> None:
    _on_these(SET_ASIDE, place, _occupied(exercise, files), limit)
    put(place.transport, place.site.work, files, limit)


def _occupied(exercise: LoadedExercise, files: Sequence[Item]) -> list[str]:
    """Return what these files occupy in the exercise's folder, by paths in the machine's work folder."""
    base = folder_name(exercise.name)
    names = dict.fromkeys(item.path.removeprefix(f"{base}/").split("/")[0] for item in files[1:])
    return [f"{base}/{name}" for name in names]


def _on_these(script: str, place: ExerciseContext, names: Sequence[str], limit: Deadline) -> None:
    """Run a script with these paths of the machine's work folder. Raises TransportError."""
    work = place.site.work
    done = place.transport.run(
        ["sh", "-c", script, work, *(f"{work}/{name}" for name in names)], deadline=limit
    )
    if done.code != 0:
        words = done.stderr.decode(errors="replace")[-300:]
        raise TransportError(f"cannot move files in {work} aside: {words}")


def _is_built(exercise: LoadedExercise, program: str) -> bool:
    """Return whether a program is for the machine's architecture: compiled, or pushed as ELF (elf(5)).

    Scripts and the machine's own programs are for the kernel's architecture.
    """
    name = program.removeprefix("./")
    if any(build.program == name for build in exercise.spec.build):
        return program.startswith("./")
    return name in exercise.spec.files and (exercise.folder / name).read_bytes()[:4] == b"\x7fELF"


def _program(
    exercise: LoadedExercise, words: Sequence[str], emulator: Sequence[str]
) -> tuple[str, list[str]]:
    """Return what is executed and its arguments: the first is what the step says, on every machine."""
    name, *more = words
    file = name if name.startswith(("./", "/")) else f"/bin/{name}"
    if not emulator or not _is_built(exercise, name):
        return file, [name, *more]
    return emulator[0], [*emulator, "-0", name, file, *more]


def _user_env(site: Site, user: User) -> dict[str, str]:
    """Return the variables that login(1) sets and programs look for."""
    home = site.homes.get(user.value, "/")
    return {"HOME": home, "USER": user.value, "LOGNAME": user.value}


@dataclass(frozen=True)
class _Limits:
    """Limits of a step in seconds: of wall time and of processor time."""

    wall: float
    processor: float


def _record(
    exercise: LoadedExercise,
    place: ExerciseContext,
    blank: Record,
    results: Sequence[ProcessResult],
    seconds: float,
    limits: _Limits,
    outside: Mapping[str, Any],
    again: Again | None,
) -> Record:
    last = results[-1]
    seen, forged = _seen(results, outside)
    hidden = exercise.hidden.checks if exercise.hidden else ()
    verdict = judge(exercise.spec, _shown(results, seen), place.subject, hidden)
    checks = verdict.results
    if again is not None:
        other = _shown(again.results, _seen(again.results, outside)[0])
        checks = both(checks, judge(exercise.spec, other, place.subject, hidden).results)
    trouble = _trouble(last, exercise.spec.timeout, limits)
    misses = [trouble] if trouble else list(missed_lines([one for one in checks if not one.poisoned]))
    misses += lucky_lines(checks, again.trouble, again.notes) if again else []
    if trouble or (again and again.trouble):
        checks = tuple(replace(one, points=0.0) for one in checks)
    notes = [words] if (words := killed_words(last)) else []
    if any(result.cut for result in results):
        notes.append("output truncated")
    if forged:
        notes.append(f"ignored {', '.join(forged)} in the output: only the controller observes that")
    record = replace(
        blank,
        status=Status.FAIL if misses else Status.PASS,
        reason="\n".join([*misses, *notes]),
        points=sum(one.points for one in checks),
        max_points=verdict.max_points,
        seconds=round(seconds, 4),
        guest_seconds=round(sum(result.seconds for result in results), 6),
        exit_code=last.exit_code,
        signal=last.signal,
        observations=seen,
        stdout="".join(result.stdout for result in results),
        stderr="".join(result.stderr for result in results),
        **printed_fields(results),
        checks=checks,
    )
    return replace(
        record, student_view=view_of(exercise, record, results, place.subject, trouble, notes, again)
    )


def _seen(results: Sequence[ProcessResult], outside: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the observations of these steps and from ``outside``, and the names of those that a program
    may not make."""
    seen: dict[str, Any] = {}
    for result in results:
        seen |= observations(result.stdout)
    forged = sorted(_OURS & seen.keys())
    return {name: value for name, value in seen.items() if name not in _OURS} | dict(outside), forged


def _shown(results: Sequence[ProcessResult], seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that checks may be about."""
    last, stdout = results[-1], "".join(result.stdout for result in results)
    return {**seen, "exit_code": last.exit_code, "signal": last.signal, "stdout": stdout}


def _trouble(result: ProcessResult, timeout: float, limits: _Limits) -> str:
    """Return what stopped the program before it could finish; "" when nothing did."""
    if result.start_error:
        return f"could not start: {result.start_error}"
    if result.killed_for == "timeout":
        scaled = f"{timeout:g} s, times {limits.wall / timeout:.3g} for this machine's speed and load"
        return (
            f"timed out after {_seconds(limits.wall)} s ({scaled}), stopped by isolab; {_last_words(result)}"
        )
    if result.killed_for == "processor":
        return f"used {limits.processor:.0f} s of processor time, stopped by isolab"
    if result.killed_for == "output":
        return "stopped by isolab: too much output"
    return f"stopped by isolab: {result.killed_for}" if result.killed_for else ""


def _last_words(result: ProcessResult) -> str:
    """Return the last line that a program printed before it was stopped, in words."""
    line = next((line.strip() for line in reversed(result.stdout.splitlines()) if line.strip()), "")
    return f"its last output: {bounded(printable(line), LAST_OUTPUT)}" if line else "it had printed nothing"


def _seconds(limit: float) -> str:
    return f"{limit:.0f}" if limit >= LEAST_SECONDS else f"{limit:.3g}"
