"""Provision a machine of a lab: image, order, networks, template, start.

Used by runs and sessions alike; they differ in who takes the machine down.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from orchestrator import drivers, images
from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.debian.archive import Archives
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Cloning, Driver, OpensSockets, Thawing
from orchestrator.drivers.model import Order
from orchestrator.drivers.qemu import accel
from orchestrator.errors import LabError
from orchestrator.host.cache import CacheUnwritableError
from orchestrator.host.time_stamp_counter import khz_for
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.libvirt_uri import parse
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Boundary, Machine, boundary_of
from orchestrator.labfile.plan import Job, arch_of
from orchestrator.machines import frozen_images, host_packages
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal, member_of
from orchestrator.machines.lifecycle import RunningMachine, StartedMachine, connected, start
from orchestrator.machines.networks import Networks
from orchestrator.machines.shortfall import NOTHING, Shortfall, install, needs_of_lab, refused
from orchestrator.machines.templates import key, obtain
from orchestrator.paths import foreign_home, require_socket_path, scratch_dir
from orchestrator.progress import Progress

MAKE_SECONDS = 1200.0
SOON = 0.5
"""Seconds in which a host that lacks no packages is known to."""

T = TypeVar("T")


class ToldOnce:
    """What is told once in a run, whatever machines it holds for. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def is_new(self, reason: str) -> bool:
        """Whether nobody has asked about this reason before."""
        with self._lock:
            new = reason not in self._told
            self._told.add(reason)
        return new


@dataclass(frozen=True)
class LabContext:
    """What is needed to provision the machines of one lab.

    ``packages`` is done when this host has the programs its drivers need, and holds the error of each
    machine for which it has not; ``shortfall`` are those that were missing from the start. ``make_slots``
    limit parallel builds of images and programs; ``cold``: no templates; ``thaw``:
    frozen emulators besides; ``not_thawed`` are the reasons told for machines that never have one.
    """

    machines: MachineContext
    lab: LoadedLab
    recipes: Mapping[str, Recipe]
    archives: Archives
    packages: Future[Mapping[str, LabError]]
    make_slots: threading.Semaphore
    networks: Networks
    scratch: Path
    out: Path
    cold: bool = False
    thaw: bool = False
    shortfall: Shortfall = NOTHING
    not_thawed: ToldOnce = field(default_factory=ToldOnce)

    @property
    def progress(self) -> Progress:
        return self.machines.progress

    @property
    def cancellation(self) -> Cancellation:
        return self.machines.cancellation

    def deadline(self, seconds: float) -> Deadline:
        return self.cancellation.deadline(seconds)


@contextlib.contextmanager
def lab_context(
    lab: LoadedLab,
    names: Sequence[str],
    out: Path,
    journal: Journal,
    progress: Progress,
    *,
    cold: bool,
    thaw: bool = False,
) -> Iterator[LabContext]:
    """Yield the context for these machines of a lab (empty: all) while their packages are installed.

    ``out`` is the folder for the machines' logs. On leaving, whatever still waits is cancelled.
    Raises HostLacks if packages are missing for every machine and may not be installed.
    """
    cancellation = Cancellation()
    cpus = len(os.sched_getaffinity(0))
    known = {**recipes(), **lab.recipes}
    needs = needs_of_lab(lab, names, known)
    absent = refused(needs, progress, cancellation.deadline())
    needs = {name: own for name, own in needs.items() if name not in absent.lacking}
    # Install what verifies images first; emulators install while images are built.
    first = [host_packages.GPGV, host_packages.KEYS]
    host_packages.ensure(first, progress, cancellation.deadline())
    with ThreadPoolExecutor(1) as background:
        installing = background.submit(install, needs, progress, cancellation.deadline())
        # A clone spends as much time waiting as computing, and must not wait for a boot.
        boots, clones = threading.Semaphore(cpus), threading.Semaphore(2 * cpus)
        context = MachineContext(journal, progress, cancellation, boots, clones)
        if words := foreign_home():
            progress.tell(words)
        try:
            yield LabContext(
                machines=context,
                lab=lab,
                recipes=known,
                archives=Archives(cancellation.deadline()),
                packages=installing,
                make_slots=threading.Semaphore(cpus + 1),
                networks=Networks(lab.lab, context, scratch_dir(), out),
                scratch=scratch_dir(),
                out=out,
                cold=cold,
                thaw=thaw and not cold,
                shortfall=absent,
            )
        finally:
            cancellation.cancel()


