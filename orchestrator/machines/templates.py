"""Templates: a guest booted once, frozen before its SSH server starts, and cloned ever after.

The first machine of a kind (image, QEMU, command line) is booted with its memory in a file,
stopped while its init waits for an identity, and its device state saved. A clone maps that
file privately, so that all clones share every page none of them has written to, and loads the
state. Technique: QEMU's docs/system/vm-templating.rst (capability ``x-ignore-shared``).

A template is tested before it is used: emulators differ in what they save of a machine's timers
(QEMU 7.2 loses those of riscv64 and ppc64el). One that fails is kept as a note of why not, and
its machines boot cold.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Cloning
from orchestrator.drivers.model import Handle, Order, Template
from orchestrator.errors import BootError, Interrupted, LabError
from orchestrator.host import cache
from orchestrator.machines.context import MachineContext
from orchestrator.machines.lifecycle import boot_seconds, in_time, probe_facts
from orchestrator.progress import Silent
from orchestrator.transport.base import Conversing

VERSION = 4
MAKE_SECONDS = 1800.0
TEST_SECONDS = 30.0
ANSWER_SECONDS = 12.0
NOTE_SECONDS = 3600.0
"""How long it is remembered that a template failed its test."""


def key(order: Order, driver: Cloning) -> str:
    """The content key: a template belongs to one image and what its driver makes of it."""
    digest = cache.digest(VERSION, order.image.key, *driver.template_identity(order))
    return f"{order.image.name}-{order.arch.name}-{digest}"


def obtain(order: Order, driver: Cloning, context: MachineContext) -> Template | str:
    """A tested template for this machine, baked now if there is none; or why it cannot be cloned.

    Safe when several runs want the same one. Raises BootError, TimedOut, Interrupted.
    """

    def fill(folder: Path) -> dict[str, Any]:
        reason, facts, template = "", {}, Template(folder)
        with context.boot_slots:
            seconds = _bake(order.unplugged(), template, driver, context)
            context.progress.doing(order.name, "testing the new template")
            try:
                facts = _test(replace(order.unplugged(), template=template), driver, context, seconds)
            except Interrupted:
                raise
            except LabError as problem:
                reason = problem.message.splitlines()[0][:300]
        if reason:
            for file in (template.memory, template.state, template.disk):
                file.unlink(missing_ok=True)
        return {
            "image_key": order.image.key,
            "arch": order.arch.name,
            "reason": reason,
            "noted": time.time(),
            "boot_seconds": seconds,
            **facts,
        }

    name = key(order, driver)
    _forget_old_note(cache.place("templates", name))
    try:
        found = cache.make("templates", name, fill, context.deadline(MAKE_SECONDS))
    except BaseException:
        with contextlib.suppress(OSError):
            order.scratch.parent.rmdir()  # no machine follows that would do it
        raise
    about = cache.meta(found)
    return str(about["reason"]) or Template(found, about["facts"], about["clone_seconds"])


def _forget_old_note(folder: Path) -> None:
    """A test that ran out of time may say more about the host's load than about the template:
    after a while it is tried again."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        about = cache.meta(folder)
        if about["reason"] and time.time() - about["noted"] > NOTE_SECONDS:
            shutil.rmtree(folder)


def _bake(order: Order, template: Template, driver: Cloning, context: MachineContext) -> float:
    """Make the template; gives the seconds the boot took."""
    deadline = context.deadline(boot_seconds(order))
    with _journalled(order, "bake", driver, context) as (mould, handle), in_time(order.name, mould):
        # Whoever waits knows the machine by its own name.
        named = replace(mould, name=order.name)
        return round(driver.bake(named, handle, template, deadline, context.progress), 3)


@contextmanager
def _journalled(
    order: Order, what: str, driver: Cloning, context: MachineContext
) -> Iterator[tuple[Order, Handle]]:
    """An order and handle for a machine that serves the template, and its end."""
    scratch = order.scratch.parent / f"{order.name}-{what}"
    fixed = replace(order, name=scratch.name, scratch=scratch, logs=order.logs / "template" / what)
    handle = driver.prepare(fixed)
    context.journal.intend(handle)
    try:
        if what == "bake":
            scratch.mkdir(parents=True, mode=0o711)
        yield fixed, handle
    finally:
        driver.down(handle)
        context.journal.forget(handle)


def _test(order: Order, driver: Cloning, context: MachineContext, cold_seconds: float) -> dict[str, Any]:
    """Two clones: each must keep time and run programs, and they must differ.

    Raises LabError saying what is wrong.
    """
    patience = order.image.effort
    with ExitStack() as stack:
        twins = []
        for number in (1, 2):
            deadline = context.deadline(TEST_SECONDS * patience)
            fixed, handle = stack.enter_context(_journalled(order, f"test{number}", driver, context))
            begun = time.monotonic()
            risen = driver.up(fixed, handle, deadline, Silent())
            if risen.data["start"] != "clone":
                raise BootError("a clone does not start")
            transport = stack.enter_context(driver.connect(handle, deadline))
            _say(transport, ["true"], deadline, patience)
            twins.append((transport, time.monotonic() - begun, deadline))
        identities = [_probe(transport, deadline, patience) for transport, _, deadline in twins]
        facts = probe_facts(handle, twins[-1][0], twins[-1][2])
    if identities[0] == identities[1]:
        raise BootError("two clones have the same random bytes")
    seconds = min(spent for _, spent, _ in twins)
    if seconds > cold_seconds:
        raise BootError(f"a clone takes {seconds:.1f} s to answer, longer than a boot ({cold_seconds:.1f} s)")
    return {"clone_seconds": round(seconds, 3), "facts": dict(facts.raw)}


def _probe(transport: Conversing, deadline: Deadline, patience: float) -> str:
    """Whether a clone keeps time; gives its identity."""
    begun = time.monotonic()
    _say(transport, ["sleep", "1"], deadline, patience)
    slept = time.monotonic() - begun
    if slept > 8.0 * patience:
        raise BootError(f"a clone's timers are slow: sleeping one second took {slept:.0f} s")
    clock = float(_say(transport, ["date", "+%s"], deadline, patience))
    if abs(clock - time.time()) > 5.0 * patience:
        raise BootError(f"a clone's clock is {abs(clock - time.time()):.0f} s off")
    script = "head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/boot_id /run/isolab-nonce"
    return _say(transport, ["sh", "-c", script], deadline, patience)


def _say(transport: Conversing, argv: list[str], deadline: Deadline, patience: float) -> str:
    try:
        done = transport.run(argv, deadline=deadline.within(ANSWER_SECONDS * patience))
    except LabError as problem:
        raise BootError(
            f"a clone's timers stand still: `{' '.join(argv[:2])}` never ends ({problem.message})"
        ) from None
    if done.code != 0:
        raise BootError(f"a clone cannot run `{argv[0]}`: status {done.code}")
    return done.stdout.decode(errors="replace")
