"""Runs in the outer guest, and keeps QEMU from giving guests in it an interrupt twice.

When KVM starts a guest with an interrupt to be delivered, QEMU's emulation of SVM delivers it and
keeps it noted as an exception, too. If nothing happens in the guest before QEMU has something of
its own to do (with ``-icount``: when the next timer of the outer guest is due), it is delivered
once more, whether the guest has interrupts switched off or not: its kernel then waits for a lock
that it holds itself, or panics. The note goes when the guest is left for KVM.

So a guest is left at once after each such start: an interrupt of the outer guest's own is made to
be pending then. Two BPF programs do that: one on the tracepoint ``kvm_inj_virq`` notes that there is
an interrupt to be delivered, one on ``kvm_entry``, where interrupts are off already, sends itself
signal 0, for which the kernel raises an interrupt and which does nothing. Sources: bpf(2),
perf_event_open(2), bpf-helpers(7), the kernel's Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from pathlib import Path

EVENTS = Path("/sys/kernel/tracing/events/kvm")
_SYS_BPF, _SYS_PERF_EVENT_OPEN, _SYS_IOCTL = 321, 298, 16  # x86-64
_MAP_CREATE, _PROG_LOAD = 0, 5
_MAP_TYPE_ARRAY, _PROG_TYPE_TRACEPOINT = 2, 5
_MAP_LOOKUP_ELEM, _SEND_SIGNAL = 1, 109
_PERF_TYPE_TRACEPOINT, _PERF_ATTR_BYTES = 2, 128
_PERF_SET_BPF, _PERF_ENABLE = 0x40042408, 0x2400
_BPF_ATTR_BYTES = 72
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    """syscall(2). Raises OSError."""
    answer = int(_LIBC.syscall(number, *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def _bpf(command: int, attributes: bytes) -> int:
    return _call(_SYS_BPF, command, ctypes.create_string_buffer(attributes, _BPF_ATTR_BYTES), _BPF_ATTR_BYTES)


def _code(operation: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One instruction; registers are r0 to r10."""
    return struct.pack("<BBhi", operation, to | source << 4, offset, value)


_RETURN = _code(0xB7, 0) + _code(0x95)  # r0 = 0; exit


def _find(note: int) -> bytes:
    """r0 = the place of the note, a map with one element."""
    return b"".join(
        [
            _code(0x18, 1, 1, 0, note),  # r1 = the map, a 64-bit value: two slots
            _code(0),
            _code(0x62, 10, 0, -4, 0),  # the key, 0, on the stack
            _code(0xBF, 2, 10),  # r2 = r10
            _code(0x07, 2, 0, 0, -4),  # r2 += -4
            _code(0x85, value=_MAP_LOOKUP_ELEM),
        ]
    )


def _noting(note: int) -> bytes:
    """*note = 1"""
    body = _code(0xB7, 1, value=1) + _code(0x7B, 0, 1)
    return _find(note) + _code(0x15, 0, 0, len(body) // 8) + body + _RETURN


def _leaving(note: int) -> bytes:
    """if (*note) { *note = 0; send_signal(0); }"""
    inner = _code(0xB7, 2) + _code(0x7B, 0, 2) + _code(0xB7, 1) + _code(0x85, value=_SEND_SIGNAL)
    body = _code(0x79, 1, 0) + _code(0x15, 1, 0, len(inner) // 8) + inner
    return _find(note) + _code(0x15, 0, 0, len(body) // 8) + body + _RETURN


def _load(program: bytes) -> int:
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"GPL")
    where = ctypes.addressof(code), ctypes.addressof(licence)
    return _bpf(_PROG_LOAD, struct.pack("<IIQQ", _PROG_TYPE_TRACEPOINT, len(program) // 8, *where))


def _attach(event: str, program: int) -> int:
    """Run a program whenever the event happens on the only processor, whoever runs there."""
    number = int((EVENTS / event / "id").read_text())
    head = struct.pack("<IIQ", _PERF_TYPE_TRACEPOINT, _PERF_ATTR_BYTES, number)
    attributes = ctypes.create_string_buffer(head, _PERF_ATTR_BYTES)
    opened = _call(_SYS_PERF_EVENT_OPEN, attributes, -1, 0, -1, 0)
    _call(_SYS_IOCTL, opened, _PERF_SET_BPF, program)
    _call(_SYS_IOCTL, opened, _PERF_ENABLE, 0)
    return opened


def main() -> None:
    """Attach both, and keep them attached in the background for as long as the outer guest lives."""
    note = _bpf(_MAP_CREATE, struct.pack("<IIII", _MAP_TYPE_ARRAY, 4, 8, 1))
    _attach("kvm_inj_virq", _load(_noting(note)))
    _attach("kvm_entry", _load(_leaving(note)))
    if os.fork():  # noqa: TID251 - this script stands alone in the outer guest
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    signal.pause()


if __name__ == "__main__":
    main()
