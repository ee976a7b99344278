"""Find processes on this host by their properties, and end them. Linux's /proc only."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orchestrator.host.ready import readable

_T = TypeVar("_T")


def find(matches: Callable[[int], bool]) -> Iterator[int]:
    """Yield the ids of live processes for which ``matches`` is true, except our own."""
    for pid, _ in read(matches):
        yield pid


def read(look: Callable[[int], _T]) -> Iterator[tuple[int, _T]]:
    """Yield each live process, except our own, with what ``look`` returns for it if that is true. What is
    learned here needs no second look, for which the process may be gone."""
    ours = str(os.getpid())
    for name in os.listdir("/proc"):  # noqa: PTH208 - a busy host has thousands, and each machine's end looks
        if not name.isdigit() or name == ours:
            continue
        try:
            seen = look(int(name))
        except OSError:
            continue  # it ended while we looked
        if seen:
            yield int(name), seen


def still(pid: int, matches: Callable[[int], bool]) -> bool:
    """Whether a process found before still exists, without scanning all others."""
    with contextlib.suppress(OSError):
        return matches(pid)
    return False


def arguments(pid: int) -> list[str]:
    """The argument list of a process, empty for a zombie."""
    raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [word.decode(errors="replace") for word in raw.split(b"\0")[:-1]]


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name (proc(5)): the first is the state. Raises OSError."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def parent(pid: int) -> int:
    """The process id of a process's parent: 1 for an orphan."""
    return int(stat_fields(pid)[1])


def memory(pid: int) -> int:
    """Bytes of memory a process takes, shared pages counted proportionally (proc(5), smaps_rollup:
    Pss); 0 if it is gone or access is denied."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(int(kib) for kib in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)) * 1024
    return 0


def own_memory(pid: int) -> int:
    """Return the bytes of memory that a process has written and shares with no other (proc(5), smaps_rollup:
    Private_Dirty); 0 if it is gone or access is denied."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(int(kib) for kib in re.findall(r"^Private_Dirty:\s+(\d+) kB", rollup, re.MULTILINE)) * 1024
    return 0


def peak_memory(pid: int) -> int:
    """Return the most bytes of memory a process has had resident (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, without its children's (proc(5), fields 14 and 15)."""
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def within(first: int) -> set[int]:
    """The first process of a PID namespace, all processes in it, and their parents outside; empty if
    it is gone and a process of our own namespace has its id."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        namespace = Path(f"/proc/{first}/ns/pid").readlink()
        if namespace == Path("/proc/self/ns/pid").readlink():
            return found
        for pid in find(lambda pid: Path(f"/proc/{pid}/ns/pid").readlink() == namespace):
            with contextlib.suppress(OSError):
                found |= {pid, parent(pid)}
    return found - {1}


def lives_in(folder: str) -> Callable[[int], bool]:
    """Return a match for processes whose program or working directory is inside ``folder``: this one, not
    one of the same name in another mount namespace."""
    start = folder.rstrip("/") + "/"

    def matches(pid: int) -> bool:
        for name, target in _links(pid):
            if not target.startswith(start):
                continue
            if target.endswith(_DELETED):
                return sees(pid, Path(folder))
            with contextlib.suppress(OSError):
                return Path(f"/proc/{pid}/{name}").samefile(target)
        return False

    return matches


_DELETED = " (deleted)"


def _links(pid: int) -> Iterator[tuple[str, str]]:
    """Yield where a process's program and working directory are, as far as we may know it."""
    for name in ("exe", "cwd"):
        with contextlib.suppress(OSError):
            yield name, os.readlink(f"/proc/{pid}/{name}")  # noqa: PTH115 - asked of every process there is


def places(pid: int) -> Iterator[Path]:
    """Yield where a process's program and working directory are and, if it is a program of an exercise, its
    home: whether they still exist or not. Paths are those of its own mount namespace."""
    for _, target in _links(pid):
        yield Path(target.removesuffix(_DELETED))
    yield from _homes(pid)


