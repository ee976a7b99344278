"""The life of a machine, the only place where it is written: up, connect, facts, use, down."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Driver
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import BootError, TimedOut
from orchestrator.labfile.models import User
from orchestrator.machines import facts as facts_of
from orchestrator.machines.facts import Facts
from orchestrator.machines.journal import Ledger
from orchestrator.progress import Progress
from orchestrator.transport.base import Transport
from orchestrator.transport.runner import run_program
from orchestrator.transport.runner_server import served

CONNECT_SECONDS = 120.0


@dataclass(frozen=True)
class Live:
    """A machine that is up and connected; ``start_seconds`` is how long that took, without the wait
    for a processor to boot on."""

    handle: Handle
    transport: Transport
    facts: Facts
    start_seconds: float


@dataclass
class Timings:
    """Seconds spent in each phase of one machine's life, in order."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = round(time.monotonic() - begun, 4)


def boot_seconds(order: Order) -> float:
    """How long a machine may take to come up: generous, because too short a limit only turns a
    slow machine into no machine."""
    return order.machine.boot_timeout or order.image.effort * max(120.0, 30 * order.arch.boot_seconds)


@contextlib.contextmanager
def machine(
    order: Order,
    driver: Driver,
    ledger: Ledger,
    progress: Progress,
    cancel: threading.Event,
    boot_slots: contextlib.AbstractContextManager[object],
) -> Iterator[Live]:
    """A machine for the length of a ``with`` block; nothing of it is left afterwards.

    Raises BootError, TransportError, Unavailable, Interrupted; TeardownError at the end.
    """
    timings = Timings()
    order.logs.mkdir(parents=True, exist_ok=True)
    handle = driver.prepare(order)
    ledger.intend(handle)
    try:
        progress.doing(order.name, "waiting for a free processor to boot on")
        with boot_slots, timings.phase("up"):
            handle = _up(order, driver, handle, progress, cancel)
        connecting = Deadline.after(CONNECT_SECONDS, cancel)
        with contextlib.ExitStack() as stack:
            progress.doing(order.name, "connecting")
            with timings.phase("connect"):
                plain = stack.enter_context(driver.connect(handle, connecting))
                transport = stack.enter_context(served(plain, handle.site.runner[0]))
            with timings.phase("facts"):
                facts = _known(order, handle, timings) or probe_facts(handle, transport, connecting)
            (order.logs / "facts.json").write_text(json.dumps(facts.raw, indent=1))
            started = round(sum(timings.phases.values()), 4)
            with timings.phase("use"):
                yield Live(handle, transport, facts, started)
    finally:
        with timings.phase("down"):
            remove(handle, driver, ledger)
        (order.logs / "timings.json").write_text(json.dumps(timings.phases, indent=1))


def stay(
    order: Order,
    driver: Driver,
    ledger: Ledger,
    progress: Progress,
    cancel: threading.Event,
    boot_slots: contextlib.AbstractContextManager[object],
) -> Handle:
    """A machine that is not taken down at the end: up, connected to once, asked what it is.

    It is this process's until ``Ledger.keep`` or ``remove``. Raises as ``machine``; then nothing
    of it is left.
    """
    timings = Timings()
    order.logs.mkdir(parents=True, exist_ok=True)
    handle = driver.prepare(order)
    ledger.intend(handle)
    try:
        progress.doing(order.name, "waiting for a free processor to boot on")
        with boot_slots, timings.phase("up"):
            handle = _up(order, driver, handle, progress, cancel)
        connecting = Deadline.after(CONNECT_SECONDS, cancel)
        progress.doing(order.name, "connecting")
        with driver.connect(handle, connecting) as transport, timings.phase("facts"):
            facts = probe_facts(handle, transport, connecting)
        (order.logs / "facts.json").write_text(json.dumps(facts.raw, indent=1))
        (order.logs / "timings.json").write_text(json.dumps(timings.phases, indent=1))
        return handle
    except BaseException:
        remove(handle, driver, ledger)
        raise


def remove(handle: Handle, driver: Driver, ledger: Ledger) -> None:
    """Take a machine down and forget it. Raises TeardownError; then it stays in the ledger."""
    driver.down(handle)
    ledger.settle(handle)
    with contextlib.suppress(OSError):
        Path(handle.scratch).parent.rmdir()  # the last machine of a run leaves the run's folder empty


def _up(order: Order, driver: Driver, handle: Handle, progress: Progress, cancel: threading.Event) -> Handle:
    with in_time(order.name, order):
        return driver.up(order, handle, Deadline.after(boot_seconds(order), cancel), progress)


@contextlib.contextmanager
def in_time(who: str, order: Order) -> Iterator[None]:
    """Tells a boot that took too long as a BootError of ``who``, with where the console log is."""
    try:
        yield
    except TimedOut as late:
        console, longer = order.logs / "console.log", "`boot_timeout:` in the lab file gives it longer"
        raise BootError(
            f"{who}: not up after {boot_seconds(order):.0f} s ({late.message})",
            hint=f"its console log is {console}; {longer}" if console.exists() else longer,
        ) from None


def _known(order: Order, handle: Handle, timings: Timings) -> Facts | None:
    """What its template's test found out about a clone, nothing for other machines.

    Only how fast it is may have changed since: by as much as it took longer to come up.
    """
    template = order.template
    if template is None or not template.facts or handle.data.get("start") != "clone":
        return None
    spent = timings.phases["up"] + timings.phases["connect"]
    busier = max(1.0, spent / template.clone_seconds) if template.clone_seconds else 1.0
    own = {
        "hostname": handle.machine,
        "time": int(time.time()),
        "spin_us": busier * template.facts["spin_us"],
    }
    return facts_of.parse(json.dumps({**template.facts, **own}).encode())


def probe_facts(handle: Handle, transport: Transport, deadline: Deadline) -> Facts:
    """What the machine is, as the user who runs exercises sees it.

    Raises BootError, TransportError, TimedOut, Interrupted.
    """
    ending = run_program(
        transport,
        handle.site,
        handle.site.probe or (handle.site.runner[0], "--facts"),
        user=User.STUDENT,
        folder=handle.site.work,
        timeout=60.0,
        output_limit=8192,
        env={},
        deadline=deadline,
    )
    if ending.exit_code != 0:
        raise BootError(
            f"{handle.machine}: facts cannot be found: {ending.start_error or ending.stderr[:300]}"
        )
    return facts_of.parse(ending.stdout.encode())
