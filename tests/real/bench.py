"""One live machine on a bench: brought up as every job's is, and ways to use it in tests."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from habitat import Home

from orchestrator import accel, drivers, hostproc, images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers import Driver, Order, Template
from orchestrator.ledger import Ledger
from orchestrator.machine import Live, machine
from orchestrator.paths import scratch_dir
from orchestrator.progress import Silent
from orchestrator.recipes import recipes
from orchestrator.runner import Ending, run_program
from orchestrator.spec import DriverName, Machine, User
from orchestrator.store import new_run_id
from orchestrator.template import Bakery, obtain
from orchestrator.transport import Item, Result, put

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 120.0


@dataclass(frozen=True)
class Kind:
    """A driver and the architecture it is to run; a guest is booted, or cloned, and emulated or
    not."""

    driver: DriverName
    arch: str
    cloned: bool = False
    accel: str = "tcg"

    def __str__(self) -> str:
        name = f"qemu-{self.arch}" if self.driver == "qemu" else self.driver
        name += f"-{self.accel}" if self.accel == "kvm" else ""
        return f"{name}-clone" if self.cloned else name

    @property
    def own_kernel(self) -> bool:
        return self.driver == "qemu"

    @property
    def on_host(self) -> bool:
        """Whether its programs are processes among the host's own, in the host's files."""
        return self.driver in ("process", "sandbox")


HOST = host_arch().name
KINDS = [Kind("process", HOST), Kind("sandbox", HOST), Kind("container", HOST)]
KINDS += [
    Kind("qemu", arch, cloned) for arch in ("amd64", "arm64", "s390x", "mipsel") for cloned in (False, True)
]

UNDER_KVM = [Kind("qemu", HOST, cloned, "kvm") for cloned in (False, True)]
"""Run where KVM is proved to work, and in the outer guest of tests/nested in any case."""
KINDS += UNDER_KVM


def image_of(arch: str) -> images.Image:
    """The micro image, from the user's cache or built now."""
    archives = images.Archives(Deadline.after(900))
    return images.build(recipes()["micro"], ARCHITECTURES[arch], archives, Deadline.after(900))


def order_for(
    kind: Kind,
    home: Home,
    *,
    name: str = "bench",
    image: images.Image | None = None,
    boot_timeout: float | None = None,
) -> Order:
    """What a lab with this one machine would order; guests have the accelerator of their kind,
    whatever the host can do."""
    run = new_run_id()
    logs = home.root / "logs" / run
    logs.mkdir(parents=True)
    wanted = Machine(driver=kind.driver, arch=kind.arch, boot_timeout=boot_timeout)
    return Order(
        run=run,
        name=name,
        machine=wanted,
        arch=ARCHITECTURES[kind.arch],
        image=image or image_of(kind.arch),
        accel=kind.accel if kind.own_kernel else "none",
        scratch=scratch_dir() / run / name,
        logs=logs,
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
    slots = threading.Semaphore(2)
    bakery = Bakery(drivers.load("qemu"), Ledger(), Silent(), threading.Event(), slots)
    return obtain(order, bakery)


@dataclass(frozen=True)
class Bench:
    """A live machine; programs run under the runner, commands as whoever manages it."""

    kind: Kind
    order: Order
    driver: Driver
    live: Live

    def run(
        self,
        *argv: str,
        user: User = User.STUDENT,
        timeout: float = 60.0,
        output_limit: int = 65536,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Ending:
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

    def shell(self, script: str, **options: float) -> Ending:
        """A shell script as a student's program."""
        return self.run("/bin/sh", "-c", script, timeout=options.get("timeout", 60.0))

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
            return [str(p) for p in hostproc.find(lambda pid: word in hostproc.arguments(pid))]
        pattern = f"[{word[0]}]{word[1:]}"  # does not match its own command line
        found = self.command("sh", "-c", f"grep -ls '{pattern}' /proc/[0-9]*/cmdline").stdout.decode()
        return [path.split("/")[2] for path in found.split()]


@contextlib.contextmanager
def on_bench(kind: Kind, order: Order, cancel: threading.Event | None = None) -> Iterator[Bench]:
    """The machine of an order for the length of a ``with`` block."""
    driver = drivers.load(kind.driver)
    driver.check(order.machine, order.arch)
    slots = threading.Semaphore(2)
    with machine(order, driver, Ledger(), Silent(), cancel or threading.Event(), slots) as live:
        yield Bench(kind, order, driver, live)


@contextlib.contextmanager
def living_in(home: Home) -> Iterator[None]:
    """This process uses the home's state and scratch."""
    if os.getuid() != 0:
        pytest.skip("needs root: other users and containers' limits are part of what is tested")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.variables.items():
            patch.setenv(name, value)
        yield


def console_of(order: Order) -> Path:
    """Where the machine's console is kept."""
    return order.logs / "console.log"
