"""One job, from nothing to records: image, programs, machine, exercises.

Everything a job needs that is shared with other jobs (archives, slots, the canary) is in its
``Workshop``; whatever goes wrong on our side becomes records with status *error*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.arch import Arch, host_arch
from orchestrator.compile.cross import build_exercise
from orchestrator.deadline import Deadline
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.model import Order
from orchestrator.errors import (
    BuildError,
    CanaryError,
    Interrupted,
    LabError,
    TimedOut,
    TransportError,
    WorkError,
    from_os,
)
from orchestrator.exercises.checks import Subject, unmet
from orchestrator.exercises.compile_in_guest import build_in_guest, sources
from orchestrator.exercises.execute import PUSH_SECONDS, Workplace, items, run_exercise
from orchestrator.exercises.host_metrics import Scale
from orchestrator.exercises.required_programs import missing_programs
from orchestrator.labfile.addresses import environment
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.models import Boundary, Machine, boundary_of
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines.barrier import Membership
from orchestrator.machines.lifecycle import Live, machine
from orchestrator.record import Record, Status
from orchestrator.run.context import MAKE_SECONDS, Workshop, make_image, place_order, with_template
from orchestrator.transport.base import put

ALIVE_SECONDS = 20.0


def run_job(job: Job, shop: Workshop) -> Iterator[Record]:
    """The records of one job as they are completed. Raises Interrupted only."""
    wanted = shop.lab.lab.machines[job.machine]
    arch = arch_of(wanted)
    blank = _blank(job, wanted, arch, shop)
    pending = [e for e in shop.lab.exercises if e.name in job.exercises]
    done: set[str] = set()
    try:
        with shop.gates.member(job.machine, job.group, job.student, shop.cancel) as group:
            for record in _run(job, wanted, arch, pending, blank, shop, group):
                done.add(record.exercise)
                yield record
    except Interrupted:
        raise
    except (LabError, OSError) as trouble:
        problem = trouble if isinstance(trouble, LabError) else from_os(trouble)
        shop.progress.tell(f"{job.machine}: {problem.describe()}")
        reason = problem.message
        for exercise in pending:
            if exercise.name not in done:
                yield replace(blank, exercise=exercise.name, status=Status.ERROR, reason=reason)
    finally:
        shop.progress.done(job.machine)


def _run(
    job: Job,
    wanted: Machine,
    arch: Arch,
    exercises: Sequence[LoadedExercise],
    blank: Record,
    shop: Workshop,
    group: Membership,
) -> Iterator[Record]:
    image = make_image(shop, wanted.image, arch)
    programs, failures = _programs(job, exercises, arch, shop)
    driver, plain = place_order(job, wanted, arch, image, shop)
    with shop.wiring.joined(plain, job, Deadline.never(shop.cancel)) as joined:
        if joined.internet:
            shop.progress.tell(f"{job.machine}: has a way out, which reaches this host's own services too")
        order = with_template(joined, driver, shop)
        blank = replace(blank, accel=order.accel)
        with machine(order, driver, shop.ledger, shop.progress, shop.cancel, shop.slots(order)) as live:
            blank = replace(blank, accel=live.handle.accel, start=live.handle.data.get("start", ""))
            place = _workplace(job, order, live, shop, Scale(driver, live.handle, live.start_seconds))
            runnable = [e for e in exercises if e.name not in failures]
            place = _push(runnable, programs, place, shop)
            group.announce(live.facts.slowness)
            _meet(job, group, shop)
            place = replace(place, slowest=group.slowest)
            yield from _exercises(job, exercises, failures, place, blank, shop, group)
            # Nobody goes while another may still talk to it.
            _meet(job, group, shop)


def _exercises(
    job: Job,
    exercises: Sequence[LoadedExercise],
    failures: Mapping[str, BuildError],
    place: Workplace,
    blank: Record,
    shop: Workshop,
    group: Membership,
) -> Iterator[Record]:
    for number, exercise in enumerate(exercises, start=1):
        filled = replace(blank, exercise=exercise.name)
        # Those that talk to each other begin together; each member comes here, whatever becomes
        # of the exercise on it.
        lost = _meet(job, group, shop) if exercise.spec.needs.network else ""
        if exercise.name in failures and not unmet(exercise.spec, place.subject):
            yield _not_built(exercise, filled, failures[exercise.name])
        elif lost and not unmet(exercise.spec, place.subject):
            yield replace(filled, status=Status.ERROR, reason=lost)
        else:
            shop.progress.doing(job.machine, f"{exercise.name} ({number} of {len(exercises)})")
            yield _one(exercise, place, filled, shop)


def _meet(job: Job, group: Membership, shop: Workshop) -> str:
    """Wait for the other machines of the group; gives who is lost."""
    missing = group.missing()
    if missing:
        shop.progress.doing(job.machine, f"waiting for {', '.join(missing)}")
    return group.meet()


def _one(exercise: LoadedExercise, place: Workplace, blank: Record, shop: Workshop) -> Record:
    """One exercise; trouble on our side is an *error* record, unless the machine is lost."""
    try:
        if not unmet(exercise.spec, place.subject):
            never = Deadline.never(shop.cancel)
            reason = missing_programs(exercise, place, never) or build_in_guest(exercise, place, never)
            if reason:
                return replace(blank, status=Status.SKIP, reason=reason)
        return run_exercise(exercise, place, blank, Deadline.never(shop.cancel))
    except BuildError as problem:
        return _not_built(exercise, blank, problem)
    except (TransportError, TimedOut, CanaryError) as problem:
        place.transport.run(["true"], deadline=shop.deadline(ALIVE_SECONDS))  # raises if it is lost
        return replace(blank, status=Status.ERROR, reason=problem.message)


def _not_built(exercise: LoadedExercise, blank: Record, problem: BuildError) -> Record:
    """A failure of a student's where it is one, else an *error*: a program that does not compile is ours."""
    if isinstance(problem, WorkError):
        points = exercise.spec.max_points
        return replace(blank, status=Status.FAIL, reason=problem.message, max_points=points)
    return replace(blank, status=Status.ERROR, reason=problem.message)


