"""The guest's virtio-serial port through libvirt: the same bytes, wherever the daemon is.

Source: libvirt.org, "API reference", libvirt-stream and virDomainOpenChannel.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest.identity import Port
from orchestrator.drivers.libvirt.connection import library, raised_as
from orchestrator.drivers.libvirt.domain_xml import CHANNEL
from orchestrator.errors import BootError, LabError

SEND_SECONDS = 30.0
END_SECONDS = 3.0
_WOULD_BLOCK = -2


@contextlib.contextmanager
def knows_its_end(connection: Any, domain: Any) -> Iterator[threading.Event]:
    """Yield an event that is set when the domain stops, for whatever reason.
    Raises BootError."""
    libvirt, ended = library(), threading.Event()
    ends = (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_CRASHED)

    def note_end(_connection: Any, _domain: Any, event: int, _detail: int, _opaque: object) -> None:
        if event in ends:
            ended.set()

    with raised_as(BootError, "libvirt cannot report on its machines"):
        number = connection.domainEventRegisterAny(
            domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note_end, None
        )
    try:
        yield ended
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(number)


class Channel(Port):
    """A port whose bytes arrive through libvirt's events."""

    def __init__(self, connection: Any, domain: Any, ended: threading.Event) -> None:
        """``ended`` is set when the domain stops. Raises BootError."""
        libvirt = library()
        self._ended = ended
        self._blocks: queue.Queue[bytes] = queue.Queue()
        self._pending = b""
        self._stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        with raised_as(BootError, "cannot open the guest's serial port"):
            domain.openChannel(CHANNEL, self._stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE)
        events = libvirt.VIR_STREAM_EVENT_READABLE
        events |= libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
        self._stream.eventAddCallback(events, self._readable, None)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(library().libvirtError):
            self._stream.eventRemoveCallback()
        with contextlib.suppress(library().libvirtError):
            self._stream.abort()

    def _readable(self, stream: Any, _events: int, _opaque: object) -> None:
        """Runs in the thread of libvirt's events."""
        try:
            block = stream.recv(4096)
        except library().libvirtError:
            block = b""
        if block == _WOULD_BLOCK:
            return
        self._blocks.put(block)
        if not block:  # it ended, and would be reported readable for ever
            with contextlib.suppress(library().libvirtError):
                stream.eventRemoveCallback()

    def _receive(self, seconds: float) -> bytes:
        try:
            block = self._blocks.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not block:  # usually because the machine ended: that event may come a moment later
            self._ended.wait(END_SECONDS)
        return block

    def send(self, data: bytes) -> None:
        deadline = Deadline.after(SEND_SECONDS)
        view = memoryview(data)
        while view:
            with raised_as(LabError, "cannot send the machine its identity"):
                sent = self._stream.send(bytes(view[:4096]))
            if sent == _WOULD_BLOCK:
                deadline.check("sending a machine its identity")
                time.sleep(0.01)
            else:
                view = view[sent:]
