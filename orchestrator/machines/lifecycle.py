"""The life of a machine, the only place where it is written: up, connect, facts, use, down."""

from __future__ import annotations

import contextlib
import json
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
from orchestrator.machines.context import MachineContext
from orchestrator.machines.facts import Facts
from orchestrator.machines.journal import Journal, Membership
from orchestrator.transport.base import Transport
from orchestrator.transport.runner import run_program
from orchestrator.transport.runner_server import served

CONNECT_SECONDS = 120.0


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

    def write(self, logs: Path) -> None:
        """Put what is known so far among a machine's logs."""
        (logs / "timings.json").write_text(json.dumps(self.phases, indent=1))


def boot_seconds(order: Order) -> float:
    """How long a machine may take to come up: generous, because too short a limit only turns a
    slow machine into no machine."""
    return order.machine.boot_timeout or order.image.effort * max(120.0, 30 * order.arch.boot_seconds)


@dataclass(frozen=True)
class StartedMachine:
    """A machine that is up; ``timings`` grows as it is used."""

    order: Order
    driver: Driver
    handle: Handle
    timings: Timings


@dataclass(frozen=True)
class RunningMachine:
    """A machine that is up and connected; ``start_seconds`` is how long that took, without the wait
    for a processor to boot on."""

    order: Order
    driver: Driver
    handle: Handle
    transport: Transport
    facts: Facts
    start_seconds: float


def start(
    order: Order,
    driver: Driver,
    context: MachineContext,
    undo: contextlib.ExitStack,
    membership: Membership | None = None,
) -> StartedMachine:
    """Bring up a machine, journalled before it is; ``undo`` is given its removal, also when it fails.

    Raises BootError, Unavailable, TransportError, Interrupted.
    """
    timings = Timings()
    order.logs.mkdir(parents=True, exist_ok=True)
    handle = driver.prepare(order)
    context.journal.intend(handle, membership)
    undo.callback(_end, order, driver, handle, timings, context.journal)
    context.progress.doing(order.name, "waiting for a free processor to boot on")
    with context.slots(order), timings.phase("up"), in_time(order.name, order):
        risen = driver.up(order, handle, context.deadline(boot_seconds(order)), context.progress)
    return StartedMachine(order, driver, risen, timings)


@contextlib.contextmanager
def connected(machine: StartedMachine, context: MachineContext) -> Iterator[RunningMachine]:
    """The machine with a way to run programs in it, once it has said what it is.

    Raises BootError, TransportError, TimedOut, Interrupted.
    """
    order, handle, timings = machine.order, machine.handle, machine.timings
    deadline = context.deadline(CONNECT_SECONDS)
    with contextlib.ExitStack() as stack:
        context.progress.doing(order.name, "connecting")
        with timings.phase("connect"):
            plain = stack.enter_context(machine.driver.connect(handle, deadline))
            transport = stack.enter_context(served(plain, handle.site.runner[0]))
        with timings.phase("facts"):
            facts = _known(order, handle, timings) or probe_facts(handle, transport, deadline)
        (order.logs / "facts.json").write_text(json.dumps(facts.raw, indent=1))
        timings.write(order.logs)
        started = round(sum(timings.phases.values()), 4)
        with timings.phase("use"):
            yield RunningMachine(order, machine.driver, handle, transport, facts, started)


@contextlib.contextmanager
def running_machine(order: Order, driver: Driver, context: MachineContext) -> Iterator[RunningMachine]:
    """A machine for the length of a ``with`` block; nothing of it is left afterwards.

    Raises BootError, TransportError, Unavailable, Interrupted; TeardownError at the end.
    """
    with (
        contextlib.ExitStack() as undo,
        connected(start(order, driver, context, undo), context) as machine,
    ):
        yield machine


def remove(handle: Handle, driver: Driver, journal: Journal) -> None:
    """Take a machine or network down and forget it. Raises TeardownError; then it stays in the journal."""
    driver.down(handle)
    journal.forget(handle)
    with contextlib.suppress(OSError):
        Path(handle.scratch).parent.rmdir()  # whoever is last leaves the run's folder empty


def _end(order: Order, driver: Driver, handle: Handle, timings: Timings, journal: Journal) -> None:
    with timings.phase("down"):
        remove(handle, driver, journal)
    timings.write(order.logs)


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
