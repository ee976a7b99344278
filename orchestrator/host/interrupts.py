"""Interrupts held back for as long as something must not stay half done: what belongs together on disk.

An interrupt is a KeyboardInterrupt in the main thread, raised by the handler of a signal. To block
signals would not do: the kernel gives them to another thread then, and Python runs the handler in the main
one anyway.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class _Held:
    """How many blocks hold interrupts back, one in another, and whether one came meanwhile."""

    blocks: int = 0
    came: bool = False


_HELD = _Held()


def interrupt() -> None:
    """Raise KeyboardInterrupt: at once, or where ``held_back`` ends. For handlers of signals."""
    if _HELD.blocks:
        _HELD.came = True
    else:
        raise KeyboardInterrupt


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold interrupts back for a ``with`` block, which must be short; one that came is raised at its end.
    In other threads than the main one there are none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _HELD.blocks += 1
    try:
        yield
    finally:
        _HELD.blocks -= 1
        if _HELD.came and not _HELD.blocks:
            _HELD.came = False
            raise KeyboardInterrupt
