"""The canaries of a run: planted for one attack, inspected after it, removed.

Everything that outlives a process is in one working folder or its journal, so that ``gc`` finds it
after isolab was killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import CanaryError, Unavailable
from orchestrator.exercises.canaries import files, host, listeners
from orchestrator.exercises.canaries.base import JOURNAL, Canary, CanaryContext, Owners, new_secret
from orchestrator.exercises.canaries.processes import Process
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.canary_kinds import CanaryKind, observation, unplanted
from orchestrator.paths import make_folder
from orchestrator.transport.base import Transport

PURPOSE = "canaries"
"""Prefix of the working folder's name."""


@dataclass(frozen=True)
class CanarySet:
    """The canaries planted for one attack. ``env`` is for the attacking programs."""

    env: Mapping[str, str]
    canaries: Mapping[str, Canary | str]

    def inspect(self, output: str) -> dict[str, str]:
        """Return what happened to each canary, by observation name."""
        return {
            observation(kind): canary if isinstance(canary, str) else canary.inspect(output)
            for kind, canary in self.canaries.items()
        }


class CanaryManager:
    """Plants canaries; thread-safe. Close it to remove its folder."""

    def __init__(self, program: Callable[[], Path]) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None
        self._turns: dict[int | None, threading.Lock] = {}

    @contextlib.contextmanager
    def planted(
        self,
        kinds: Sequence[CanaryKind],
        owners: Owners,
        transport: Transport,
        inside: str,
        student: int,
        deadline: Deadline,
    ) -> Iterator[CanarySet]:
        """Plant canaries for a ``with`` block.

        A canary process dies with the thread that entered it. Raises CanaryError, TransportError,
        TimedOut, Interrupted.
        """
        if not kinds:
            yield CanarySet({}, {})
            return
        folder = self._working_folder()
        mine = folder / secrets.token_hex(8)
        make_folder(mine, 0o711)
        context = CanaryContext(
            mine, folder / JOURNAL, folder / "bin" / "canary", owners, transport, inside, student, deadline
        )
        with contextlib.ExitStack() as stack:
            if "forks" in kinds:
                stack.enter_context(self._alone(owners.same, deadline))
            stack.callback(shutil.rmtree, mine, ignore_errors=True)
            canaries: dict[str, Canary | str] = {}
            for kind in kinds:
                # Each has its own secret, which shows which canary was read.
                canaries[kind] = planted = _plant(kind, replace(context, secret=new_secret()))
                if not isinstance(planted, str):
                    stack.callback(planted.remove)
            env = {"ISOLAB_CANARY_MARK": context.mark}
            for planted in canaries.values():
                env |= {} if isinstance(planted, str) else planted.env
            yield CanarySet(env, canaries)

    @contextlib.contextmanager
    def _alone(self, user: int | None, deadline: Deadline) -> Iterator[None]:
        """Allow one attack at a time on a user's process limit, which its machines share."""
        with self._lock:
            turn = self._turns.setdefault(user, threading.Lock())
        while not turn.acquire(timeout=deadline.slice()):
            deadline.check("waiting for another machine's attack on the same user to finish")
        try:
            yield
        finally:
            turn.release()

    def close(self) -> None:
        self._stack.close()

    def _working_folder(self) -> Path:
        """Return the working folder, created when first needed."""
        program = self._program()
        with self._lock:
            if self._folder is None:
                folder = self._stack.enter_context(working_folder(PURPOSE))
                folder.chmod(0o711)
                make_folder(folder / "bin", 0o755)
                shutil.copyfile(program, folder / "bin" / "canary")
                (folder / "bin" / "canary").chmod(0o755)
                (folder / JOURNAL).touch(mode=0o600)
                self._folder = folder
            return self._folder


def _plant(kind: CanaryKind, context: CanaryContext) -> Canary | str:
    """Plant a canary, or return why not. Raises CanaryError, TransportError, TimedOut, Interrupted."""
    if kind in ("other-file", "other-process") and context.owners.other is None:
        return unplanted("isolab is not running as root, so there is no other user")
    if kind == "kernel-log" and not os.access("/dev/kmsg", os.R_OK):
        return unplanted("isolab has no permission to read the host's kernel log")
    try:
        return _make(kind, context) or unplanted("the host has only a loopback address")
    except (OSError, Unavailable) as problem:
        reason = problem.message if isinstance(problem, Unavailable) else problem.strerror or problem
        raise CanaryError(
            f"cannot plant the canary {kind!r}: {reason}",
            hint="run `isolab doctor`; `isolab gc` removes leftovers of killed runs",
        ) from None


def _make(kind: CanaryKind, context: CanaryContext) -> Canary | None:
    same, other = context.owners.same, context.owners.other
    makers: dict[str, Callable[[], Canary | None]] = {
        "other-file": lambda: files.file(context, "OTHER_FILE", other),
        "own-file": lambda: files.Own(context),
        "shared-memory": lambda: files.shared_memory(context),
        "left-file": lambda: files.Left(context),
        "left-process": lambda: host.LeftProcess(context),
        "hostname": host.Hostname,
        "kernel-log": lambda: host.KernelLog(context),
        "listener": lambda: listeners.tcp(context),
        "datagram": lambda: listeners.udp(context),
        "outside-listener": lambda: listeners.outside(context),
        "socket": lambda: listeners.abstract(context),
        "other-process": lambda: Process(context, kind, other),
    }
    if kind in ("secret", "file", "entry"):
        return files.file(context, kind.upper(), same)
    return makers.get(kind, lambda: Process(context, kind, same))()
