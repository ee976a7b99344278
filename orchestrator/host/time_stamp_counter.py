"""The rate of this host's time-stamp counter, by which emulated PCs keep time.

QEMU's emulation hands its host's counter on as it is (``cpu_get_host_ticks`` in QEMU's include/qemu/timer.h),
and a kernel measures the rate while it boots. An emulator that has to wait for the processor meanwhile makes
it measure far too little: clocks of such guests were seen to run seven to fifteen times too fast. So the
kernel is told. Source of the instruction: Intel's Software Developer's Manual, volume 2, RDTSC.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import platform
import time

from orchestrator.arch import Arch
from orchestrator.host.boot import boot_id
from orchestrator.host.cache import write_atomically
from orchestrator.paths import state_dir

_RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret."""
_SECONDS = 0.02
"""How long is measured: to about one part in a hundred thousand."""
_LOOKS = 20


def khz_for(arch: Arch, accel: str, *, remote: bool = False) -> int | None:
    """Return the rate in kHz of which a guest's kernel is told: that of emulated PCs on this host; None for
    other guests (``remote``: on another host), and where it cannot be measured."""
    return counter_khz() if arch.pc_firmware and accel == "tcg" and not remote else None


def counter_khz() -> int | None:
    """Return the rate in kHz, rounded to MHz so that it is the same each time; None where it cannot be
    measured: another kind of processor, or a system that lets no program make its own code.

    It is measured once per start of this host, and kept in the state folder.
    """
    if platform.machine() != "x86_64":
        return None
    memory, boot = state_dir() / "time-stamp-counter.json", boot_id()
    try:
        known = json.loads(memory.read_text())
        if known["boot"] == boot:
            return None if known["khz"] is None else int(known["khz"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = _measured()
    write_atomically(memory, json.dumps({"boot": boot, "khz": found}).encode())
    return found


def _measured() -> int | None:
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(_RDTSC)
    start = ctypes.c_char.from_buffer(page)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))
    nanoseconds, ticks = _both(read)
    time.sleep(_SECONDS)
    later, more = _both(read)
    return round((more - ticks) / (later - nanoseconds) * 1000) * 1000


def _both(read: ctypes._CFunctionType) -> tuple[float, int]:
    """Return the time in nanoseconds and the counter at one moment: of several looks, the quickest."""
    looks = []
    for _ in range(_LOOKS):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        ticks = read()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        looks.append((after - before, (before + after) / 2, ticks))
    _, moment, ticks = min(looks)
    return moment, ticks
