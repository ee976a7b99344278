"""Have a process stand still in which ``standstill.so`` was loaded (``images/host/thaw/standstill.c``)."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.qemu.thaw import image_file
from orchestrator.errors import BootError
from orchestrator.host import process_table
from orchestrator.host.ready import readable

SIGNAL = 32
"""The signal that the library handles: STOP."""
CONTROL = "STANDSTILL_PIPE"
"""Variable with the number of the pipe in which the library tells us."""
STOP_SECONDS = 20.0
_TOLD = struct.Struct("<IIQQQ")
"""``frozen.h``, struct told."""
_PROBLEMS = (
    "", "its C library keeps thread ids where we do not find them", "it has too many threads",
    "it filters system calls in a way we do not know", "its threads do not stand still",
)  # fmt: skip
"""``frozen.h``, enum problem."""


@dataclass(frozen=True)
class Standstill:
    """A process of which every thread stands still. ``context`` is the address of what its main thread
    continues with, ``threads`` the number of the others, ``filters`` that of its seccomp filters."""

    context: int
    threads: int
    filters: int


def stop(pid: int, reading: int, deadline: Deadline) -> Standstill:
    """Have all threads of a process stand still; ``reading`` is our end of its pipe. Raises BootError,
    TimedOut, Interrupted."""
    os.kill(pid, SIGNAL)
    until = deadline.within(STOP_SECONDS)
    while not readable(reading, until.slice()):
        until.check("waiting for the emulator's threads to stand still")
    words = os.read(reading, _TOLD.size)
    if len(words) != _TOLD.size:
        raise BootError("the emulator ended when it was to stand still")
    magic, problem, context, threads, filters = _TOLD.unpack(words)
    if magic != image_file.MAGIC or problem:
        known = _PROBLEMS[problem] if 0 < problem < len(_PROBLEMS) else "its library is another one"
        raise BootError(f"the emulator cannot be frozen: {known}")
    poll(lambda: process_table.stat_fields(pid)[0] == "T", until, "waiting for the emulator to stop")
    return Standstill(context, threads, filters)
