"""One live machine on a bench: brought up as every job's is, and ways to use it in tests."""

from __future__ import annotations

import contextlib
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import daemons
import pytest
from habitat import Home

from orchestrator import drivers, images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.debian.archive import Archives
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Driver
from orchestrator.drivers.model import FrozenImage, Order, Template
from orchestrator.drivers.qemu import accel
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.drivers.qemu.thaw.parts import HOSTS as THAWING_HOSTS
from orchestrator.host import process_table
from orchestrator.host.time_stamp_counter import khz_for
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.models import DriverName, Machine, User
from orchestrator.machines import frozen_images, host_packages
from orchestrator.machines.context import MachineContext
from orchestrator.machines.journal import Journal
from orchestrator.machines.lifecycle import RunningMachine, running_machine
from orchestrator.machines.templates import obtain
from orchestrator.paths import scratch_dir
from orchestrator.progress import Progress, SilentProgress
from orchestrator.results.store import new_run_id
from orchestrator.transport.base import Item, Result, put
from orchestrator.transport.runner import ProcessResult, run_program

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 120.0
IN_A_GUEST = 900.0
"""How long a machine of VirtualBox may take to boot: where that is itself in an emulated guest, it goes
by the host's clock, and the host may be busy."""


@dataclass(frozen=True)
class Kind:
    """A driver and the architecture it is to run; a guest is booted, cloned or thawed, and emulated or
    not. A container is made by ``engine``; a machine that exists already is reached ``via`` one of
    the ways in ``remote.py``; ``way`` is how libvirt's daemon is reached (``daemons.py``)."""

    driver: DriverName
    arch: str
    cloned: bool = False
    engine: Literal["auto", "podman", "docker"] = "auto"
    via: str = ""
    way: str = ""
    image: str = "micro"
    kvm: bool = False
    thawed: bool = False

    def __str__(self) -> str:
        names = [self.driver, self.way, self.arch] if self.own_kernel else [self.driver]
        name = "-".join(filter(None, names))
        if self.user_emulated:
            name = f"user-{self.arch}"
        if self.engine != "auto":
            name = f"{name}-{self.engine}"
        name = f"{name}-{self.via}" if self.via else name
        name += "" if self.image == "micro" else f"-{self.image}"
        name += "-kvm" if self.kvm else ""
        if self.thawed:
            return f"{name}-thaw"
        return f"{name}-clone" if self.cloned else name

    @property
    def own_kernel(self) -> bool:
        return TRAITS[self.driver].guest

    @property
    def user_emulated(self) -> bool:
        """Whether its programs run under the emulator of single programs."""
        return self.driver == "process" and self.arch != HOST

    @property
    def accel(self) -> str:
        """Emulation where a driver emulates, whatever the host can do."""
        if TRAITS[self.driver].hardware_only:
            return self.driver
        if not self.own_kernel:
            return "none"
        return "kvm" if self.kvm else "tcg"

    @property
    def group(self) -> str:
        """What machines of this kind share with others on this host, for one process to run what tests
        them: libvirt's daemons, an image that takes minutes to make. Empty: nothing."""
        return self.driver if self.driver == "libvirt" else self.image.replace("micro", "")

    @property
    def on_host(self) -> bool:
        """Whether its programs are processes among the host's own, in the host's files."""
        return TRAITS[self.driver].on_host or (self.driver == "ssh" and self.via != "guest")