def as_it_is(order: Order) -> Order:
    """Add nothing to an order."""
    return order


def provision(
    job: Job,
    context: LabContext,
    undo: contextlib.ExitStack,
    session: str | None = None,
    *,
    fitted: Callable[[Order], Order] = as_it_is,
) -> StartedMachine:
    """Bring up the machine of a job; its teardown is pushed on ``undo``, even if this fails.

    A machine of a session is journalled as a member of the session. ``fitted`` adds to its order what
    the lab does not say, before its template is chosen. Raises ImageError, Unavailable, BootError,
    TransportError, TimedOut, Interrupted.
    """
    _require_short_paths(job, context)
    wanted = context.lab.lab.machines[job.machine]
    arch = arch_of(wanted)
    driver = drivers.load(wanted.driver)
    # What this host cannot do is told before an image is built for it, unless packages still install.
    early = context.packages.done() or context.recipes[wanted.image].disk
    if early:
        _require_host(job, driver, context)
    image = make_image(context, wanted.image, arch)
    if not early:
        _require_host(job, driver, context)
    order = fitted(context.networks.join(_order(job, wanted, arch, image, context), job, undo))
    if order.internet:
        context.progress.tell(f"{job.machine}: has internet access, including to services of this host")
    order = _with_template(order, driver, context)
    member = member_of(session, str(context.lab.path.resolve()), order) if session is not None else None
    return start(order, driver, context.machines, undo, member)


def make_ready(job: Job, context: LabContext) -> Order:
    """Make what a job's machine starts from, its image and its template, without starting it; returns the
    order, with its template. Raises ImageError, Unavailable, BootError, TimedOut, Interrupted."""
    driver = drivers.load(context.lab.lab.machines[job.machine].driver)
    _require_host(job, driver, context)
    try:
        return _with_template(order_of(job, context), driver, context)
    finally:
        with contextlib.suppress(OSError):
            (context.scratch / job.run).rmdir()  # no machine follows to remove it


def template_key(job: Job, context: LabContext) -> str:
    """Return the key of the template that a job's machine is cloned from, whether or not there is one yet;
    "" for a machine that is not cloned. Builds its image if necessary. Raises as ``make_ready``."""
    driver = drivers.load(context.lab.lab.machines[job.machine].driver)
    _require_host(job, driver, context)
    order = order_of(job, context)
    if not isinstance(driver, Cloning) or order.image.by_cloud_init or driver.cannot_clone(order):
        return ""
    return key(order, driver)


def _require_short_paths(job: Job, context: LabContext) -> None:
    """Raise Unavailable if the scratch folder's path is too long for the machine's sockets: now, rather than
    by an emulator when all is built."""
    wanted = context.lab.lab.machines[job.machine]
    driver = drivers.load(wanted.driver)
    for longest in driver.longest_sockets(job.machine, wanted) if isinstance(driver, OpensSockets) else ():
        require_socket_path(context.scratch / job.run, longest)


def _require_host(job: Job, driver: Driver, context: LabContext) -> None:
    """Wait for packages. Raises the error of this machine: HostLacks, Unavailable, another LabError."""
    if lack := context.shortfall.problem(job.machine):
        raise lack
    if problem := _await_packages(context, job.machine).get(job.machine):
        raise problem
    wanted = context.lab.lab.machines[job.machine]
    driver.check(wanted, arch_of(wanted))


@contextlib.contextmanager
def provisioned(job: Job, context: LabContext) -> Iterator[RunningMachine]:
    """Provision and connect the machine of a job for a ``with`` block; nothing of it is left afterwards.

    Raises as ``provision`` and ``connected``; TeardownError at the end.
    """
    with (
        contextlib.ExitStack() as undo,
        connected(provision(job, context, undo), context.machines) as machine,
    ):
        yield machine


def make_image(context: LabContext, name: str, arch: Arch) -> images.Image:
    """Return the image with this name and architecture, building it if necessary."""
    recipe = context.recipes[name]
    turn = _turn(context, recipe, images.name_of(recipe, arch))
    return images.obtain(
        recipe, arch, context.archives, context.progress, context.cancellation.deadline(), turn=turn
    )


@contextlib.contextmanager
def _turn(context: LabContext, recipe: Recipe, who: str) -> Iterator[None]:
    """Wait for a free processor and the host packages to build an image."""
    context.progress.doing(who, "waiting for a free processor")
    if recipe.disk:
        _await_packages(context, who)
    with context.make_slots:
        yield


