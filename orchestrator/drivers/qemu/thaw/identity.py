"""What a frozen emulator depends on besides its template: the host's kernel, processor and emulator, our
parts; and which machines can be thawed at all.

A frozen process holds addresses of the kernel's vDSO, functions that the C library chose for this
processor, and the layout of registers that this processor saves. The files that it has mapped are compared
one by one when it is thawed."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from orchestrator.arch import host_arch
from orchestrator.drivers.model import Order
from orchestrator.drivers.qemu import emulator
from orchestrator.drivers.qemu.thaw import parts

VERSION = 1
REHEARSALS = 2
"""In the first everything is translated, in the second also what the first made QEMU translate anew."""
_PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags")


def of(order: Order) -> tuple[object, ...]:
    """Return what decides whether an emulator frozen for the order's template can be thawed here."""
    kernel = os.uname()
    return (
        VERSION,
        REHEARSALS,
        parts.sources(),
        (kernel.release, kernel.version, platform.libc_ver()),
        processor(Path("/proc/cpuinfo").read_text()),
        emulator.program_identity(order.arch.qemu),
        emulator.FROZEN_CACHE_FACTOR,
        os.getuid(),
    )


def processor(text: str) -> list[str]:
    """Return the lines of /proc/cpuinfo that tell one kind of processor from another. Pure."""
    first = text.split("\n\n", 1)[0]
    lines = (re.sub(r"\s*:\s*", ": ", line.strip()) for line in first.splitlines())
    return sorted(line for line in lines if line.partition(":")[0] in _PROCESSOR)


def obstacle(order: Order) -> str:
    """Return why a machine cannot be thawed whatever its image; "" if nothing speaks against it. Pure, but
    for the host's architecture."""
    host = host_arch().name
    against = (
        (host not in parts.HOSTS, f"hosts of architecture {host} cannot thaw"),
        (order.accel != "tcg", f"it is not emulated ({order.accel})"),
        (order.image.kind != "micro", f"images of kind {order.image.kind} are not frozen"),
        (order.internet, "it has internet access"),
        (bool(order.attachments), "it is on private networks"),
        (order.home is not None, "it has a home disk"),
    )
    return next((words for holds, words in against if holds), "")
