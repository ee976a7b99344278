"""Connections to machines that stay open from one step to the next: the SSH server of an emulated machine
takes longer for a login than for most of what is asked of it afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from orchestrator import drivers
from orchestrator.deadline import Deadline
from orchestrator.sessions.lookup import SessionMachine
from orchestrator.transport.base import InteractiveTransport


class Connections:
    """At most one connection to each machine, made when it is first used. Several threads may use it, each
    for a machine of its own. A ``with`` block closes those that are left."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[InteractiveTransport, contextlib.ExitStack]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        for tag in [*self._open]:
            self._close(tag)

    @contextlib.contextmanager
    def to(self, machine: SessionMachine, deadline: Deadline) -> Iterator[InteractiveTransport]:
        """Yield the connection to a machine. One over which something failed is closed: the next is new.

        Raises TransportError, Unavailable, TimedOut, Interrupted.
        """
        try:
            yield self._to(machine, deadline)
        except BaseException:
            self.close(machine)
            raise

    def close(self, machine: SessionMachine) -> None:
        """Close the connection to a machine, if there is one."""
        self._close(machine.handle.tag)

    def _to(self, machine: SessionMachine, deadline: Deadline) -> InteractiveTransport:
        handle = machine.handle
        if handle.tag in self._open:
            return self._open[handle.tag][0]
        with contextlib.ExitStack() as stack:
            transport = stack.enter_context(drivers.load(handle.driver).connect(handle, deadline))
            with self._lock:
                self._open[handle.tag] = transport, stack.pop_all()
        return transport

    def _close(self, tag: str) -> None:
        with self._lock:
            _, stack = self._open.pop(tag, (None, None))
        if stack is not None:
            stack.close()
