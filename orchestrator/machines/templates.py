"""Templates: boot a guest once, stop it before its SSH server starts, clone it from then on.

The first machine of a kind (image, QEMU, command line) is booted with its memory in a file,
stopped while its init waits for an identity, and its device state saved. A clone maps that
file privately, so that clones share every page none of them has written to, and loads the
state. Technique: QEMU's docs/system/vm-templating.rst (capability ``x-ignore-shared``).

A template is tested before it is used: emulators differ in what they save of a machine's timers
(QEMU 7.2 loses those of riscv64 and ppc64el), and pseries writes a device tree into the memory it was
given, which a clone's kernel must leave alone (``Arch.rewritten``). For one that fails, only the reason
is stored, and its machines use a cold boot.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.drivers.base import Cloning
from orchestrator.drivers.model import Order, Template
from orchestrator.errors import BootError, Interrupted, LabError
from orchestrator.host import cache
from orchestrator.host.disk_space import MIB, DiskFull, room_for
from orchestrator.machines.context import MachineContext
from orchestrator.machines.lifecycle import boot_seconds, in_time
from orchestrator.machines.trial import journalled, trial
from orchestrator.paths import cache_dir

VERSION = 4
MAKE_SECONDS = 1800.0
ARRIVED = "arrived"
"""Kind of the cache's folders of templates that came from other hosts and are not tested here yet."""
NOTE_SECONDS = 3600.0
"""How long a failed template test is remembered."""


def key(order: Order, driver: Cloning) -> str:
    """Return the content key of a template: its image, and what its driver adds."""
    digest = cache.digest(VERSION, order.image.key, *driver.template_identity(order))
    return f"{order.image.name}-{order.arch.name}-{digest}"


def obtain(order: Order, driver: Cloning, context: MachineContext) -> Template | str:
    """Return a tested template for this machine, building it if necessary; or why it cannot be cloned.

    Safe if several runs build the same one. A full disk is a reason too, which is not stored.
    Raises BootError, TimedOut, Interrupted.
    """

    if reason := driver.cannot_clone(order):
        return reason
    name = key(order, driver)

    def fill(folder: Path) -> dict[str, Any]:
        template = Template(folder)
        with context.boot_slots:
            made = _arrived(name, template, order, driver, context) or _made(template, order, driver, context)
        seconds, facts, failure = made
        if failure:
            for file in (template.memory, template.state, template.disk):
                file.unlink(missing_ok=True)
        return {
            "image_key": order.image.key,
            "arch": order.arch.name,
            "accel": order.accel,
            "reason": failure,
            "noted": time.time(),
            "boot_seconds": seconds,
            **facts,
        }

    _forget_expired(cache.place("templates", name))
    try:
        found = cache.make("templates", name, fill, context.deadline(MAKE_SECONDS))
    except DiskFull as problem:
        return f"{problem.message}; {problem.hint}"
    except BaseException:
        with contextlib.suppress(OSError):
            order.scratch.parent.rmdir()  # no machine follows to remove it
        raise
    about = cache.meta(found)
    return str(about["reason"]) or Template(
        found, about["facts"], about["clone_seconds"], clone_memory=about.get("clone_memory", 0)
    )


class _BootTest(NamedTuple):
    """Seconds that the boot took, facts of the test, and why the template failed it ("": it did not)."""

    seconds: float
    facts: dict[str, Any]
    failure: str


def _made(template: Template, order: Order, driver: Cloning, context: MachineContext) -> _BootTest:
    """Build a template and test it. Raises BootError, TimedOut, Interrupted, DiskFull."""
    with room_for("a template", order.memory_mib * MIB, cache_dir()):
        seconds = _build(order.unplugged(), template, driver, context)
    return _tested(template, order, driver, context, seconds)


def _arrived(
    name: str, template: Template, order: Order, driver: Cloning, context: MachineContext
) -> _BootTest | None:
    """Take a template that came from another host, and test it here; None if there is none, or it does not
    work here: then it is gone, and one is to be built."""
    place = cache.place(ARRIVED, name)
    try:
        seconds = float(cache.meta(place)["boot_seconds"])
        for file in (template.memory, template.state, template.kernel, template.initrd):
            (place / file.name).replace(file)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    found = _tested(template, order, driver, context, seconds)
    if not found.failure:
        return found
    context.progress.tell(f"{order.name}: the template of another host does not work here: {found.failure}")
    for file in template.folder.iterdir():
        file.unlink()
    return None


def _tested(
    template: Template, order: Order, driver: Cloning, context: MachineContext, seconds: float
) -> _BootTest:
    context.progress.doing(order.name, "testing the new template")
    tried = replace(order.unplugged(), template=replace(template, on_trial=True))
    try:
        return _BootTest(seconds, _test(tried, driver, context, seconds), "")
    except Interrupted:
        raise
    except LabError as problem:
        return _BootTest(seconds, {}, problem.first_line)


def _forget_expired(folder: Path) -> None:
    """Delete an expired failure: a test that timed out may reflect the host's load rather than the
    template, so it is repeated after a while."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        about = cache.meta(folder)
        if about["reason"] and time.time() - about["noted"] > NOTE_SECONDS:
            shutil.rmtree(folder)


def _build(order: Order, template: Template, driver: Cloning, context: MachineContext) -> float:
    """Build the template; returns the seconds the boot took."""
    deadline = context.deadline(boot_seconds(order))
    with (
        journalled(order, "build", driver, context) as (template_order, handle),
        in_time(order.name, template_order),
    ):
        # Progress shows the machine's own name.
        named = replace(template_order, name=order.name)
        return round(driver.build_template(named, handle, template, deadline, context.progress), 3)


def _test(order: Order, driver: Cloning, context: MachineContext, cold_seconds: float) -> dict[str, Any]:
    """Test two clones. Raises LabError with what is wrong."""
    found = trial(order, driver, context, "clone", driver.own_memory)
    if found.seconds > cold_seconds:
        raise BootError(
            f"a clone takes {found.seconds:.1f} s to respond, longer than a boot ({cold_seconds:.1f} s)"
        )
    return {"clone_seconds": found.seconds, "clone_memory": found.memory, "facts": dict(found.facts)}
