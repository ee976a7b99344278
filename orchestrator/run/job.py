"""Run one job: image, programs, machine, exercises, records.

What a job shares with other jobs (archives, slots, the canary) is in its ``RunContext``; an
infrastructure error becomes records with status *error*.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.arch import Arch, host_arch
from orchestrator.compile.compiler_messages import errors_first, for_any_architecture
from orchestrator.compile.cross import build_exercise, warnings_of
from orchestrator.compile.libc_facts import platform_of_library
from orchestrator.errors import (
    BuildError,
    CanaryError,
    HostLacks,
    Interrupted,
    LabError,
    TimedOut,
    TransportError,
    WorkError,
    from_os,
)
from orchestrator.exercises.checks import Subject, split
from orchestrator.exercises.compile_in_guest import build_in_guest, sources
from orchestrator.exercises.execute import (
    PUSH_SECONDS,
    ExerciseContext,
    items,
    of_visible_steps,
    run_exercise,
)
from orchestrator.exercises.host_metrics import HostMetrics
from orchestrator.exercises.required_programs import missing_programs
from orchestrator.exercises.student_view import view_unbuilt
from orchestrator.formatting import counted
from orchestrator.host.console_log import Console
from orchestrator.labfile.addresses import environment
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Boundary, Needs, User, boundary_of
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines.barrier import Participant
from orchestrator.machines.lifecycle import RunningMachine
from orchestrator.machines.provision import MAKE_SECONDS, provisioned
from orchestrator.record import PANIC, Record, Status
from orchestrator.run.context import RunContext
from orchestrator.run.unstarted import skipped, unstarted_record
from orchestrator.transport.base import Item, put

ALIVE_SECONDS = 20.0


def run_job(job: Job, context: RunContext) -> Iterator[Record]:
    """Yield the records of one job as they are completed. Raises Interrupted only."""
    blank = unstarted_record(context.lab, job, context.host, host_arch())
    pending = [e for e in context.lab.exercises if e.name in job.exercises]
    names = [e.name for e in pending]
    done: set[str] = set()
    if lack := context.machines.shortfall.problem(job.machine):  # told when the run began
        yield from skipped(names, blank, lack)
        return
    try:
        barrier = context.barrier.participant(job.machine, job.group, job.student, context.cancellation)
        with barrier as participant:
            for record in _run(job, pending, blank, context, participant):
                done.add(record.exercise)
                yield record
    except Interrupted:
        raise
    except HostLacks as lack:
        context.progress.tell(f"{job.machine}: {lack.describe()}")
        yield from skipped(names, blank, lack)
    except (LabError, OSError) as trouble:
        problem = trouble if isinstance(trouble, LabError) else from_os(trouble)
        context.progress.tell(problem.describe_for(job.machine))
        reason = problem.message
        for exercise in pending:
            if exercise.name not in done:
                yield replace(blank, exercise=exercise.name, status=Status.ERROR, reason=reason)
    finally:
        context.progress.done(job.machine)


def _run(
    job: Job,
    exercises: Sequence[LoadedExercise],
    blank: Record,
    context: RunContext,
    participant: Participant,
) -> Iterator[Record]:
    programs, poisoned, failures = _programs(job, exercises, context)
    if all(_ends_unbuilt(exercise, job, failures, context) for exercise in exercises):
        for exercise in exercises:  # nothing to start a machine for
            yield _not_built(exercise, replace(blank, exercise=exercise.name), failures[exercise.name])
        return
    with provisioned(job, context.machines) as machine:
        handle = machine.handle
        blank = replace(blank, accel=handle.accel, start=handle.data.get("start", ""))
        place = _exercise_context(job, machine, context)
        runnable, skipped = split(exercises, place.subject)
        known = _known(runnable, skipped, failures, blank)
        running = [e for e in runnable if e.name not in known]
        place = _push(running, programs, place, context)
        place = replace(place, poisoned=_files(running, poisoned, place))
        participant.announce(machine.facts.slowness)
        _wait(job, participant, context)
        place = replace(place, slowest=participant.slowest)
        for number, exercise in enumerate(exercises, start=1):
            # Exercises that communicate start together; every machine gets here, even if the exercise
            # does not run on it.
            lost = _wait(job, participant, context) if exercise.spec.needs.network else ""
            if exercise.name in known:
                yield known[exercise.name]
            elif lost:
                yield replace(blank, exercise=exercise.name, status=Status.ERROR, reason=lost)
            else:
                context.progress.doing(job.machine, f"{exercise.name} ({number} of {len(exercises)})")
                about = _platform(exercise, machine, arch_of(context.lab.lab.machines[job.machine]))
                words = _warnings(exercise, programs.get(exercise.name, {}))
                filled = replace(blank, exercise=exercise.name, platform=about, warnings=words)
                try:
                    record = _one(exercise, place, filled, context)
                except (TransportError, TimedOut):  # the machine is lost
                    if panic := Console(machine.order.logs / "console.log").panic():
                        yield _panicked(filled, panic)
                    raise
                yield record
        # No machine leaves while another may still talk to it.
        _wait(job, participant, context)


def _ends_unbuilt(
    exercise: LoadedExercise, job: Job, failures: Mapping[str, BuildError], context: RunContext
) -> bool:
    """Return whether it is known without the machine that this exercise's record says what is not built: no
    other machine waits for this one, and nothing of it that is known only when it is up makes it skip the
    exercise."""
    if exercise.not_handed_in:
        return True
    needs, wanted = exercise.spec.needs, context.lab.lab.machines[job.machine]
    in_place = (not needs.arch or arch_of(wanted).name in needs.arch) and (
        not needs.boundary or boundary_of(wanted) in needs.boundary
    )
    anywhere = needs.model_copy(update={"arch": [], "boundary": []}) == Needs()
    as_student = {step.user for step in exercise.spec.run} <= {User.STUDENT}
    return exercise.name in failures and not job.group and in_place and anywhere and as_student


def _known(
    runnable: Sequence[LoadedExercise],
    skipped: Mapping[str, str],
    failures: Mapping[str, BuildError],
    blank: Record,
) -> dict[str, Record]:
    """Return the records of exercises that do not run: not applicable here, or do not compile."""
    known = {
        name: replace(blank, exercise=name, status=Status.SKIP, reason=reason)
        for name, reason in skipped.items()
    }
    for exercise in runnable:
        if exercise.name in failures:
            filled = replace(blank, exercise=exercise.name)
            known[exercise.name] = _not_built(exercise, filled, failures[exercise.name])
    return known


def _wait(job: Job, participant: Participant, context: RunContext) -> str:
    """Wait for the other machines of the group; returns which are lost, or an empty string."""
    missing = participant.missing()
    if missing:
        context.progress.doing(job.machine, f"waiting for {', '.join(missing)}")
    return participant.wait()


def _one(exercise: LoadedExercise, place: ExerciseContext, blank: Record, context: RunContext) -> Record:
    """Run one exercise; an infrastructure error becomes an *error* record, unless the machine is lost."""
    cancellation = context.cancellation
    try:
        if reason := missing_programs(exercise, place, cancellation):
            return replace(blank, status=Status.SKIP, reason=reason)
        built = build_in_guest(exercise, place, cancellation)
        if built.reason:
            return replace(blank, status=Status.SKIP, reason=built.reason)
        if built.library and "libc" not in blank.platform:
            blank = replace(blank, platform={**blank.platform, "libc": built.library})
        return run_exercise(exercise, place, blank, cancellation)
    except BuildError as problem:
        return _not_built(exercise, blank, problem)
    except (TransportError, TimedOut, CanaryError) as problem:
        place.transport.run(["true"], deadline=context.deadline(ALIVE_SECONDS))  # raises if it is lost
        return replace(blank, status=Status.ERROR, reason=problem.message)


def _panicked(blank: Record, panic: str) -> Record:
    """Return the record of an exercise during which the machine's kernel panicked. That may be the program's
    doing, by taking all memory, or the emulator's: it is an *error* here, until it happens again."""
    words = f"the machine's kernel panicked while the program ran: {panic[:200]}"
    return replace(blank, status=Status.ERROR, reason=words, killed_for=PANIC)