HOST = host_arch().name
PODMAN, DOCKER = Kind("container", HOST, engine="podman"), Kind("container", HOST, engine="docker")
KINDS = [Kind("process", HOST), Kind("sandbox", HOST), PODMAN, DOCKER]
KINDS += [Kind("process", arch) for arch in ("arm64", "s390x") if arch != HOST]
KINDS += [
    Kind("qemu", arch, cloned) for arch in ("amd64", "arm64", "s390x", "mipsel") for cloned in (False, True)
]
KINDS += [
    Kind("libvirt", "amd64", way="system"),
    Kind("libvirt", "amd64", way="session"),
    Kind("libvirt", "amd64", way="ssh"),
    Kind("libvirt", "s390x", way="ssh"),
]
KINDS += [Kind("ssh", HOST, via=via) for via in ("root", "user", "jump")] + [
    Kind("ssh", "s390x", via="guest")
]
KINDS += [Kind("container", HOST, image="debian")]
KINDS += [
    Kind("qemu", arch, cloned, image="debian") for arch in ("amd64", "arm64") for cloned in (False, True)
]
THAWED = [Kind("qemu", arch, cloned=True, thawed=True) for arch in ("arm64", "amd64")]
"""Where hosts can thaw; made as clones are, and then once more."""
KINDS += THAWED if HOST in THAWING_HOSTS else []
UNDER_KVM = [Kind("qemu", HOST, cloned, kvm=True) for cloned in (False, True)]
UNDER_KVM += [Kind("libvirt", HOST, way="system", kvm=True)]
"""Run where KVM is proved to work, and in the outer guest of tests/nested in any case."""
KINDS += UNDER_KVM
VIRTUALBOX = Kind("virtualbox", "amd64")
"""Likewise: where there is a VirtualBox that can start machines, and in an outer guest."""
KINDS += [VIRTUALBOX] if HOST == "amd64" else []
EVERY_KIND = tuple(KINDS)
"""All there are, whoever runs the tests."""
if os.getuid() != 0:
    KINDS = [PODMAN]  # rootless: test_rootless.py runs the contract as another user


def image_of(arch: str, name: str = "micro") -> images.Image:
    """The image of this name, from the user's cache or built now."""
    archives = Archives(Deadline.after(1800))
    recipe = recipes()[name]
    host_packages.ensure(host_packages.image_needs(recipe, arch), SilentProgress(), Deadline.after(900))
    return images.obtain(recipe, ARCHITECTURES[arch], archives, SilentProgress(), Deadline.after(1800))


def order_for(
    kind: Kind,
    home: Home,
    *,
    name: str = "bench",
    image: images.Image | None = None,
    boot_timeout: float | None = None,
    keys: Mapping[str, object] | None = None,
) -> Order:
    """What a lab with this one machine would order; guests have the accelerator of their kind,
    whatever the host can do. ``keys`` are further keys of the machine in the lab file.
    """
    run = new_run_id()
    logs = home.root / "logs" / run
    logs.mkdir(parents=True)
    if kind.driver == "virtualbox" and boot_timeout is None:
        boot_timeout = IN_A_GUEST
    uri = {"uri": daemons.uri(kind.way)} if kind.driver == "libvirt" else {}
    about = {"driver": kind.driver, "arch": kind.arch, "engine": kind.engine, "boot_timeout": boot_timeout}
    wanted = Machine.model_validate({**about, **uri, **(keys or {})})
    return Order(
        run=run,
        name=name,
        machine=wanted,
        arch=ARCHITECTURES[kind.arch],
        image=image or image_of(kind.arch, kind.image),
        accel=kind.accel,
        scratch=scratch_dir() / run / name,
        logs=logs,
        runner=image_of(HOST).runner if kind.user_emulated else None,
        counter_khz=khz_for(ARCHITECTURES[kind.arch], kind.accel),
    )


def require_accelerator(kind: Kind) -> None:
    """Skip the test where a kind asks for KVM and no guest boots under it."""
    if kind.accel != "kvm":
        return
    arch = ARCHITECTURES[kind.arch]
    choice = accel.choose(arch, "auto", image_of(kind.arch), Deadline.after(120))
    if choice.accel != "kvm":
        pytest.skip(f"no KVM here: {choice.reason} (tests/nested has it)")


def template_for(order: Order) -> Template | str:
    """The template of this machine from the user's cache, or baked now; or why there is none."""
    return obtain(order, QEMU, machine_context())


