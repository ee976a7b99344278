"""Frozen emulators: made of a template, tested, and thawed from then on.

The first machine of a kind has its template cloned once more; that clone rehearses what every machine does
first, and its emulator is frozen with all that it has translated by then. An image is good for this host
only: its kernel, processor and emulator are in its key. It is tested before it is used, and again after
each boot of the host; for one that fails, the reason is stored, and its machines are clones."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.drivers.base import Reachable, Thawing
from orchestrator.drivers.model import FrozenImage, Handle, Order
from orchestrator.errors import BootError, Interrupted, LabError
from orchestrator.host import cache
from orchestrator.host.boot import boot_id
from orchestrator.host.disk_space import MIB, room_for
from orchestrator.machines.context import MachineContext
from orchestrator.machines.trial import journalled, trial
from orchestrator.paths import cache_dir
from orchestrator.transport.base import InteractiveTransport

VERSION = 1
KIND = "frozen"
MAKE_SECONDS = 300.0
FREEZE_SECONDS = 120.0
NOTE_SECONDS = 3600.0
"""How long it is remembered that an image could not be made or failed its test: the host may have been
busy."""
LOOK_SECONDS = 90.0
"""How long a test's memory and connection may take, besides the rest."""
TESTED_MEMORY_MIB = 100
"""How much memory a test fills, at most an eighth of what the machine has."""
_PATTERN = b"isolab\n"


def key(order: Order, driver: Thawing) -> str:
    """Return the content key of the frozen emulator of an order with a template."""
    assert order.template is not None
    # The very file, too: a frozen emulator has it mapped, and one made again would have another memory.
    about = order.template.memory.stat()
    memory = (str(order.template.memory), about.st_dev, about.st_ino, about.st_mtime_ns)
    parts = (order.template.folder.name, memory, *driver.frozen_identity(order))
    return f"{order.image.name}-{order.arch.name}-{cache.digest(VERSION, *parts)}"


def obtain(order: Order, driver: Thawing, context: MachineContext) -> FrozenImage | str:
    """Return a tested frozen emulator for this machine, making it if necessary; or why it cannot be thawed.

    Safe if several runs make the same one. Raises TimedOut, Interrupted.
    """
    if reason := driver.cannot_thaw(order):
        return reason
    name = key(order, driver)
    folder = cache.place(KIND, name)
    _forget(folder, order, driver, context)

    def fill(fresh: Path) -> dict[str, Any]:
        with context.boot_slots:
            facts, failure = _made(FrozenImage(fresh), order, driver, context)
        if failure:
            (fresh / "emulator").unlink(missing_ok=True)
        return {
            "image_key": order.image.key,
            "template": order.template.folder.name if order.template else "",
            "arch": order.arch.name,
            "reason": failure,
            "noted": time.time(),
            "boot": boot_id(),
            **facts,
        }

    fresh = not (folder / cache.META).exists()
    found = cache.make(KIND, name, fill, context.deadline(MAKE_SECONDS))
    if fresh:
        _remove_former(found)
    about = cache.meta(found)
    if about["reason"]:
        return str(about["reason"])
    return _image(found, about)


def _image(folder: Path, about: dict[str, Any]) -> FrozenImage:
    return FrozenImage(folder, _descriptors(about), about["facts"], about["thaw_seconds"])