def _not_built(exercise: LoadedExercise, blank: Record, problem: BuildError) -> Record:
    """Return a *fail* record for a student's code, else *error*: a program of the lab does not compile."""
    words = for_any_architecture(errors_first(problem.message), blank.arch)
    if isinstance(problem, WorkError):
        points = exercise.spec.max_points
        filled = replace(blank, status=Status.FAIL, reason=words, max_points=points, gradable=False)
        return replace(filled, student_view=view_unbuilt(exercise, words))
    return replace(blank, status=Status.ERROR, reason=words)


def _warnings(exercise: LoadedExercise, programs: Mapping[str, Path]) -> str:
    """Return what the compiler said of an exercise's programs; `try` tells that of its own."""
    return "" if exercise.built is not None else errors_first(warnings_of(programs))


def _programs(
    job: Job, exercises: Sequence[LoadedExercise], context: RunContext
) -> tuple[dict[str, Mapping[str, Path]], dict[str, Mapping[str, Path]], dict[str, BuildError]]:
    """Compile programs; returns them by exercise, the poisoned ones, and the errors of those that failed."""
    arch = arch_of(context.lab.lab.machines[job.machine])
    programs: dict[str, Mapping[str, Path]] = {}
    poisoned: dict[str, Mapping[str, Path]] = {}
    failures: dict[str, BuildError] = {}
    context.progress.doing(job.machine, f"compiling {counted(len(exercises), 'exercise')} for {arch.name}")
    archives = context.machines.archives
    for exercise in exercises:
        if exercise.not_handed_in:
            failures[exercise.name] = WorkError(exercise.not_handed_in)
            continue
        try:
            with context.machines.make_slots:
                limit = context.deadline(MAKE_SECONDS)
                programs[exercise.name] = build_exercise(exercise, arch, archives, limit)
                if exercise.spec.poisoned:
                    made = build_exercise(exercise, arch, archives, limit, poisoned=True)
                    poisoned[exercise.name] = made
        except BuildError as problem:
            failures[exercise.name] = problem
    return programs, poisoned, failures