def ready_to_thaw(order: Order) -> Order:
    """The order with a template and a frozen emulator, from the user's cache or made now."""
    template = template_for(order)
    assert isinstance(template, Template), f"{order.arch.name} cannot be cloned: {template}"
    order = replace(order, template=template)
    frozen = frozen_images.obtain(order, QEMU, machine_context())
    assert isinstance(frozen, FrozenImage), f"{order.arch.name} cannot be thawed: {frozen}"
    return replace(order, frozen=frozen)


def machine_context(
    progress: Progress | None = None, cancellation: Cancellation | None = None
) -> MachineContext:
    """A command of its own: two machines at a time, and nobody is told."""
    slots = threading.Semaphore(2)
    return MachineContext(
        Journal(), progress or SilentProgress(), cancellation or Cancellation(), slots, slots
    )


@dataclass(frozen=True)
class Bench:
    """A live machine; programs run under the runner, commands as whoever manages it."""

    kind: Kind
    order: Order
    driver: Driver
    live: RunningMachine

    def run(
        self,
        *argv: str,
        user: User = User.STUDENT,
        timeout: float = 60.0,
        output_limit: int = 65536,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> ProcessResult:
        """A program, as an exercise runs."""
        return run_program(
            self.live.transport,
            self.live.handle.site,
            argv,
            user=user,
            folder=self.live.handle.site.work,
            timeout=timeout,
            output_limit=output_limit,
            env={"PATH": PATH} if env is None else env,
            deadline=Deadline.after(SECONDS),
            stdin=stdin,
        )

    def shell(self, script: str, **options: float) -> ProcessResult:
        """A shell script as a student's program."""
        return self.run("/bin/sh", "-c", script, timeout=options.get("timeout", 60.0))

    def uname(self, option: str) -> str:
        """What uname(1) of the machine's architecture says; the host's own would be another's."""
        program = ["/bin/uname"]
        if self.kind.user_emulated:
            with tarfile.open(self.order.image.rootfs) as archive:
                busybox = archive.extractfile("usr/bin/busybox")
                assert busybox
                self.put(Item("busybox", busybox.read(), 0o755))
            program = [*self.live.handle.site.emulator, f"{self.work}/busybox", "uname"]
        return self.run(*program, option).stdout.strip()

    def command(self, *argv: str) -> Result:
        """A command of the controller's own, past the runner."""
        return self.live.transport.run(argv, deadline=Deadline.after(SECONDS))

    def put(self, *items: Item) -> None:
        put(self.live.transport, self.work, items, Deadline.after(SECONDS))

    @property
    def work(self) -> str:
        return self.live.handle.site.work

    @property
    def student(self) -> int:
        return self.live.handle.site.users["student"]

    def processes_with(self, word: str) -> list[str]:
        """Processes of the machine that have this word among their arguments."""
        if self.kind.on_host:
            return [str(p) for p in process_table.find(lambda pid: word in process_table.arguments(pid))]
        pattern = f"[{word[0]}]{word[1:]}"  # does not match its own command line
        found = self.command("sh", "-c", f"grep -ls '{pattern}' /proc/[0-9]*/cmdline").stdout.decode()
        return [path.split("/")[2] for path in found.split()]


@contextlib.contextmanager
def on_bench(kind: Kind, order: Order, cancellation: Cancellation | None = None) -> Iterator[Bench]:
    """The machine of an order for the length of a ``with`` block."""
    driver = drivers.load(kind.driver)
    driver.check(order.machine, order.arch)
    with running_machine(order, driver, machine_context(cancellation=cancellation)) as live:
        yield Bench(kind, order, driver, live)


@contextlib.contextmanager
def living_in(home: Home, *, anybody: bool = False) -> Iterator[None]:
    """This process uses the home's state and scratch."""
    if os.getuid() != 0 and not anybody:
        pytest.skip("needs root: other users and containers' limits are part of what is tested")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.variables.items():
            patch.setenv(name, value)
        yield


def console_of(order: Order) -> Path:
    """Where the machine's console is kept."""
    return order.logs / "console.log"
