"""Trial of a new template, or of a new frozen emulator: two machines are made of it before it is used.

Each must keep time and run programs, and they must differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Driver
from orchestrator.drivers.model import Handle, Order
from orchestrator.errors import BootError, LabError
from orchestrator.machines.context import MachineContext
from orchestrator.machines.lifecycle import probe_facts
from orchestrator.paths import make_folder
from orchestrator.progress import SilentProgress
from orchestrator.transport.base import InteractiveTransport

TEST_SECONDS = 30.0
ANSWER_SECONDS = 12.0

Look = Callable[[InteractiveTransport, Handle, Deadline], None]
"""A further test of a machine. Raises LabError."""


@dataclass(frozen=True)
class Trial:
    """What two machines showed: facts, the seconds until the faster one answered, and the bytes of this
    host's memory that one of them shares with no other."""

    seconds: float
    facts: Mapping[str, Any]
    memory: int


@contextmanager
def journalled(
    order: Order, what: str, driver: Driver, context: MachineContext
) -> Iterator[tuple[Order, Handle]]:
    """Yield the order and handle of a machine that is used for a template, journalled; take it down at the
    end."""
    scratch = order.scratch.parent / f"{order.name}-{what}"
    fixed = replace(order, name=scratch.name, scratch=scratch, logs=order.logs / "template" / what)
    handle = driver.prepare(fixed)
    context.journal.intend(handle)
    try:
        if what == "build":
            make_folder(scratch, 0o711)
        yield fixed, handle
    finally:
        driver.down(handle)
        context.journal.forget(handle)


def trial(
    order: Order,
    driver: Driver,
    context: MachineContext,
    start: str,
    own_memory: Callable[[Handle], int],
    look: Look | None = None,
) -> Trial:
    """Make two machines that come up in the way that ``start`` names, and compare them; ``look`` at the
    second.

    Raises LabError with what is wrong.
    """
    patience = order.image.effort
    with ExitStack() as stack:
        machines = []
        for number in (1, 2):
            deadline = context.deadline(TEST_SECONDS * patience)
            fixed, handle = stack.enter_context(journalled(order, f"test{number}", driver, context))
            begun = time.monotonic()
            risen = driver.up(fixed, handle, deadline, SilentProgress())
            if risen.data["start"] != start:
                raise BootError(f"a {start} failed to start")
            transport = stack.enter_context(driver.connect(handle, deadline))
            _run(transport, ["true"], deadline, patience)
            machines.append((transport, time.monotonic() - begun, deadline))
        identities = [_probe(transport, deadline, patience) for transport, _, deadline in machines]
        transport, _, deadline = machines[-1]
        facts = probe_facts(handle, transport, deadline)
        memory = own_memory(handle)
        if look is not None:
            look(transport, handle, deadline)
    if identities[0] == identities[1]:
        raise BootError("two clones have the same random bytes")
    return Trial(round(min(spent for _, spent, _ in machines), 3), facts.raw, memory)


def _probe(transport: InteractiveTransport, deadline: Deadline, patience: float) -> str:
    """Check that a clone keeps time; returns its identity."""
    begun = time.monotonic()
    _run(transport, ["sleep", "1"], deadline, patience)
    slept = time.monotonic() - begun
    if slept > 8.0 * patience:
        raise BootError(f"a clone's timers are slow: sleeping one second took {slept:.0f} s")
    if slept < 0.9:
        raise BootError(f"a clone's timers are fast: sleeping one second took {slept:.1f} s")
    clock = float(_run(transport, ["date", "+%s"], deadline, patience))
    if abs(clock - time.time()) > 5.0 * patience:
        raise BootError(f"a clone's clock is {abs(clock - time.time()):.0f} s off")
    script = "head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/boot_id /run/isolab-nonce"
    return _run(transport, ["sh", "-c", script], deadline, patience)


def _run(transport: InteractiveTransport, argv: list[str], deadline: Deadline, patience: float) -> str:
    try:
        done = transport.run(argv, deadline=deadline.within(ANSWER_SECONDS * patience))
    except LabError as problem:
        raise BootError(
            f"a clone's timers do not run: `{' '.join(argv[:2])}` did not finish ({problem.message})"
        ) from None
    if done.code != 0:
        raise BootError(f"a clone cannot run `{argv[0]}`: status {done.code}")
    return done.stdout.decode(errors="replace")