def _platform(exercise: LoadedExercise, machine: RunningMachine, arch: Arch) -> dict[str, Any]:
    """Return what may explain a difference: the machine's facts, and the C library that was linked in."""
    platform = machine.facts.platform
    if not any(build.where == "controller" for build in exercise.spec.build):
        return platform
    return platform | platform_of_library(arch.linked_with(exercise.spec.libc))


def _exercise_context(job: Job, machine: RunningMachine, context: RunContext) -> ExerciseContext:
    handle, order = machine.handle, machine.order
    site, others = handle.site, order.hosts[1:]
    users = frozenset(site.users)
    root, login = os.getuid() == 0, site.login
    subject = Subject(
        Boundary(handle.boundary), handle.arch, machine.facts, users, bool(others), root=root, login=login
    )
    env = environment(order.attachments[0].address, others) if order.attachments else {}
    tag, canary = f"{job.run}-{job.machine}", context.visible_process.plant()
    metrics = HostMetrics(machine.driver, handle, machine.start_seconds)
    return ExerciseContext(
        machine.transport, site, subject, tag, canary, env, canaries=context.canaries, metrics=metrics
    )


def _push(
    exercises: Sequence[LoadedExercise],
    programs: Mapping[str, Mapping[str, Path]],
    place: ExerciseContext,
    context: RunContext,
) -> ExerciseContext:
    """Push the files of these exercises as one stream, without those of hidden tests; the result keeps all
    of student exercises."""
    files = _files(exercises, programs, place)
    everything = [item for exercise in exercises for item in of_visible_steps(exercise, files[exercise.name])]
    put(place.transport, place.site.work, everything, context.deadline(PUSH_SECONDS))
    return replace(place, pushed={e.name: files[e.name] for e in exercises if e.spec.student})


def _files(
    exercises: Sequence[LoadedExercise],
    programs: Mapping[str, Mapping[str, Path]],
    place: ExerciseContext,
) -> dict[str, list[Item]]:
    """Return the files to push of those exercises that have programs here, by name."""
    owner = place.site.users["student"]
    return {
        exercise.name: items(exercise, programs[exercise.name], owner, sources(exercise))
        for exercise in exercises
        if exercise.name in programs
    }
