"""The lifecycle of a machine, defined only here: up, connect, facts, use, down."""

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
from orchestrator.machines.journal import Journal, SessionMember
from orchestrator.transport.base import Transport
from orchestrator.transport.runner import run_program
from orchestrator.transport.runner_server import runner_server

CONNECT_SECONDS = 120.0


@dataclass
class Timings:
    """Seconds spent in each phase of a machine's lifecycle, in order."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = round(time.monotonic() - begun, 4)

    def write(self, logs: Path) -> None:
        """Write the phases so far to a machine's logs."""
        (logs / "timings.json").write_text(json.dumps(self.phases, indent=1))


def boot_seconds(order: Order) -> float:
    """Return how long a machine may take to come up: generous, because too short a limit only turns
    a slow machine into a failed one."""
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
    """A machine that is up and connected; ``start_seconds`` is how long that took, excluding the wait
    for a free processor."""

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
    member: SessionMember | None = None,
) -> StartedMachine:
    """Bring up a machine, journalled first; its removal is pushed on ``undo``, even if it fails.

    Raises BootError, Unavailable, TransportError, Interrupted.
    """
    timings = Timings()
    order.logs.mkdir(parents=True, exist_ok=True)
    handle = driver.prepare(order)
    context.journal.intend(handle, member)
    undo.callback(_end, order, driver, handle, timings, context.journal)
    context.progress.doing(order.name, "waiting for a free processor")
    with context.slots(order), timings.phase("up"), in_time(order.name, order):
        risen = driver.up(order, handle, context.deadline(boot_seconds(order)), context.progress)
    return StartedMachine(order, driver, risen, timings)


@contextlib.contextmanager
def connected(machine: StartedMachine, context: MachineContext) -> Iterator[RunningMachine]:
    """Connect to a machine and read its facts; yields the running machine.

    Raises BootError, TransportError, TimedOut, Interrupted.
    """
    order, handle, timings = machine.order, machine.handle, machine.timings
    deadline = context.deadline(CONNECT_SECONDS)
    with contextlib.ExitStack() as stack:
        context.progress.doing(order.name, "connecting")
        with timings.phase("connect"):
            plain = stack.enter_context(machine.driver.connect(handle, deadline))
            transport = stack.enter_context(runner_server(plain, handle.site.runner[0]))
        with timings.phase("facts"):
            facts = _known(order, handle, timings) or probe_facts(handle, transport, deadline)
        (order.logs / "facts.json").write_text(json.dumps(facts.raw, indent=1))
        timings.write(order.logs)
        started = round(sum(timings.phases.values()), 4)
        with timings.phase("use"):
            yield RunningMachine(order, machine.driver, handle, transport, facts, started)


@contextlib.contextmanager
def running_machine(order: Order, driver: Driver, context: MachineContext) -> Iterator[RunningMachine]:
    """Run a machine for a ``with`` block; nothing of it is left afterwards.

    Raises BootError, TransportError, Unavailable, Interrupted; TeardownError at the end.
    """
    with (
        contextlib.ExitStack() as undo,
        connected(start(order, driver, context, undo), context) as machine,
    ):
        yield machine


def remove(handle: Handle, driver: Driver, journal: Journal) -> None:
    """Take a machine or network down and forget it. On TeardownError it stays in the journal."""
    driver.down(handle)
    journal.forget(handle)
    with contextlib.suppress(OSError):
        Path(handle.scratch).parent.rmdir()  # empty after the run's last machine


def _end(order: Order, driver: Driver, handle: Handle, timings: Timings, journal: Journal) -> None:
    with timings.phase("down"):
        remove(handle, driver, journal)
    timings.write(order.logs)


@contextlib.contextmanager
def in_time(who: str, order: Order) -> Iterator[None]:
    """Turn a boot timeout into a BootError of ``who`` that names the console log."""
    try:
        yield
    except TimedOut as late:
        console, longer = order.logs / "console.log", "raise `boot_timeout:` in the lab file"
        raise BootError(
            f"{who}: not up after {boot_seconds(order):.0f} s ({late.message})",
            hint=f"see its console log {console}, or {longer}" if console.exists() else longer,
        ) from None


def _known(order: Order, handle: Handle, timings: Timings) -> Facts | None:
    """Return the facts of a clone or a thawed machine, known from the test of what it is made of; None for
    other machines.

    Only its speed may have changed since: it is scaled by how much longer it took to come up.
    """
    start, known, usual = handle.data.get("start"), None, 0.0
    if start == "clone" and order.template is not None:
        known, usual = order.template.facts, order.template.clone_seconds
    elif start == "thaw" and order.frozen is not None:
        known, usual = order.frozen.facts, order.frozen.thaw_seconds
    if not known:
        return None
    spent = timings.phases["up"] + timings.phases["connect"]
    busier = max(1.0, spent / usual) if usual else 1.0
    own = {
        "hostname": handle.machine,
        "time": int(time.time()),
        "spin_us": busier * known["spin_us"],
    }
    return facts_of.parse(json.dumps({**known, **own}).encode())


def probe_facts(handle: Handle, transport: Transport, deadline: Deadline) -> Facts:
    """Read the machine's facts, as seen by the user who runs exercises.

    Raises BootError, TransportError, TimedOut, Interrupted.
    """
    result = run_program(
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
    if result.exit_code != 0:
        words = result.start_error or result.stderr.strip()[:300]
        how = f"stopped ({result.killed_for})" if result.killed_for else f"exit status {result.exit_code}"
        how = f"killed by {result.signal}" if result.signal and not result.killed_for else how
        raise BootError(f"{handle.machine}: cannot read its facts: {words or how}")
    return facts_of.parse(result.stdout.encode())
