"""Connections to libvirt daemons, one per operation, and what their errors mean.

A machine outlives every connection: each operation opens its own, so a daemon restarted in
between goes unnoticed. Source: libvirt.org, "API reference", libvirt-host and
libvirt-event.
"""

from __future__ import annotations

import contextlib
import importlib
import queue
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TimedOut, Unavailable
from orchestrator.labfile.libvirt_uri import Uri

OPEN_SECONDS = 60.0
KEEPALIVE = (5, 6)
"""Seconds between keepalive probes, and how many may stay unanswered."""

INSTALL = "pip install '.[libvirt]', after apt-get install libvirt-dev pkg-config gcc python3-dev"


@cache
def library() -> Any:
    """Import libvirt-python, with a thread that handles its events. Raises Unavailable."""
    try:
        libvirt = importlib.import_module("libvirt")
        importlib.import_module("libvirt_qemu")
    except ImportError as problem:
        raise Unavailable(
            f"libvirt-python is not installed ({problem})",
            hint=f"`isolab run` installs it for a lab that needs it; by hand: {INSTALL}",
        ) from None
    libvirt.registerErrorHandler(lambda *_: None, None)  # by default it also prints what it raises
    libvirt.virEventRegisterDefaultImpl()

    def handle_events() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=handle_events, name="libvirt events", daemon=True).start()
    return libvirt


def installed() -> bool:
    """Return whether libvirt-python is installed."""
    with contextlib.suppress(Unavailable):
        return library() is not None
    return False


@contextlib.contextmanager
def opened(uri: Uri, deadline: Deadline) -> Iterator[Any]:
    """Open a ``virConnect`` for a ``with`` block. Raises Unavailable, TimedOut, Interrupted."""
    connection = _open(uri, deadline.within(OPEN_SECONDS))
    try:
        with contextlib.suppress(library().libvirtError):  # not every transport supports it
            connection.setKeepAlive(*KEEPALIVE)
        yield connection
    finally:
        with contextlib.suppress(library().libvirtError):
            connection.close()


def _open(uri: Uri, deadline: Deadline) -> Any:
    """Open with a time-out, which libvirt lacks: a host that drops packets must not hang isolab."""
    libvirt = library()
    answers: queue.Queue[Any] = queue.Queue()

    def work() -> None:
        try:
            answers.put(libvirt.open(uri.text))
        except libvirt.libvirtError as problem:
            answers.put(problem)

    threading.Thread(target=work, name="libvirt open", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=deadline.slice() or 0.001)
        except queue.Empty:
            try:
                deadline.check(f"connecting to libvirt at {uri.text}")
            except TimedOut as late:
                hint = (
                    f"check that {uri.where} is up and `ssh` reaches it"
                    if uri.remote
                    else "check whether libvirtd hangs"
                )
                raise TimedOut(late.message, hint=hint) from None
            continue
        if isinstance(answer, libvirt.libvirtError):
            raise _refused(uri, str(answer))
        return answer


_HINTS = (
    (
        "Host key verification failed",
        "check the host's key with its administrator, then add it to "
        "~/.ssh/known_hosts (`ssh-keyscan HOST` shows it)",
    ),
    ("Permission denied", "`ssh HOST` must work without a password: a key in ~/.ssh or keyfile= in the URI"),
    ("Could not resolve hostname", "check the host name in the URI"),
    ("authentication unavailable", "join the group libvirt, or use qemu:///session"),
    ("access denied", "join the group libvirt, or use qemu:///session"),
    ("Connection refused", "start libvirtd (or sshd) there: systemctl start libvirtd"),
)
START = "start it: systemctl start libvirtd (without systemd: virtlogd -d; libvirtd -d)"


def _refused(uri: Uri, words: str) -> Unavailable:
    hint = next((hint for mark, hint in _HINTS if mark in words), f"check that libvirtd is running; {START}")
    if not uri.remote and ("No such file" in words or "Connection refused" in words):
        hint = START
    return Unavailable(f"libvirt does not answer at {uri.text}: {words}", hint=hint)


@contextlib.contextmanager
def raised_as(kind: type[LabError], what: str) -> Iterator[None]:
    """Raise libvirt's errors as ``kind``, with a message that begins with ``what``."""
    try:
        yield
    except library().libvirtError as problem:
        words = str(problem)
        hint = "start virtlogd: virtlogd -d" if "virtlogd" in words else ""
        raise kind(f"{what}: {words}", hint=hint or "run `isolab doctor` to check the daemon") from None


def lookup(question: Callable[[], Any]) -> Any:
    """Return the answer; None when libvirt reports that the object does not exist."""
    try:
        return question()
    except library().libvirtError as problem:
        if missing(problem):
            return None
        raise


def human_command(domain: Any, line: str) -> str:
    """Return the answer of QEMU's human monitor to a line. Raises libvirtError."""
    qemu = importlib.import_module("libvirt_qemu")
    return str(qemu.qemuMonitorCommand(domain, line, qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP))


def missing(problem: Any) -> bool:
    """Return whether a ``libvirtError`` means that the object does not exist."""
    libvirt = library()
    return problem.get_error_code() in (
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
        libvirt.VIR_ERR_NO_DOMAIN_METADATA,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_NWFILTER,
    )