def _homes(pid: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if b"ISOLAB_TAG=" not in environment:
            return
        words = environment.split(b"\0")
        if any(word.startswith(b"ISOLAB_TAG=") for word in words):
            yield from (Path(os.fsdecode(word[5:])) for word in words if word.startswith(b"HOME=/"))


def belongs_to(folder: str) -> Callable[[int], bool]:
    """Return a match for processes that live in ``folder``, or whose environment says that they are a program
    of an exercise with its home there: they may have left it, and it may be gone."""
    lives, whole = lives_in(folder), Path(folder)
    start = f"{whole}/"

    def matches(pid: int) -> bool:
        if lives(pid):
            return True
        # Most processes are somebody else's, and are told by strings alone.
        near = any(target.startswith(start) for _, target in _links(pid))
        return (near or any(whole in home.parents for home in _homes(pid))) and sees(pid, whole)

    return matches


def sees(pid: int, path: Path) -> bool:
    """Whether a path is the same file for this process as for us (for one that is gone: the folder it was
    in). In a container, or a chroot, a path of the same name is another one."""
    there = next(above for above in (path, *path.parents) if above.exists())
    try:
        return os.path.samefile(f"/proc/{pid}/root{there}", there)  # noqa: PTH121 - not joined as paths
    except PermissionError:
        # Root without CAP_SYS_PTRACE, as in a container, may not look at what runs as another user.
        return _depth(pid) == _depth(os.getpid())
    except OSError:
        return False


def _depth(pid: int) -> int:
    """How many PID namespaces, from that of /proc down, a process is in (proc(5), NSpid); 0: it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return len(line.split()) - 1
    return 0


def with_terminal(pid: int) -> bool:
    """Whether a process has a controlling terminal (proc(5), tty_nr): then a person started it."""
    return stat_fields(pid)[4] != "0"


def ancestors() -> set[int]:
    """The processes above us: what started us, and what started that."""
    found: set[int] = set()
    above = os.getppid()
    with contextlib.suppress(OSError):
        while above > 0 and above not in found:
            found.add(above)
            above = parent(above)
    return found


def name_of(pid: int) -> str:
    """The name of a process's program; "?" if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"


def end(pid: int, patience: float) -> bool:
    """Send SIGTERM, then SIGKILL after ``patience`` seconds; returns whether the process is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        for number in (signal.SIGTERM, signal.SIGKILL) if patience else (signal.SIGKILL,):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            limit = patience if number == signal.SIGTERM else 10.0
            until = time.monotonic() + limit
            while (left := until - time.monotonic()) > 0:
                if readable(pidfd, left):
                    return True
        return False
    finally:
        os.close(pidfd)


LOOKS = 50
"""How often to look for what multiplies, before it is killed although some of it may still do so."""


def end_all(matches: Callable[[int], bool], patience: float = 10.0) -> set[int]:
    """Kill all processes that match, also those that multiply meanwhile; returns those that are left after
    ``patience`` seconds.

    They are frozen first: stopped, and without the right to start others (RLIMIT_NPROC, which what they
    started meanwhile inherits). To kill one after the other would make room for the children of the rest.
    """
    until = time.monotonic() + patience
    while found := _frozen(matches):
        for pid in found:
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return found
        time.sleep(0.01)
    return set()


def _frozen(matches: Callable[[int], bool]) -> set[int]:
    """Freeze all processes that match, and return them."""
    frozen: set[int] = set()
    for _ in range(LOOKS):
        fresh = {pid for pid in find(lambda pid: matches(pid) and _runs(pid)) if pid not in frozen}
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
            with contextlib.suppress(OSError):  # it has just ended, or is another user's
                resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
        frozen |= fresh
    return frozen


def _runs(pid: int) -> bool:
    return stat_fields(pid)[0] not in "ZX"


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # still found, and told of, if it is there
        os.kill(pid, number)
