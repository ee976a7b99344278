"""Transports: a way to run a command in a machine. One method; files are tar streams over it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError

LIMIT = 16 * 2**20
"""Bytes accepted of one answer, a bound on what a hostile machine can make us hold."""

_MAX_OWNER = 0o7777777
"""The largest user id a USTAR header holds: tar(5)."""


@dataclass(frozen=True)
class Site:
    """Where things are inside a machine, and who runs them there.

    ``runner`` is the argument list that starts the runner, ``work`` the folder beneath which
    exercises are put, ``users`` the user ids a program can be run as (a name that is missing
    cannot be had there); ``switch`` says whether the runner must change to them.
    ``homes`` are the users' own folders, where their shells start.
    ``emulator`` begins the command of every program made for the machine's architecture where
    that is not the kernel's; ``probe`` prints the facts there, instead of the runner.
    """

    runner: tuple[str, ...]
    work: str
    users: Mapping[str, int]
    switch: bool
    homes: Mapping[str, str] = field(
        default_factory=lambda: {"root": "/root", "student": "/home/student", "other": "/home/other"}
    )
    emulator: tuple[str, ...] = ()
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
        """Run a command, wait for its end.

        ``hold_stdin`` keeps its standard input open until it ends. Raises TransportError when
        the machine is gone or says too much, TimedOut, Interrupted.
        """


class Stream(Protocol):
    """Standard input and output of a command that goes on running in a machine."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Raises TransportError, TimedOut, Interrupted."""

    def receive(self, deadline: Deadline) -> bytes:
        """At least one byte; none when the command has ended. Raises as ``send``."""

    def close(self) -> None:
        """End the conversation, and with it the command."""


class Conversing(Transport, Protocol):
    """A transport that can also talk with a running command."""

    def open(self, argv: Sequence[str], deadline: Deadline) -> Stream:
        """Start a command and keep it running. Raises TransportError, TimedOut, Interrupted."""


@dataclass(frozen=True)
class Item:
    """A file to be put into a machine; ``data`` None makes a folder."""

    path: str
    data: bytes | None
    mode: int = 0o644
    uid: int = 0


def pack(items: Sequence[Item]) -> bytes:
    """Files as one tar stream, owners as numbers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for item in items:
            about = tarfile.TarInfo(item.path)
            # Beyond USTAR's reach is only an ordinary user of a directory service: tar(1) of one who
            # is not root makes the files his own whatever the archive says.
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
        raise TransportError(f"cannot put files into {folder}: {_words(done)}")


def _words(result: Result) -> str:
    return result.stderr.decode(errors="replace").strip()[-500:] or f"status {result.code}"


def environment(values: Mapping[str, str]) -> list[str]:
    """The runner's options that set a program's environment."""
    return [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
