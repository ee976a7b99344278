"""File canaries: the attacker's own, another user's, in shared memory, in the machine."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from orchestrator.exercises.canaries.base import PREFIX, CanaryContext, remove_file
from orchestrator.paths import make_folder
from orchestrator.transport.base import Item, put

SHARED_MEMORY = Path("/dev/shm")
LEFT = (Path("/tmp"), Path("/var/tmp"), SHARED_MEMORY)
"""World-writable folders, where an attacker may leave something behind."""
_MOST = 4096


class File:
    """A file of mode 0600 with the secret in it."""

    def __init__(self, context: CanaryContext, variable: str, path: Path, owner: int | None) -> None:
        self.env: Mapping[str, str] = {f"ISOLAB_CANARY_{variable}": str(path)}
        self._context, self._path = context, path
        make = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(make, "w") as file:
            file.write(context.secret)
            if owner is not None:
                os.fchown(make, owner, owner)

    def inspect(self, output: str) -> str:
        try:
            # The file's owner may have put something else in its place.
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return "deleted"
        except OSError:
            return "written"
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return "written"
        with os.fdopen(handle, "rb") as file:
            return self._context.judge(file.read(_MOST).decode(errors="replace"), output)

    def remove(self) -> None:
        remove_file(self._path)


def file(context: CanaryContext, variable: str, owner: int | None) -> File:
    """Plant a file in a folder of its owner, so that its owner may also delete it."""
    folder = context.folder / secrets.token_hex(8)
    make_folder(folder, 0o711)
    if owner is not None:
        os.chown(folder, owner, owner)
    return File(context, variable, folder / "notes.txt", owner)


def shared_memory(context: CanaryContext) -> File:
    """Plant a POSIX shared memory object: on Linux a file in /dev/shm (shm_overview(7))."""
    name = PREFIX + secrets.token_hex(8)
    context.note("file", str(SHARED_MEMORY / name))
    made = File(context, "SHM", SHARED_MEMORY / name, context.owners.same)
    made.env = {"ISOLAB_CANARY_SHM": f"/{name}"}
    return made


class Own:
    """A data file of the attacking program itself, in its machine: no boundary in between."""

    NAME = "own-data.txt"

    def __init__(self, context: CanaryContext) -> None:
        self.env: Mapping[str, str] = {"ISOLAB_CANARY_OWN": self.NAME}
        self._context = context
        put(
            context.transport,
            context.inside,
            [Item(self.NAME, context.secret.encode(), 0o600, context.student)],
            context.deadline.within(60),
        )

    def inspect(self, output: str) -> str:
        # Bounded, whatever the program has made of it.
        command = ["head", "-c", str(_MOST), f"{self._context.inside}/{self.NAME}"]
        done = self._context.transport.run(command, deadline=self._context.deadline.within(60))
        return self._context.judge(done.stdout.decode(errors="replace") if done.code == 0 else None, output)

    def remove(self) -> None:
        """Do nothing: the file goes with its machine."""


class Left:
    """A name under which the attacker should leave a file in a world-writable folder."""

    def __init__(self, context: CanaryContext) -> None:
        name = PREFIX + secrets.token_hex(8)
        self.env: Mapping[str, str] = {"ISOLAB_CANARY_LEFT": name}
        self._places = [folder / name for folder in LEFT]
        for place in self._places:
            context.note("file", str(place))

    def inspect(self, output: str) -> str:
        return "on the host" if any(os.path.lexists(place) for place in self._places) else "untouched"

    def remove(self) -> None:
        for place in self._places:
            remove_file(place)