def order_of(job: Job, context: LabContext) -> Order:
    """Return the order for a job's machine, without networks and template; builds its image if necessary.

    Raises ImageError, Unavailable, TimedOut, Interrupted.
    """
    wanted = context.lab.lab.machines[job.machine]
    arch = arch_of(wanted)
    return _order(job, wanted, arch, make_image(context, wanted.image, arch), context)


def _order(job: Job, wanted: Machine, arch: Arch, image: images.Image, context: LabContext) -> Order:
    accelerator: str = wanted.driver if TRAITS[wanted.driver].hardware_only else "none"
    if _is_remote(wanted):
        accelerator = wanted.accel if arch == host_arch() else "tcg"
    elif TRAITS[wanted.driver].accelerated:
        context.progress.doing(job.machine, "choosing the accelerator")
        choice = accel.choose(arch, wanted.accel, image, context.deadline(60))
        accelerator = choice.accel
        if arch == host_arch():
            word = "KVM" if accelerator == "kvm" else "emulation (TCG) instead of KVM"
            context.progress.tell(f"{job.machine}: {word}: {choice.reason}")
    foreign = boundary_of(wanted) is Boundary.USER_EMULATION
    return Order(
        run=job.run,
        name=job.machine,
        machine=wanted,
        arch=arch,
        image=image,
        accel=accelerator,
        scratch=context.scratch / job.run / job.machine,
        logs=context.out / job.machine,
        runner=make_image(context, wanted.image, host_arch()).runner if foreign else None,
        counter_khz=khz_for(arch, accelerator, remote=_is_remote(wanted)),
    )


def _is_remote(wanted: Machine) -> bool:
    """Whether a machine is made by a daemon on another host."""
    return bool("uri" in TRAITS[wanted.driver].own_keys and wanted.uri and parse(wanted.uri).remote)


def _with_template(order: Order, driver: Driver, context: LabContext) -> Order:
    """Return the order with a template to clone from, if there is a working one."""
    if context.thaw:
        _tell_if_never_thawed(order, driver, context)
    if not isinstance(driver, Cloning) or context.cold or order.image.by_cloud_init:
        return order
    try:
        found = obtain(order, driver, context.machines)
    except CacheUnwritableError as problem:  # which costs the clone, not the machine
        found = problem.message
    if isinstance(found, str):
        context.progress.tell(f"{order.name}: cold boot: {found}")
        return order
    return _with_frozen(replace(order, template=found), driver, context)


def _tell_if_never_thawed(order: Order, driver: Driver, context: LabContext) -> None:
    """Tell why a machine is of a kind that is never thawed: once for each reason, not for each machine."""
    traits, reason = TRAITS[order.machine.driver], ""
    if isinstance(driver, Thawing):
        reason = driver.cannot_thaw(order)
    elif traits.accelerated or traits.hardware_only:  # what else there is boots no kernel
        reason = f"machines of driver {order.machine.driver} cannot be"
    if reason and context.not_thawed.is_new(reason):
        context.progress.tell(f"{order.name}: not thawed: {reason} (told once for all such machines)")


def _with_frozen(order: Order, driver: Driver, context: LabContext) -> Order:
    """Return the order with a frozen emulator to thaw, if there is a working one and it is wanted."""
    if not context.thaw or not isinstance(driver, Thawing) or driver.cannot_thaw(order):
        return order
    try:
        frozen = frozen_images.obtain(order, driver, context.machines)
    except CacheUnwritableError as problem:
        frozen = problem.message
    except OSError as problem:
        frozen = f"{problem.strerror} ({problem.filename})"
    if isinstance(frozen, str):
        context.progress.tell(f"{order.name}: a clone, not thawed: {frozen}")
        return order
    return replace(order, frozen=frozen)


def _await_packages(context: LabContext, who: str) -> Mapping[str, LabError]:
    """Wait for the host's packages, and say so if it takes a while, that is, if some are installed. Returns
    why some machines lack theirs."""
    with contextlib.suppress(TimeoutError):
        return context.packages.result(timeout=SOON)
    context.progress.doing(who, "waiting for system packages")
    return _await(context.packages, context.cancellation)


def _await(future: Future[T], cancellation: Cancellation) -> T:
    while True:
        with contextlib.suppress(TimeoutError):
            return future.result(timeout=0.2)
        cancellation.check()
