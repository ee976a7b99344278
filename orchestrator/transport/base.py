"""The Transport contract: run a command in a machine; files are transferred as tar streams."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.host.process import Finished

LIMIT = 16 * 2**20
"""Most bytes accepted of one answer, which bounds what a hostile machine can make us store."""

_MAX_OWNER = 0o7777777
"""The largest user id a USTAR header holds: tar(5)."""
_LONGEST_PATH = 100
"""Bytes of a path that any USTAR header holds: tar(5). GNU's format has no limit; BusyBox knows it too."""


@dataclass(frozen=True)
class Site:
    """Paths inside a machine, and the users that run programs there.

    ``runner`` is the argument list that starts the runner, ``work`` the folder in which exercises
    are placed, ``users`` the user ids a program can run as (a missing name is not available
    there); ``switch`` says whether the runner must change to them. ``homes`` are the users' home
    folders, where their shells start. ``emulator`` is the command prefix of every program built for
    the machine's architecture where that is not the kernel's; ``login`` is the account isolab uses on a
    machine that is somebody else's; ``probe`` then prints the facts
    instead of the runner.
    """

    runner: tuple[str, ...]
    work: str
    users: Mapping[str, int]
    switch: bool
    homes: Mapping[str, str] = field(
        default_factory=lambda: {"root": "/root", "student": "/home/student", "other": "/home/other"}
    )
    emulator: tuple[str, ...] = ()
    login: str = ""
    probe: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How a command in a machine ended."""

    code: int
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """A connection to one machine, used by one thread at a time."""

    def run(
        self, argv: Sequence[str], *, deadline: Deadline, stdin: bytes = b"", hold_stdin: bool = False
    ) -> Result:
        """Run a command and wait for it to end.

        ``hold_stdin`` keeps its standard input open until then. Raises TransportError if the
        machine is gone or sends too much, TimedOut, Interrupted.
        """


class Stream(Protocol):
    """Standard input and output of a long-running command in a machine."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send data. Raises TransportError, TimedOut, Interrupted."""

    def receive(self, deadline: Deadline) -> bytes:
        """Receive at least one byte; none if the command has ended. Raises as ``send``."""

    def complaints(self) -> str:
        """Return the end of what an ended command wrote on standard error, without surrounding spaces."""

    def close(self) -> None:
        """Close the stream and end the command."""


class EndingStream(Stream, Protocol):
    """The stream of a command that ends by itself when its input does."""

    def end_input(self) -> None:
        """Close the command's standard input."""

    def finish(self, deadline: Deadline) -> Finished:
        """Wait for the command to end; returns its exit status (negative where it has none: it was killed, or
        the machine is gone) and standard error. Raises TransportError, TimedOut, Interrupted."""


class InteractiveTransport(Transport, Protocol):
    """A transport that can also exchange data with a running command."""

    def open(self, argv: Sequence[str], deadline: Deadline) -> EndingStream:
        """Start a command and keep it running. Raises TransportError, TimedOut, Interrupted."""


@dataclass(frozen=True)
class Item:
    """A file to place in a machine; ``data`` None creates a folder."""

    path: str
    data: bytes | None
    mode: int = 0o644
    uid: int = 0


def pack(items: Sequence[Item]) -> bytes:
    """Pack files as one tar stream, with numeric owners."""
    buffer = io.BytesIO()
    long = any(len(os.fsencode(item.path)) > _LONGEST_PATH for item in items)
    form = tarfile.GNU_FORMAT if long else tarfile.USTAR_FORMAT
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for item in items:
            about = tarfile.TarInfo(item.path)
            # Only an ordinary user from a directory service has a larger id: tar(1) run by a user who
            # is not root makes them the owner, whatever the archive says.
            owner = item.uid if item.uid <= _MAX_OWNER else 0
            about.mode, about.uid, about.gid = item.mode, owner, owner
            if item.data is None:
                about.type = tarfile.DIRTYPE
            else:
                about.size = len(item.data)
            archive.addfile(about, io.BytesIO(item.data) if item.data is not None else None)
    return buffer.getvalue()


def put(transport: Transport, folder: str, items: Sequence[Item], deadline: Deadline) -> None:
    """Place files beneath ``folder`` in the machine. Raises TransportError."""
    done = transport.run(["tar", "-x", "-p", "-f", "-", "-C", folder], deadline=deadline, stdin=pack(items))
    if done.code != 0:
        raise TransportError(f"cannot copy files to {folder}: {_words(done)}")


def _words(result: Result) -> str:
    return result.stderr.decode(errors="replace").strip()[-500:] or f"status {result.code}"


def environment(values: Mapping[str, str]) -> list[str]:
    """The runner's options that set a program's environment."""
    return [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