def _programs(
    job: Job, exercises: Sequence[LoadedExercise], arch: Arch, shop: Workshop
) -> tuple[dict[str, Mapping[str, Path]], dict[str, BuildError]]:
    """Compiled programs by exercise, and why some could not be."""
    programs: dict[str, Mapping[str, Path]] = {}
    failures: dict[str, BuildError] = {}
    shop.progress.doing(job.machine, f"compiling {len(exercises)} exercises for {arch.name}")
    for exercise in exercises:
        try:
            programs[exercise.name] = build_exercise(
                exercise, arch, shop.archives, shop.deadline(MAKE_SECONDS)
            )
        except BuildError as problem:
            failures[exercise.name] = problem
    return programs, failures


def _workplace(job: Job, order: Order, live: Live, shop: Workshop, scale: Scale) -> Workplace:
    site, others = live.handle.site, order.hosts[1:]
    users = frozenset(site.users)
    subject = Subject(Boundary(live.handle.boundary), live.handle.arch, live.facts, users, bool(others))
    env = environment(order.attachments[0].address, others) if order.attachments else {}
    tag = f"{job.run}-{job.machine}"
    canary = shop.canary.plant()
    return Workplace(live.transport, site, subject, tag, canary, env, garden=shop.garden, scale=scale)


def _push(
    exercises: Sequence[LoadedExercise],
    programs: Mapping[str, Mapping[str, Path]],
    place: Workplace,
    shop: Workshop,
) -> Workplace:
    """All files of all exercises that will run here, as one stream; the place remembers those of
    student exercises."""
    owner = place.site.users["student"]
    files = {
        exercise.name: items(exercise, programs[exercise.name], owner, sources(exercise))
        for exercise in exercises
        if not unmet(exercise.spec, place.subject)
    }
    everything = [item for found in files.values() for item in found]
    put(place.transport, place.site.work, everything, shop.deadline(PUSH_SECONDS))
    return replace(
        place, pushed={e.name: files[e.name] for e in exercises if e.spec.student and e.name in files}
    )


def _blank(job: Job, wanted: Machine, arch: Arch, shop: Workshop) -> Record:
    return Record(
        run=job.run,
        lab=job.lab,
        host=shop.host,
        machine=job.machine,
        student=job.student,
        driver=wanted.driver,
        boundary=boundary_of(wanted).value,
        arch=arch.name,
        accel=_accel_before_it_runs(wanted, arch),
        exercise="",
        status=Status.ERROR,
    )


def _accel_before_it_runs(wanted: Machine, arch: Arch) -> str:
    if TRAITS[wanted.driver].hardware_only:
        return wanted.driver
    return "tcg" if TRAITS[wanted.driver].accelerated and arch != host_arch() else "none"
