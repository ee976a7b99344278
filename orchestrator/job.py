"""One job, from nothing to records: image, programs, machine, exercises.

Everything a job needs that is shared with other jobs (archives, slots, the canary) is in its
``Workshop``; whatever goes wrong on our side becomes records with status *error*.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import accel, drivers, images
from orchestrator.arch import Arch, host_arch
from orchestrator.build import build_exercise
from orchestrator.canaries.garden import Garden
from orchestrator.canary import Canary
from orchestrator.checks import Subject, unmet
from orchestrator.deadline import Deadline
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
from orchestrator.exercise import PUSH_SECONDS, Workplace, items, run_exercise
from orchestrator.guest_build import build_in_guest, sources
from orchestrator.images import cache
from orchestrator.images.recipe import Recipe
from orchestrator.ledger import Ledger
from orchestrator.load import LoadedExercise, LoadedLab
from orchestrator.machine import Live, machine
from orchestrator.network.gate import Gates, Membership
from orchestrator.network.layout import environment
from orchestrator.network.wiring import Wiring
from orchestrator.plan import Job, arch_of
from orchestrator.programs import missing_programs
from orchestrator.progress import Progress
from orchestrator.record import Record, Status
from orchestrator.spec import Boundary, Machine
from orchestrator.template import Bakery, obtain
from orchestrator.transport import put
from orchestrator.virt.uri import parse
from orchestrator.weighing import Scale

MAKE_SECONDS = 1200.0
ALIVE_SECONDS = 20.0


@dataclass(frozen=True)
class Workshop:
    """What the jobs of one run share."""

    lab: LoadedLab
    recipes: Mapping[str, Recipe]
    host: str
    out: Path
    scratch: Path
    archives: images.Archives
    ledger: Ledger
    progress: Progress
    cancel: threading.Event
    make_slots: threading.Semaphore
    boot_slots: threading.Semaphore
    clone_slots: threading.Semaphore
    packages: Future[None]
    canary: Canary
    garden: Garden
    wiring: Wiring
    gates: Gates = field(default_factory=Gates)
    cold: bool = False

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, self.cancel)

    def slots(self, order: drivers.Order) -> threading.Semaphore:
        """What a machine waits for before it comes up."""
        return self.clone_slots if order.template else self.boot_slots


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


def place_order(
    job: Job, wanted: Machine, arch: Arch, image: images.Image, shop: Workshop
) -> tuple[drivers.Driver, drivers.Order]:
    """The order for a machine, once this host has what it needs. Raises Unavailable and others."""
    shop.progress.doing(job.machine, "waiting for system packages")
    _await(shop.packages, shop.cancel)
    driver = drivers.load(wanted.driver)
    driver.check(wanted, arch)
    return driver, _order(job, wanted, arch, image, shop)


def make_image(shop: Workshop, name: str, arch: Arch) -> images.Image:
    """The image of this name and architecture, built now if it must be."""
    recipe = shop.recipes[name]
    who = f"image {name}/{arch.name}"
    found = images.find(recipe, arch)
    if found:
        _tell_of_substitute(found, who, shop)
        return found
    shop.progress.doing(who, "waiting for a free processor")
    if recipe.disk:
        shop.progress.doing(who, "waiting for system packages")
        _await(shop.packages, shop.cancel)
    with shop.make_slots:
        words, seconds = images.expectation(recipe, arch)
        shop.progress.doing(who, words, seconds)
        image = images.build(recipe, arch, shop.archives, shop.deadline(MAKE_SECONDS))
    shop.progress.done(who, "built")
    if cache.meta(image.folder).get("outdated"):
        shop.progress.tell(f"{who}: made of an earlier release's packages: the mirror is being updated")
    _tell_of_substitute(image, who, shop)
    return image


def _tell_of_substitute(image: images.Image, who: str, shop: Workshop) -> None:
    """Say so when an image is not made of the release it should be."""
    why = images.substitution(image)
    if why:
        shop.progress.tell(f"{who}: {why}; `isolab images build` tries again")


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


def _order(job: Job, wanted: Machine, arch: Arch, image: images.Image, shop: Workshop) -> drivers.Order:
    accelerator: str = wanted.driver if wanted.driver in drivers.NATIVE else "none"
    if wanted.driver == "libvirt" and wanted.uri and parse(wanted.uri).remote:
        accelerator = wanted.accel if arch == host_arch() else "tcg"
    elif wanted.driver in drivers.ACCELERATED:
        shop.progress.doing(job.machine, "choosing the accelerator")
        choice = accel.choose(arch, wanted.accel, image, shop.deadline(60))
        accelerator = choice.accel
        if arch == host_arch():
            word = "KVM" if accelerator == "kvm" else "emulation (TCG) instead of KVM"
            shop.progress.tell(f"{job.machine}: {word}: {choice.reason}")
    foreign = drivers.boundary_of(wanted) is Boundary.USER_EMULATION
    return drivers.Order(
        run=job.run,
        name=job.machine,
        machine=wanted,
        arch=arch,
        image=image,
        accel=accelerator,
        scratch=shop.scratch / job.run / job.machine,
        logs=shop.out / job.machine,
        runner=make_image(shop, wanted.image, host_arch()).runner if foreign else None,
    )


def with_template(order: drivers.Order, driver: drivers.Driver, shop: Workshop) -> drivers.Order:
    """The order, to be cloned from a template where there is a good one."""
    if order.machine.driver not in drivers.CLONING or shop.cold or order.image.by_cloud_init:
        return order
    bakery = Bakery(driver, shop.ledger, shop.progress, shop.cancel, shop.boot_slots)
    found = obtain(order, bakery)
    if isinstance(found, str):
        shop.progress.tell(f"{order.name}: boots cold: {found}")
        return order
    return replace(order, template=found)


def _workplace(job: Job, order: drivers.Order, live: Live, shop: Workshop, scale: Scale) -> Workplace:
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
        boundary=drivers.boundary_of(wanted).value,
        arch=arch.name,
        accel=_accel_before_it_runs(wanted, arch),
        exercise="",
        status=Status.ERROR,
    )


def _accel_before_it_runs(wanted: Machine, arch: Arch) -> str:
    if wanted.driver in drivers.NATIVE:
        return wanted.driver
    return "tcg" if wanted.driver in drivers.ACCELERATED and arch != host_arch() else "none"


def _await(future: Future[None], cancel: threading.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            return future.result(timeout=0.2)
        if cancel.is_set():
            raise Interrupted()
