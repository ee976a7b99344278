"""Where a canary is planted, what it is marked with, and how what is planted is journalled."""

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
"""Begins the name of every object of the host that has one."""
KEYS = 0x15AB
"""The upper half of our System V keys."""
_IPC_RMID = 0
APART = range(60710, 61110)
"""User ids of canaries that machines with a kernel of their own attack: nobody's (systemd.io/UIDS-GIDS),
so that what a container's or a process's user does is not taken for theirs."""


class Canary(Protocol):
    """A canary that stands. ``env`` tells the attacking program where."""

    @property
    def env(self) -> Mapping[str, str]: ...

    def inspect(self, output: str) -> str:
        """What became of it; ``said`` is all that the attacking programs printed."""

    def remove(self) -> None:
        """Leave nothing of it; also when the attack already did."""


@dataclass(frozen=True)
class Owners:
    """The user ids canaries belong to: the attacker's own as the host sees it, and another's.

    None: isolab is not root, and everything belongs to whoever started it.
    """

    same: int | None
    other: int | None


def owners(boundary: Boundary, users: Mapping[str, int], root: bool, attack: str) -> Owners:
    """Whose canaries a program in this machine attacks; ``attack`` is a name for it. Pure.

    On the host's own kernel a user id inside is (without a user namespace) the same outside, so
    the canary is the attacker's own and only a boundary can be what protects it.
    """
    if not root:
        return Owners(None, None)
    if boundary in (Boundary.VM, Boundary.EMULATED):
        same = APART[2 * (zlib.crc32(attack.encode()) % (len(APART) // 2))]
        return Owners(same, same + 1)
    return Owners(users["student"], users.get("other"))


@dataclass(frozen=True)
class CanaryContext:
    """One attack's piece of ground: a folder with a name nobody can guess.

    ``secret`` is in one canary and nowhere else: who prints it has read one. ``mark`` is what
    the attacker is to leave. ``program`` is the canary process's; ``inside`` the attacking
    exercise's folder, reached by ``transport``, and ``student`` its owner there.
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
        """Journal an object that does not lie in the folder, before it is made."""
        with self.journal.open("a") as file:
            file.write(json.dumps([kind, name]) + "\n")

    def judge(self, content: str | None, output: str) -> str:
        """What became of something whose content was the secret; None when it is gone."""
        if content is None:
            return "deleted"
        if content != self.secret:
            return "written"
        return "read" if self.secret in output else "untouched"


def new_secret() -> str:
    """What a canary holds, and nothing else does."""
    return f"isolab-secret-{secrets.token_hex(8)}"


def new_key() -> int:
    """A System V key of ours."""
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
    """Remove what is at this path, if anything: whose folder it lies in may have made it something else."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def undo(folder: Path) -> Iterator[str]:
    """Remove whatever a killed run left of the canaries in ``folder``, naming each."""
    for pid in list(process_table.find(process_table.lives_in(str(folder)))):
        if process_table.end(pid, patience=0):
            yield f"canary process {pid}"
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / JOURNAL).read_text().splitlines():
            with contextlib.suppress(ValueError):  # torn: we were killed
                kind, name = json.loads(line)
                if kind == "file":
                    remove_file(name)
                else:
                    remove_key(int(name))
                yield f"canary {kind} {name}"
    shutil.rmtree(folder, ignore_errors=True)
