"""Shared parts of canaries: their context, owners and marks, and the journal of what was planted."""

from __future__ import annotations

import contextlib
import ctypes
import json
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.deadline import Deadline
from orchestrator.host import process_table
from orchestrator.labfile.models import Boundary
from orchestrator.transport.base import Transport

JOURNAL = "journal"
PREFIX = "isolab-canary-"
"""Prefix of the name of every named object on the host."""
KEYS = 0x15AB
"""Upper half of isolab's System V keys."""
_IPC_RMID = 0
APART = range(60710, 61110)
"""User ids of canaries attacked by machines with their own kernel: unassigned ones (systemd.io/UIDS-GIDS),
so that actions of a container's or a process's user are not mistaken for the attack."""


class Canary(Protocol):
    """A planted canary. ``env`` tells the attacking program where it is."""

    @property
    def env(self) -> Mapping[str, str]: ...

    def inspect(self, output: str) -> str:
        """Return what happened to it; ``output`` is everything the attacking programs printed."""

    def remove(self) -> None:
        """Remove it completely, also when the attack already did."""


@dataclass(frozen=True)
class Owners:
    """The user ids canaries belong to: the attacker's, as the host sees it, and another user's.

    None: isolab is not root, and everything belongs to its own user.
    """

    same: int | None
    other: int | None


def owners(boundary: Boundary, users: Mapping[str, int], root: bool, attack: str) -> Owners:
    """Return the owners of the canaries that a program in this machine attacks. Pure.

    ``attack`` is a name for the attack. On the host's kernel, a user id inside is (without a user
    namespace) the same outside, so the canary is the attacker's own and only a boundary can protect it.
    """
    if not root:
        return Owners(None, None)
    if boundary in (Boundary.VM, Boundary.EMULATED):
        same = APART[2 * (zlib.crc32(attack.encode()) % (len(APART) // 2))]
        return Owners(same, same + 1)
    return Owners(users["student"], users.get("other"))


@dataclass(frozen=True)
class CanaryContext:
    """Where the canaries of one attack are planted: a folder with an unguessable name.

    ``secret`` is in one canary and nowhere else: whoever prints it has read that canary. ``mark`` is
    what the attacker should leave. ``program`` is the canary process's executable; ``inside`` is the
    attacking exercise's folder, reached by ``transport``, and ``student`` its owner there.
    """

    folder: Path
    journal: Path
    program: Path
    owners: Owners
    transport: Transport
    inside: str
    student: int
    deadline: Deadline
    secret: str = ""
    mark: str = field(default_factory=lambda: f"isolab-mark-{secrets.token_hex(8)}")

    def note(self, kind: str, name: str | int) -> None:
        """Journal an object outside the folder, before it is created."""
        with self.journal.open("a") as file:
            file.write(json.dumps([kind, name]) + "\n")

    def judge(self, content: str | None, output: str) -> str:
        """Return what happened to a canary that held the secret; ``content`` None: it is gone."""
        if content is None:
            return "deleted"
        if content != self.secret:
            return "written"
        return "read" if self.secret in output else "untouched"


def new_secret() -> str:
    """Return a new secret for a canary to hold."""
    return f"isolab-secret-{secrets.token_hex(8)}"


def new_key() -> int:
    """Return a new System V key."""
    return KEYS << 16 | secrets.randbits(16)


def remove_key(key: int) -> None:
    """Remove the System V segment and queue of this key: shmctl(2), msgctl(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    segment, queue = libc.shmget(key, 0, 0), libc.msgget(key, 0)
    if segment != -1:
        libc.shmctl(segment, _IPC_RMID, None)
    if queue != -1:
        libc.msgctl(queue, _IPC_RMID, None)


def remove_file(path: str | Path) -> None:
    """Remove what is at this path, if anything: the folder's owner may have replaced it."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def undo(folder: Path) -> Iterator[str]:
    """Remove what a killed run left of the canaries in ``folder``, and yield each one's name."""
    for pid in list(process_table.find(process_table.lives_in(str(folder)))):
        if process_table.end(pid, patience=0):
            yield f"canary process {pid}"
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / JOURNAL).read_text().splitlines():
            with contextlib.suppress(ValueError):  # incomplete line: isolab was killed
                kind, name = json.loads(line)
                if kind == "file":
                    remove_file(name)
                else:
                    remove_key(int(name))
                yield f"canary {kind} {name}"
    shutil.rmtree(folder, ignore_errors=True)