def _descriptors(about: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return numbers and flags by name, of facts just made or read from a file."""
    return {name: (int(number), int(flags)) for name, (number, flags) in about["descriptors"].items()}


def _made(
    frozen: FrozenImage, order: Order, driver: Thawing, context: MachineContext
) -> tuple[dict[str, Any], str]:
    """Freeze an emulator and test it; returns facts, and why it cannot be used ("": it can)."""
    begun = time.monotonic()
    context.progress.doing(order.name, "freezing an emulator (once for each kind of machine)")
    try:
        with (
            room_for("a frozen emulator", order.memory_mib * MIB, cache_dir()),
            journalled(order, "thaw", driver, context) as (fixed, handle),
        ):
            named = replace(fixed, frozen=None)
            facts = dict(
                driver.freeze(named, handle, frozen, context.deadline(FREEZE_SECONDS), context.progress)
            )
        spent = round(time.monotonic() - begun, 3)
        tested = _tested(frozen, facts, order, driver, context)
        return {**facts, **tested, "freeze_seconds": spent}, ""
    except Interrupted:
        raise
    except (LabError, OSError, ValueError) as problem:
        known = problem if isinstance(problem, LabError) else LabError(str(problem) or type(problem).__name__)
        return {}, known.first_line


def _tested(
    frozen: FrozenImage, facts: dict[str, Any], order: Order, driver: Thawing, context: MachineContext
) -> dict[str, Any]:
    """Test a frozen emulator; returns facts. Raises LabError with what is wrong."""
    context.progress.doing(order.name, "testing the frozen emulator")
    tried = replace(order, frozen=replace(frozen, descriptors=_descriptors(facts), on_trial=True))

    def look(transport: InteractiveTransport, handle: Handle, _deadline: Deadline) -> None:
        patient = context.deadline(LOOK_SECONDS)
        _test_memory(transport, order, patient)
        _test_network(driver, handle, patient)

    found = trial(tried, driver, context, "thaw", driver.own_memory, look)
    return {"thaw_seconds": found.seconds, "thaw_memory": found.memory, "facts": dict(found.facts)}


def _test_memory(transport: InteractiveTransport, order: Order, deadline: Deadline) -> None:
    """Fill memory with what can be recognised, a piece at a time: that is quick under emulation. Raises
    BootError."""
    pieces = min(TESTED_MEMORY_MIB, order.memory_mib // 8)
    piece = (_PATTERN * (MIB // len(_PATTERN) + 1))[:MIB]
    expected = hashlib.md5(piece * pieces, usedforsecurity=False).hexdigest()
    words = _PATTERN.decode().strip()
    script = (
        f"cd /work && yes {words} | head -c {MIB} > .piece && n=0 && "
        f"while [ $n -lt {pieces} ]; do cat .piece || exit; n=$((n + 1)); done > .filled && "
        "md5sum .filled; rm -f .piece .filled"
    )
    done = transport.run(["sh", "-c", script], deadline=deadline)
    if expected.encode() not in done.stdout:
        raise BootError(f"a thawed machine's memory does not keep {pieces} MiB that are written to it")


def _test_network(driver: Thawing, handle: Handle, deadline: Deadline) -> None:
    """Connect once more, over TCP: the line's one connection is taken. Raises LabError."""
    if not isinstance(driver, Reachable):
        return
    with driver.connect(handle, deadline) as second:
        done = second.run(["cat", "/run/isolab-nonce"], deadline=deadline)
    if done.code != 0 or not done.stdout.strip():
        raise BootError("a thawed machine does not answer over its network")


def _forget(folder: Path, order: Order, driver: Thawing, context: MachineContext) -> None:
    """Remove an image that is damaged, or a failure that may have passed; test one again that is from before
    the host's last boot."""
    try:
        about = cache.meta(folder)
        if about["reason"]:
            if time.time() - about["noted"] > NOTE_SECONDS:
                shutil.rmtree(folder)
            return
        frozen = _image(folder, about)
        boot = boot_id()
        again = about["boot"] != boot
        wrong = driver.damage(frozen, whole=again)
        if not wrong and again:
            wrong = _test_again(frozen, about, order, driver, context)
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as problem:
        wrong, again, boot = f"its facts cannot be read ({problem})", False, ""
    if wrong:
        context.progress.tell(f"{order.name}: making the frozen emulator again: {wrong}")
        shutil.rmtree(folder, ignore_errors=True)
    elif again:
        _note_boot(folder, boot)


def _test_again(
    frozen: FrozenImage, about: dict[str, Any], order: Order, driver: Thawing, context: MachineContext
) -> str:
    """Return why a frozen emulator does not work any more, "" if it does."""
    try:
        _tested(frozen, about, order, driver, context)
    except Interrupted:
        raise
    except LabError as problem:
        return problem.first_line
    return ""


def _remove_former(newest: Path) -> None:
    """Remove images that a new one has replaced, as after an upgrade of the kernel, and those whose template
    is gone. Machines that run keep what they have mapped."""
    template = cache.meta(newest)["template"]
    for folder in newest.parent.iterdir():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            about = cache.meta(folder)["template"]
            gone = not (cache.place("templates", about) / cache.META).exists()
            if folder != newest and (about == template or gone):
                shutil.rmtree(folder)


def _note_boot(folder: Path, boot: str) -> None:
    """Note that an image was tested since this boot of the host."""
    with contextlib.suppress(OSError):
        about = {**cache.meta(folder), "boot": boot}
        cache.write_atomically(
            folder / cache.META, json.dumps(about, indent=1, sort_keys=True).encode(), mode=0o644
        )
