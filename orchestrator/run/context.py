"""What the jobs of one run share, and what each takes from it before there is a machine: its image,
what the driver is ordered to make, and the template it is cloned from.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import drivers, images
from orchestrator.arch import Arch, host_arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Cloning, Driver
from orchestrator.drivers.model import Order
from orchestrator.drivers.qemu import accel
from orchestrator.errors import Interrupted
from orchestrator.exercises.canaries.manager import Garden
from orchestrator.exercises.canaries.visible_process import Canary
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.libvirt_uri import parse
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Boundary, Machine, boundary_of
from orchestrator.labfile.plan import Job
from orchestrator.machines.barrier import Gates
from orchestrator.machines.journal import Ledger
from orchestrator.machines.networks import Wiring
from orchestrator.machines.templates import Bakery, obtain
from orchestrator.progress import Progress

MAKE_SECONDS = 1200.0


@dataclass(frozen=True)
class Workshop:
    """What the jobs of one run share."""

    lab: LoadedLab
    recipes: Mapping[str, Recipe]
    host: str
    out: Path
    scratch: Path
    archives: Archives
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

    def slots(self, order: Order) -> threading.Semaphore:
        """What a machine waits for before it comes up."""
        return self.clone_slots if order.template else self.boot_slots


def place_order(
    job: Job, wanted: Machine, arch: Arch, image: images.Image, shop: Workshop
) -> tuple[Driver, Order]:
    """The order for a machine, once this host has what it needs. Raises Unavailable and others."""
    shop.progress.doing(job.machine, "waiting for system packages")
    _await(shop.packages, shop.cancel)
    driver = drivers.load(wanted.driver)
    driver.check(wanted, arch)
    return driver, _order(job, wanted, arch, image, shop)


def make_image(shop: Workshop, name: str, arch: Arch) -> images.Image:
    """The image of this name and architecture, built now if it must be."""
    recipe = shop.recipes[name]
    turn = _turn(shop, recipe, images.name_of(recipe, arch))
    return images.obtain(recipe, arch, shop.archives, shop.progress, Deadline.never(shop.cancel), turn=turn)


@contextlib.contextmanager
def _turn(shop: Workshop, recipe: Recipe, who: str) -> Iterator[None]:
    """Wait for what building an image takes of the host."""
    shop.progress.doing(who, "waiting for a free processor")
    if recipe.disk:
        shop.progress.doing(who, "waiting for system packages")
        _await(shop.packages, shop.cancel)
    with shop.make_slots:
        yield


def _order(job: Job, wanted: Machine, arch: Arch, image: images.Image, shop: Workshop) -> Order:
    accelerator: str = wanted.driver if TRAITS[wanted.driver].hardware_only else "none"
    if "uri" in TRAITS[wanted.driver].own_keys and wanted.uri and parse(wanted.uri).remote:
        accelerator = wanted.accel if arch == host_arch() else "tcg"
    elif TRAITS[wanted.driver].accelerated:
        shop.progress.doing(job.machine, "choosing the accelerator")
        choice = accel.choose(arch, wanted.accel, image, shop.deadline(60))
        accelerator = choice.accel
        if arch == host_arch():
            word = "KVM" if accelerator == "kvm" else "emulation (TCG) instead of KVM"
            shop.progress.tell(f"{job.machine}: {word}: {choice.reason}")
    foreign = boundary_of(wanted) is Boundary.USER_EMULATION
    return Order(
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


def with_template(order: Order, driver: Driver, shop: Workshop) -> Order:
    """The order, to be cloned from a template where there is a good one."""
    if not isinstance(driver, Cloning) or shop.cold or order.image.by_cloud_init:
        return order
    bakery = Bakery(driver, shop.ledger, shop.progress, shop.cancel, shop.boot_slots)
    found = obtain(order, bakery)
    if isinstance(found, str):
        shop.progress.tell(f"{order.name}: boots cold: {found}")
        return order
    return replace(order, template=found)


def _await(future: Future[None], cancel: threading.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            return future.result(timeout=0.2)
        if cancel.is_set():
            raise Interrupted()
